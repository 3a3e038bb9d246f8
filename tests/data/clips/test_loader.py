"""Batches: the same for any number of processes and workers, and after resuming."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet_vis.data.clips import ClipSampler, MixedClips, StillClips, YTVISClips, build_loader
from mmdet_vis.errors import ConfigError
from tests.clip_cases import HEIGHT, WIDTH, moving, still_object, track, write_stills, write_videos

LANDSCAPE, PORTRAIT = 11, 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landscape and a portrait video of 11 and 4 samples, and 5 stills."""
    root = tmp_path_factory.mktemp("clips")
    write_videos(
        root,
        {
            1: [track(1, 3, moving(3, 8, 20, 15, LANDSCAPE))],
            2: [track(2, 12, moving(4, 20, 20, 30, PORTRAIT), (WIDTH, HEIGHT))],
        },
        {2: (WIDTH, HEIGHT)},
    )
    write_stills(root, {n: [still_object(n, 20, (20, 10, 30, 20))] for n in range(1, 6)})
    return root


@pytest.fixture(scope="module")
def dataset(root: Path) -> YTVISClips:
    return YTVISClips("train.json", "frames", data_root=root, pipeline=[{"type": "ClipFlip"}])


def take(sampler: ClipSampler, count: int) -> list[list[tuple[int, int]]]:
    return list(islice(sampler, count))


def test_an_epoch_holds_every_sample_and_no_mixed_batch(dataset: YTVISClips) -> None:
    sampler = ClipSampler(dataset, 3, seed=1)
    assert len(sampler) == 4 + 2
    for _ in range(2):
        batches = take(sampler, len(sampler))
        indices = [index for batch in batches for index, _ in batch]
        assert set(indices) == set(range(LANDSCAPE + PORTRAIT))
        assert len(indices) == 18  # 11 and 4 made up to 12 and 6
        for batch in batches:
            assert len({dataset.landscape[index] for index, _ in batch}) == 1


def test_the_seed_determines_everything(dataset: YTVISClips) -> None:
    first = take(ClipSampler(dataset, 2, seed=1), 40)
    assert first == take(ClipSampler(dataset, 2, seed=1), 40)
    assert first != take(ClipSampler(dataset, 2, seed=2), 40)
    seeds = [seed for batch in first for _, seed in batch]
    assert len(set(seeds)) == len(seeds)
    per_epoch = len(ClipSampler(dataset, 2, seed=1))
    assert first[:per_epoch] != first[per_epoch : 2 * per_epoch]


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_batches_of_one(dataset: YTVISClips, world: int) -> None:
    whole = take(ClipSampler(dataset, 4, seed=3), 30)
    parts = [take(ClipSampler(dataset, 4 // world, 3, rank, world), 30) for rank in range(world)]
    assert [[key for part in parts for key in part[n]] for n in range(30)] == whole


@pytest.mark.parametrize("start", [1, 7, 8, 29])
def test_start_skips_what_was_used(dataset: YTVISClips, start: int) -> None:
    assert take(ClipSampler(dataset, 2, 3, start=start), 20) == take(ClipSampler(dataset, 2, 3), start + 20)[start:]


def test_wrong_numbers(dataset: YTVISClips) -> None:
    for arguments in [(0, 1), (1, -1), (1, 1, 2, 2), (1, 1, 0, 1, -1)]:
        with pytest.raises(ValueError, match="must be"):
            ClipSampler(dataset, *arguments)


def test_workers_give_the_samples_of_the_process_itself(dataset: YTVISClips) -> None:
    state = torch.get_rng_state()
    plain = [clip for batch in islice(build_loader(dataset, 2, 0, seed=5, start=3), 12) for clip in batch]
    loaded = [clip for batch in islice(build_loader(dataset, 2, 2, seed=5, start=3), 12) for clip in batch]
    assert [clip.name for clip in loaded] == [clip.name for clip in plain]
    assert all(torch.equal(a.images, b.images) for a, b in zip(loaded, plain, strict=True))
    assert all(torch.equal(a.current.masks, b.current.masks) for a, b in zip(loaded, plain, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_workers_survive_signals_to_the_group_and_end_with_the_process(root: Path) -> None:
    code = """
import os, signal, subprocess, sys
from itertools import islice
from mmdet_vis.data.clips import YTVISClips, build_loader

signal.signal(signal.SIGTERM, signal.SIG_IGN)  # inherited by workers, as under some job systems
batches = iter(build_loader(YTVISClips("train.json", "frames", data_root=sys.argv[1]), 2, 2))
next(batches)
subprocess.run(["kill", "-TERM", "--", f"-{os.getpgrp()}"])
print(sum(len(batch) for batch in islice(batches, 20)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, timeout=60, start_new_session=True
    )
    assert done.stdout == "40\n", done.stderr
    assert done.returncode == 0


def mixed(root: Path, weights: list[float], **options: object) -> MixedClips:
    categories = ["dog", "cat"]
    videos = {"type": "YTVISClips", "ann_file": "train.json", "img_prefix": "frames", "categories": categories}
    stills = StillClips("stills.json", "images", categories=categories, data_root=root)
    return MixedClips([{**videos, "data_root": str(root)}, stills], weights, **options)  # type: ignore[arg-type]


def test_weights(root: Path) -> None:
    dataset = mixed(root, [1, 3], epoch_size=40)
    assert len(dataset) == LANDSCAPE + PORTRAIT + 5
    orders = [dataset.epoch(np.random.default_rng(seed)) for seed in range(2)]
    for order in orders:
        stills = order >= LANDSCAPE + PORTRAIT
        assert (stills.sum(), len(order)) == (30, 40)
        assert np.bincount(order[stills]).max() == 6  # all five, six times
        assert np.bincount(order[~stills]).max() == 1
    assert sorted(orders[0]) != sorted(orders[1])
    assert len({len(take(ClipSampler(dataset, 2, 0, start=n), 1)[0]) for n in range(60)}) == 1


def test_samples_are_those_of_the_parts(root: Path) -> None:
    dataset = mixed(root, [1, 1], pipeline=[{"type": "ClipResize", "scales": [(48, 30)]}])
    assert "v1" in dataset[(0, 0)].name
    still = dataset[(LANDSCAPE + PORTRAIT + 2, 0)]
    assert still.name.endswith("3.png")
    assert still.images.shape[-2:] == (30, 48)
    assert still.current.labels.tolist() == [1]


def test_parts_must_agree(root: Path) -> None:
    stills = StillClips("stills.json", "images", data_root=root)
    with pytest.raises(ConfigError, match=r"datasets\[1\] has other categories"):
        MixedClips([StillClips("stills.json", "images", categories=["dog"], data_root=root), stills], [1, 1])
    for weights in ([1], [1, 0]):
        with pytest.raises(ConfigError, match="must be one positive number for each"):
            MixedClips([stills, stills], weights)
