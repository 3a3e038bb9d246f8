"""Pseudo-videos of stills: masks stay exact under warps and pastes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mmdet_vis.data.clips import StillClips
from mmdet_vis.data.clips.copy_paste import is_whole
from mmdet_vis.data.clips.raw import RawClip, RawFrame, drop_remains
from mmdet_vis.data.clips.transforms import ClipBlur, ClipColor
from mmdet_vis.data.clips.view_warp import WarpOptions, view_maps
from mmdet_vis.data.sources import ImageFilesSource
from mmdet_vis.errors import ConfigError, DatasetError
from tests.clip_cases import COLOURS, rectangle_mask, still_object, write_stills

SIZE = (120, 160)
PERSON, DOG, CAT, CAR, CUP = 10, 20, 30, 40, 50
MAP = {"person": ["person"], "animal": ["dog", "cat"], "other": ["*"]}
STRONG = {"zoom": (1.0, 2.0), "translate": 0.5, "rotate": 30.0, "scale": 0.3, "shear": 15.0, "elastic": 0.03}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images with three objects each."""
    first = [still_object(1, PERSON, (20, 20, 50, 60)), still_object(1, CAR, (100, 15, 40, 40))]
    second = [still_object(2, CUP, (60, 50, 40, 30)), still_object(2, CAT, (15, 10, 30, 30))]
    crowd = still_object(1, PERSON, (90, 80, 60, 30), iscrowd=1)
    return write_stills(tmp_path, {1: [*first, crowd], 2: second}, SIZE)


def clips(root: Path, **options: Any) -> StillClips:
    return StillClips("stills.json", "images", data_root=root, **{"category_map": MAP, **options})


def painted(image: torch.Tensor, colour: tuple[int, int, int]) -> np.ndarray:
    """Pixels of nearly a colour: those at an edge are mixed."""
    return np.asarray((image.permute(1, 2, 0).int() - torch.tensor(colour)).abs().amax(dim=-1) < 100)


def test_without_warp_all_views_are_the_image(root: Path) -> None:
    none = {"zoom": (1, 1), "translate": 0, "rotate": 0, "scale": 0, "shear": 0, "elastic": 0}
    clip = clips(root, warp=none, num_frames=3)[(0, 0)]
    expected = torch.from_numpy(cv2.imread(str(root / "images" / "1.png")).transpose(2, 0, 1))
    assert all(torch.equal(image, expected) for image in clip.images)
    assert clip.current.boxes.tolist() == [[20, 20, 69, 79], [100, 15, 139, 54]]
    assert clip.current.labels.tolist() == [1, 3]
    assert clip.current.ignored.tolist() == [[90, 80, 149, 109]]
    small = clips(root, warp=none, scales=[(80, 60)])[(0, 0)]
    assert small.images.shape[-2:] == (60, 80)
    assert small.current.boxes.tolist() == [[10, 10, 34, 39], [50, 8, 69, 27]]


def test_masks_follow_the_pixels_under_strong_warps(root: Path) -> None:
    dataset = clips(root, warp=STRONG, scales=[(160, 120), (200, 150)])
    hidden = 0
    for seed in range(30):
        clip = dataset[(0, seed)]
        for image, frame in zip(clip.images, clip.frames, strict=True):
            for mask, box, number in zip(frame.masks.numpy(), frame.boxes.tolist(), frame.ids.tolist(), strict=True):
                seen = painted(image, COLOURS[number - 1])
                if not mask.any():
                    hidden += 1
                    assert seen.sum() < 40
                    continue
                # Only pixels next to an edge may differ.
                thin, thick = cv2.erode(mask, np.ones((3, 3))), cv2.dilate(mask, np.ones((3, 3)))
                assert (seen >= thin.astype(bool))[2:-2, 2:-2].all()
                assert (seen <= thick.astype(bool)).all()
                x, y, width, height = cv2.boundingRect(mask)
                assert box == [x, y, x + width - 1, y + height - 1]
    assert hidden > 0  # some objects left a view, and were in the other


