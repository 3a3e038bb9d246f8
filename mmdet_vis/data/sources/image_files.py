"""What the bytes of an image file say without decoding it: its size, and whether the file is whole.

OpenCV decodes a JPEG that was cut short without a word and fills the rest with grey, so a file's end has to
be checked here. Only the container is read; the pixels are OpenCV's business.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from .tiff_header import number_at, read_tiff

IMAGE_SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm",
        ".avif",
    )
)  # fmt: skip

# More pixels are refused: a file of a few bytes could otherwise ask for any amount of memory. 134 million is
# more than most cameras have.
MAX_IMAGE_PIXELS = 2**27

# In the entropy-coded part of a JPEG, 0xFF is followed by 0x00 (stuffing) or a restart marker 0xD0 to 0xD7;
# anything else is a marker, before which 0xFF may be repeated.
_JPEG_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_END, _JPEG_SCAN, _JPEG_APP1 = 0xD9, 0xDA, 0xE1


@dataclass(frozen=True)
class ImageHeader:
    """What an image file says of itself.

    Attributes:
        size: stored (height, width) in pixels; None where it is not known without decoding.
        upright: False where metadata may turn the image, so that only decoding gives the size it is shown at.
        problem: None for a whole file that is read, else what is wrong, to follow the file's name in a message; with
            what to do behind a colon, where another copy does not help.
        deep: its samples may have more than 8 bits.
        alpha: it has a channel of transparency.
        pages: indices of the pictures of a TIFF file that have the size of the first; one for other files.
        others: number of pictures in a TIFF file that are left out.
        animated: an animation, of WebP or PNG.
        stack: what the pages of a TIFF file of ImageJ are beside times; empty for most.
    """

    size: tuple[int, int] | None = None
    upright: bool = True
    problem: str | None = None
    deep: bool = False
    alpha: bool = False
    pages: tuple[int, ...] = (0,)
    others: int = 0
    animated: bool = False
    stack: str = ""

    @property
    def moving(self) -> bool:
        """Whether the file is a video by itself."""
        return self.animated or len(self.pages) > 1


_CUT_SHORT = "is cut short"


def read_header(data: bytes) -> ImageHeader:
    """Read the header and check the structure of a whole JPEG, PNG, WebP, BMP, TIFF or PNM file, told apart by content.

    A file of another type gives a header without a size and without a problem.
    """
    if not data:
        return ImageHeader(problem="is empty")
    for signature, parse in (
        (b"\xff\xd8", _read_jpeg),
        (b"\x89PNG\r\n\x1a\n", _read_png),
        (b"RIFF", _read_webp),
        (b"BM", _read_bmp),
        ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _read_tiff),
        ((b"P5", b"P6"), _read_pnm),
    ):
        if data.startswith(signature):
            try:
                return parse(data)
            except IndexError:  # a field lies beyond the end of the file
                return ImageHeader(problem=_CUT_SHORT)
    return ImageHeader()


def _read_jpeg(data: bytes) -> ImageHeader:
    """Walk the segments up to the end-of-image marker; what follows it (say, a second image) is ignored."""
    size, upright, place = None, True, 2
    while match := _JPEG_MARKER.search(data, place):
        marker, place = match[1][0], match.end()
        if marker == _JPEG_END:
            return ImageHeader(size, upright)
        if marker in _JPEG_STANDALONE:
            continue
        if marker in _JPEG_FRAME:
            size = (number_at(data, place + 3, 2), number_at(data, place + 5, 2))
        elif marker == _JPEG_APP1 and data.startswith(b"Exif", place + 2):
            upright = False
        # After a scan header the search goes on through entropy-coded data, to the next marker.
        place += number_at(data, place, 2)
    return ImageHeader(size, upright, _CUT_SHORT)


def _read_png(data: bytes) -> ImageHeader:
    """Walk the chunks; critical ones (capital first letter) must have the right checksum."""
    size = (number_at(data, 20, 4), number_at(data, 16, 4))
    deep, alpha = data[24] > 8, data[25] in (4, 6)
    upright, animated, place = True, False, 8
    while True:
        length, kind = number_at(data, place, 4), data[place + 4 : place + 8]
        checksum = number_at(data, place + 8 + length, 4)
        if kind[:1].isupper() and zlib.crc32(memoryview(data)[place + 4 : place + 8 + length]) != checksum:
            return ImageHeader(size, upright, "is damaged (a checksum is wrong)")
        if kind == b"eXIf":
            upright = False
        alpha = alpha or kind == b"tRNS"
        if kind == b"acTL":  # of one picture, it is a picture
            animated = number_at(data, place + 8, 4) > 1
        if kind == b"IEND":
            return ImageHeader(size, upright, deep=deep, alpha=alpha, animated=animated)
        place += 12 + length


def _read_webp(data: bytes) -> ImageHeader:
    """Read the first chunk of a WebP file; the sizes of RIFF files are little-endian."""
    if data[8:12] != b"WEBP":
        return ImageHeader()
    if number_at(data, 4, 4, "little") + 8 > len(data):
        return ImageHeader(problem=_CUT_SHORT)
    kind = data[12:16]
    if kind == b"VP8X":
        # Extended format: flags (an Exif chunk follows, animation), then the canvas as width - 1 and height - 1.
        upright = not data[20] & 0b0000_1010
        size = (number_at(data, 27, 3, "little") + 1, number_at(data, 24, 3, "little") + 1)
        return ImageHeader(size, upright, alpha=bool(data[20] & 0b0001_0000), animated=bool(data[20] & 0b0000_0010))
    if kind == b"VP8L":
        bits = number_at(data, 21, 4, "little")
        return ImageHeader(((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1))
    if kind == b"VP8 ":
        return ImageHeader((number_at(data, 28, 2, "little") & 0x3FFF, number_at(data, 26, 2, "little") & 0x3FFF))
    return ImageHeader()


def _read_bmp(data: bytes) -> ImageHeader:
    """Read the common BMP header (40 bytes or more); an uncompressed file must hold all its rows."""
    if number_at(data, 14, 4, "little") < 40:
        return ImageHeader()
    width, height = number_at(data, 18, 4, "little", True), abs(number_at(data, 22, 4, "little", True))
    bits, compression = number_at(data, 28, 2, "little"), number_at(data, 30, 4, "little")
    row = (width * bits + 31) // 32 * 4
    if compression == 0 and number_at(data, 10, 4, "little") + row * height > len(data):
        return ImageHeader((height, width), problem=_CUT_SHORT)
    return ImageHeader((height, width))


def _read_tiff(data: bytes) -> ImageHeader:
    """Read the directories of a TIFF file; the pages of other sizes are thumbnails and reductions."""
    pages = read_tiff(data)
    first = pages[0] if pages else None
    if first is None:
        return ImageHeader(problem=_CUT_SHORT)
    same = tuple(index for index, page in enumerate(pages) if page.size == first.size)
    whole = max(pages[index].end for index in same) <= len(data)
    deep = any(pages[index].bits > 8 or not pages[index].plain for index in same)
    return ImageHeader(
        first.size,
        first.upright,
        _CUT_SHORT if not whole else next((pages[index].not_read for index in same if pages[index].not_read), None),
        deep,
        first.alpha,
        same,
        len(pages) - len(same),
        stack=_imagej_stack(data) if len(same) > 1 else "",
    )


_IMAGEJ = re.compile(rb"ImageJ=[^\0]{0,300}")
_AXIS = re.compile(rb"(channels|slices)=(\d{1,6})")


def _imagej_stack(data: bytes) -> str:
    """ImageJ writes the channels and depths of each time as pages, and their numbers into the description."""
    found = _IMAGEJ.search(data)
    axes = {name.decode(): int(number) for name, number in _AXIS.findall(found[0])} if found else {}
    return " and ".join(f"{number} {name}" for name, number in axes.items() if number > 1)


_PNM_HEADER = re.compile(rb"P([56])(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")


def _read_pnm(data: bytes) -> ImageHeader:
    """Read the header of a binary PGM or PPM file, which must hold all its samples."""
    match = _PNM_HEADER.match(data)
    if match is None:
        return ImageHeader()
    width, height, most = (int(match[group]) for group in (2, 3, 4))
    samples = width * height * (3 if match[1] == b"6" else 1) * (2 if most > 255 else 1)
    problem = _CUT_SHORT if match.end() + samples > len(data) else None
    return ImageHeader((height, width), True, problem, most > 255)


def is_video_image(path: Path) -> bool:
    """Whether an image file is a video by itself: an animation, or a TIFF file of several pictures of one size."""
    if path.suffix.lower() not in _MAY_MOVE:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head.startswith((b"II", b"MM")):
                return read_header(head + file.read()).moving
    except OSError:
        return False  # what is wrong shows when it is opened
    if head[4:12] == b"ftypavis":
        return True
    if head.startswith(b"RIFF"):
        return head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 0b0000_0010)
    place = head.find(b"acTL", 0, head.find(b"IDAT") if b"IDAT" in head else len(head))
    return place > 0 and int.from_bytes(head[place + 4 : place + 8], "big") > 1


_MAY_MOVE = frozenset({".webp", ".png", ".apng", ".tif", ".tiff", ".avif"})
# What announces an animation stands before the picture.
_HEAD = 2**16
