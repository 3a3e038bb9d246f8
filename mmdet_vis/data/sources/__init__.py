"""Sources of frames: folders of images, video files, arrays; and reading ahead."""

from .animation import AnimationSource
from .base import ArraySource, Frame, FrameSource, PartSource
from .folder import FolderSource, ImageFilesSource
from .given import as_source
from .inputs import find_inputs, open_source
from .naming import display_name, is_debris, is_inside, is_name, natural_key, unique_names
from .prefetch import Prefetcher
from .video import VideoFileSource

__all__ = [
    "AnimationSource",
    "ArraySource",
    "FolderSource",
    "Frame",
    "FrameSource",
    "ImageFilesSource",
    "PartSource",
    "Prefetcher",
    "VideoFileSource",
    "as_source",
    "display_name",
    "find_inputs",
    "is_debris",
    "is_inside",
    "is_name",
    "natural_key",
    "open_source",
    "unique_names",
]
