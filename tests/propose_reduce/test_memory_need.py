"""Free memory, and videos that do not fit into it."""

from __future__ import annotations

import pytest
import torch

from mmdet_vis.errors import SourceError
from mmdet_vis.propose_reduce import MemoryEveryNth
from mmdet_vis.propose_reduce import budget as memory_need
from mmdet_vis.propose_reduce.budget import check_memory, free_bytes
from mmdet_vis.propose_reduce.propose import Group

CPU = torch.device("cpu")
GB = 2**30


def write(root, **files):
    """Write the system's files; ``__`` stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def meminfo(root, available):
    write(root, proc__meminfo=f"MemTotal:  {20 * 2**20} kB\nMemAvailable:  {available * 2**20} kB\nHugePages: 0\n")


def test_what_the_system_has_left(tmp_path):
    assert free_bytes(CPU, tmp_path) is None
    meminfo(tmp_path, available=9)
    assert free_bytes(CPU, tmp_path) == 9 * GB
    assert free_bytes(CPU) > 2**20  # this machine


def test_control_group_version_2(tmp_path):
    meminfo(tmp_path, available=9)
    write(tmp_path, proc__self__cgroup="0::/job/step\n")
    top = tmp_path / "sys/fs/cgroup"
    write(top, job__step__memoryDOTmax="max\n", job__step__memoryDOTcurrent=f"{GB}\n", job__step__memoryDOTstat="")
    assert free_bytes(CPU, tmp_path) == 9 * GB
    stat = f"anon {GB}\ninactive_file {GB}\n"
    write(top, job__memoryDOTmax=f"{6 * GB}\n", job__memoryDOTcurrent=f"{3 * GB}\n", job__memoryDOTstat=stat)
    assert free_bytes(CPU, tmp_path) == 4 * GB  # of the outer group, whose cached files can go
    write(top, job__step__memoryDOTmax=f"{2 * GB}\n")
    assert free_bytes(CPU, tmp_path) == GB


@pytest.mark.parametrize("folder", ["memory", "memory/docker/1"], ids=["seen from inside", "seen from the host"])
def test_control_group_version_1(tmp_path, folder):
    meminfo(tmp_path, available=9)
    write(tmp_path, proc__self__cgroup="9:name=systemd:/\n4:cpu,memory:/docker/1\n0::/\n")
    write(
        tmp_path / "sys/fs/cgroup" / folder,
        memoryDOTlimit_in_bytes=f"{4 * GB}\n",
        memoryDOTusage_in_bytes=f"{3 * GB}\n",
        memoryDOTstat=f"inactive_file 0\ntotal_inactive_file {GB}\n",
    )
    assert free_bytes(CPU, tmp_path) == 2 * GB
    write(tmp_path / "sys/fs/cgroup" / folder, memoryDOTlimit_in_bytes=f"{2**63 - 4096}\n")
    assert free_bytes(CPU, tmp_path) == 9 * GB


def test_blocks_that_pytorch_caches_on_a_gpu_are_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * GB, 16 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 10 * GB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3 * GB)
    assert free_bytes(torch.device("cuda")) == 9 * GB


def test_remembered_frames_must_fit_and_features_get_the_rest(monkeypatch):
    monkeypatch.setattr(memory_need, "free_bytes", lambda device: 100)
    mask = {"size": [2, 2], "counts": "04"}
    groups = [Group(0, [mask, mask]), Group(8, [mask])]
    # Forward, two objects remember 9 frames and one remembers 1; every key frame's entry is kept beside.
    remembered = 2 * 9 + 1 + 3
    assert check_memory(groups, MemoryEveryNth(1), 9, 4, CPU) == 90 - 4 * remembered
    assert check_memory(groups, MemoryEveryNth(1), 9, 4, CPU, reserved=1) <= 90 - 4 * remembered - 0.9 * 1
    with pytest.raises(SourceError):
        check_memory(groups, MemoryEveryNth(1), 9, 4, CPU, reserved=100)
    with pytest.raises(SourceError, match=r"9 frames with 3 proposed objects needs .*mem_max=40 or raise mem_step"):
        check_memory(groups, MemoryEveryNth(1), 9, 5, CPU)
    monkeypatch.setattr(memory_need, "free_bytes", lambda device: None)
    assert check_memory(groups, MemoryEveryNth(1), 9, 5, CPU) is None


def test_frames_that_are_remembered_all_the_time_count(monkeypatch):
    """Masks that a person gave on many frames stand in the memory of each of them."""
    monkeypatch.setattr(memory_need, "free_bytes", lambda device: 1000)
    mask = {"size": [2, 2], "counts": "04"}
    given = [Group(t, [mask]) for t in range(5)]
    new = given[:2]
    for group in new:
        group.others = [other for other in given if other is not group]
    # Forward, the memories hold 9 and 8 frames besides four given ones each; and there are the entries of all five.
    assert check_memory(new, MemoryEveryNth(1), 9, 4, CPU) == 900 - 4 * (9 + 8 + 2 * 4 + 5)


def test_a_video_that_cannot_fit_is_refused(tiny, monkeypatch):
    from mmdet_vis.api import load_model, segment_video
    from tests.tiny import moving_frames

    monkeypatch.setattr(memory_need, "free_bytes", lambda device: 10_000)
    with pytest.raises(SourceError, match=r"5 frames with \d+ proposed objects needs .*mem_max=40"):
        segment_video(load_model(*tiny, device="cpu"), moving_frames(5))
