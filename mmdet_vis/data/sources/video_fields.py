"""Interlaced pictures as whole ones: two fields taken at different moments show moving objects as combs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import av

# One frame out for each frame in, and those that do not say that they are interlaced pass as they are.
_FILTER, _OPTIONS = "bwdif", "mode=send_frame:parity=auto:deint=interlaced"
CONTEXT = 1
"""Frames before and after a frame that its deinterlacing looks at."""


def is_interlaced(picture: Any) -> bool:
    """Whether a decoded ``av.VideoFrame`` says that it holds two fields."""
    return bool(getattr(picture, "interlaced_frame", False))


def deinterlace(pictures: Iterable[Any]) -> Iterator[Any]:
    """Yield as many ``av.VideoFrame`` as come, in presentation order, those that are interlaced as whole ones (bwdif).

    Each comes when the next one is there; the first and the last have one neighbour to go by. A run of pictures of
    another size or format is a run of its own.
    """
    graph, shape = None, None
    for picture in pictures:
        if graph is None or shape != (picture.width, picture.height, picture.format.name):
            if graph is not None:
                yield from _drain(graph)
            graph, shape = _graph(picture), (picture.width, picture.height, picture.format.name)
        graph.push(picture)
        yield from _pull(graph)
    if graph is not None:
        yield from _drain(graph)


def _graph(picture: Any) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
    )
    bwdif, sink = graph.add(_FILTER, _OPTIONS), graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    return graph


def _pull(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _drain(graph: Any) -> Iterator[Any]:
    graph.push(None)
    yield from _pull(graph)
