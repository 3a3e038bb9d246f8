import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet_vis.data.formats import index_maps, read_index_png, write_davis_pngs
from mmdet_vis.data.formats.davis_png import voc_palette
from mmdet_vis.errors import DatasetError, OutputError
from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks


def make_result(masks, frame_names=()):
    """``masks`` [N, T, H, W] as a result."""
    sequences = [
        InstanceSequence(n + 1, 0, 0.9 - 0.01 * n, np.array([0.9], np.float32), encode_masks(own))
        for n, own in enumerate(masks)
    ]
    _, frames, height, width = masks.shape
    return VideoResult("clip", height, width, frames, sequences, ("object",), (1,), list(frame_names))


def random_masks(n=4, frames=3, height=9, width=14, seed=0):
    return (np.random.default_rng(seed).random((n, frames, height, width)) > 0.7).astype(np.uint8)


def test_written_files_read_back_as_the_index_maps(tmp_path):
    masks = random_masks()
    result = make_result(masks, ["00000", "00005", "00010"])
    write_davis_pngs(result, tmp_path / "clip")
    paths = sorted((tmp_path / "clip").iterdir())
    assert [p.name for p in paths] == ["00000.png", "00005.png", "00010.png"]
    expected = np.where(masks.any(0), masks.argmax(0) + 1, 0)
    for path, index_map, own in zip(paths, index_maps(result), expected, strict=True):
        np.testing.assert_array_equal(read_index_png(path), own)
        np.testing.assert_array_equal(index_map, own)


def test_files_are_8_bit_palette_pngs_with_the_davis_palette(tmp_path):
    write_davis_pngs(make_result(random_masks()), tmp_path)
    data = (tmp_path / "00000.png").read_bytes()
    assert data[24:26] == bytes([8, 3])  # Bit depth 8, colour type 3 (palette).
    with Image.open(tmp_path / "00000.png") as image:
        np.testing.assert_array_equal(np.array(image.getpalette()).reshape(256, 3), voc_palette())
    # A viewer without notion of indices shows the palette's colours.
    shown = cv2.imread(str(tmp_path / "00000.png"))[..., ::-1]
    np.testing.assert_array_equal(shown, voc_palette()[read_index_png(tmp_path / "00000.png")])


def test_a_mask_that_a_person_gave_is_whole():
    masks = random_masks()
    result = make_result(masks)
    result.sequences[2].given = (1,)
    first, second, third = index_maps(result)
    np.testing.assert_array_equal(second == 3, masks[2, 1])
    others = np.where(masks[[0, 1, 3], 1].any(0), np.array([1, 2, 4])[masks[[0, 1, 3], 1].argmax(0)], 0)
    np.testing.assert_array_equal(second[second != 3], others[second != 3])
    result.sequences[2].given = ()
    for mine, before in zip((first, third), list(index_maps(result))[::2], strict=True):
        np.testing.assert_array_equal(mine, before)


def test_at_most_20_sequences_are_drawn():
    masks = np.zeros((25, 1, 5, 5), np.uint8)
    masks[np.arange(25), 0, np.arange(25) // 5, np.arange(25) % 5] = 1
    assert sorted(set(next(index_maps(make_result(masks))).ravel())) == list(range(21))
    assert next(index_maps(make_result(masks), max_objects=255)).max() == 25
    with pytest.raises(ValueError, match="255"):
        next(index_maps(make_result(masks), max_objects=256))


def test_a_video_without_sequences_gives_background_for_every_frame(tmp_path):
    write_davis_pngs(make_result(np.zeros((0, 4, 6, 8), np.uint8)), tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    assert not any(read_index_png(f).any() for f in files)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        write_davis_pngs(make_result(random_masks()), tmp_path / "file")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_pngs_of_every_depth_give_indices(tmp_path, bits):
    values = np.random.default_rng(bits).integers(0, 2**bits, (7, 13)).astype(np.uint8)
    image = Image.fromarray(values)
    image.putpalette(voc_palette()[: 2**bits].tobytes())
    image.save(tmp_path / "p.png", bits=bits)
    assert (tmp_path / "p.png").read_bytes()[24:26] == bytes([bits, 3])
    np.testing.assert_array_equal(read_index_png(tmp_path / "p.png"), values)


def grey_png(values, bits):
    """A grey PNG of ``bits`` bits, which Pillow cannot write below 8: built chunk by chunk."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b""
    for row in values:
        row_bits = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
        rows += b"\0" + np.packbits(row_bits.ravel()).tobytes()
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_pngs_of_every_depth_give_the_stored_values(tmp_path, bits):
    values = np.random.default_rng(bits).integers(0, 2**bits, (7, 13)).astype(np.uint8)
    (tmp_path / "g.png").write_bytes(grey_png(values, bits))
    np.testing.assert_array_equal(read_index_png(tmp_path / "g.png"), values)


def test_what_is_not_an_index_png_is_refused_by_name(tmp_path):
    path = tmp_path / "bad.png"
    with pytest.raises(DatasetError, match=r"bad\.png does not exist"):
        read_index_png(path)
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"bad\.png holds RGB"):
        read_index_png(path)
    cv2.imwrite(str(path), np.zeros((4, 4), np.uint16))
    with pytest.raises(DatasetError, match=r"bad\.png holds I;16"):
        read_index_png(path)
    path.write_text("not a picture")
    with pytest.raises(DatasetError, match=r"cannot read .*bad\.png"):
        read_index_png(path)
    write_davis_pngs(make_result(random_masks(height=200, width=200)), tmp_path)
    path.write_bytes((tmp_path / "00000.png").read_bytes()[:-2000])
    with pytest.raises(DatasetError, match=r"cannot read .*bad\.png"):
        read_index_png(path)


def test_annotations_of_davis(shared):
    case = shared / "reference" / "davis_jf" / "case_a"
    files = sorted(case.rglob("*.png"))
    assert files
    for path in files:
        with Image.open(path) as image:
            palette = np.array(image.getpalette()).reshape(-1, 3)
        np.testing.assert_array_equal(palette, voc_palette()[: len(palette)])
        index = read_index_png(path)
        # OpenCV applies the palette: an independent reader of the same file.
        np.testing.assert_array_equal(voc_palette()[index], cv2.imread(str(path))[..., ::-1])


def test_grey_annotations_of_davis_2016(shared):
    files = sorted((shared / "data" / "davis_dev" / "Annotations").rglob("*.png"))[::30]
    assert len(files) > 5
    for path in files:
        index = read_index_png(path)
        assert set(np.unique(index)) == {0, 255}
        np.testing.assert_array_equal(index, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
