import cv2
import numpy as np

from mmdet_vis.data.formats.davis_png import voc_palette
from mmdet_vis.visualization.palette import track_colour


def test_voc_palette_begins_as_pascal_voc_publishes_it():
    palette = voc_palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert [tuple(row) for row in palette[:7].tolist()] == first
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def lab_of(colours):
    return cv2.cvtColor(np.array(colours, np.float32)[None] / 255, cv2.COLOR_BGR2LAB)[0]


def test_track_colours_are_bright_saturated_and_far_apart():
    lab = lab_of([track_colour(i) for i in range(1, 21)])
    assert lab[:, 0].min() > 50
    assert np.hypot(lab[:, 1], lab[:, 2]).min() > 30
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 1e3 * np.eye(20)
    assert distance.min() > 30


def test_any_track_has_a_colour():
    assert all(0 <= channel <= 255 for i in (1, 21, 1000) for channel in track_colour(i))
    assert track_colour(1) == (64, 64, 255)  # Blue, green, red.
