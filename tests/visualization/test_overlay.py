import cv2
import numpy as np
import pytest

from mmdet_vis.errors import ViewError
from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks
from mmdet_vis.visualization.overlay import draw_overlay, render_frames
from mmdet_vis.visualization.palette import track_colour

HEIGHT, WIDTH = 120, 200


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def rectangle(x0, y0, x1, y1, height=HEIGHT, width=WIDTH):
    mask = np.zeros((height, width), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


def draw(frame, masks, track_ids=None, labels=None, style="overlay"):
    return draw_overlay(frame, masks, labels or [""] * len(masks), [1] if track_ids is None else track_ids, style)


@pytest.mark.parametrize(("style", "share"), [("overlay", 0.45), ("blend", 0.7)])
def test_pixels_of_objects_are_mixed_and_others_untouched(frame, style, share):
    before = frame.copy()
    got = draw(frame, [rectangle(60, 30, 120, 90)], [3], style=style)
    inside = (slice(36, 84), slice(66, 114))
    expected = share * np.array(track_colour(3)) + (1 - share) * frame[inside]
    assert np.abs(got[inside] - expected).max() <= 0.5 + 1e-6
    outside = rectangle(56, 26, 124, 94) == 0
    np.testing.assert_array_equal(got[outside], frame[outside])
    np.testing.assert_array_equal(frame, before)


def test_the_contour_has_the_full_colour(frame):
    got = draw(frame, [rectangle(60, 30, 120, 90)], [2])
    for row, column in [(30, 90), (89, 90), (60, 60), (60, 119)]:
        assert np.abs(got[row, column].astype(int) - track_colour(2)).max() <= 2


def test_the_first_object_is_on_top_with_its_contour(frame):
    below, top = rectangle(20, 30, 120, 90), rectangle(80, 20, 160, 100)
    both = draw(frame, [top, below], [1, 2])
    alone = draw(frame, [top], [1])
    np.testing.assert_array_equal(both[20:100, 82:160], alone[20:100, 82:160])
    assert np.abs(both[60, 80].astype(int) - track_colour(1)).max() <= 2
    assert (both[60, 50] != alone[60, 50]).any()


def test_a_thick_contour_is_not_covered_by_the_object_below():
    frame = np.zeros((900, 1200, 3), np.uint8)  # Contours are 3 pixels wide here and spread beyond the mask.
    top, below = (rectangle(*box, 900, 1200) for box in ((500, 300, 900, 700), (100, 350, 500, 650)))
    both = draw(frame, [top, below], [1, 2])
    np.testing.assert_array_equal(both[400:600, 500:510], draw(frame, [top], [1])[400:600, 500:510])


def test_rles_and_arrays_draw_the_same(frame):
    masks = [rectangle(10, 10, 60, 60), rectangle(40, 40, 150, 110)]
    labels = ["cat 0.90 #1", "dog 0.80 #2"]
    a = draw(frame, masks, [1, 2], labels)
    b = draw(frame, encode_masks(np.stack(masks)), [1, 2], labels)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, draw(frame, masks, [1, 2], labels))


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 12, 12),
        (188, 0, 200, 12),
        (0, 108, 12, 120),
        (188, 108, 200, 120),
        (0, 0, 200, 120),
        (90, 40, 110, 60),
    ],
)
def test_the_whole_tag_is_drawn_wherever_the_object_is(frame, box):
    """The tag's text and background appear complete: as many letter pixels at the border as in the middle."""
    black = np.zeros_like(frame)

    def letters(box):
        mask = rectangle(*box)
        plain = draw(black, [mask], [1])
        return int((draw(black, [mask], [1], ["dog 0.80 #1"]) != plain).any(2).sum())

    count = letters(box)
    middle = letters((90, 60, 110, 80))
    assert count == pytest.approx(middle, rel=0.25)
    assert middle > 300


def test_a_stray_pixel_does_not_carry_the_tag_away(frame):
    mask = rectangle(20, 70, 80, 110)
    with_stray = mask.copy()
    with_stray[0, 199] = 1
    a = draw(frame, [mask], [1], ["dog 0.80 #1"])
    b = draw(frame, [with_stray], [1], ["dog 0.80 #1"])
    np.testing.assert_array_equal(a[:, :190], b[:, :190])


def test_invisible_objects_leave_no_trace(frame):
    hidden = rectangle(50, 50, 60, 60)
    got = draw(
        frame,
        [rectangle(40, 40, 100, 100), hidden, np.zeros_like(hidden)],
        [1, 2, 3],
        ["", "b 1 #2", "c 1 #3"],
    )
    np.testing.assert_array_equal(got, draw(frame, [rectangle(40, 40, 100, 100)], [1]))
    np.testing.assert_array_equal(draw(frame, [], []), frame)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 64), (8, 8), (64, 3)])
