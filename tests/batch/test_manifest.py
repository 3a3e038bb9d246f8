"""Lists of videos: the three forms, ids, and what cannot be used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mmdet_vis.batch.manifest import Entry, list_videos, read_manifest, write_manifest
from mmdet_vis.commands import batch_list
from mmdet_vis.errors import DatasetError, SourceError
from tests.batch.cases import write_clip
from tests.tiny import write_frames


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_what_is_written_is_read(tmp_path, suffix):
    entries = [
        Entry("a", "/videos/a.mp4", frames=9, seconds=0.9, bytes=1234),
        Entry("über, \"b\"", "s3://bucket/b/", 2, 5),
        Entry("c", "/videos/c.mp4", start=3),
    ]  # fmt: skip
    write_manifest(tmp_path / f"list{suffix}", entries)
    assert read_manifest(str(tmp_path / f"list{suffix}")) == entries


def test_ids_and_paths_that_are_not_given(tmp_path):
    (tmp_path / "list.csv").write_text("uri,note\nclips/a.b.mp4,x\n/abs/c.mov,\ns3://bucket/frames/,\n")
    found = read_manifest(str(tmp_path / "list.csv"))
    assert [(entry.id, entry.uri) for entry in found] == [
        ("a.b", str(tmp_path / "clips" / "a.b.mp4")),
        ("c", "/abs/c.mov"),
        ("frames", "s3://bucket/frames/"),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "a"}], "row 1 has no uri"),
        ([{"uri": "\udcff.mp4"}], "row 1 has no uri: give the path or address of a video, as Unicode text"),
        ([{"uri": "a.mp4"}, {"uri": "b/A.mp4"}], "rows 1 and 2 have the same id 'A'"),
        ([{"uri": "a.mp4", "id": "../a"}], r"row 1 has the id '../a': files are called by it"),
        ([{"uri": "a.mp4", "id": ".a"}], "row 1 has the id '.a'"),
        ([{"uri": "a.mp4", "id": "a "}], "row 1 has the id 'a '"),
        ([{"uri": "a.mp4", "id": ["a"]}], r"row 1 has the id \['a'\]: give text, or a whole number"),
        ([{"uri": "a.mp4", "id": "x" * 201}], "at most 200 bytes"),
        ([{"uri": "a.mp4", "start": 5, "stop": 5}], "start 5 and stop 5"),
        ([{"uri": "a.mp4", "start": -1}], "row 1: start is -1: give a number of at least 0"),
        ([{"uri": "a.mp4", "frames": "many"}], "row 1: frames is 'many'"),
        ([{"uri": "a.mp4", "frames": 10**14}], "at most 100,000,000"),
        ([{"uri": "a.mp4"}, {"uri": "b.mp4", "stop": 10**14}], "row 2: stop is 100000000000000: give"),
        (["a.mp4"], "row 1 is not an object"),
        ([], "holds no video"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, rows, words):
    path = tmp_path / "list.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(DatasetError, match=words) as caught:
        read_manifest(str(path))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("list.txt", b"a.mp4", "ends with one of .jsonl, .csv, .parquet"),
        ("list.jsonl", b'{"uri": "a.mp4"}\n\n{"uri":', r'list.jsonl: row 2 is no JSON object .*: {"uri":'),
        ("list.csv", b"id;uri\na;a.mp4\n", "list.csv: has no column uri, but 'id;uri': name the columns"),
        ("list.csv", b"uri,id\na,b.mp4,c\n", "list.csv: row 1 has more values than there are columns: quote"),
        ("list.parquet", b"PAR1 and no more", "cannot be read as parquet"),
        ("list.csv", b"\xff\xfe", r"cannot be read as csv \(no UTF-8 text\)"),
        ("gone.csv", None, "no such file; make one with `mmdet-vis batch-list FOLDER`"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        read_manifest(str(tmp_path / name))


def test_the_list_of_a_folder(tmp_path, capsys, caplog):
    videos = tmp_path / "videos"
    write_clip(videos / "b" / "clip10.mp4", 4)
    write_clip(videos / "b" / "clip9.mp4", 6)
    write_frames(videos / "frames", 3)
    (videos / "broken.mp4").write_bytes(b"no video")
    (videos / "note.txt").write_text("no video")
    write_clip(videos / ".hidden" / "a.mp4", 2)
    assert batch_list.main([str(videos), "--out", str(tmp_path / "list.parquet")]) == 0
    told = capsys.readouterr().out
    assert "4 videos, 13 frames" in told
    assert "1 of them have no length" in told
    assert "broken.mp4: cannot be read as a video" in caplog.text
    found = read_manifest(str(tmp_path / "list.parquet"))
    assert [(entry.id, entry.frames, entry.seconds) for entry in found] == [
        ("b--clip9", 6, pytest.approx(0.6)), ("b--clip10", 4, pytest.approx(0.4)), ("broken", None, None),
        ("frames", 3, None),
    ]  # fmt: skip
    assert found[1].bytes == (videos / "b" / "clip10.mp4").stat().st_size
    assert Path(found[3].uri) == videos / "frames"


def test_files_of_one_name_get_ids_of_their_own(tmp_path):
    for name in ("a--b.mp4", "a/b.mp4", "A--B.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert sorted(entry.id for entry in list_videos(str(tmp_path))) == ["A--B", "a--b_2", "a--b_3"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_names_that_are_odd(tmp_path, suffix, caplog):
    for name in (" a b .mp4", "new\nline.mp4", 'com,ma "q".mp4', "-- x.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / os.fsdecode(b"bad\xff.mp4")).write_bytes(b"")
    found = list_videos(str(tmp_path))
    assert ".mp4 is left out: its name is no UTF-8 text; rename it" in caplog.text
    write_manifest(tmp_path / f"list{suffix}", found)
    assert read_manifest(str(tmp_path / f"list{suffix}")) == found
    assert len(found) == 4


def test_a_folder_without_videos(tmp_path):
    with pytest.raises(SourceError, match="holds no video"):
        list_videos(str(tmp_path))
    with pytest.raises(SourceError, match="no such folder"):
        list_videos(str(tmp_path / "gone"))


def test_what_is_no_file_is_not_read(tmp_path, caplog):
    os.mkfifo(tmp_path / "pipe.mp4")
    write_clip(tmp_path / "a.mp4", 3)
    assert [(entry.id, entry.frames) for entry in list_videos(str(tmp_path))] == [("a", 3), ("pipe", None)]
    assert "pipe.mp4: is neither a file nor a folder" in caplog.text


@pytest.mark.parametrize(
    ("place", "words"), [("", "no place is given"), ("memory://x/y", "there is nothing, or nobody")]
)
def test_places_that_cannot_be_listed(place, words):
    with pytest.raises(SourceError, match=words):
        list_videos(place)
