"""Batches in this process: results, parts of long videos, failures, resume, and what is written at the end."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.batch.run import merge_batch
from mmdet_vis.batch.store import BatchStore
from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import ConfigError, OutputError, ResultsError
from mmdet_vis.files.storage import open_storage
from mmdet_vis.result import VideoResult
from mmdet_vis.streaming import segment_stream
from tests.batch.cases import contents, run, write_clip, write_list
from tests.documents import python_blocks


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_list(tmp_path_factory.mktemp("videos"), (3, 5, 2, 4))


@pytest.fixture(scope="module")
def whole(tiny: tuple[Path, Path], videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished batch, only read by tests."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run(tiny, videos, out, formats=("json", "overlay", "video", "png")) == 0
    return out


def status(out: Path) -> dict[str, dict]:
    return {row["id"]: row for row in pyarrow.parquet.read_table(out / "status.parquet").to_pylist()}


def test_results_are_those_of_one_video(tiny, videos, whole):
    model = load_model(*tiny, device="cpu")
    for name in ("clip00", "clip01"):
        result = segment_video(model, videos.parent / f"{name}.mp4", key_num=1)
        assert VideoResult.load(whole / "videos" / f"{name}.json") == result


def test_files_of_all_videos(whole, capsys):
    entries = json.loads((whole / "results.json").read_text())
    assert {(e["video_id"], e["video_name"]) for e in entries} == {(n + 1, f"clip0{n}") for n in range(4)}
    table = pyarrow.parquet.read_table(whole / "sequences.parquet").to_pylist()
    for row in table:
        result = VideoResult.load(whole / "videos" / f"{row['id']}.json")
        sequence = result.sequences[row["track_id"] - 1]
        assert row["category"] == result.category_of(sequence)
        assert row["score"] == sequence.score
        assert sum(row["areas"]) == sequence.areas.sum()
        assert len(row["areas"]) == row["last_frame"] - row["first_frame"] + 1
        assert 0 not in (row["areas"][0], row["areas"][-1])
    found = status(whole)
    assert {id: (row["status"], row["frames"]) for id, row in found.items()} == {
        "clip00": ("done", 3), "clip01": ("done", 5), "clip02": ("done", 2), "clip03": ("done", 4),
    }  # fmt: skip
    assert Path(found["clip00"]["result_uri"]) == whole / "videos" / "clip00.json"
    report = json.loads((whole / "report.json").read_text())
    assert (report["videos"], report["videos_done"], report["frames_done"], report["failures"]) == (4, 4, 14, [])
    assert len(list((whole / "overlay" / "clip01").glob("*.jpg"))) == 5
    assert len(list((whole / "png" / "clip01").glob("*.png"))) == 5
    assert (whole / "video" / "clip01.mp4").stat().st_size > 0
    assert not (whole / ".lock").exists()


def test_the_questions_of_the_documentation(whole, tmp_path, monkeypatch, capsys, repository):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RESULTS").symlink_to(whole)
    for block in python_blocks(repository / "docs" / "scale.md"):
        exec(compile(block.replace("0.5", "0.0"), "scale.md", "exec"), {})
    totals, longest = map(ast.literal_eval, capsys.readouterr().out.splitlines())
    table = pyarrow.parquet.read_table(whole / "sequences.parquet").to_pylist()
    assert sum(row["visible_frames_sum"] for row in totals) == sum(row["visible_frames"] for row in table)
    assert len(longest) == 3


def test_a_long_video_is_cut_and_joined(tiny, tmp_path, capsys):
    """The parts give what the stream gives, in any order of doing them, and are gone in the end."""
    videos = write_list(tmp_path, (23, 3))
    assert run(tiny, videos, tmp_path / "out", chunk=8, overlap=3, formats=("json", "overlay", "video")) == 0
    assert "2 of 2 videos done, 26 frames" in capsys.readouterr().out
    joined = VideoResult.load(tmp_path / "out" / "videos" / "clip00.json")
    with open_source(tmp_path / "clip00.mp4") as source:
        frames = segment_stream(load_model(*tiny, device="cpu"), source.read(0, 23), 8, 3, score_thr=0.05, key_num=1)
        per_frame = [{(o.mask["counts"], o.category) for o in frame.objects} for frame in frames]
    assert joined.num_frames == len(per_frame) == 23
    assert sum(map(len, per_frame)) > 23
    for t, objects in enumerate(per_frame):
        assert {rle["counts"] for rle in joined.frame(t).rles} == {counts for counts, _ in objects}
    assert [s.track_id for s in joined.sequences] == list(range(1, len(joined.sequences) + 1))
    assert [s.score for s in joined.sequences] == sorted((s.score for s in joined.sequences), reverse=True)
    assert len(list((tmp_path / "out" / "overlay" / "clip00").glob("*.jpg"))) == 23
    assert (tmp_path / "out" / "video" / "clip00.mp4").stat().st_size > 0
    assert not list((tmp_path / "out" / "chunks").iterdir())
    assert status(tmp_path / "out")["clip00"]["frames"] == 23


def test_a_range_of_a_video(tiny, tmp_path):
    write_clip(tmp_path / "a.mp4", 9)
    (tmp_path / "list.csv").write_text("id,uri,start,stop\nhead,a.mp4,0,4\ntail,a.mp4,6,\nall,a.mp4,,\n")
    assert run(tiny, tmp_path / "list.csv", tmp_path / "out") == 0
    lengths = {
        n: VideoResult.load(tmp_path / "out" / "videos" / f"{n}.json").num_frames for n in ("head", "tail", "all")
    }
    assert lengths == {"head": 4, "tail": 3, "all": 9}


def test_failures_are_rows_with_reasons_and_resume_tries_them_again(tiny, videos, whole, tmp_path, capsys, caplog):
    rows = videos.read_text().replace("clip0", f"{videos.parent}/clip0")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes((videos.parent / "clip01.mp4").read_bytes()[:300])
    rows += json.dumps({"uri": "broken.mp4", "frames": 4}) + "\n" + json.dumps({"uri": "gone.mp4"}) + "\n"
    (tmp_path / "list.jsonl").write_text(rows)
    out = tmp_path / "out"
    assert run(tiny, tmp_path / "list.jsonl", out) == 3
    told = capsys.readouterr().out
    assert "4 of 6 videos done, 14 frames" in told
    assert "no such file or folder; check the path (gone)" in told
    assert (status(out)["broken"]["status"], status(out)["broken"]["result_uri"]) == ("failed", None)
    report = json.loads((out / "report.json").read_text())
    assert report["videos_failed"] == 2
    assert sorted(failure["ids"] for failure in report["failures"]) == [["broken"], ["gone"]]
    before = {path: path.stat().st_mtime_ns for path in (out / "videos").iterdir()}
    broken.write_bytes((videos.parent / "clip01.mp4").read_bytes())
    with pytest.raises(OutputError, match="a batch with 4 finished videos: resume=True goes on with it"):
        run(tiny, tmp_path / "list.jsonl", out)
    with pytest.raises(OutputError, match=r"different in options.key_num|different in batch"):
        run(tiny, tmp_path / "list.jsonl", out, resume=True, chunk=30)
    assert run(tiny, tmp_path / "list.jsonl", out, resume=True) == 3
    assert "5 of 6 videos done, 19 frames" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (out / "videos/broken.json").read_bytes() == (whole / "videos/clip01.json").read_bytes().replace(
        b'"clip01"', b'"broken"'
    )
    assert sorted(status(out)) == ["broken", "clip00", "clip01", "clip02", "clip03", "gone"]


def test_failures_for_the_same_reason_are_counted_together(tiny, tmp_path, capsys):
    write_clip(tmp_path / "a.mp4", 3)
    write_clip(tmp_path / "b.mp4", 4)
    rows = [{"id": "A", "uri": "a.mp4", "start": 30}, {"id": "B", "uri": "b.mp4", "start": 40}]
    (tmp_path / "list.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert run(tiny, tmp_path / "list.jsonl", tmp_path / "out") == 3
    assert "failed: 2: there is no frame 30 to the end: the video has 3 (A, B)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"shard": (2, 2)}, r"shard must be the number of a part from 0, and how many there are, got \(2, 2\)"),
        ({"engine": "spark"}, "engine='spark' is not known: use one of local, torchrun, ray"),
        ({"retries": -1}, "retries must be at least 0 and a whole number, got -1"),
        ({"threads": 0}, "threads must be at least 1 and a whole number, got 0"),
        ({"chunk": 3}, r"overlap must be a whole number from 1 to 2 \(chunk less 1\), got 3"),
    ],
)
def test_arguments_that_cannot_be_used(tiny, videos, tmp_path, facts, words):
    with pytest.raises(ConfigError, match=words):
        run(tiny, videos, tmp_path / "out", **facts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["", "s3://"])
def test_places_that_are_none(tiny, videos, out):
    with pytest.raises(ConfigError, match=r"is no place: name a folder|out is empty: give a path"):
        run(tiny, videos, out)


def test_results_of_another_video_are_not_taken(tiny, videos, tmp_path):
    write_clip(tmp_path / "one.mp4", 3)
    (tmp_path / "list.jsonl").write_text('{"id": "a", "uri": "one.mp4"}\n')
    assert run(tiny, tmp_path / "list.jsonl", tmp_path / "out") == 0
    (tmp_path / "list.jsonl").write_text(json.dumps({"id": "a", "uri": str(videos.parent / "clip00.mp4")}))
    with pytest.raises(OutputError, match="results of other videos under 1 ids of this list, such as a"):
        run(tiny, tmp_path / "list.jsonl", tmp_path / "out", resume=True)


def test_inputs_are_not_written_over(tiny, tmp_path):
    write_clip(tmp_path / "video" / "a.mp4", 3)
    (tmp_path / "list.jsonl").write_text('{"uri": "video/a.mp4"}\n')
    with pytest.raises(OutputError, match=r"video would overwrite the input .*a.mp4: choose another out"):
        run(tiny, tmp_path / "list.jsonl", tmp_path)


def test_shards_do_all_and_a_merge_ends_them(tiny, videos, whole, tmp_path, capsys):
    out = tmp_path / "out"
    for part in (1, 0, 2):
        assert run(tiny, videos, out, shard=(part, 3), formats=("json", "overlay", "video", "png")) == 0
        assert not (out / "results.json").exists()
    assert merge_batch(str(videos), str(out), 0.05) == 0
    assert "4 of 4 videos done, 14 frames" in capsys.readouterr().out
    assert contents(out) == contents(whole)
    assert {id: (row["status"], row["frames"]) for id, row in status(out).items()} == {
        id: (row["status"], row["frames"]) for id, row in status(whole).items()
    }


def test_a_damaged_result_is_named_and_done_again(tiny, tmp_path, capsys):
    videos, out = write_list(tmp_path, (3, 2)), tmp_path / "out"
    assert run(tiny, videos, out) == 0
    expected = contents(out)
    damaged = out / "videos" / "clip01.json"
    damaged.write_bytes(damaged.read_bytes()[:200] + b"]}\n")
    for resume in (True, None):
        with pytest.raises(ResultsError, match=r"clip01.json is not valid .*; once it is removed, resume=True does"):
            run(tiny, videos, out, resume=True) if resume else merge_batch(str(videos), str(out))
    damaged.unlink()
    capsys.readouterr()
    assert run(tiny, videos, out, resume=True, dry_run=True) == 0
    assert "to do: 1 video in 1 task, 2 frames" in capsys.readouterr().out
    assert run(tiny, videos, out, resume=True) == 0
    assert contents(out) == expected
    assert run(tiny, videos, out, resume=True, dry_run=True) == 0
    assert capsys.readouterr().out.endswith("to do: nothing\n")


def test_a_dry_run_estimates_and_writes_nothing(tiny, videos, tmp_path, capsys):
    assert run(tiny, videos, tmp_path / "out", dry_run=True) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "to do: 4 videos in 4 tasks, 14 frames"
    assert "s a frame" in told[1]
    assert "worker-hours" in told[2]
    assert not (tmp_path / "out").exists()


def test_what_a_killed_driver_was_writing_goes(tmp_path):
    left = tmp_path / f".tmp-{'0' * 32}.parquet"
    left.write_bytes(b"")
    BatchStore(open_storage(str(tmp_path))).prepare({}, alone=True)
    assert not left.exists()
