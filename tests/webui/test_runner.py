"""Jobs of several pages: one at a time, stopped, refused, with errors of one line."""

from __future__ import annotations

import threading

import pytest

from mmdet_vis.errors import UserError
from mmdet_vis.webui import runner as runner_module
from mmdet_vis.webui.job import JobOptions, JobStoppedError
from mmdet_vis.webui.limits import Limits
from mmdet_vis.webui.runner import ModelStore, Runner
from mmdet_vis.webui.workspace import Workspace
from tests.webui.clips import write_clip

OPTIONS = JobOptions(key_num=1)


@pytest.fixture(scope="module")
def models(tiny):
    return ModelStore({"config": tiny[0], "weights": tiny[1], "device": "cpu"}, "float32")


@pytest.fixture
def runner(models, tmp_path):
    runner = Runner(models, Workspace(tmp_path), Limits(max_megabytes=1, max_seconds=3))
    for session in ("a", "b"):
        runner.announce(session)
    yield runner
    runner.workspace.close()


@pytest.fixture
def clip(runner):
    (runner.workspace.root / "upload").mkdir()
    return write_clip(runner.workspace.root / "upload" / "clip.mp4", frames=5)


def ignore(share, text):
    """Progress that nobody looks at."""


def test_results_stay_until_the_page_is_closed(runner, clip):
    runner.workspace.own("a", clip)
    done = runner.run("a", clip, OPTIONS, "float32", ignore)
    assert done.results.is_file()
    runner.leave("a")
    assert not done.results.parent.exists()
    assert not clip.exists()
    with pytest.raises(UserError, match=r"^stopped: the page was closed$"):
        runner.run("a", clip, OPTIONS, "float32", ignore)


def test_errors_are_one_line_without_paths(runner, clip, capsys):
    bad = clip.with_name("bad.mp4")
    bad.write_text("hello")
    long = write_clip(clip.with_name("long.mp4"), frames=40)
    for video, words in (
        (bad, "^bad.mp4: cannot be read"),
        (long, "^long.mp4 is longer than 3 s"),
        (None, "^no video"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            runner.run("a", video, OPTIONS, "float32", ignore)
        assert "\n" not in str(caught.value)
        assert str(runner.workspace.root) not in str(caught.value)
    with pytest.raises(UserError, match="precision='float16' needs a GPU"):
        runner.run("a", clip, OPTIONS, "float16", ignore)
    assert capsys.readouterr().err == ""
    assert runner.run("a", clip, OPTIONS, "float32", ignore).summary, "the next job is not harmed"
    assert len(list(runner.workspace.root.glob("job_*"))) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RuntimeError("boom"), r"failed \(RuntimeError\)"),
        (MemoryError(), "memory is not enough"),
        (RuntimeError("CUDA out of memory"), "memory is not enough"),
    ],
)
def test_faults_of_the_program_end_the_job_only(runner, clip, monkeypatch, caplog, fault, words):
    def fail(*arguments):
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(runner_module, "run_job", fail)
        with pytest.raises(UserError, match=words):
            runner.run("a", clip, OPTIONS, "float32", ignore)
    assert ("boom" in caplog.text) == ("boom" in str(fault))
    assert runner.run("a", clip, OPTIONS, "float32", ignore).summary


def test_one_at_a_time_and_stopping_one_that_waits(runner, clip):
    inside, go_on = threading.Event(), threading.Event()
    log = []

    def first(share, text):
        inside.set()
        assert go_on.wait(60)
        log.append("a")

    def second():
        with pytest.raises(JobStoppedError):
            runner.run("b", clip, OPTIONS, "float32", lambda share, text: log.append("b"))
        log.append("b stopped")

    threads = [threading.Thread(target=runner.run, args=("a", clip, OPTIONS, "float32", first))]
    threads[0].start()
    assert inside.wait(60)
    threads.append(threading.Thread(target=second))
    threads[1].start()
    runner.stop("b")
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert "b" not in log
    assert log[-1] == "b stopped"
    assert log.count("a") == len(log) - 1 > 5


def test_stopping_one_that_runs(runner, clip):
    def stop_later(share, text):
        if text.startswith("Following"):
            runner.stop("a")

    with pytest.raises(JobStoppedError, match=r"^stopped$"):
        runner.run("a", clip, OPTIONS, "float32", stop_later)
    assert not list(runner.workspace.root.glob("job_*"))
    runner.announce("a")
    assert runner.run("a", clip, OPTIONS, "float32", ignore).summary
    runner.close()
    with pytest.raises(JobStoppedError):
        runner.run("a", clip, OPTIONS, "float32", ignore)


def test_a_job_that_never_ran_is_noticed(runner, clip):
    assert runner.was_refused("a")
    assert not runner.was_refused("a")
    runner.run("b", clip, OPTIONS, "float32", ignore)
    assert not runner.was_refused("b")


def test_precision_of_a_job(models, runner, clip):
    assert "float32" in runner.run("a", clip, OPTIONS, "float32", ignore).summary
    assert "bfloat16" in runner.run("a", clip, OPTIONS, "bfloat16", ignore).summary
    assert "float32" in runner.run("a", clip, OPTIONS, "float32", ignore).summary
    assert models.precisions == ("float32", "bfloat16", "auto")
    assert models.key_num == 3
    assert models.describe() == "3 categories: cat, dog, bird. Runs on cpu."
