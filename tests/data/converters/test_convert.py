"""Every format that is written is read back with equal masks, and is known for what it is."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmdet_vis.commands.convert import READABLE, WRITABLE
from mmdet_vis.data.check.check import check_ytvis
from mmdet_vis.data.converters import FORMATS, ReadOptions, Selection, convert, read_annotations
from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.formats.identify import identify
from mmdet_vis.data.formats.result_file import write_result
from mmdet_vis.data.formats.ytvis_json import write_ytvis
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE, InstanceSequence, VideoResult
from mmdet_vis.structures.masks import empty_rle
from tests import programs
from tests.annotation_cases import H, W, contents, moving, two_videos, write_image

WRITTEN = [name for name, entry in FORMATS.items() if entry.write]
NAMELESS = {"kitti-mots": ["0000", "0001"], "mots-txt": ["clip_a", "b"], "davis": ["clip_a", "b"]}


def source(folder: Path, sparse: bool = False) -> Path:
    found = two_videos(folder / "frames")
    if sparse:
        found.mark_annotated(found.videos[0], [True, False, True])
        for track in found.videos[0].tracks:
            track.masks[1] = None
    write_ytvis(found, folder / "source.json")
    return folder / "source.json"


def lines_of(*arguments: Any, **named: Any) -> list[str]:
    lines: list[str] = []
    convert(*arguments, say=lines.append, **named)
    return lines


def test_videos_without_an_object_are_named(tmp_path: Path) -> None:
    path = source(tmp_path)
    content = json.loads(path.read_text())
    first = content["videos"][0]["id"]
    content["annotations"] = [entry for entry in content["annotations"] if entry["video_id"] != first]
    path.write_text(json.dumps(content))
    lines = lines_of(path, tmp_path / "there.json")
    assert any(line.startswith("note: 1 video in which no object is labelled (") for line in lines)
    notes = check_ytvis(path, tmp_path / "frames").notes
    assert [note for note in notes if note.startswith("videos in which no object is labelled (")]


@pytest.mark.parametrize("name", WRITTEN)
def test_round_trip(tmp_path: Path, name: str) -> None:
    path = source(tmp_path)
    if name == "kitti-mots":  # has two classes, whose names are its own
        path.write_text(path.read_text().replace('"ball"', '"car"').replace('"red cube"', '"pedestrian"'))
    before = read_annotations(path, options=ReadOptions(images=tmp_path / "frames"))
    target = tmp_path / ("there.json" if FORMATS[name].is_file else "there")
    lines = lines_of(path, target, to_format=name, options=ReadOptions(images=tmp_path / "frames"))
    assert not any(line.startswith(("left out", "guessed")) for line in lines)
    guessed, _ = identify(target)
    assert guessed == {"kitti-mots": "mots"}.get(name, name)
    after = read_annotations(target, options=ReadOptions(category="?"))
    expected = contents(before)
    if name in NAMELESS:
        expected = dict(zip(NAMELESS[name], expected.values(), strict=True))
    elif name == "ytvis":
        assert [video.file_names for video in after.videos] == [video.file_names for video in before.videos]
    assert contents(after) == expected
    assert after.videos[0].annotated is None


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in NAMELESS])
def test_videos_in_folders_of_folders_round_trip(tmp_path: Path, name: str, others: bool) -> None:
    path = source(tmp_path)
    path.write_text(path.read_text().replace('"clip a/', '"day 1/clip a/'))
    (tmp_path / "frames/day 1").mkdir()
    (tmp_path / "frames/clip a").rename(tmp_path / "frames/day 1/clip a")
    videos = None if others else ["day 1/clip a"]
    before = read_annotations(path, options=ReadOptions(images=tmp_path / "frames"))
    before.videos = [video for video in before.videos if others or video.name == "day 1/clip a"]
    target = tmp_path / ("there.json" if FORMATS[name].is_file else "there")
    options = ReadOptions(images=tmp_path / "frames")
    lines_of(path, target, to_format=name, options=options, selection=Selection(videos=videos))
    guessed = None if others or name != "objects" else name
    after = read_annotations(target, guessed, ReadOptions(images=_images(tmp_path, name), category="?"))
    # A folder around one folder alone may be that of an archive: its name is not kept.
    assert (
        contents(after) == contents(before) if others else [*contents(after).values()] == [*contents(before).values()]
    )
    assert not after.notes.doubts()


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in ("kitti-mots", "mots-txt", "cvat")])
def test_frames_that_nobody_annotated_survive_a_round_trip_or_are_said(tmp_path: Path, name: str) -> None:
    path = source(tmp_path, sparse=True)
    target = tmp_path / ("there.json" if FORMATS[name].is_file else "there")
    lines = lines_of(path, target, to_format=name, options=ReadOptions(images=tmp_path / "frames"))
    if name in ("coco", "cocovid"):
        assert "left out: 1 frames that nobody annotated, which COCO cannot say" in lines
        assert len(read_annotations(target).videos[0]) == 2
        return
    assert any("1 frames that nobody annotated" in line for line in lines)
    first = next(v for v in read_annotations(target, options=ReadOptions(images=_images(tmp_path, name))).videos
                 if len(v) == 3)  # fmt: skip
    assert first.annotated == [True, False, True]


def _images(folder: Path, name: str) -> Path | None:
    return None if name in ("davis", "labelme", "cvat") else folder / "frames"


def test_overlapping_masks_lose_pixels_where_a_pixel_has_one_object(tmp_path: Path) -> None:
    found = two_videos(tmp_path / "frames")
    found.add_track(found.videos[0], "ball", moving(3, 2, 2))
    write_ytvis(found, tmp_path / "source.json")
    for name, shared in (("index", True), ("colours", True), ("mots", True), ("objects", False), ("labelme", False)):
        lines = lines_of(tmp_path / "source.json", tmp_path / name, to_format=name)
        assert any("27 pixels of masks that lie under another" in line for line in lines) == shared
    with pytest.raises(DatasetError, match="written, but not all could be"):
        lines_of(tmp_path / "source.json", tmp_path / "again", to_format="index", strict=True)


def test_parts_of_a_source(tmp_path: Path) -> None:
    path = source(tmp_path)
    lines = lines_of(path, tmp_path / "one.json", selection=Selection(videos=["b"], categories=["Ball "]))
    assert "note: " not in "".join(lines)
    assert "1 video, 2 frames, 1 object, 1 category" in lines[1]
    lines = lines_of(path, tmp_path / "cubes.json", selection=Selection(categories=["red_cube"]))
    left = "note: 2 objects of other categories than those asked for (left out)"
    assert f"{left}, 1 video in which no object is labelled (b)" in lines
    lines_of(path, tmp_path / "train.json", selection=Selection(val_share=0.5))
    names = [
        [video["file_names"][0] for video in json.loads((tmp_path / file).read_text())["videos"]]
        for file in ("train.json", "train_val.json")
    ]
    assert sorted(names) == [["b/00000.png"], ["clip a/00000.png"]]
    lines_of(path, tmp_path / "t.json", selection=Selection(val_videos=["b"]))
    assert "b/00000.png" in (tmp_path / "t_val.json").read_text()
    for wrong in (Selection(videos=["c"]), Selection(categories=["dog"]), Selection(val_videos=["b", "clip a"])):
        with pytest.raises(DatasetError, match=r"has no (video 'c'|category 'dog')|2 of 2 videos would be kept apart"):
            lines_of(path, tmp_path / "x.json", selection=wrong)


def test_annotated_only(tmp_path: Path) -> None:
    path = source(tmp_path, sparse=True)
    lines = lines_of(path, tmp_path / "out.json", selection=Selection(annotated_only=True))
    assert "note: 1 frames left out, since nobody annotated them" in lines
    first = json.loads((tmp_path / "out.json").read_text())["videos"][0]
    assert first["file_names"] == ["clip a/00000.png", "clip a/00002.png"]
    assert "annotated_frames" not in first


def test_strict_refuses_what_is_guessed_and_writes_nothing(tmp_path: Path) -> None:
    path = source(tmp_path)
    lines_of(path, tmp_path / "fine.json", strict=True)
    (tmp_path / "frames/b/00001.png").rename(tmp_path / "frames/b/00001.PNG")
    lines = lines_of(path, tmp_path / "out.json")
    assert "guessed: 1 frames whose files have another name (case, ending or folder)" in lines
    assert json.loads((tmp_path / "out.json").read_text())["videos"][1]["file_names"][1] == "b/00001.PNG"
    with pytest.raises(DatasetError, match=r"x\.json is not written \(strict\): guessed: 1 frames whose files"):
        lines_of(path, tmp_path / "x.json", strict=True)
    assert not (tmp_path / "x.json").exists()


def test_two_spellings_are_one_category_and_said(tmp_path: Path) -> None:
    path = source(tmp_path)
    content = json.loads(path.read_text())
    content["categories"].append({"id": 7, "name": "Ball "})
    content["annotations"][0]["category_id"] = 7
    path.write_text(json.dumps(content))
    lines = lines_of(path, tmp_path / "out.json")
    assert "guessed: 1 category spelt in another way ('Ball ' taken as 'ball')" in lines
    assert [entry["name"] for entry in json.loads((tmp_path / "out.json").read_text())["categories"]] == [
        "ball", "red cube",
    ]  # fmt: skip
    found = AnnotatedVideos("two spellings")
    assert [found.category(name) for name in ("Beast", "beast ", "BEAST", "red_cube", "Red cube")] == [
        "Beast", "Beast", "Beast", "red_cube", "red_cube",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_of_windows_programs(tmp_path: Path, encoding: str) -> None:
    path = source(tmp_path)
    path.write_text(path.read_text().replace("clip a/", "clip a\\\\"), encoding=encoding)
    lines_of(path, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["videos"][0]["file_names"][0] == "clip a/00000.png"


def test_a_zip_is_unpacked_beside_the_target(tmp_path: Path) -> None:
    lines_of(source(tmp_path), tmp_path / "export", to_format="cvat", options=ReadOptions(images=tmp_path / "frames"))
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for file in sorted((tmp_path / "export/b").rglob("*")):
            archive.write(file, file.relative_to(tmp_path / "export/b"))
    (tmp_path / "new").mkdir()
    lines = lines_of(tmp_path / "export.zip", tmp_path / "new/out.json")
    assert lines[0] == f"unpacked {tmp_path / 'export.zip'} to {tmp_path / 'new/export'}"
    video = json.loads((tmp_path / "new/out.json").read_text())["videos"][0]
    assert (tmp_path / "new/export" / video["file_names"][0]).is_file()
    lines = lines_of(tmp_path / "export.zip", tmp_path / "new/out.json")
    assert lines[0] == f"{tmp_path / 'export.zip'} is unpacked in {tmp_path / 'new/export'}"
    (tmp_path / "new/export/annotations.xml").write_text("<other/>")
    with pytest.raises(DatasetError, match="which holds something else"):
        lines_of(tmp_path / "export.zip", tmp_path / "new/out.json")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../annotations.xml", "<annotations/>")
    with pytest.raises(DatasetError, match="leads out of its folder"):
        lines_of(tmp_path / "bad.zip", tmp_path / "new/out.json")


def test_results_become_annotations(tmp_path: Path) -> None:
    masks = moving(2, 3, 3)
    entries = [
        {"video_id": 2, "category_id": 2, "score": 0.4, "segmentations": masks},
        {"video_id": 2, "category_id": 1, "score": 0.9, "segmentations": masks},
        {"video_id": 2, "category_id": 1, "score": 0.1, "segmentations": moving(2, 0, 0)},
    ]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    options = ReadOptions(images=tmp_path / "frames", annotations=source(tmp_path), score_thr=0.3)
    lines = lines_of(tmp_path / "results.json", tmp_path / "out", to_format="labelme", options=options)
    assert any("1 entries of sequences that have a better category" in line for line in lines)
    assert any("1 entries with a score below 0.3" in line for line in lines)
    frame = json.loads((tmp_path / "out/b/00000.json").read_text())
    assert [(shape["label"], shape["description"]) for shape in frame["shapes"]] == [("ball", "score 0.900")]
    found = read_annotations(tmp_path / "out").videos
    assert [track.masks for video in found if video.name == "b" for track in video.tracks] == [masks]
    for run, names in (
        ({"config": {"categories": ["cat", "dog"]}}, ["cat"]),
        ({"config": {"categories": ["cat", "dog"]}, "dataset": {"category_ids": [2, 1]}}, ["dog"]),
        ({"config": {"categories": 3}}, ["category_1"]),
    ):
        (tmp_path / ".progress").mkdir(exist_ok=True)
        (tmp_path / ".progress/run.json").write_text(json.dumps(run))
        assert [track.category for track in read_annotations(tmp_path / "results.json").videos[0].tracks][:1] == names
    for number in range(2):
        write_image(tmp_path / f"numbered/v10/{number}.png")
        write_image(tmp_path / f"numbered/v2/{number}.png")
    numbered = read_annotations(tmp_path / "results.json", options=ReadOptions(images=tmp_path / "numbered"))
    assert numbered.videos[0].file_names == ["v10/0.png", "v10/1.png"]  # after v2
    alone = read_annotations(tmp_path / "results.json").videos[0]
    assert (alone.height, alone.width, len(alone), alone.tracks[0].score) == (H, W, 2, 0.9)


def run_of(found: AnnotatedVideos, folder: Path, annotated: bool) -> tuple[Path, ReadOptions]:
    """What a run on the videos of ``source`` leaves, as a file and how it is read: with annotations, or saved alone."""
    if annotated:
        ids = {name: number for number, name in enumerate(found.categories, 1)}
        entries = [
            {"video_id": number, "category_id": ids[track.category], "score": 0.5, "segmentations": track.masks}
            for number, video in enumerate(found.videos, 1)
            for track in video.tracks
        ]
        (folder / "results.json").write_text(json.dumps(entries))
        return folder / "results.json", ReadOptions(images=folder / "frames", annotations=folder / "source.json")
    for video in found.videos:
        names, scores = tuple(found.categories), np.full(len(found.categories), 0.5, np.float32)
        sequences = [
            InstanceSequence(
                number, names.index(track.category), 0.5, scores, [mask or empty_rle(H, W) for mask in track.masks]
            )
            for number, track in enumerate(video.tracks, 1)
        ]
        stems, numbers = [Path(name).stem for name in video.file_names], tuple(range(1, len(names) + 1))
        result = VideoResult(video.name, H, W, len(video), sequences, names, numbers, stems, 25.0)
        write_result(folder / f"run/{video.name}.json", result)
    return folder / "run", ReadOptions(images=folder / "frames")


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize("name", WRITTEN)
def test_results_of_a_run_round_trip(tmp_path: Path, name: str, annotated: bool) -> None:
    path = source(tmp_path)
    if name == "kitti-mots":  # what models call the two classes
        path.write_text(path.read_text().replace('"ball"', '"vehicle"').replace('"red cube"', '"person"'))
    before = read_annotations(path, options=ReadOptions(images=tmp_path / "frames"))
    (tmp_path / "run").mkdir()
    run, options = run_of(before, tmp_path, annotated)
    target = tmp_path / ("there.json" if FORMATS[name].is_file else "there")
    lines = lines_of(run, target, to_format=name, options=options)
    said = [line for line in lines if line.startswith(("left out", "guessed"))]
    assert said == ["left out: 3 scores, which CVAT does not have"] * (name == "cvat")
    after = read_annotations(target, options=ReadOptions(category="?"))
    assert sorted(map(masks_alone, contents(after).values())) == sorted(map(masks_alone, contents(before).values()))


def masks_alone(objects: list[tuple[str, list[RLE | None]]]) -> list[str]:
    return sorted(str(masks) for _, masks in objects)


def test_what_is_not_known_is_described(tmp_path: Path) -> None:
    write_image(tmp_path / "photos/0.jpg")
    (tmp_path / "list.json").write_text('[{"annotations": [], "data": {}}]')
    (tmp_path / "other.json").write_text('{"shapes": [], "imagePath": "0.jpg"}')
    (tmp_path / "clip.mp4").write_bytes(b"x")
    for name, message in (
        ("photos", "it holds 1 images and no annotations"),
        ("list.json", "an export of Label Studio"),
        ("other.json", "a frame of labelme"),
        ("clip.mp4", "is a video or an image: segment it"),
        ("nothing", "does not exist"),
    ):
        with pytest.raises(DatasetError, match=message):
            identify(tmp_path / name)
    with pytest.raises(DatasetError, match="say with to_format"):
        convert(tmp_path / "photos", tmp_path / "out")


def test_masks_of_stored_pictures_are_turned_by_exif(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise
    (tmp_path / "clip").mkdir()
    Image.new("RGB", (W, H)).save(tmp_path / "clip/0.jpg", exif=exif)
    polygon = [2, 3, 8, 3, 8, 9, 2, 9]
    content = {
        "videos": [{"id": 1, "width": W, "height": H, "file_names": ["clip/0.jpg"]}],
        "categories": [{"id": 1, "name": "ball"}],
        "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "segmentations": [polygon]}],
    }
    (tmp_path / "ann.json").write_text(json.dumps(content))
    lines = lines_of(tmp_path / "ann.json", tmp_path / "out.json")
    assert "1 video annotated as they are stored, turned by their Exif orientation" in "".join(lines)
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["videos"][0]["height"], written["videos"][0]["width"]) == (W, H)
    assert written["annotations"][0]["bboxes"] == [[H - 9, 2, 6, 6]]
    assert np.sum(written["annotations"][0]["areas"]) == 36


def test_the_command_offers_all_formats() -> None:
    assert set(READABLE) == {name for name, entry in FORMATS.items() if entry.read}
    assert set(WRITABLE) == set(WRITTEN)


def test_the_command(tmp_path: Path, repository: Path) -> None:
    path = source(tmp_path, sparse=True)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return programs.run(command, cwd=repository, capture_output=True, text=True, timeout=60)

    done = run("-m", "mmdet_vis", "convert", path, tmp_path / "out", "--to", "labelme", "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"{path}: a YouTube-VIS annotation file (guessed)"
    door = run("tools/convert_labelme.py", tmp_path / "out", tmp_path / "back.json", "--annotated-only")
    assert "note: 1 frames left out, since nobody annotated them" in door.stdout
    frame = tmp_path / "out/b/00000.json"
    frame.write_text(frame.read_text().replace('"shape_type": "mask"', '"shape_type": "rectangle"'))
    failed = run("-m", "mmdet_vis", "convert", tmp_path / "out", tmp_path / "no.json", "--strict")
    assert failed.returncode == 2
    assert failed.stderr == f"error: {tmp_path / 'no.json'} is not written (strict): left out: 1 rectangle shapes\n"
