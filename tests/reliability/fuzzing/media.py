"""Valid images and videos, ordinary and odd ones, for tests to damage."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

VIDEOS = {
    "h264.mp4": ("mp4", "libx264", "yuv420p", 64, 48, 12),
    "h264_grey.mkv": ("matroska", "libx264", "gray", 32, 32, 6),
    "mpeg4.avi": ("avi", "mpeg4", "yuv420p", 64, 48, 12),
    "mjpeg.avi": ("avi", "mjpeg", "yuvj420p", 48, 32, 5),
    "vp8.webm": ("webm", "libvpx", "yuv420p", 48, 32, 6),
    "h264.ts": ("mpegts", "libx264", "yuv420p", 64, 48, 12),
    "flv1.flv": ("flv", "flv", "yuv420p", 48, 32, 6),
    "thin.mp4": ("mp4", "mpeg4", "yuv420p", 2000, 2, 3),
    "one.gif": ("gif", "gif", "rgb8", 24, 16, 4),
}
"""File name: container, codec, pixel format, width, height, frames."""

IMAGES = (
    "grey", "rgba", "16bit", "16bit_rgb", "palette", "two_tone", "cmyk", "exif", "animated_webp", "animated_png",
    "one_pixel", "wide", "high", "progressive", "lossless_webp", "bmp", "jpeg", "png", "webp",
    "huge_png", "huge_jpeg", "huge_bmp", "huge_webp",
)  # fmt: skip
HUGE = (0, 1, 65_535, 100_000, 2**31 - 1, 2**32 - 1)


def picture(rng: random.Random, width: int, height: int) -> NDArray[np.uint8]:
    """A smooth picture with a few sharp edges: ``[height, width, 3]`` uint8."""
    generator = np.random.default_rng(rng.randrange(2**32))
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in generator.uniform(0.02, 0.4, (3, 3))]
    image = (np.stack(waves, axis=2) * 100 + 128).astype(np.uint8)
    image[height // 3 : height // 2, width // 4 : width // 2] = generator.integers(0, 256, 3)
    return image


def write_video(path: Path, rng: random.Random) -> bool:
    """Write one of :data:`VIDEOS`; False if this build of FFmpeg cannot."""
    container_name, codec, pixels, width, height, number = VIDEOS[path.name]
    try:
        with av.open(str(path), "w", format=container_name) as container:
            stream: Any = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, pixels, 4
            for _ in range(number):
                frame = av.VideoFrame.from_ndarray(picture(rng, width, height), format="rgb24")
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
    except (av.error.FFmpegError, ValueError):
        path.unlink(missing_ok=True)
        return False
    return True


def image_file(rng: random.Random, kind: str) -> tuple[str, bytes]:
    """Contents of an image file of one of :data:`IMAGES`, and the ending that belongs to it."""
    sizes = {"one_pixel": (1, 1), "wide": (10_000, 2), "high": (2, 10_000)}
    width, height = sizes.get(kind, (rng.randrange(2, 60), rng.randrange(2, 60)))
    image = Image.fromarray(picture(rng, width, height))
    name, options = rng.choice(("PNG", "JPEG", "WEBP", "BMP")), dict[str, Any]()
    if kind in ("png", "jpeg", "webp", "bmp"):
        name = kind.upper()
    elif kind == "grey":
        image = image.convert("L")
    elif kind == "rgba":
        image, name = image.convert("RGBA"), rng.choice(("PNG", "WEBP"))
    elif kind == "16bit":
        image, name = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), "PNG"
    elif kind == "16bit_rgb":
        return ".png", png(width, height, 16, 2, np.asarray(image).astype(">u2").tobytes())
    elif kind == "palette":
        image, name = image.quantize(rng.choice((2, 4, 16, 256))), "PNG"
    elif kind == "two_tone":
        image, name = image.convert("1"), "PNG"
    elif kind == "cmyk":
        image, name = image.convert("CMYK"), "JPEG"
    elif kind == "exif":
        exif = image.getexif()
        exif[0x0112] = rng.randrange(10)
        name, options = rng.choice(("PNG", "JPEG", "WEBP")), {"exif": exif}
    elif kind.startswith("animated"):
        others = [Image.fromarray(picture(rng, width, height)) for _ in range(3)]
        name, options = kind[9:].upper(), {"save_all": True, "append_images": others}
    elif kind == "progressive":
        name, options = "JPEG", {"progressive": True}
    elif kind == "lossless_webp":
        name, options = "WEBP", {"lossless": True}
    elif kind.startswith("huge"):
        return _huge(rng, kind[5:])
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return {"JPEG": ".jpg"}.get(name, f".{name.lower()}"), buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG with right checksums, whatever its header says; ``rows`` has no filter bytes where height divides it."""
    step = max(len(rows) // height, 1) if height else 1
    raw = b"".join(b"\0" + rows[i : i + step] for i in range(0, len(rows), step))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw)),
        (b"IEND", b""),
    )
    parts = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _huge(rng: random.Random, kind: str) -> tuple[str, bytes]:
    """A small file that says it is a huge image, or one without pixels."""
    width, height = rng.choice(HUGE), rng.choice(HUGE)
    buffer = io.BytesIO()
    Image.fromarray(picture(rng, 16, 16)).save(buffer, kind.upper())
    data = bytearray(buffer.getvalue())
    if kind == "png":
        depth, colour = rng.choice(((1, 0), (8, 2), (16, 6)))
        return ".png", png(width, height, depth, colour, bytes(rng.choice((0, 100, 10**6))))
    if kind == "jpeg":
        place = data.find(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
        return ".jpg", bytes(data)
    if kind == "bmp":
        data[18:26] = struct.pack("<II", width, height)
        data[28:30] = struct.pack("<H", rng.choice((0, 1, 4, 8, 24, 32, 65535)))
        data[30:34] = struct.pack("<I", rng.choice((0, 1, 2, 3, 9)))
        return ".bmp", bytes(data)
    canvas = (min(width, 2**24) - 1 & 0xFFFFFF).to_bytes(3, "little") + (min(height, 2**24) - 1 & 0xFFFFFF).to_bytes(
        3, "little"
    )
    return ".webp", bytes(data[:12]) + b"VP8X\x0a\0\0\0\0\0\0\0" + canvas + bytes(data[12:])
