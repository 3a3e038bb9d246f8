"""What a user may choose from, in one place for the commands, the page and the API; imports nothing of the package."""

from __future__ import annotations

PRECISIONS = ("float32", "tf32", "bfloat16", "float16", "auto")
"""Number formats of :func:`mmdet_vis.api.load_model`."""

RUNTIME_PRECISIONS = (*PRECISIONS, "int8")
"""The same with that of other runtimes than PyTorch."""

CPU_PRECISIONS = ("float32", "bfloat16", "auto")
"""Those of :data:`PRECISIONS` that a CPU can do."""

RUNTIMES = ("torch", "onnxruntime", "openvino")
"""What computes the network of :func:`mmdet_vis.api.load_model`."""

EXPORTS = ("safetensors", "onnx", "openvino", "torch-export")
"""What a network can be written as: one model file, or graphs for other runtimes."""

PROFILES = ("exact", "fast")
"""Profiles of :func:`mmdet_vis.api.segment_video`."""

PROPOSAL_SCORES = ("detections", "boxes", "network")
"""How sequences that another detector proposes are scored, see ``propose_reduce.proposal_scores`` of configs."""

FORMATS = ("json", "overlay", "video", "png", "result")
"""What a run can write of a video."""

DEFAULT_FORMATS = ("json", "overlay", "video", "result")
"""What a run over files writes when nobody chose."""

STREAM_FORMATS = ("json", "video")
"""What a stream can write."""
WINDOW, OVERLAP, TIMEOUT = 40, 8, 10.0
"""Of a stream: frames segmented at once, frames that neighbouring windows share, seconds of silence to wait for."""

PICTURES = {"overlay": "*.jpg", "video": "", "png": "*.png", "result": ""}
"""Those of :data:`FORMATS` that each video has of its own: names of the files in its folder, none for one file."""

ENDINGS = {"video": ".mp4", "result": ".result.json"}
"""What the single files of :data:`PICTURES` are called, after the name of the video."""


WEIGHTS = (".safetensors", ".pth", ".pt")
"""Endings of files of weights."""
