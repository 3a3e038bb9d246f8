"""What a TIFF file says of its pages: sizes, depth, orientation, and whether the file holds all that they name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

MAX_PAGES = 100_000
"""More pages are not counted: a chain of them may go in a circle, or be as long as the file allows."""

_WIDTH, _HEIGHT, _BITS, _ORIENTATION, _EXTRA, _FORMAT = 256, 257, 258, 274, 338, 339
_SAMPLES, _PLANES = 277, 284
_REAL, _SEPARATE = 3, 2  # values of _FORMAT and of _PLANES
_DATA = ((273, 279), (324, 325))  # offsets and lengths of strips, and of tiles
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}  # bytes of the types of numbers


@dataclass(frozen=True)
class TiffPage:
    """One picture of a TIFF file.

    Attributes:
        size: stored (height, width) in pixels.
        bits: of a sample.
        plain: samples are whole numbers without a sign.
        upright: it is not to be turned.
        alpha: there are samples beside the colours.
        end: number of bytes that the file must have to hold the picture.
        not_read: what keeps it from being decoded, and what to do; empty for most.
    """

    size: tuple[int, int]
    bits: int
    plain: bool
    upright: bool
    alpha: bool
    end: int
    not_read: str = ""


def read_tiff(data: bytes) -> list[TiffPage]:
    """Read the directories of a TIFF or BigTIFF file.

    Raises:
        IndexError: the first one lies beyond the end of the file; later ones end the list.
    """
    order = "little" if data[:2] == b"II" else "big"
    big = number_at(data, 2, 2, order) == 43
    place = number_at(data, 8, 8, order) if big else number_at(data, 4, 4, order)
    pages: list[TiffPage] = []
    seen: set[int] = set()
    while place and place not in seen and len(pages) < MAX_PAGES:
        seen.add(place)
        try:
            tags, place = _read_directory(data, place, order, big)
            pages.append(_page_of(tags))
        except IndexError:
            if not pages:
                raise
            break
    return pages


def _page_of(tags: dict[int, list[int]]) -> TiffPage:
    if not tags.get(_WIDTH) or not tags.get(_HEIGHT):
        raise IndexError("a page without a size")
    ends = [
        offset + length
        for offsets, lengths in _DATA
        for offset, length in zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False)
    ]
    bits, kinds = max(tags.get(_BITS, [1]), default=1), tags.get(_FORMAT, [1])
    not_read = ""  # of deep pictures in planes OpenCV makes noise; it has no real numbers of 16 bits
    if _SEPARATE in tags.get(_PLANES, []) and max(tags.get(_SAMPLES, [1]), default=1) > 1 and bits > 8:
        not_read = (
            f"has samples of {bits} bits in separate planes, which are not read: save it with interleaved samples "
            "(PlanarConfiguration 1; of tifffile planarconfig='contig')"
        )
    elif _REAL in kinds and bits == 16:
        not_read = "has real numbers of 16 bits, which are not read: save it as float32 or uint16"
    return TiffPage(
        size=(tags[_HEIGHT][0], tags[_WIDTH][0]),
        bits=bits,
        plain=all(kind in (1, 4) for kind in kinds),
        upright=tags.get(_ORIENTATION, [1])[:1] == [1],
        alpha=bool(tags.get(_EXTRA)),
        end=max(ends, default=0),
        not_read=not_read,
    )


def _read_directory(data: bytes, place: int, order: str, big: bool) -> tuple[dict[int, list[int]], int]:
    """The numbers of a directory by tag, and the place of the next one."""
    count = number_at(data, place, 8 if big else 2, order)
    start, length, inline = place + (8 if big else 2), 20 if big else 12, 8 if big else 4
    end = start + count * length
    following = number_at(data, end, inline, order)
    tags: dict[int, list[int]] = {}
    for entry in range(start, end, length):
        tag, size = number_at(data, entry, 2, order), _SIZES.get(number_at(data, entry + 2, 2, order))
        if size is None:
            continue
        number = number_at(data, entry + 4, inline, order)
        value = entry + 4 + inline
        if number * size > inline:
            value = number_at(data, value, inline, order)
        if value + number * size > len(data):
            raise IndexError(value)
        tags[tag] = [number_at(data, value + size * i, size, order) for i in range(number)] if tag in _WANTED else []
    return tags, following


_WANTED = {_WIDTH, _HEIGHT, _BITS, _ORIENTATION, _EXTRA, _FORMAT, _SAMPLES, _PLANES, *chain.from_iterable(_DATA)}


def number_at(data: bytes, start: int, length: int, order: str = "big", signed: bool = False) -> int:
    """Integer at ``start``; IndexError where the file ends before it."""
    if start + length > len(data):
        raise IndexError(start)
    return int.from_bytes(data[start : start + length], "little" if order == "little" else "big", signed=signed)
