"""Files as programs and people write them, beside what the formats' pages say: read, or refused with what to do."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.data.converters import read_annotations
from mmdet_vis.data.datasets.inputs import find_videos
from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.formats.opening import open_annotations
from mmdet_vis.data.formats.ytvis import index_annotations
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import areas, encode_masks
from tests.annotation_cases import SQUARE, H, W, square_mask, write_image
from tests.data.formats.test_cvat import polygon, write_cvat

FLAT = [n for point in SQUARE for n in point]
TEXT = encode_masks(square_mask()[None])[0]["counts"].replace("\\", "\\\\")
RUNS = {"size": [H, W], "counts": [0, 36, H * W - 36]}


def lengths(found: AnnotatedVideos) -> list[list[int]]:
    """How many masks each object of each video has."""
    return [[sum(mask is not None for mask in track.masks) for track in video.tracks] for video in found.videos]


def notes(found: AnnotatedVideos) -> str:
    return "\n".join(found.notes.lines())


def coco(folder: Path, images: dict[str, Any], objects: list[dict[str, Any]], encode: str = "utf-8") -> Path:
    """Three images of a video with one object, changed as the arguments say; an entry of ... is left out."""
    entries = []
    for number in range(3):
        write_image(folder / "images" / f"{number}.png")
        image = {"id": number, "file_name": f"{number}.png", "height": H, "width": W}
        entries.append({k: v for k, v in (image | {k: f(number) for k, f in images.items()}).items() if v is not ...})
    annotations = []
    for number, changed in enumerate(objects):
        item = {"id": number, "image_id": number, "category_id": 1, "track_id": 1, "segmentation": [FLAT]}
        annotations.append({k: v for k, v in (item | changed).items() if v is not ...})
    content = {"images": entries, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "a.json").write_text(json.dumps(content), encoding=encode)
    return folder / "a.json"


@pytest.mark.parametrize(
    ("images", "objects", "expected", "said"),
    [
        ({}, [{"segmentation": RUNS}, {"iscrowd": True}], [[2]], ""),
        ({"id": float}, [{"image_id": 0.0, "category_id": 1.0}], [[1]], "3 ids of images written as text or real"),
        ({"id": str}, [{"image_id": 0, "category_id": "1"}], [[1]], "1 category_ids of annotations written as text"),
        ({}, [{"segmentation": []}, {"segmentation": ..., "bbox": [1, 1, 2, 2]}, {}], [[1]], "1 boxes without a mask"),
        ({}, [{"segmentation": None}, {}], [[1]], ""),
        ({}, [{"segmentation": [[1, 2, 3, 4], FLAT]}], [[1]], "1 polygons of fewer than 3 points"),
        ({}, [{"segmentation": [[0.1, 0.1, 0.9, 0.1, 0.9, 0.9], FLAT]}], [[1]], "1 polygons from 0 to 1, less than a"),
        ({}, [{"segmentation": SQUARE}], [[1]], "1 polygons that are lists of points"),
        ({}, [{"segmentation": [SQUARE]}], [[1]], "1 polygons that are lists of points"),
        ({}, [{"segmentation": {"size": [H, W], "counts": f"b'{TEXT}'"}}], [[1]], "1 masks whose runs are the text of"),
        (
            {},
            [{"segmentation": {"size": [float(H), W], "counts": [0.0, 36.0, H * W - 36.0]}}],
            [[1]],
            "1 masks whose counts are real numbers, 1 masks whose size are real numbers",
        ),
        ({"file_name": lambda n: f".\\images\\{n}.png"}, [{}], [[1]], "guessed: 1 video, told apart by the folders"),
        ({"file_name": lambda n: f"../../media/upload/{n}.png"}, [{}], [[1]], "3 absolute file names (or with ..)"),
        ({"file_name": lambda n: f"{n // 2}.png"}, [{}, {}, {}], [[2]], "1 images whose file is listed before"),
        ({}, [{}, {"image_id": 0}], [[1]], "1 masks beside another of the same object in the same frame"),
        ({}, [{"track_id": -1}, {}], [[1, 1]], "1 masks without a track_id, each taken as an object of one frame"),
        ({"frame_id": lambda _: 4}, [{}], [[1]], "1 video whose frames have not a frame_id of their own each"),
        ({"height": lambda _: W, "width": lambda _: H}, [{}], [[1]], "3 images whose height and width have changed"),
        ({"height": lambda _: ..., "width": lambda _: ...}, [{}], [[1]], ""),
        ({}, [{"track_id": ..., "attributes": {"track_id": 5}}, {"track_id": ..., "trackId": "5"}], [[2]], ""),
        ({}, [{"track_id": ..., "attributes": {"Track ID": 5.0}}, {"track_id": None}], [[1, 1]], "without a track_id"),
        ({"file_name": lambda n: f"C:\\data\\{n}.png"}, [{}], [[1]], "3 absolute file names"),
        ({"file_name": lambda n: f"https://host/a/{n}.png"}, [{}], [[1]], "3 absolute file names"),
        ({"file_name": lambda n: f"/home/x/{n > 1}/{n}.png"}, [{}], [[1], []], "3 absolute file names"),
    ],
)
def test_coco(
    tmp_path: Path, images: dict[str, Any], objects: list[dict[str, Any]], expected: list[list[int]], said: str
) -> None:
    found = read_annotations(coco(tmp_path, images, objects))
    assert lengths(found) == expected
    assert (found.videos[0].height, found.videos[0].width) == (H, W)
    assert said in notes(found)
    assert found.images is not None
    assert all((found.images / name).is_file() for video in found.videos for name in video.file_names)


@pytest.mark.parametrize(
    ("file", "frames"),
    [
        ("annotations/instances_Train.json", "images/Train"),  # projects of CVAT
        ("annotations/instances_val2017.json", "val2017"),  # COCO
        ("annotations/youtube_vis_2019_train.json", "train/JPEGImages"),  # mmtracking
        ("train/instances.json", "train/JPEGImages"),  # YouTube-VIS 2021
        ("valid.json", "valid/JPEGImages"),
    ],
)
def test_frames_of_a_subset(tmp_path: Path, file: str, frames: str) -> None:
    path = coco(tmp_path / "made", {}, [{}])
    for place in (frames, "images", "images/Test", "test/JPEGImages"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        for number in range(3 if place == frames else 1):
            write_image(tmp_path / place / f"{number}.png")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    path.rename(tmp_path / file)
    assert read_annotations(tmp_path / file).images == tmp_path / frames


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace("}]}", "},\n]}"), r"not valid JSON \(.* at line \d+, column \d+\)"),
        (lambda text: text + "\n{}", r"Extra data at line 2"),
        (lambda text: " \n", "is empty: write the file again"),
        (lambda text: "Rar!" + text, "it is a RAR archive: unpack it"),
        (lambda text: text.replace("[[", "[[1, "), "a list but not of polygons"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, edit: Callable[[str], str], message: str) -> None:
    path = coco(tmp_path, {}, [{}])
    path.write_text(edit(path.read_text()))
    with pytest.raises(DatasetError, match=message):
        read_annotations(path)
    path.write_bytes(b'{\n"name": "K\xe4tzchen"}')
    with pytest.raises(DatasetError, match=r"line 2 is not UTF-8\): give a JSON file, saved as UTF-8"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("changed", "masks", "visible", "said"),
    [
        ({"id": "1", "height": float(H)}, [[FLAT]] * 2, 2, "1 heights of videos written as text or real numbers"),
        ({}, [[[1, 2, 3, 4], FLAT], [[1, 2, 3, 4]]], 1, "2 polygons of fewer than 3 points"),
        ({}, [SQUARE, None], 1, "1 polygons that are lists of points"),
        ({}, [{"size": [H, W], "counts": f"b'{TEXT}'"}] * 2, 2, "2 masks whose runs are the text of Python's bytes"),
        ({"file_names": ["/home/x/clip/0.png", "/home/x/clip/1.png"]}, [[FLAT]] * 2, 2, "2 absolute file names"),
        ({"height": W, "width": H}, [[FLAT], {}], 1, "1 video whose height and width have changed places"),
        ({"file_names": ["JPEGImages/clip/0.png", "JPEGImages/clip/1.png"]}, [[FLAT]] * 2, 2,
         "2 frames whose files have another name"),
    ],
)  # fmt: skip
def test_youtube_vis(tmp_path: Path, changed: dict[str, Any], masks: list[Any], visible: int, said: str) -> None:
    video = {"id": 1, "height": H, "width": W, "file_names": ["clip/0.png", "clip/1.png"]} | changed
    for number in range(2):
        write_image(tmp_path / f"clip/{number}.png")
    item = {"id": 1, "video_id": video["id"], "category_id": 1.0, "segmentations": masks}
    content = {"videos": [video], "categories": [{"id": 1, "name": "cat"}], "annotations": [item], "images": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = read_annotations(tmp_path / "a.json")
    assert lengths(found) == [[visible]]
    assert said in notes(found)
    assert all((tmp_path / name).is_file() for name in found.videos[0].file_names)
    opened = open_annotations(tmp_path / "a.json")  # as training and evaluation do
    assert sum(found.notes.guessed.values()) - sum(opened.notes.guessed.values()) in (0, 2)
    index = index_annotations(opened.content)
    assert np.count_nonzero(index.objects[1, 1][0].masks.areas) == visible


def test_labelme_pictures_that_are_in_the_json_files_alone(tmp_path: Path) -> None:
    folder = labelme(tmp_path / "data", [shape()], images=False, imageData=picture())
    for number in range(3):
        file = folder / f"clip/{number}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"imagePath": f"..\\photos\\{number}"}))
    (video,) = find_videos(folder)
    with video.open() as source:
        assert (len(source), source.height, source.width) == (3, H, W)
    assert sorted(file.name for file in (folder / "clip").glob("*.png")) == ["0.png", "1.png", "2.png"]
    assert notes(read_annotations(folder)) == "guessed: 3 frames that their JSON file calls by another name"
    with pytest.raises(DatasetError, match="shape 0 has no label"):
        read_annotations(labelme(tmp_path / "unnamed", [shape(label=" ")]))


def labelme(folder: Path, shapes: list[dict[str, Any]], images: bool = True, **changed: Any) -> Path:
    for number in range(3):
        (folder / "clip").mkdir(parents=True, exist_ok=True)
        if images:
            write_image(folder / f"clip/{number}.jpg")
        content = {"imagePath": f"{number}.jpg", "imageHeight": H, "imageWidth": W, "shapes": shapes} | changed
        content = {key: value for key, value in content.items() if value is not ...}
        (folder / f"clip/{number}.json").write_text(json.dumps(content))
    return folder


def shape(**changed: Any) -> dict[str, Any]:
    return {"label": "cat", "points": SQUARE, "group_id": None, "shape_type": "polygon"} | changed


def picture() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (W, H)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("shapes", "changed", "said"),
    [
        ([shape(), *(shape(shape_type=kind) for kind in ("rectangle", "line", "point", "linestrip"))], {},
         "left out: 3 line shapes, 3 linestrip shapes, 3 point shapes, 3 rectangle shapes"),
        ([{"label": "cat", "points": SQUARE}], {"version": "3.6.0", "imageHeight": ..., "imageWidth": ...}, ""),
        ([shape(group_id=1.0)], {}, ""),
        ([shape(label=1)], {}, ""),
        ([shape(points=[[1, 1], [2, 2]]), shape(group_id=2)], {}, "3 polygons of fewer than 3 points"),
        ([shape()], {"images": False, "imageData": picture(), "imageHeight": ..., "imageWidth": ...},
         "3 pictures that were in their JSON files alone (written beside them)"),
    ],
)  # fmt: skip
def test_labelme(tmp_path: Path, shapes: list[dict[str, Any]], changed: dict[str, Any], said: str) -> None:
    found = read_annotations(labelme(tmp_path, shapes, **changed))
    assert lengths(found) == [[3]]
    assert said in notes(found)


def test_labels_that_old_versions_of_labelme_numbered(tmp_path: Path) -> None:
    labels = ("dog-1", "dog-2", "mp3", "cat_1")
    found = read_annotations(labelme(tmp_path, [shape(label=label) for label in labels]))
    assert list(found.categories) == list(labels)
    assert notes(found).startswith("note: 2 categories that differ in a number alone (dog-1, dog-2: of objects of one")


def test_labelme_among_other_files(tmp_path: Path) -> None:
    folder = labelme(tmp_path / "deep/er", [shape()]) / "clip"
    (folder / "._0.json").write_bytes(b"\0\5\x16\7")
    (folder / "0_classes.json").write_text("[]")
    (folder / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    found = read_annotations(tmp_path)
    assert (found.videos[0].name, lengths(found)) == ("deep/er/clip", [[3]])
    assert notes(found) == "left out: 1 JSON files that are not of labelme"
    # Folders of JSON files and of images side by side.
    (folder / "json").mkdir()
    for file in [*folder.glob("?.json"), folder / "0_classes.json"]:
        file.rename(folder / "json" / file.name)
    (folder / "images").mkdir()
    for file in folder.glob("*.jpg"):
        file.rename(folder / "images" / file.name)
    assert read_annotations(folder).videos[0].file_names == [f"images/{n}.jpg" for n in range(3)]


ONE = f'<track id="0" label="dog">{polygon(10)}</track>'
ID = '<attribute name="id">3</attribute></polygon>'


@pytest.mark.parametrize(
    ("body", "expected", "said"),
    [
        (ONE + "".join(f'<track label="cat"><{kind} frame="10"/></track>' for kind in ("cuboid", "points", "skeleton")),
         [[1]], "left out: 1 cuboid tracks, 1 points tracks, 1 skeleton tracks"),
        (ONE + '<tag label="dog" frame="10"/>', [[1]], "left out: 1 tags of frames"),
        (f'<track label="dog">{polygon(10, outside=1)}</track>', [[]], "left out: 1 objects without a pixel"),
        (f'<track label="dog">{polygon(10)}{polygon(14)}</track>', [[3]], "1 masks between keyframes"),
        ("".join(f'<track label="dog">{polygon(frame)[:-2]}>{ID}</track>' for frame in (10, 12)), [[2]],
         "guessed: 1 objects made of what has one track_id or id among its attributes"),
        (ONE[:-8] + '<box frame="12" outside="0"/></track>', [[1]], "1 box shapes in tracks of polygons or masks"),
        (f'<track label="dog">{polygon(10)}</track>'.replace('" z_order', ';" z_order'), [[1]], ""),
        (ONE + '<track label="cat"><polygon frame="10" outside="0" points="1,2;3,4"/></track>', [[1]],
         "1 polygons of fewer than 3 points"),
        (ONE + '<track label="cat"><points frame="10" points="5,5"/></track>', [[1]],
         "1 points tracks"),
    ],
)  # fmt: skip
def test_cvat(tmp_path: Path, body: str, expected: list[list[int]], said: str) -> None:
    write_cvat(tmp_path, body)
    found = read_annotations(tmp_path)
    assert lengths(found) == expected
    assert said in notes(found)


@pytest.mark.parametrize("name", ["ANNOTATIONS.XML", "task_5.xml"])
def test_cvat_files_of_other_names(tmp_path: Path, name: str) -> None:
    write_cvat(tmp_path, ONE)
    (tmp_path / "annotations.xml").rename(tmp_path / name)
    assert lengths(read_annotations(tmp_path)) == lengths(read_annotations(tmp_path / name)) == [[1]]


@pytest.mark.parametrize("link", ["", '<attribute name="track_id">4</attribute>', "group"])
def test_cvat_for_images(tmp_path: Path, link: str) -> None:
    points = ";".join(f"{x},{y}" for x, y in SQUARE)
    group = 'group_id="2"' if link == "group" else ""
    shapes = f'<polygon label="cat" points="{points}" {group}>{link.removeprefix("group")}</polygon><box label="cat"/>'
    images = "".join(
        f'<image id="{n}" name="take 1/frame_{n:06d}.png" width="{W}" height="{H}">{shapes}</image>' for n in (1, 0, 2)
    )
    write_cvat(tmp_path, "", images=3)
    head = "<annotations><meta><task><labels><label><name>cat</name></label></labels></task></meta>"
    (tmp_path / "annotations.xml").write_text(f"{head}{images}</annotations>")
    found = read_annotations(tmp_path)
    assert lengths(found) == ([[3]] if link else [[1], [1], [1]])
    assert "left out: 3 box shapes" in notes(found)
    assert ("3 images, each of which is a video of one frame" in notes(found)) == (not link)
    assert all((tmp_path / name).is_file() for video in found.videos for name in video.file_names)


def numbers(*values: int, kind: type = np.uint8) -> NDArray[Any]:
    """A square of each value side by side."""
    pixels = np.zeros((H, W), kind)
    for place, value in enumerate(values):
        pixels[2:5, 1 + 4 * place : 4 + 4 * place] = value
    return pixels


def masks(folder: Path, pixels: NDArray[Any], name: str = "{:05d}.png") -> Path:
    for frame in range(3):
        write_image(folder / f"frames/clip/{frame:05d}.jpg")
        (folder / "masks/clip").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "masks/clip" / name.format(frame), "PNG")
    return folder / "masks"


@pytest.mark.parametrize(
    ("pixels", "name", "expected", "said"),
    [
        (numbers(3, 17), "{:05d}.PNG", [[3, 3]], ""),
        (numbers(1, 255), "{:05d}.png", [[3]], "note: 1 video with pixels of 255, which are of no object (void)"),
        (numbers(255), "{:05d}.png", [[3]], ""),
        (np.repeat(numbers(1, 2)[..., None], 3, axis=2), "{:05d}.png", [[3, 3]], ""),
        (numbers(1001, 3001, 10000, kind=np.uint16), "{:05d}.png", [[3, 3]], "1 objects of class 3, taken as class_3"),
        (np.full((H, W, 3), 255, np.uint8), "{:05d}.png", [[3]], "guessed: 1 video without a black pixel"),
        (
            np.stack([np.arange(H * W, dtype=np.uint8).reshape(H, W) // 9] * 3, axis=2),
            "{:05d}.png",
            [[3] * 26],
            "26 colours of fewer than 10 pixels, each an object",
        ),
        (numbers(1), "frame_{:d}_mask.png", [[3]], "3 masks that are called otherwise than their frames (the numbers"),
        (numbers(1), "{:d}.png", [[3]], "the numbers in the names count"),
        (numbers(1), "mask{:03d}5.png", [[3]], "their order counts"),
    ],
)
def test_pngs(tmp_path: Path, pixels: NDArray[Any], name: str, expected: list[list[int]], said: str) -> None:
    root = masks(tmp_path, pixels, name)
    (root / "clip/._00000.png").write_bytes(b"x")
    (root / ".ipynb_checkpoints").mkdir()
    found = read_annotations(root)
    assert lengths(found) == expected
    assert said in notes(found)
    (root / "empty").mkdir()
    assert "left out: 1 folder without PNGs" in notes(read_annotations(root))


def test_objects_and_their_names_in_meta_json(tmp_path: Path) -> None:
    root = masks(tmp_path, numbers(1, 2, 3))
    names = {"1": {"category": "Beast"}, "2": {"category": "beast "}}
    (root / "meta.json").write_text(json.dumps({"videos": {"clip": {"objects": names}}}))
    found = read_annotations(root)
    assert list(found.categories) == ["Beast", "object"]
    said = ["1 category spelt in another way ('beast' taken as 'Beast')", "1 objects that meta.json does not name"]
    assert all(text in notes(found) for text in said)


def test_masks_of_objects_with_soft_edges(tmp_path: Path) -> None:
    soft = numbers(255)
    soft[1, 1:4] = 40
    for frame in range(2):
        write_image(tmp_path / f"frames/clip/{frame:05d}.jpg")
        for name in ("cat_1", "dog"):
            (tmp_path / "masks/clip" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(soft).save(tmp_path / f"masks/clip/{name}/{frame:05d}.png")
    found = read_annotations(tmp_path / "masks")
    assert [(track.category, areas(track.masks).tolist()) for track in found.videos[0].tracks] == [
        ("cat", [9, 9]), ("dog", [9, 9]),
    ]  # fmt: skip
    assert "4 masks with shades between black and white" in notes(found)


def test_masks_are_no_jpegs(tmp_path: Path) -> None:
    write_image(tmp_path / "masks/clip/0.jpg")
    with pytest.raises(DatasetError, match="it holds 1 images and no annotations; masks must be PNG"):
        read_annotations(tmp_path / "masks")


@pytest.mark.parametrize(
    ("edit", "encoding"),
    [(str, "utf-8-sig"), (str, "utf-16"), (lambda text: text.replace(" ", ","), "utf-8"),
     (lambda text: text.replace("\n", "\r\n"), "utf-8")],
)  # fmt: skip
def test_text_files_of_mots(tmp_path: Path, edit: Callable[[str], str], encoding: str) -> None:
    rle = encode_masks((numbers(1) > 0)[None].astype(np.uint8))[0]["counts"]
    text = "".join(f"{frame} 1001 1 {H} {W} {rle}\n" for frame in range(2))
    (tmp_path / "0001.TXT").write_bytes(edit(text).encode(encoding))
    assert lengths(read_annotations(tmp_path)) == [[2]]
