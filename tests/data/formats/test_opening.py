"""Annotations of every format as those of a dataset: for training, checks and evaluation, through one door."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from mmdet_vis.commands import analyze, check
from mmdet_vis.data.check.check import check_ytvis
from mmdet_vis.data.clips import StillClips, YTVISClips
from mmdet_vis.data.converters import FORMATS, ReadOptions, convert
from mmdet_vis.data.datasets import YTVISDataset
from mmdet_vis.data.formats.archives import unpack
from mmdet_vis.data.formats.frame_files import images_near
from mmdet_vis.data.formats.identify import identify
from mmdet_vis.data.formats.opening import annotation_content, open_annotations, strictly
from mmdet_vis.data.formats.ytvis_json import write_ytvis
from mmdet_vis.errors import DatasetError
from tests.annotation_cases import moving, two_videos, write_image

WITH_NAMES = [name for name, entry in FORMATS.items() if entry.write and name not in ("kitti-mots", "mots-txt")]


def write(folder: Path, name: str) -> Path:
    """Two videos in this format in ``folder``, their frames in ``folder/frames``; what to read."""
    write_ytvis(two_videos(folder / "frames"), folder / "source.json")
    target = folder / ("there.json" if FORMATS[name].is_file else "there")
    options = ReadOptions(images=folder / "frames")
    convert(folder / "source.json", target, to_format=name, options=options, say=lambda line: None)
    (folder / "source.json").unlink()
    return target


@pytest.mark.parametrize("name", WITH_NAMES)
def test_a_dataset_may_be_in_any_format(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    dataset = YTVISDataset("there.json" if FORMATS[name].is_file else "there", None, data_root=tmp_path)
    lengths = {video.name.replace(" ", "_"): len(dataset.open(index)) for index, video in enumerate(dataset.videos)}
    assert lengths == {"clip_a": 3, "b": 2}
    assert sorted(dataset.categories) == ["ball", "red cube"]
    report = check_ytvis(dataset.ann_file)
    assert (report.problems, report.num_frames, report.num_objects, report.format) == ([], 5, 3, name)
    assert len(annotation_content(dataset.ann_file)["annotations"]) == 3
    assert len(YTVISClips(dataset.ann_file).samples) == 5
    # Every annotated frame is a still.
    assert len(StillClips(dataset.ann_file, min_pixels=1)) == 5


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_a_dataset_may_be_an_archive_which_is_unpacked_once(tmp_path: Path, ending: str) -> None:
    target = write(tmp_path, "cvat")
    archive = tmp_path / f"export{ending}"
    files = {file: file.relative_to(tmp_path) for file in sorted(target.rglob("*")) if file.is_file()}
    if ending == ".zip":
        with zipfile.ZipFile(archive, "w") as stream:
            stream.writestr("__MACOSX/there/._annotations.xml", b"\0\5\x16\7")
            stream.writestr("there/.DS_Store", b"\0")
            for file, name in files.items():
                stream.write(file, str(name).replace("/", "\\"))  # as some programs of Windows do
    else:
        with tarfile.open(archive, "w:gz") as tar:
            for file, name in files.items():
                tar.add(file, str(name))
    shutil.rmtree(target)
    for _ in range(2):
        dataset = YTVISDataset(archive, None)
        assert sorted(video.name for video in dataset.videos) == ["b", "clip a"]
        assert len(dataset.open(0)) == 2
    assert not list((tmp_path / "export").rglob("._*"))


def test_what_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(
        json.dumps([{"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": moving(2, 1, 1)}])
    )
    with pytest.raises(DatasetError, match="top level must be an object"):
        open_annotations(tmp_path / "results.json")
    for stills in (False, True):
        with pytest.raises(DatasetError, match="holds results, not annotations"):
            open_annotations(tmp_path, stills=stills)
    with pytest.raises(DatasetError, match="does not exist: check the path"):
        open_annotations(tmp_path / "nowhere")
    target = write(tmp_path / "a", "index")
    shutil.rmtree(tmp_path / "a/frames")
    with pytest.raises(DatasetError, match=r"the frames of .* are not beside it: name their folder"):
        YTVISDataset(target, None)
    with pytest.raises(DatasetError, match="pictures is not a folder"):
        YTVISDataset(target, "pictures")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../a.json": b"{}"}, "leads out of its folder"),
        ({"a.json": b"{}", "A/../a.json": b""}, "leads out of its folder"),
        ({"a/b.json": b"{}", "a\\b.json": b"{}"}, "is in it twice"),
        ({".DS_Store": b"{}"}, "is empty"),
        ({"a.txt": bytes(2**26)}, "unpacks from .* to 67108864 bytes"),
    ],
)
def test_an_archive_that_is_not_unpacked(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(DatasetError, match=message):
        unpack(tmp_path / "x.zip", tmp_path, print)


def test_an_encrypted_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("annotations.xml", b"<annotations/>")
    data = bytearray((tmp_path / "x.zip").read_bytes())
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + place] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(DatasetError, match="is encrypted: unpack it yourself with its password"):
        unpack(tmp_path / "x.zip", tmp_path, print)


def test_a_damaged_tar_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b\x08\0damaged")
    with pytest.raises(DatasetError, match="cannot unpack"):
        unpack(tmp_path / "x.tar.gz", tmp_path, print)


def test_strictly_what_is_left_out_or_guessed_is_an_error_in_every_command(tmp_path: Path) -> None:
    write(tmp_path, "ytvis")
    file = tmp_path / "there.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = "1"
    file.write_text(json.dumps(content))
    (tmp_path / "results.json").write_text("[]")
    said = f"{file}: guessed: 1 category_ids of annotations written as text .*; this is an error, as the run is strict"
    with strictly(), pytest.raises(DatasetError, match=said):
        YTVISDataset(file, tmp_path / "frames", data_root=tmp_path)
    with pytest.raises(DatasetError, match=said):
        analyze.main([str(tmp_path / "results.json"), str(file), "--strict", "--out", str(tmp_path / "x.html")])
    prefix = ["--img-prefix", str(tmp_path / "frames")]
    assert [check.main([str(file), *prefix, *options]) for options in ([], ["--strict"])] == [0, 1]
    with strictly(False):
        YTVISDataset(file, tmp_path / "frames", data_root=tmp_path)


def test_an_archive_that_was_exported_again(tmp_path: Path) -> None:
    def export(text: str, *frames: str) -> None:
        with zipfile.ZipFile(tmp_path / "clip.zip", "w") as archive:
            archive.writestr("clip/annotations.xml", text)
            for frame in frames:
                archive.writestr(f"clip/{frame}.png", frame)

    said: list[str] = []
    export("<a>1</a>", "0", "1")
    folder = unpack(tmp_path / "clip.zip", tmp_path, said.append)
    assert said.pop() == f"unpacked {tmp_path / 'clip.zip'} to {folder}"
    export("<a>1</a>", "0")  # without a frame that was deleted
    unpack(tmp_path / "clip.zip", tmp_path, said.append)
    assert said.pop().endswith("clip, beside 1 files that it does not hold (the first is clip/1.png)")
    export("<a>2</a>", "0", "1")  # of the same size
    with pytest.raises(DatasetError, match="which holds something else"):
        unpack(tmp_path / "clip.zip", tmp_path, said.append)


@pytest.mark.parametrize("name", ["../../0.jpg", "/", "a/../../b.jpg", ".."])
def test_names_that_lead_elsewhere_are_looked_for_nowhere(tmp_path: Path, name: str) -> None:
    assert images_near(tmp_path / "instances.json", name) is None


def test_exports_of_cvat_deeper_in_a_folder_beside_words(tmp_path: Path) -> None:
    clip = tmp_path / "exports" / "clip"
    write_image(clip / "images" / "frame_000000.png")
    (clip / "annotations.xml").write_text("<annotations></annotations>")
    (tmp_path / "README").write_text("what it is")
    assert identify(tmp_path) == ("cvat", tmp_path / "exports")
    (tmp_path / "more").mkdir()
    assert identify(tmp_path) == ("cvat", tmp_path / "exports")
    (tmp_path / "exports").rename(tmp_path / "more/exports")
    shutil.copytree(tmp_path / "more", tmp_path / "other")
    with pytest.raises(DatasetError, match="holds 2 folders of CVAT exports: give one of them, such as"):
        identify(tmp_path)
