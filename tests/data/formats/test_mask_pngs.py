"""PNGs of masks of every kind: numbers beyond 255, colours, MOTS, and what is no mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet_vis.data.converters import read_annotations
from mmdet_vis.data.formats.colour_masks import read_colour_masks
from mmdet_vis.data.formats.cvat_masks import read_cvat_masks
from mmdet_vis.data.formats.identify import identify
from mmdet_vis.data.formats.index_pngs import read_index
from mmdet_vis.data.formats.mask_kinds import png_kind
from mmdet_vis.data.formats.mots_png import read_mots
from mmdet_vis.data.formats.mots_txt import read_mots_txt
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import encode_masks
from mmdet_vis.structures.masks import areas
from tests.annotation_cases import H, W, square_mask, write_image


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_numbers_beyond_255(tmp_path: Path) -> None:
    for frame in range(2):
        pixels = square_mask().astype(np.uint16) * 300
        pixels[0] = 65535
        save(tmp_path / f"masks/clip/{frame}.png", pixels)
        write_image(tmp_path / f"frames/clip/{frame}.jpg")
    assert identify(tmp_path / "masks")[0] == "index"
    found = read_index(tmp_path / "masks")
    assert found.images == tmp_path / "frames"
    (track,) = found.videos[0].tracks
    assert [int(area) for area in areas([mask for mask in track.masks if mask])] == [36, 36]
    assert found.notes.lines() == ["note: 1 video with pixels of 65535, which are of no object (void)"]


def test_mots_numbers_have_classes(tmp_path: Path) -> None:
    for frame in range(2):
        pixels = square_mask().astype(np.uint16) * 2001
        pixels[0], pixels[11] = 10000, 1005
        save(tmp_path / f"masks/0001/{frame:06d}.png", pixels)
    assert png_kind(tmp_path / "masks") == "mots"
    found = read_mots(tmp_path / "masks")
    assert [(t.category, [int(a) for a in areas([m for m in t.masks if m])]) for t in found.videos[0].tracks] == [
        ("car", [W, W]), ("pedestrian", [36, 36]),
    ]  # fmt: skip
    assert any("1 regions to ignore (class 10)" in line for line in found.notes.lines())
    (tmp_path / "masks/labels.txt").write_text("ball\nred cube\n")
    assert [t.category for t in read_mots(tmp_path / "masks").videos[0].tracks] == ["ball", "red cube"]


def test_each_colour_is_an_object(tmp_path: Path) -> None:
    pixels = np.zeros((H, W, 3), np.uint8)
    pixels[3:9, 2:8], pixels[0], pixels[11] = (255, 0, 0), (0, 255, 1), (224, 224, 192)
    save(tmp_path / "clip/0.png", pixels)
    assert png_kind(tmp_path) == "colours"
    found = read_colour_masks(tmp_path)
    assert sorted(int(areas([track.masks[0]])[0]) for track in found.videos[0].tracks if track.masks[0]) == [W, 36]
    rng = np.random.default_rng(0)
    save(tmp_path / "clip/0.png", rng.integers(0, 256, (60, 60, 3), dtype=np.uint8))
    with pytest.raises(DatasetError, match="more than 2000 different pixel values"):
        read_colour_masks(tmp_path)


def test_palettes_that_differ_are_told_apart_by_colour(tmp_path: Path) -> None:
    for frame, order in enumerate(([0, 0, 0, 255, 0, 0], [255, 0, 0, 0, 0, 0])):
        image = Image.fromarray(square_mask() if frame == 0 else 1 - square_mask())
        image.putpalette(order)
        (tmp_path / "clip").mkdir(exist_ok=True)
        image.save(tmp_path / f"clip/{frame}.png")
    found = read_index(tmp_path)
    (track,) = found.videos[0].tracks
    assert track.masks == encode_masks(np.stack([square_mask()] * 2))
    assert any("different palettes" in line for line in found.notes.lines())


def test_cvat_masks_take_the_class_that_most_pixels_have(tmp_path: Path) -> None:
    pixels = np.zeros((H, W, 3), np.uint8)
    pixels[3:9, 2:8] = (128, 0, 0)
    save(tmp_path / "SegmentationObject/f1.png", pixels)
    pixels[3:9, 2:8] = (250, 50, 83)
    save(tmp_path / "SegmentationClass/f1.png", pixels)
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nball:250,50,83::\n")
    assert identify(tmp_path)[0] == "cvat-masks"
    found = read_cvat_masks(tmp_path)
    assert [(track.category, track.masks) for track in found.videos[0].tracks] == [
        ("ball", encode_masks(square_mask()[None]))
    ]
    assert "linked over frames by colour" in found.notes.doubts()
    assert found.videos[0].file_names == ["f1.jpg"]
    # With images, as CVAT exports them: the folders are those of DAVIS, too.
    write_image(tmp_path / "JPEGImages/f1.jpg")
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    found = read_annotations(tmp_path)
    assert (found.format, found.videos[0].file_names) == ("cvat-masks", ["f1.jpg"])
    assert found.notes.lines() == ["guessed: 1 objects linked over frames by colour, which CVAT gives anew in each"]


def test_mots_text_of_the_challenge(tmp_path: Path) -> None:
    counts = encode_masks(square_mask()[None])[0]["counts"]
    gt = tmp_path / "MOTS20-02/gt/gt.txt"
    gt.parent.mkdir(parents=True)
    gt.write_text(f"1 2001 2 {H} {W} {counts}\n3 2001 2 {H} {W} {counts}\n3 10000 10 {H} {W} {counts}\n")
    for frame in range(1, 5):
        write_image(tmp_path / f"MOTS20-02/img1/{frame:06d}.jpg")
    assert identify(tmp_path)[0] == "mots-txt"
    (video,) = read_mots_txt(tmp_path).videos
    assert video.file_names[0] == "MOTS20-02/img1/000001.jpg"
    assert [[mask is not None for mask in track.masks] for track in video.tracks] == [[True, False, True, False]]
    gt.write_text(f"9 2001 2 {H} {W} {counts}\n")
    with pytest.raises(DatasetError, match="has the frames 1 to 4, but the masks"):
        read_mots_txt(tmp_path)
    gt.write_text(f"1 2001 2 {H} {W} {counts[:-1]}\n")
    with pytest.raises(DatasetError, match=r"gt\.txt: mask 1 "):
        read_mots_txt(tmp_path)
