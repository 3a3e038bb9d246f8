"""Training clips of videos: targets, transforms, and what happens to broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmdet_vis.data.clips import ClipFlip, YTVISClips
from mmdet_vis.errors import ConfigError, DatasetError
from tests.clip_cases import COLOURS, HEIGHT, WIDTH, Box, moving, rectangle_mask, track, write_videos

DOG, CAT = 3, 12


def clips(root: Path, **options: Any) -> YTVISClips:
    return YTVISClips("train.json", "frames", data_root=root, **options)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A video with a dog, a cat that comes later, and a crowd of dogs; and a portrait one with one cat."""
    late: list[Box | None] = [None, None, *moving(50, 30, 12, 9, 2)]
    crowd = track(7, DOG, moving(5, 45, 30, 10, 4), iscrowd=1)
    return write_videos(
        tmp_path,
        {
            7: [track(7, DOG, moving(10, 8, 20, 15, 4)), track(7, CAT, late), crowd],
            2: [track(2, CAT, moving(4, 20, 20, 30, 3), (WIDTH, HEIGHT))],
        },
        {2: (WIDTH, HEIGHT)},
    )


def test_targets(root: Path) -> None:
    dataset = clips(root)
    assert dataset.categories == ("dog", "cat")
    assert dataset.samples == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert dataset.landscape.tolist() == [True] * 4 + [False] * 3
    clip = dataset[(3, 0)]
    assert clip.images.shape == (2, 3, HEIGHT, WIDTH)
    assert clip.images.dtype == torch.uint8
    now = clip.current
    assert now.labels.tolist() == [1, 2]
    assert now.ids.tolist() == [1, 2]
    assert now.boxes.tolist() == [[19, 8, 38, 22], [53, 30, 64, 38]]  # x + w - 1, y + h - 1
    assert now.ignored.tolist() == [[14, 45, 43, 54]]
    assert now.masks.sum(dim=(1, 2)).tolist() == [300, 108]
    # The masks lie where the objects were painted.
    for mask, colour in zip(now.masks, COLOURS, strict=False):
        painted = (clip.images[-1].permute(1, 2, 0) == torch.tensor(colour)).all(dim=-1)
        assert torch.equal(mask.bool(), painted)


def test_objects_without_extent_are_dropped(tmp_path: Path) -> None:
    dog, thin, empty = (track(1, DOG, [(10, 10, 5, 5)]) for _ in range(3))
    write_videos(tmp_path, {1: [thin, dog, empty]})
    content = json.loads((tmp_path / "train.json").read_text())
    content["annotations"][0]["bboxes"] = [[10, 10, 5, 0.5]]
    content["annotations"][2]["areas"] = [0]
    (tmp_path / "train.json").write_text(json.dumps(content))
    assert clips(tmp_path)[(0, 0)].current.ids.tolist() == [2]


def test_boxes_and_areas_are_measured_where_the_file_lacks_them(root: Path) -> None:
    content = json.loads((root / "train.json").read_text())
    expected = clips(root)[(3, 5)]
    for entry in content["annotations"]:
        del entry["bboxes"], entry["areas"]
    (root / "train.json").write_text(json.dumps(content))
    assert torch.equal(clips(root)[(3, 5)].current.boxes, expected.current.boxes)


def test_a_sample_depends_on_its_key_alone(root: Path) -> None:
    pipeline = [{"type": "ClipResize", "scales": [(96, 60), (48, 30)]}, {"type": "ClipFlip"}, {"type": "ClipColor"}]
    first, second = (clips(root, pipeline=pipeline) for _ in range(2))
    second[(2, 3)]
    for key in [(0, 0), (3, 1), (5, 2**62)]:
        a, b = first[key], second[key]
        assert torch.equal(a.images, b.images)
        assert a.seed == key[1]
        assert all(
            torch.equal(x, y)
            for f, g in zip(a.frames, b.frames, strict=True)
            for x, y in zip(f.tensors(), g.tensors(), strict=True)
        )
    assert len({first[(0, seed)].images.numpy().tobytes() for seed in range(20)}) > 5


def test_resize_scales_boxes_and_clips_them_to_the_size(tmp_path: Path) -> None:
    box = [track(1, DOG, [(80, 40, 16, 20)])]
    box[0]["bboxes"] = [[80, 40, 20, 30]]  # leaves the frame
    write_videos(tmp_path, {1: box})
    dataset = clips(tmp_path, pipeline=[{"type": "ClipResize", "scales": [(30, 48)]}])
    clip = dataset[(0, 0)]
    assert clip.images.shape[-2:] == (30, 48)
    assert clip.current.boxes.tolist() == [[40, 20, 48, 30]]
    assert clip.current.masks.shape == (1, 30, 48)
    assert clip.current.masks[0].nonzero().min(dim=0).values.tolist() == [20, 40]


