"""The pool of processes: deaths, and the command that uses it."""

from __future__ import annotations

from typing import Any

import pytest

from mmdet_vis.batch.engines import EngineOptions
from mmdet_vis.batch.engines.local import Pool
from mmdet_vis.batch.tasks import Task
from mmdet_vis.commands import batch
from mmdet_vis.errors import ConfigError, UserError
from tests.batch.cases import contents, model_arguments, run, write_list
from tests.batch.stubs import StubPlan, work


def rows_of(plan: StubPlan, names: list[str], size: int) -> list[dict[str, Any]]:
    pool = Pool(plan, size, work)  # type: ignore[arg-type]
    try:
        return list(pool.rows([Task(name, "x") for name in names]))
    finally:
        pool.close()


def test_workers_that_die_are_replaced_and_their_rows_done_again(tmp_path, caplog):
    names = ["a", "once", "b", "poison", "c", "d"]
    rows = rows_of(StubPlan(out=str(tmp_path)), names, 2)
    assert sorted(row["id"] for row in rows) == sorted(names)
    found = {row["id"]: row for row in rows}
    assert (found["poison"]["status"], found["poison"]["error"]) == (
        "crashed", "its worker died 2 times, last killed by SIGKILL",
    )  # fmt: skip
    assert all(found[name]["status"] == "done" for name in names if name != "poison")
    assert len(list(tmp_path.glob("once-*"))) == len(list(tmp_path.glob("poison-*"))) == 2
    assert "once: its worker died (killed by SIGKILL); another one does it again" in caplog.text


def test_workers_that_never_start_end_the_batch():
    with pytest.raises(UserError, match=r"workers die while they load the model \(exit code 3\)"):
        rows_of(StubPlan(out="never"), ["a"], 1)


def test_the_command_with_a_worker_of_its_own(tiny, tmp_path, capsys):
    videos = write_list(tmp_path, (6, 3, 3))
    (tmp_path / "clip01.mp4").write_bytes(b"no video")
    command = [str(videos), "--out", str(tmp_path / "out"), *model_arguments(tiny)]
    assert batch.main([*command, "--workers", "1"]) == 3
    told = capsys.readouterr()
    assert "2 of 3 videos done, 9 frames" in told.out
    assert "failed: 1: cannot be read as a video" in told.out
    assert run(tiny, videos, tmp_path / "here") == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "here")


@pytest.mark.parametrize("name", ["workers", "gpus", "cpus"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_numbers_of_machines_that_cannot_be_used(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be "):
        EngineOptions(**{name: value})


@pytest.mark.parametrize("words", [
    ["--shard", "2/2"], ["--shard", "1"], ["--address", "auto"], ["--workers", "-1"], ["--retries", "-1"],
    ["--shard", "0/2", "--merge-only"],
])  # fmt: skip
def test_arguments_that_cannot_be_used(words, capsys):
    with pytest.raises(SystemExit):
        batch.main(["list.jsonl", "--out", "out", *words])
    assert words[0] in capsys.readouterr().err
