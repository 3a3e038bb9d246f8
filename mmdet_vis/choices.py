"""What a user may choose from, in one place for the commands, the page and the API; imports nothing."""

PRECISIONS = ("float32", "tf32", "bfloat16", "float16", "auto")
"""Number formats of :func:`mmdet_vis.api.load_model`."""

CPU_PRECISIONS = ("float32", "bfloat16", "auto")
"""Those of :data:`PRECISIONS` that a CPU can do."""

PROFILES = ("exact", "fast")
"""Profiles of :func:`mmdet_vis.api.segment_video`."""

FORMATS = ("json", "overlay", "video", "png")
"""What a run can write of a video."""

DEFAULT_FORMATS = ("json", "overlay", "video")
STREAM_FORMATS = ("json", "video")
"""What a stream can write."""