def test_tiny_frames(height, width):
    tiny = np.zeros((height, width, 3), np.uint8)
    got = draw_overlay(tiny, [np.ones((height, width), np.uint8)], ["giant panda 0.93 #1"], [1])
    assert got.shape == tiny.shape
    assert got.any()


def test_wrong_arguments_are_refused(frame):
    mask = rectangle(0, 0, 5, 5)
    with pytest.raises(ViewError, match="style"):
        draw(frame, [mask], [1], style="glow")
    with pytest.raises(ValueError, match="uint8"):
        draw(frame.astype(np.float32), [mask])
    with pytest.raises(ValueError, match="size"):
        draw(frame, [mask[:-1]])
    with pytest.raises(ValueError, match="as many"):
        draw_overlay(frame, [mask], ["a", "b"], [1])


def make_result(frames=6):
    """Two moving objects and a third one below the show threshold."""
    sequences = []
    for rank, score in ((1, 0.9), (2, 0.2), (3, 0.19)):
        masks = [rectangle(10 + 8 * t, 35 * rank - 15, 60 + 8 * t, 35 * rank + 10) for t in range(frames)]
        rles = encode_masks(np.stack(masks))
        sequences.append(InstanceSequence(rank, 0, score, np.array([score], np.float32), rles))
    return VideoResult("clip", HEIGHT, WIDTH, frames, sequences, ("giant_panda",), (1,))


def test_a_track_keeps_its_colour_in_all_frames(frame):
    black = np.zeros_like(frame)
    for t, got in enumerate(render_frames(make_result(), [black] * 6)):
        for rank, y in ((1, 40), (2, 75)):
            expected = 0.45 * np.array(track_colour(rank))
            assert np.abs(got[y, 50 + 8 * t] - expected).max() <= 1, (t, rank)
        assert not got[100:108].any()  # Below the threshold.


@pytest.mark.parametrize("style", ["overlay", "blend"])
def test_tags_tell_category_score_and_track(frame, style):
    result = make_result()
    first = next(render_frames(result, [frame] * 6, style=style))
    masks = [sequence.masks[0] for sequence in result.sequences[:2]]
    labels = ["giant panda 0.90 #1", "giant panda 0.20 #2"]
    np.testing.assert_array_equal(first, draw(frame, masks, [1, 2], labels, style))


def test_the_threshold_chooses_what_is_drawn(frame):
    frames = [frame] * 6
    all_three = list(render_frames(make_result(), frames, score_thr=0.1))
    none = list(render_frames(make_result(), frames, score_thr=0.95))
    assert (all_three[0][102:108, 20:50] != frame[102:108, 20:50]).any()
    assert all(np.array_equal(got, frame) for got in none)


def test_frames_are_drawn_one_at_a_time(frame):
    taken = []

    def source():
        for index in range(6):
            taken.append(index)
            yield frame

    rendered = render_frames(make_result(), source())
    next(rendered)
    assert taken == [0]


@pytest.mark.parametrize("count", [5, 7])
def test_another_number_of_frames_is_refused(frame, count):
    with pytest.raises(ValueError, match="6"):
        list(render_frames(make_result(), [frame] * count))


def test_a_frame_of_another_size_is_refused(frame):
    with pytest.raises(ViewError, match="frame 1 of clip is 199x120, its result is 200x120"):
        list(render_frames(make_result(), [frame, frame[:, :-1]]))


def test_on_a_real_frame(shared):
    folder = shared / "data" / "davis_dev"
    frame = cv2.imread(str(folder / "JPEGImages" / "dog" / "00005.jpg"))
    mask = cv2.imread(str(folder / "Annotations" / "dog" / "00005.png"), cv2.IMREAD_GRAYSCALE)
    got = draw_overlay(frame, [mask], ["dog 0.98 #2"], [2])
    edge = (mask > 0) & (cv2.erode(mask, np.ones((3, 3), np.uint8)) == 0)
    on_edge = np.abs(got[edge].astype(int) - track_colour(2)).max(1)
    assert (on_edge <= 40).mean() > 0.95  # Smoothed lines: nearly the full colour.
    inside = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 0
    expected = 0.45 * np.array(track_colour(2)) + 0.55 * frame[inside]
    assert np.abs(got[inside] - expected).max() <= 0.5 + 1e-6
    assert (got == frame).all(2).mean() > 0.7