def test_views_differ_and_keep_an_object(root: Path) -> None:
    dataset = clips(root, warp=STRONG)
    for seed in range(30):
        clip = dataset[(1, seed)]
        first, last = (frame.masks.flatten(1).bool().any(dim=1) for frame in clip.frames)
        assert (first & last).any()
        assert clip.frames[0].ids.tolist() == clip.frames[1].ids.tolist()
        assert not torch.equal(clip.images[0], clip.images[1])


def test_motion_is_even() -> None:
    maps = view_maps(SIZE, SIZE, 3, WarpOptions(rotate=0, scale=0, shear=0), np.random.default_rng(0))
    assert np.abs(maps[0] + maps[2] - 2 * maps[1]).max() < 1e-3
    assert np.abs(maps[2] - maps[0]).max() > 1


def test_pasted_objects_hide_and_move(root: Path) -> None:
    options = {"prob": 1.0, "max_objects": 2, "size": (0.2, 0.4), "over": 1.0}
    dataset, plain = clips(root, copy_paste=options), clips(root)
    areas, pasted, behind = [], 0, 0
    for seed in range(60):
        clip, bare = dataset[(0, seed)], plain[(0, seed)]
        assert torch.equal(clip.frames[0].ids[:1], bare.frames[0].ids[:1])
        pasted += int(len(clip.current) > len(bare.current))
        for frame in clip.frames:
            assert frame.masks.sum(dim=0).max() <= 1
            assert set(frame.labels.tolist()) <= {1, 2, 3}
        rest = [frame.masks[frame.ids == 1].sum().item() for frame in clip.frames]
        whole = [frame.masks[frame.ids == 1].sum().item() for frame in bare.frames]
        areas.append([part / max(total, 1) for part, total in zip(rest, whole, strict=True)])
        behind += int(len(clip.current) > len(bare.current) and rest == whole)
    assert pasted > 50
    shares = np.array(areas)
    assert (shares <= 1).all()
    # Much of the first object is hidden in one view and not in the other, in some clips.
    assert (np.abs(shares[:, 0] - shares[:, 1]) > 0.2).sum() > 5
    assert behind > 3


def test_an_object_behind_hides_nothing(root: Path) -> None:
    options = {"prob": 1.0, "behind": 1.0, "over": 1.0, "size": (0.3, 0.5)}
    dataset, plain, met = clips(root, copy_paste=options), clips(root), 0
    for seed in range(20):
        clip, bare = dataset[(0, seed)], plain[(0, seed)]
        for frame, image, other, old in zip(clip.frames, clip.images, bare.frames, bare.images, strict=True):
            count = len(other)
            assert torch.equal(frame.masks[:count], other.masks)
            assert torch.equal(frame.boxes[:count], other.boxes)
            front = other.masks.amax(dim=0).bool()
            assert torch.equal(image[:, front], old[:, front])
            for mask in frame.masks[count:].numpy():  # cut off by what is in front: there they touch
                met += int((cv2.dilate(mask, np.ones((3, 3))).astype(bool) & front.numpy()).sum() > 5)
    assert met > 10


def test_pasted_pixels_are_those_of_the_other_object(tmp_path: Path) -> None:
    """One object of one colour: what is taught must be where its colour is."""
    write_stills(tmp_path, {1: [still_object(1, DOG, (55, 40, 50, 40))]}, SIZE)
    dataset = clips(tmp_path, copy_paste={"prob": 1.0, "behind": 0.5}, warp={"elastic": 0.01})
    for seed in range(30):
        clip = dataset[(0, seed)]
        for image, frame in zip(clip.images, clip.frames, strict=True):
            seen = painted(image, COLOURS[0])
            for x1, y1, x2, y2 in frame.ignored.int().tolist():
                seen[max(y1 - 1, 0) : y2 + 2, max(x1 - 1, 0) : x2 + 2] = False
            union = frame.masks.amax(dim=0).numpy()
            inside = cv2.erode(union, np.ones((3, 3)))[2:-2, 2:-2].astype(bool)
            assert seen[2:-2, 2:-2][inside].mean() > 0.97  # seams between two objects are mixed with what is below
            assert (seen <= cv2.dilate(union, np.ones((3, 3))).astype(bool)).all()


