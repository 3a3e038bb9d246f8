"""Parts of long videos, their order and their division; how long all takes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mmdet_vis.batch.estimate import Cost, fit, makespan, sample_of, span
from mmdet_vis.batch.manifest import Entry
from mmdet_vis.batch.tasks import chunk_name, chunk_ranges, left, share_of, tasks_of
from mmdet_vis.errors import ConfigError
from mmdet_vis.streaming.segment import check_window


@pytest.mark.parametrize("length", [*range(1, 40), 99, 100, 101])
@pytest.mark.parametrize(("chunk", "overlap"), [(10, 3), (2, 1), (10, 9)])
def test_ranges_hold_every_frame_and_share_some(length, chunk, overlap):
    ranges = chunk_ranges(5, 5 + length, chunk, overlap)
    assert ranges[0][0] == 5
    assert ranges[-1][1] == 5 + length
    for (_, stop), (start, after) in pairwise(ranges):
        assert stop - start == overlap
        assert after > stop
    assert all(stop - start == chunk for start, stop in ranges[:-1])


def test_tasks_come_longest_first_and_the_last_part_goes_to_the_end():
    entries = [Entry("a", "a", frames=5), Entry("b", "b", frames=25), Entry("c", "c"), Entry("d", "d", 10, 22, 100)]
    tasks = tasks_of(entries, 10, 2)
    assert [(t.id, t.start, t.stop, t.chunk, t.chunks) for t in tasks] == [
        ("b", 0, 10, 0, 3), ("b", 8, 18, 1, 3), ("d", 10, 20, 0, 2), ("b", 16, None, 2, 3), ("a", 0, None, 0, 1),
        ("d", 18, 22, 1, 2), ("c", 0, None, 0, 1),
    ]  # fmt: skip
    assert [task.number for task in tasks] == [2, 2, 4, 2, 1, 4, 3]


def test_shares_hold_every_task_once():
    tasks = tasks_of([Entry(str(n), "x", frames=1 + n % 7) for n in range(50)], 100, 1)
    shares = [share_of(tasks, part, 4) for part in range(4)]
    assert sorted((task.id for share in shares for task in share), key=int) == [str(n) for n in range(50)]
    sums = [sum(task.frames for task in share) for share in shares]
    assert max(sums) - min(sums) <= 7


def test_what_is_left():
    tasks = tasks_of([Entry("a", "a", frames=5), Entry("b", "b", frames=25)], 10, 2)
    assert left(tasks, {"b"}, {}) == [task for task in tasks if task.id == "a"]
    parts = {"b": {chunk_name(k, 3) for k in (0, 2)}}
    assert [(task.id, task.chunk) for task in left(tasks, set(), parts)] == [("b", 1), ("a", 0)]
    # All parts are there, but they were not joined: the last is handed out again.
    parts = {"b": {chunk_name(k, 3) for k in range(3)}}
    assert [(task.id, task.chunk) for task in left(tasks, {"a"}, parts)] == [("b", 2)]


@pytest.mark.parametrize(("chunk", "overlap"), [(1, 1), (10, 10), (10, 0)])
def test_sizes_that_cannot_be_used(chunk, overlap):
    with pytest.raises(ConfigError, match=r"chunk must be at least 2|overlap must be a whole number from 1 to 9"):
        check_window(chunk, overlap, "chunk")


def test_the_time_of_all():
    assert makespan([3, 3, 2, 2, 2], 2) == 7
    assert makespan([6, 6], 2, start=1, slow=[2]) == 14
    assert makespan([], 3) == 0
    # One driver for all: with so many workers, or so short tasks, these wait for it.
    assert makespan([4, 4, 4, 4], 4, hand_out=2) == 12
    assert makespan([4, 4, 4, 4], 2, hand_out=1) == 10
    cost = fit([10, 20, 30], [1.5, 2.5, 3.5])
    assert (cost.per_frame, cost.per_task) == (pytest.approx(0.1), pytest.approx(0.5))
    assert fit([10, 10], [1, 3]) == Cost(0.2)
    assert fit([10, 20], [4, 2]).of(1000) == 3
    tasks = tasks_of([Entry(str(n), "x") for n in range(9)], 10, 1)
    assert [len(sample_of(tasks[:number])) for number in (1, 3, 9)] == [1, 3, 5]
    assert [span(90.0), span(600), span(9000)] == ["90.0 s", "10 min", "2 h 30 min"]