def test_masks_are_resized_to_the_nearest_pixel(root: Path) -> None:
    clip = clips(root, pipeline=[{"type": "ClipResize", "scales": [(72, 45)]}])[(0, 0)]  # three quarters
    rows, columns = (np.arange(size) * 4 // 3 for size in (45, 72))
    mask = rectangle_mask((10, 8, 20, 15))[np.ix_(rows, columns)]
    assert np.array_equal(clip.current.masks[0].numpy(), mask)
    assert clip.current.boxes.tolist() == [[7.5, 6, 21.75, 16.5]]


def test_flip_mirrors_everything(root: Path) -> None:
    plain = clips(root)[(3, 0)]
    mirrored = clips(root, pipeline=[{"type": "ClipFlip", "prob": 1.0}])[(3, 0)]
    assert torch.equal(mirrored.images, plain.images.flip(-1))
    assert torch.equal(mirrored.current.masks, plain.current.masks.flip(-1))
    x1, y1, x2, y2 = plain.current.boxes.unbind(1)
    assert torch.equal(mirrored.current.boxes, torch.stack([WIDTH - 1 - x2, y1, WIDTH - 1 - x1, y2], 1))
    assert mirrored.current.ignored.tolist() == [[52, 45, 81, 54]]
    rng, dataset = np.random.default_rng(0), clips(root)
    flips = [ClipFlip(0.25)(dataset.load(3, rng), rng).frames[-1].boxes[0, 0] != 19 for _ in range(200)]
    assert 25 < sum(flips) < 80


def test_longer_clips(root: Path) -> None:
    clip = clips(root, num_frames=4)[(3, 0)]
    assert len(clip.images) == len(clip.frames) == 4
    # The dog walks to the right, so the order can be seen; the reference is the only frame far enough away.
    assert [frame.boxes[0, 0].item() for frame in clip.frames] == [10, 13, 16, 19]


def test_pasted_objects_hide_others(root: Path) -> None:
    options = {"prob": 1.0, "max_objects": 2, "size": (0.3, 0.5), "over": 1.0}
    dataset, hidden, pasted = clips(root, copy_paste=options), 0, 0
    for seed in range(60):
        clip = dataset[(3, seed)]
        pasted += int(clip.current.ids.max() > 2)
        assert len(clip.current.ids.unique()) == len(clip.current.ids)
        assert clip.current.masks.sum(dim=0).max() <= 1  # nothing lies under anything
        for frame in clip.frames:
            visible = frame.masks.flatten(1).bool().any(dim=1)
            for mask, box in zip(frame.masks[visible], frame.boxes[visible], strict=True):
                rows, columns = mask.nonzero().unbind(1)
                assert box.tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]
        hidden += int(clip.current.masks[0].sum() < 300)
    assert pasted == 60
    assert hidden > 10


def test_a_broken_image_is_replaced_with_one_warning(root: Path, recwarn: pytest.WarningsRecorder) -> None:
    (root / "frames" / "v7" / "00003.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    dataset = clips(root)
    names = [dataset[(3, seed)].name for seed in range(20)]
    assert not any("00003" in name for name in names)
    assert all("v7" in name for name in names)  # landscape, as the broken one
    assert dataset[(3, 4)].name == clips(root)[(3, 4)].name == names[4]
    said = [str(w.message) for w in recwarn if "00003.png" in str(w.message)]
    assert len(said) == 2  # once for each of the two datasets
    assert "is cut short" in said[0]


def test_a_broken_mask_is_replaced(root: Path) -> None:
    content = json.loads((root / "train.json").read_text())
    content["annotations"][0]["segmentations"][3]["counts"] = "0"
    (root / "train.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"00003\.png: object 1 has a mask that has runs of"):
        assert "00003" not in clips(root)[(3, 0)].name


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_but_broken_images(root: Path) -> None:
    for file in (root / "frames").rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"20 samples in a row cannot be read, the last because of .*is empty"):
        clips(root)[(0, 0)]


def test_exhaustive_flag_of_a_video(root: Path) -> None:
    content = json.loads((root / "train.json").read_text())
    content["videos"][1]["exhaustive"] = False
    (root / "train.json").write_text(json.dumps(content))
    dataset = clips(root)
    assert dataset[(0, 0)].exhaustive
    assert not dataset[(5, 0)].exhaustive


def test_categories_of_the_config_give_the_labels(root: Path) -> None:
    dataset = clips(root, categories=["bird", "Cat", "dog"])
    assert dataset[(3, 0)].current.labels.tolist() == [3, 2]
    with pytest.raises(DatasetError, match="it has dog"):
        clips(root, categories=["cat", "bird"], other_categories="error")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": 0}, "num_frames=0 and max_gap=None must be 1 or more"),
        ({"max_gap": 0}, "max_gap=0"),
        (
            {"pipeline": [{"type": "ClipFlop"}]},
            r"pipeline\[0\].type='ClipFlop' is not registered .*mean 'ClipFlip'",
        ),
        ({"pipeline": [{"type": "ClipFlip", "prob": 2}]}, "prob=2 must be between 0 and 1"),
        ({"pipeline": [{"type": "ClipFlip", "probe": 1}]}, "probe"),
        ({"copy_paste": {"prob": 3}}, "prob"),
    ],
)
def test_wrong_options(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        clips(root, **options)


def test_a_file_without_objects(tmp_path: Path) -> None:
    write_videos(tmp_path, {1: [track(1, DOG, moving(1, 1, 9, 9, 2), iscrowd=1)]})
    with pytest.raises(DatasetError, match=r"train\.json has no frame with an object"):
        clips(tmp_path)
