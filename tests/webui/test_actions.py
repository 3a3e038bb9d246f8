"""When objects are seen, as the table and the timeline show it."""

from __future__ import annotations

from dataclasses import replace

from mmdet_vis.structures import empty_rle
from mmdet_vis.webui.actions import track_of
from tests.webui.projects import known_result


def test_runs_and_areas():
    result = known_result()
    tracks = [track_of(sequence, result.category_of(sequence)) for sequence in result.sequences]
    assert [track["runs"] for track in tracks] == [[(0, 19)], [(0, 19)], [(4, 15)], [(0, 19)]]
    assert [track["area"] for track in tracks] == [400, 500, 225, 100]
    assert [(track["id"], track["category"]) for track in tracks][:2] == [(1, "cat"), (2, "dog")]
    first = result.sequences[0]
    nothing = empty_rle(result.height, result.width)
    masks = [nothing if t in (0, 7, 8, 19) else mask for t, mask in enumerate(first.masks)]
    gaps = track_of(replace(first, masks=masks), "cat")
    assert (gaps["runs"], gaps["frames"], gaps["area"]) == ([(1, 6), (9, 18)], 16, 400)
    never = track_of(replace(first, masks=[nothing] * len(masks)), "cat")
    assert (never["runs"], never["frames"], never["area"]) == ([], 0, 0)
