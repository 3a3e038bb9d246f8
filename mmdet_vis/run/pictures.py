"""Pictures of the result of a video: index PNGs, overlays and a video of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from rich.progress import Progress

from mmdet_vis.data.formats import write_davis_pngs
from mmdet_vis.data.formats.result_file import write_result
from mmdet_vis.data.sources import FrameSource, Prefetcher
from mmdet_vis.progress import bars
from mmdet_vis.structures import VideoResult
from mmdet_vis.structures.sequence import frame_stems
from mmdet_vis.visualization.images import ImageFolderWriter
from mmdet_vis.visualization.overlay import render_frames
from mmdet_vis.visualization.video_writer import VideoWriter

FRAMES_READ_AT_ONCE = 8


def write_pictures(
    result: VideoResult,
    source: FrameSource,
    places: Mapping[str, Path],
    show_thr: float | None,
    use_img: bool,
    bar: Progress | None = None,
) -> None:
    """Write the pictures of one video.

    Args:
        result: what was found in ``source``.
        places: what to write and where: a folder for ``png`` (index PNGs) and ``overlay`` (JPEGs), a file in an
            existing folder for ``video`` (mp4) and ``result`` (JSON, with all that is known of the video).
        show_thr: lowest score of a sequence that is drawn, the result's own if None; index PNGs have all.
        use_img: draw as the original's demo: 70 % colour, 30 % image.
        bar: shows how far the drawing is; None: nothing does.

    Raises:
        SourceError: a frame cannot be read.
        OutputError: a picture cannot be written.
    """
    if "result" in places:
        write_result(places["result"], result)
    if "png" in places:
        write_davis_pngs(result, places["png"])
    with ExitStack() as stack:
        writers: list[ImageFolderWriter | VideoWriter] = []
        if "overlay" in places:
            writers.append(stack.enter_context(ImageFolderWriter(places["overlay"], frame_stems(result))))
        if "video" in places:
            size = (result.height, result.width)
            video = VideoWriter(places["video"], result.fps, size, source.times, source.pixel_aspect, source.last)
            writers.append(stack.enter_context(video))
        if not writers:
            return
        count = len(source)
        chunks = ((t, min(t + FRAMES_READ_AT_ONCE, count)) for t in range(0, count, FRAMES_READ_AT_ONCE))
        ahead = stack.enter_context(Prefetcher(source, chunks))
        frames = (frame for _, _, several in ahead for frame in several)
        bar = bar or bars(shown=False)
        task = bar.add_task("drawing", total=result.num_frames)
        stack.callback(bar.remove_task, task)
        for frame in render_frames(result, frames, show_thr, style="blend" if use_img else "overlay"):
            for writer in writers:
                writer.write(frame)
            bar.advance(task)
