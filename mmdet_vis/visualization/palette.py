"""Colours: the palette of index PNGs, and the colour of a track on screen."""

from __future__ import annotations

# RGB, in the order of the tracks. Bright enough to stand on a dark frame, saturated enough to stand on a pale
# one, and far from each other: any two are over 30 apart in CIELAB.
_TRACK_COLOURS_RGB = (
    (255, 64, 64),  # red
    (30, 144, 255),  # blue
    (255, 210, 0),  # yellow
    (0, 220, 110),  # green
    (240, 50, 200),  # magenta
    (0, 225, 230),  # cyan
    (255, 135, 0),  # orange
    (170, 90, 255),  # violet
    (180, 240, 0),  # lime
    (255, 170, 215),  # pink
    (195, 125, 60),  # brown
    (70, 150, 40),  # leaf green
    (210, 225, 165),  # pale olive
    (0, 255, 0),  # pure green
    (225, 60, 120),  # crimson
    (0, 135, 180),  # petrol
    (165, 105, 195),  # purple
    (75, 150, 120),  # sea green
    (180, 195, 255),  # lavender
    (180, 180, 60),  # olive
)


def track_colour(track_id: int) -> tuple[int, int, int]:
    """Colour of a track as (blue, green, red), 0..255.

    It depends on the track id alone, so it is the same in all frames of all videos. The first 20 tracks (the
    most a DAVIS result holds) differ from each other; then the colours repeat.

    Args:
        track_id: 1-based.
    """
    red, green, blue = _TRACK_COLOURS_RGB[(track_id - 1) % len(_TRACK_COLOURS_RGB)]
    return blue, green, red