def test_scraps_are_not_pasted() -> None:
    whole, cut = rectangle_mask((30, 30, 40, 40), SIZE), rectangle_mask((0, 30, 40, 40), SIZE)
    scraps = whole.copy()
    scraps[45:55] = 0
    assert is_whole(whole)
    assert not is_whole(cut)
    assert not is_whole(scraps)
    assert not is_whole(rectangle_mask((30, 30, 3, 3), SIZE))
    assert not is_whole(np.zeros(SIZE, np.uint8))


def test_remains_are_ignored() -> None:
    masks = np.stack([rectangle_mask((5, 5, 3, 2), SIZE), rectangle_mask((50, 50, 20, 20), SIZE)])
    frame = RawFrame(
        image=np.zeros((*SIZE, 3), np.uint8),
        boxes=np.array([[5, 5, 7, 6], [50, 50, 69, 69]], np.float32),
        labels=np.array([1, 2]),
        masks=masks,
        ids=np.array([1, 2]),
        ignored=np.zeros((0, 4), np.float32),
    )
    clip = RawClip([frame, RawFrame(**{**vars(frame), "masks": np.stack([masks[1], masks[0]])})], True, "")
    drop_remains(clip, 16)
    # Each is seen in one frame, so that both stay.
    assert clip.frames[0].ids.tolist() == clip.frames[1].ids.tolist() == [1, 2]
    assert [f.masks.sum(axis=(1, 2)).tolist() for f in clip.frames] == [[0, 400], [400, 0]]
    assert [f.ignored.tolist() for f in clip.frames] == [[[5, 5, 7, 6]]] * 2
    alone = RawClip([clip.frames[0]], True, "")
    drop_remains(alone, 16)
    assert alone.frames[0].ids.tolist() == [2]


def test_a_sample_depends_on_its_key_alone(root: Path) -> None:
    pipeline = [{"type": "ClipColor"}, {"type": "ClipBlur"}, {"type": "ClipFlip"}]
    first, second = (clips(root, copy_paste={}, pipeline=pipeline) for _ in range(2))
    second[(0, 8)]
    for seed in range(5):
        a, b = first[(1, seed)], second[(1, seed)]
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.current.masks, b.current.masks)


