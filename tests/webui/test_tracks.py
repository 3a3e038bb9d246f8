"""When objects are seen, as the table and the timeline show it."""

from __future__ import annotations

from mmdet_vis.webui.tracks import tracks_of
from tests.webui.projects import known_result


def test_runs_and_areas():
    tracks = tracks_of(known_result())
    assert [track.runs() for track in tracks] == [[(0, 19)], [(0, 19)], [(4, 15)], [(0, 19)]]
    assert [track.mean_area() for track in tracks] == [400, 500, 225, 100]
    assert [(track.track_id, track.category) for track in tracks][:2] == [(1, "cat"), (2, "dog")]
    tracks[0].areas[[0, 7, 8, 19]] = 0
    assert tracks[0].runs() == [(1, 6), (9, 18)]
    tracks[0].areas[:] = 0
    assert tracks[0].runs() == []
    assert tracks[0].mean_area() == 0
