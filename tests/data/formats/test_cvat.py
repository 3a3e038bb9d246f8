"""CVAT's exports as annotated videos, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmdet_vis.data.datasets import YTVISDataset
from mmdet_vis.data.formats.cvat import read_cvat
from mmdet_vis.data.formats.ytvis_json import write_ytvis, ytvis_content
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import decode_masks
from tests.annotation_cases import SQUARE, H, W, masks_of, same, square_mask, write_image

HEAD = """<?xml version="1.0" encoding="utf-8"?>
{doctype}<annotations><version>1.1</version><meta><task><name>t</name><size>3</size><mode>interpolation</mode>
<start_frame>10</start_frame><stop_frame>14</stop_frame><frame_filter>step=2</frame_filter>
<labels><label><name>cat</name><attributes><attribute><name>age</name></attribute></attributes></label>
<label><name>dog</name></label></labels>
<original_size><width>20</width><height>12</height></original_size></task></meta>
"""


def write_cvat(folder: Path, body: str, doctype: str = "", images: int = 3) -> None:
    for frame in range(images):
        write_image(folder / "images" / f"frame_{frame:06d}.png")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotations.xml").write_text(HEAD.format(doctype=doctype) + body + "</annotations>")


def polygon(frame: int, outside: int = 0, points: Any = SQUARE) -> str:
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return f'<polygon frame="{frame}" keyframe="1" outside="{outside}" occluded="0" points="{text}" z_order="0"/>'


def test_cvat_tracks_of_polygons_and_masks(tmp_path: Path) -> None:
    box = np.array([[1, 1, 0, 1], [0, 1, 1, 0]], np.uint8)
    expected = np.zeros((H, W), np.uint8)
    expected[5:7, 16:20] = box
    mask = '<mask frame="{}" outside="{}" rle="0, 2, 1, 1, 1, 2, 1" left="16" top="5" width="4" height="2"/>'
    body = f'<track id="0" label="dog">{polygon(10)}{polygon(12)}{polygon(14, outside=1)}</track>'
    body += f'<track id="1" label="cat" group_id="4">{mask.format(10, 0)}{mask.format(12, 1)}</track>'
    body += f'<track id="2" label="cat" group_id="4">{mask.format(14, 0)}</track>'
    body += '<track id="3" label="cat"><box frame="10" outside="0" xtl="1" ytl="1" xbr="5" ybr="5"/></track>'
    write_cvat(tmp_path / "clip", body)
    builder = read_cvat(tmp_path)
    content = ytvis_content(builder)
    assert content["videos"][0]["file_names"] == [f"clip/images/frame_{frame:06d}.png" for frame in range(3)]
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    dog, cat = content["annotations"]
    assert (dog["category_id"], cat["category_id"]) == (2, 1)
    assert same(masks_of(dog), [square_mask(), square_mask(), None])
    assert same(masks_of(cat), [expected, None, expected])
    assert builder.notes.lines() == ["left out: 1 box tracks"]
    write_ytvis(builder, tmp_path / "out.json")
    assert len(YTVISDataset(tmp_path / "out.json", tmp_path).open(0)) == 3


def test_cvat_ellipses_are_turned_and_move_between_keyframes(tmp_path: Path) -> None:
    ellipse = '<ellipse frame="{}" keyframe="1" outside="0" cx="{}" cy="9" rx="6" ry="2" rotation="{}"/>'
    body = f'<track id="0" label="dog">{ellipse.format(10, 8, 90)}{ellipse.format(14, 14, 90)}</track>'
    write_cvat(tmp_path / "clip", body)
    (dog,) = ytvis_content(read_cvat(tmp_path))["annotations"]
    rows, columns = np.mgrid[:H, :W] + 0.5
    for x, mask in zip((8, 11, 14), masks_of(dog), strict=True):
        expected = ((columns - x) / 2) ** 2 + ((rows - 9) / 6) ** 2 <= 1
        assert np.count_nonzero(mask != expected) <= 8  # along the edge
    write_cvat(tmp_path / "clip", f'<track id="0" label="dog">{ellipse.format(10, "x", 0)}</track>')
    with pytest.raises(DatasetError, match="track 0, frame 0: the ellipse cannot be read"):
        read_cvat(tmp_path)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f'<track id="0" label="dog">{polygon(11)}</track>', "in frame '11', but the task has 3 frames from 10"),
        (f'<track id="0" label="dog">{polygon(16)}</track>', "in frame '16'"),
        (
            '<track id="5" label="dog"><polygon frame="10" points="1,2;x,y;3,4"/></track>',
            "track 5, frame 0: the polygon",
        ),
        (
            '<track label="dog"><mask frame="10" rle="3, 4" left="0" top="0" width="4" height="2"/></track>',
            "its runs do not fill its box",
        ),
        (
            '<track label="dog"><mask frame="10" rle="0, 8" left="18" top="0" width="4" height="2"/></track>',
            "its box is not inside the frame",
        ),
        ("<track/>", "track 0 has no label"),
        ("<track>", "is not valid XML"),
        ('<image id="0"/>', "an image is called '', which is no file's name"),
        ('<image name="0.png" width="x"/>', "image '0.png' has no width and height"),
    ],
)
def test_cvat_names_what_is_wrong(tmp_path: Path, body: str, message: str) -> None:
    write_cvat(tmp_path, body)
    with pytest.raises(DatasetError, match=message) as error:
        read_cvat(tmp_path)
    assert str(tmp_path / "annotations.xml") in str(error.value)
    assert "\n" not in str(error.value)


def test_cvat_with_entities_is_refused(tmp_path: Path) -> None:
    write_cvat(tmp_path, "<x>&b;</x>", '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n')
    with pytest.raises(DatasetError, match="declares XML entities"):
        read_cvat(tmp_path)


def test_cvat_needs_all_images(tmp_path: Path) -> None:
    write_cvat(tmp_path, "", images=2)
    found = read_cvat(tmp_path)
    assert len(found.videos[0]) == 2
    assert found.notes.lines() == ["guessed: 1 frames without an image, taken as deleted in CVAT"]
    for number, file in enumerate(sorted((tmp_path / "images").iterdir())):
        file.rename(file.with_name(f"{'ab'[number]}.png"))
    with pytest.raises(DatasetError, match=r"has 3 frames, there are 2 images, whose names do not tell"):
        read_cvat(tmp_path)


def meta(**changes: str) -> str:
    """The head of an export of a task of images; CVAT leaves out <original_size>."""
    parts = {"id": "7", "name": "t", "size": "3", "start_frame": "0", "frame_filter": ""} | changes
    return "".join(f"<{key}>{value}</{key}>" for key, value in parts.items())


def write_export(folder: Path, head: str, body: str, images: list[str]) -> None:
    for name in images:
        write_image(folder / "images" / name)
    (folder / "annotations.xml").write_text(f"<annotations><meta>{head}</meta>{body}</annotations>")


def test_cvat_tasks_of_images_in_sub_folders_have_no_size(tmp_path: Path) -> None:
    names = ["a/one.png", "a/two.png", "b/one.png"]
    write_export(tmp_path, f"<task>{meta()}</task>", f'<track id="0" label="cat">{polygon(1)}</track>', names)
    found = read_cvat(tmp_path)
    (video,) = found.videos
    assert (video.height, video.width) == (H, W)
    assert video.file_names == [f"images/{name}" for name in names]
    assert [mask is not None for mask in video.tracks[0].masks] == [False, True, False]
    assert found.notes.lines() == []


def test_cvat_frames_that_were_deleted(tmp_path: Path) -> None:
    body = f'<track id="0" label="cat">{polygon(10)}{polygon(14)}{polygon(18)}</track>'
    head = f"<task>{meta(size='5', start_frame='10', frame_filter='step=2')}</task>"
    write_export(tmp_path, head, body, [f"frame_{n:06d}.PNG" for n in (10, 14, 16)])
    found = read_cvat(tmp_path)
    assert found.videos[0].file_names == [f"images/frame_{n:06d}.PNG" for n in (10, 14, 16)]
    first, *others = found.notes.lines()
    assert first == "left out: 1 masks in frames without an image"
    # The frames 12 and 16 lie between keyframes; 12 has no image.
    assert others == [
        "guessed: 2 frames without an image, taken as deleted in CVAT, 1 masks between keyframes (polygons move in a "
        "straight line, masks stay)"
    ]
    assert [mask is not None for mask in found.videos[0].tracks[0].masks] == [True, True, True]


def test_cvat_keyframes_alone_are_interpolated(tmp_path: Path) -> None:
    moved = [[x + 4, y] for x, y in SQUARE]
    body = f'<track id="0" label="cat">{polygon(0)}{polygon(2, points=moved)}{polygon(4, 1)}</track>'
    write_export(tmp_path, f"<task>{meta(size='6')}</task>", body, [f"frame_{n:06d}.png" for n in range(6)])
    (track,) = read_cvat(tmp_path).videos[0].tracks
    lefts = [None if mask is None else int(np.argmax(decode_masks([mask])[0].any(axis=0))) for mask in track.masks]
    assert lefts == [2, 4, 6, 6, None, None]


@pytest.mark.parametrize(
    "other",
    [
        [SQUARE[2], SQUARE[3], SQUARE[0], SQUARE[1]],  # begun at another corner
        SQUARE[::-1],  # drawn the other way round
        [SQUARE[1], SQUARE[0], SQUARE[3], SQUARE[2]],  # both
        [SQUARE[1], [8, 6], SQUARE[2], [5, 9], SQUARE[3], SQUARE[0], [4, 3]],  # with more points
        [SQUARE[3], [2, 6], *SQUARE[:3]],
    ],
)
def test_outlines_that_were_drawn_in_another_way_are_interpolated(tmp_path: Path, other: list[list[float]]) -> None:
    moved = [[x + 8, y - 2] for x, y in other]
    body = f'<track id="0" label="cat">{polygon(0)}{polygon(4, points=moved)}</track>'
    write_export(tmp_path, f"<task>{meta(size='5')}</task>", body, [f"frame_{n:06d}.png" for n in range(5)])
    (track,) = read_cvat(tmp_path).videos[0].tracks
    for frame, mask in enumerate(track.masks):
        assert mask is not None
        rows, columns = np.nonzero(decode_masks([mask])[0])
        assert (len(rows), rows.min(), columns.min()) == (36, pytest.approx(3 - frame / 2, abs=0.5), 2 + 2 * frame)


def test_cvat_projects_have_a_video_for_each_task(tmp_path: Path) -> None:
    tasks = f"<task>{meta(id='3', name='one', size='2', subset='Train')}</task>"
    tasks += f"<task>{meta(id='5', name='two', size='2', subset='Train')}</task>"
    body = f'<track id="0" label="cat" task_id="3">{polygon(0)}{polygon(1, 1)}</track>'
    body += f'<track id="1" label="cat" task_id="5">{polygon(1)}</track>'
    names = [f"Train/frame_{frame:06d}{number}.PNG" for frame in range(2) for number in ("", "_1")]
    write_export(tmp_path, f"<project><tasks>{tasks}</tasks></project>", body, names)
    one, two = read_cvat(tmp_path).videos
    assert (one.name, two.name) == ("one", "two")
    assert one.file_names == ["images/Train/frame_000000.PNG", "images/Train/frame_000001.PNG"]
    assert two.file_names == ["images/Train/frame_000000_1.PNG", "images/Train/frame_000001_1.PNG"]
    assert [mask is not None for track in (*one.tracks, *two.tracks) for mask in track.masks] == [
        True, False, False, True,
    ]  # fmt: skip


def test_cvat_without_images(tmp_path: Path) -> None:
    write_cvat(tmp_path, f'<track id="0" label="cat">{polygon(12)}</track>', images=0)
    found = read_cvat(tmp_path)
    assert found.videos[0].file_names == [f"images/frame_{frame:06d}.png" for frame in (10, 12, 14)]
    assert [mask is not None for mask in found.videos[0].tracks[0].masks] == [False, True, False]
    (line,) = found.notes.lines()
    assert line.startswith("guessed: 3 frames whose images are not in the export, taken to be called frame_NNNNNN.png")
    write_export(tmp_path, f"<task>{meta()}</task>", "", [])
    with pytest.raises(DatasetError, match=r"images has no images, and .* does not say how large the frames are"):
        read_cvat(tmp_path)