def test_categories(root: Path) -> None:
    assert clips(root).categories == ("person", "animal", "other")
    by_name = clips(root, category_map=None, categories=["Cat", "tiger", " person"])  # whatever the spelling
    assert [by_name[(n, 0)].current.labels.tolist() for n in (0, 1)] == [[3], [1]]  # car and cup are background
    reordered = clips(root, categories=["other", "person", "animal"])
    assert reordered[(0, 0)].current.labels.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"category_map": {"person": ["human"]}}, "'human' of 'person' is not a category of .*stills.json"),
        ({"category_map": {"a": ["cat"], "b": ["cat"]}}, "'cat' belongs to two classes"),
        ({"categories": ["dog"]}, "'person' is not among the categories dog"),
        ({"num_frames": 0}, "num_frames=0"),
        ({"cache_bytes": -1}, "cache_bytes=-1"),
        ({"repeat_thr": 1.5}, "repeat_thr=1.5"),
        ({"warp": {"scale": 1.0}}, "scale below 1"),
        ({"copy_paste": {"size": (0.5, 0.1)}}, "size must be"),
    ],
)
def test_wrong_options(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        clips(root, **options)


def test_images_without_objects_of_the_classes(root: Path) -> None:
    assert len(clips(root, category_map=None, categories=["cat"])) == 1
    with pytest.raises(DatasetError, match="its categories are not among those of the config: it has person, dog, cat"):
        clips(root, category_map=None, categories=["tiger"])
    with pytest.raises(DatasetError, match="has no object of the model's categories"):
        clips(root, min_pixels=10**6)


def test_exhaustive_flag(tmp_path: Path) -> None:
    write_stills(tmp_path, {1: [still_object(1, DOG, (55, 40, 50, 40))]}, SIZE, exhaustive=False)
    assert not clips(tmp_path)[(0, 0)].exhaustive


def test_a_broken_image_is_named(root: Path) -> None:
    data = (root / "images" / "1.png").read_bytes()
    (root / "images" / "1.png").write_bytes(data[:50])
    with pytest.warns(UserWarning, match=r"images/1\.png: is cut short"):
        assert clips(root)[(0, 0)].name.endswith("2.png")


def one_frame(image: np.ndarray) -> RawClip:
    none = np.zeros((0, 4), np.float32)
    masks = np.zeros((0, *image.shape[:2]), np.uint8)
    ids = np.zeros(0, np.int64)
    return RawClip([RawFrame(image, none, ids, masks, ids, none) for _ in range(2)], True, "")


def test_colours_of_a_clip_change_together() -> None:
    image = np.random.default_rng(0).integers(60, 160, (40, 50, 3)).astype(np.uint8)
    change = []
    for seed in range(100):
        clip = ClipColor(clip=0.2, frame=0.02, prob=1.0)(one_frame(image), np.random.default_rng(seed))
        change.append([frame.image.mean() / image.mean() for frame in clip.frames])
    between, within = np.std(np.mean(change, axis=1)), np.std(np.diff(change, axis=1))
    assert 0.1 < between < 0.3
    assert within < between / 4
    same = ClipColor(clip=0, frame=0, prob=1.0)(one_frame(image), np.random.default_rng(0))
    assert np.array_equal(same.frames[0].image, image)


@pytest.mark.parametrize("options", [{"gaussian": 1.0, "motion": 0.0}, {"gaussian": 0.0, "motion": 1.0}])
def test_blur_spreads_a_point_around_its_place(options: dict[str, float]) -> None:
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 255
    weight = None
    for seed in range(10):
        frame = ClipBlur(**options)(one_frame(image), np.random.default_rng(seed)).frames[0]
        weight = frame.image[..., 0].astype(np.float64)
        assert abs(weight.sum() - 255) < 30  # rounding of faint pixels
        centre = [(weight * axis).sum() / weight.sum() for axis in np.mgrid[:41, :41]]
        assert np.abs(np.array(centre) - 20).max() < 0.25
    assert weight is not None
    assert weight.max() < 255


def test_a_single_view_is_whole_and_its_pixels_are_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = {"zoom": (1, 1), "translate": 0.5, "rotate": 0, "scale": 0.5, "shear": 20, "elastic": 0.05}
    small = SIZE[0] * SIZE[1] * 3
    dataset = clips(root, warp=none, num_frames=1, cache_bytes=small)
    clip = dataset[(0, 0)]
    assert len(clip.images) == len(clip.frames) == 1
    assert clip.current.boxes.tolist() == [[20, 20, 69, 79], [100, 15, 139, 54]]  # the middle of a motion is at rest
    reads = []
    monkeypatch.setattr(
        "mmdet_vis.data.clips.raw.ImageFilesSource",
        lambda files, name: reads.append(name) or ImageFilesSource(files, name),
    )
    for index in (0, 1, 0, 1):
        assert torch.equal(dataset[(index, 0)].images, clips(root, warp=none, num_frames=1)[(index, 0)].images)
    # Only the first image fits; the other dataset of the comparison has no memory at all.
    assert [reads.count(name) for name in ("1.png", "2.png")] == [2, 4]


def test_images_of_rare_classes_come_more_often(tmp_path: Path) -> None:
    persons = {n: [still_object(n, PERSON, (20, 20, 50, 60))] for n in range(1, 9)}
    both = [still_object(9, PERSON, (20, 20, 50, 60)), still_object(9, DOG, (100, 15, 40, 40))]
    root = write_stills(tmp_path, {**persons, 9: both}, SIZE)
    epoch = clips(root, repeat_thr=1.0).epoch(np.random.default_rng(0))
    assert np.bincount(epoch).tolist() == [1] * 8 + [3]  # the root of 9
    assert sorted(clips(root).epoch(np.random.default_rng(0))) == list(range(9))
