"""Fonts for text of every script: what a font lacks, another one of the system has, or it is replaced and said.

Pillow shapes the text (with Raqm, which its wheels carry, also of scripts that join letters or run to the left).
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from mmdet_vis.errors import few

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONT_VARIABLE = "MMDET_VIS_FONT"
"""Environment variable with a font file that is taken first."""

REPLACEMENT = "?"
_LOGGER = logging.getLogger(__name__)

_PROBE_SIZE = 24
# No font has a letter there: what is drawn is the font's sign for a missing one.
_NO_LETTER = "\U000f0000"
# Marks that stand on other letters, joiners and the like: fonts may do without them.
_HELPERS = frozenset({"Cf", "Cc", "Mn", "Mc", "Me"})
# Letters that a warning was about.
_SAID: set[str] = set()


def choose_font(text: str, size: int) -> tuple[Font, str]:
    """The font for a text, and the text as it can be drawn.

    Plain ASCII is drawn with Pillow's own font. Other text is drawn with the first of these that has all its letters:
    the file that :data:`FONT_VARIABLE` names, DejaVu Sans (which comes with Matplotlib), the fonts of the system. If
    none has all, the one with most; the letters that it lacks become :data:`REPLACEMENT`, with one warning in the log.
    """
    path, drawn = _choose(text)
    if path is None:
        return ImageFont.load_default(size=size), drawn
    return ImageFont.truetype(path, size), drawn


@lru_cache(maxsize=512)
def _choose(text: str) -> tuple[str | None, str]:
    named = os.environ.get(FONT_VARIABLE)
    if text.isascii() and not named:
        return None, text
    letters = frozenset(c for c in text if unicodedata.category(c) not in _HELPERS and not c.isspace())
    best: str | None = None
    lacking = letters
    for path in _fonts(named, letters):
        missing = frozenset(letter for letter in letters if not _has(path, letter))
        if best is None or len(missing) < len(lacking):
            best, lacking = path, missing
        if not lacking:
            break
    if not lacking:
        return best, text
    shown, replaced = "", False
    for letter in text:
        replaced = letter in lacking or (replaced and unicodedata.category(letter) in _HELPERS)
        # Nothing is left for a mark to stand on.
        shown += letter if not replaced else REPLACEMENT if letter in lacking else ""
    if lacking <= _SAID:
        return best, shown
    _SAID.update(lacking)
    codes = few([f"U+{ord(c):04X}" for c in sorted(lacking)])
    what = f"drawn as {REPLACEMENT}; install one (for example Noto) or name a file in {FONT_VARIABLE}"
    _LOGGER.warning("no font has %d of the letters of %r (%s): %s", len(lacking), text, codes, what)
    return best, shown


def _fonts(named: str | None, letters: frozenset[str]) -> Iterator[str]:
    """Font files to try, best first."""
    if named:
        if _probe(named) is not None:
            yield named
        else:
            _LOGGER.warning("%s=%s is no font file that can be read: left out", FONT_VARIABLE, named)
    matplotlib = find_spec("matplotlib")  # found, not imported
    if matplotlib is not None and matplotlib.origin:
        yield str(Path(matplotlib.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf")
    yield from _listed_fonts(letters)
    yield from _system_fonts()


def _listed_fonts(letters: frozenset[str]) -> list[str]:
    """Fonts that have all of the letters, as fontconfig knows them; none where it is not installed."""
    command = shutil.which("fc-list")
    if command is None:
        return []
    charset = " ".join(f"{ord(letter):x}" for letter in sorted(letters))
    try:
        answer = subprocess.run(
            [command, "-f", "%{file}\n", f":charset={charset}"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    # The upright regular one of a family first.
    return sorted(set(os.fsdecode(answer.stdout).splitlines()), key=_plainness)


def _plainness(path: str) -> tuple[bool, int, str]:
    name = Path(path).stem.lower()
    return any(word in name for word in ("bold", "italic", "oblique", "black", "light", "thin")), len(name), path


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[str, ...]:
    """Font files in the folders where systems keep them."""
    from matplotlib.font_manager import findSystemFonts  # takes half a second to import

    return tuple(sorted(findSystemFonts(), key=_plainness))


@lru_cache(maxsize=64)
def _probe(path: str) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(path, _PROBE_SIZE)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _has(path: str, letter: str) -> bool:
    """Whether a font has a letter: it draws something, and not its sign for missing ones."""
    font = _probe(path)
    if font is None:
        return False
    drawn = font.getmask(letter)
    return any(drawn.size) and bytes(drawn) != _missing_sign(path)


@lru_cache(maxsize=64)
def _missing_sign(path: str) -> bytes:
    font = _probe(path)
    return bytes(font.getmask(_NO_LETTER)) if font is not None else b""
