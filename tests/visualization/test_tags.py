from itertools import pairwise

import numpy as np
import pytest

from mmdet_vis.visualization.palette import track_colour
from mmdet_vis.visualization.tags import fit_tag, place_tag, tag_text


def test_text():
    assert tag_text("giant_panda", 0.9349, 12) == "giant panda 0.93 #12"


@pytest.mark.parametrize("track_id", range(1, 21))
def test_letters_contrast_with_the_background(track_id):
    colour = track_colour(track_id)
    pixels, opacity = fit_tag("cat 0.50 #1", colour, 480, 854)

    def luminance(bgr):  # WCAG 2.
        c = np.array(bgr, float)[::-1] / 255
        c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(c @ [0.2126, 0.7152, 0.0722])

    inside = pixels[opacity[..., 0] == 1]
    letters = max(inside, key=lambda pixel: np.abs(pixel - colour).sum())
    assert letters.tolist() in ([0, 0, 0], [255, 255, 255])
    low, high = sorted((luminance(letters), luminance(colour)))
    assert (high + 0.05) / (low + 0.05) > 4.5  # The contrast WCAG asks of text.


def test_tags_grow_with_the_frame_and_shrink_to_fit_a_narrow_one():
    def height(frame_height, frame_width):
        return fit_tag("person 0.50 #1", (0, 200, 0), frame_height, frame_width)[0].shape[0]

    assert height(360, 640) < height(720, 1280) < height(1080, 1920)
    narrow = fit_tag("person 0.50 #1", (0, 200, 0), 1080, 120)[0]
    assert narrow.shape[1] <= 120
    assert fit_tag("person 0.50 #1", (0, 200, 0), 8, 8) is None


def test_tags_are_equally_high_whatever_their_letters():
    assert len({fit_tag(text, (0, 200, 0), 480, 640)[0].shape[0] for text in ("ace", "fgy", "ÅT|")}) == 1


@pytest.mark.parametrize(
    "box", [(0, 0, 10, 10), (190, 90, 200, 100), (0, 0, 200, 100), (50, 0, 60, 100), (-5, -9, 3, 2)]
)
def test_a_tag_lies_inside_the_frame(box):
    x0, y0, x1, y1 = place_tag((12, 60), box, (100, 200), [])
    assert (x1 - x0, y1 - y0) == (60, 12)
    assert 0 <= x0 < x1 <= 200
    assert 0 <= y0 < y1 <= 100


def test_a_tag_lies_above_the_object_and_inside_at_the_top_border():
    assert place_tag((12, 60), (50, 40, 90, 80), (100, 200), [])[3] <= 40
    assert place_tag((12, 60), (50, 0, 90, 80), (100, 200), [])[:2] == (50, 0)


def test_tags_keep_clear_of_each_other():
    taken = []
    for _ in range(3):
        taken.append(place_tag((12, 60), (50, 40, 90, 80), (100, 200), taken))
    rows = sorted((box[1], box[3]) for box in taken)
    assert all(a[1] <= b[0] for a, b in pairwise(rows))
