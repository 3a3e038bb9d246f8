import cv2
import numpy as np
import pytest

from mmdet_vis.errors import OutputError
from mmdet_vis.visualization.images import ImageFolderWriter, write_jpeg


def smooth_frame(height=40, width=60):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4, columns * 3, 255 - rows * 2], axis=2).astype(np.uint8)


def test_frames_are_written_under_their_names(tmp_path):
    frames = [smooth_frame(), 255 - smooth_frame()]
    with ImageFolderWriter(tmp_path / "vidéo 1", ["00000", "кадр"]) as writer:
        for frame in frames:
            writer.write(frame)
        with pytest.raises(ValueError, match="more frames"):
            writer.write(frames[0])
    folder = tmp_path / "vidéo 1"
    assert {p.name for p in folder.iterdir()} == {"00000.jpg", "кадр.jpg"}
    for name, frame in zip(["00000", "кадр"], frames, strict=True):
        back = cv2.imdecode(np.fromfile(folder / f"{name}.jpg", np.uint8), cv2.IMREAD_COLOR)
        assert back.shape == frame.shape
        assert np.abs(back.astype(int) - frame).mean() < 3


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        ImageFolderWriter(tmp_path / "file", ["00000"])
    with pytest.raises(OutputError, match="70000x1"):
        write_jpeg(tmp_path / "wide.jpg", np.zeros((1, 70000, 3), np.uint8))
    assert not (tmp_path / "wide.jpg").exists()
