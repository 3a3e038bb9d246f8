"""Live and endless video: one window of frames after the other, with objects that keep their identity."""

from .frames import FrameResult, StreamFrame, StreamObject
from .reader import StreamReader
from .segment import segment_stream

__all__ = ["FrameResult", "StreamFrame", "StreamObject", "StreamReader", "segment_stream"]
