"""tools/check_dataset.py and the converters on the command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from mmdet_vis.data.check.check import DatasetReport, check_davis, check_ytvis
from mmdet_vis.data.check.contact_sheet import draw_contact_sheet
from mmdet_vis.data.check.report import MAX_LINES, print_report
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import encode_masks
from tests import programs

H, W = 40, 60


def run(repository: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return programs.run(command, cwd=repository, capture_output=True, text=True, timeout=60)


def write_davis(folder: Path) -> Path:
    """A DAVIS folder with a video of 2 frames and two objects, a red square and a blue bar."""
    root = folder / "DAVIS"
    for part in ("JPEGImages/480p/bear", "Annotations_unsupervised/480p/bear", "ImageSets/2017"):
        (root / part).mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("bear\n")
    pixels = np.zeros((H, W), np.uint8)
    pixels[5:20, 5:20] = 1
    pixels[30:36, 10:50] = 2
    for frame in range(2):
        cv2.imwrite(str(root / f"JPEGImages/480p/bear/{frame:05d}.jpg"), np.full((H, W, 3), 120, np.uint8))
        Image.fromarray(pixels).save(root / f"Annotations_unsupervised/480p/bear/{frame:05d}.png")
    return root


def dataset(folder: Path) -> tuple[dict[str, Any], Path]:
    """Contents of a faultless annotation file with two videos and one object, and the folder of its frames."""
    mask = np.zeros((1, H, W), np.uint8)
    mask[0, 5:20, 10:40] = 1
    rle = encode_masks(mask)[0]
    videos = []
    for number in (1, 2):
        files = [f"v{number}/{frame}.png" for frame in range(2)]
        for file in files:
            path = folder / "frames" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((H, W, 3), 120, np.uint8))
        videos.append({"id": number, "height": H, "width": W, "length": 2, "file_names": files})
    entry = {"id": 1, "video_id": 1, "category_id": 3, "segmentations": [rle, None], "areas": [450, None]}
    entry["bboxes"] = [[10, 5, 30, 15], None]
    content = {"videos": videos, "categories": [{"id": 3, "name": "[red] cat"}], "annotations": [entry]}
    return content, folder / "frames"


def check(folder: Path, content: dict[str, Any]) -> DatasetReport:
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return check_ytvis(path, folder / "frames")


def printed(report: DatasetReport) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_report(report, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_convert_then_check_on_the_command_line(repository: Path, tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    out = tmp_path / "valid_davis.json"
    converted = run(repository, "tools/convert_davis.py", root, out)
    assert converted.returncode == 0, converted.stderr
    assert "1 video, 2 frames, 2 objects, 1 category" in converted.stdout
    checked = run(
        repository, "tools/check_dataset.py", out, "--img-prefix", root / "JPEGImages/480p", "--out", tmp_path / "sheet"
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "no problems found" in checked.stdout
    sheet = cv2.imread(str(tmp_path / "sheet/contact_sheet.png"))
    assert sheet is not None
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 3  # coloured masks, not only the grey frame
    (root / "JPEGImages/480p/bear/00001.jpg").unlink()
    faulty = run(repository, "tools/check_dataset.py", "--davis", root)
    assert faulty.returncode == 1
    assert "00001.png" in faulty.stdout


def test_tools_that_only_read_json_do_not_load_torch(repository: Path) -> None:
    code = "import sys; sys.path.insert(0, 'tools')\n"
    code += "import convert_coco_stills, convert_davis, convert_labelme, convert_cvat, mmdet_vis.data.check.check\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)


def test_unreadable_input_exits_with_2(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    result = run(repository, "tools/check_dataset.py", tmp_path / "broken.json", "--img-prefix", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "broken.json is not valid JSON" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_faultless_dataset(tmp_path: Path) -> None:
    content, _ = dataset(tmp_path)
    report = check(tmp_path, content)
    assert report.problems == []
    assert (report.num_videos, report.num_frames, report.num_objects) == (2, 4, 1)
    text = printed(report)
    assert "videos 2, frames 4, objects 1" in text
    assert "[red] cat" in text  # not taken for markup


def test_a_test_set_has_no_objects(tmp_path: Path) -> None:
    content, _ = dataset(tmp_path)
    report = check(tmp_path, content | {"annotations": None})
    assert report.problems == []
    assert "no annotations (a test set)" in printed(report)


def _entry(**changes: Any) -> Any:
    return lambda content: content["annotations"][0].update(changes)


@pytest.mark.parametrize(
    ("edit", "kind", "words"),
    [
        (lambda c: c["videos"][1].update(id=1), "duplicate ids", "video 1 has the id 1"),
        (lambda c: c["categories"].append({"id": 3, "name": "x"}), "duplicate ids", "category 1"),
        (lambda c: c["annotations"].append(c["annotations"][0]), "duplicate ids", "annotation 1 (id 1)"),
        (lambda c: c["videos"].append([]), "bad entries", "video 2 is not an object"),
        (lambda c: c["videos"][1].update(length=5), "bad entries", "has length 5 but 2 file_names"),
        (lambda c: c["videos"][1].update(height="tall"), "bad entries", "height 'tall'"),
        (lambda c: c["videos"][1]["file_names"].__setitem__(0, "gone.png"), "missing frames", "gone.png"),
        (lambda c: c["videos"][1]["file_names"].__setitem__(0, "é" * 250), "missing frames", "éé does not exist"),
        (lambda c: c["videos"][1].update(width=61), "wrong image sizes", "is 60x40, video 2 is 61x40"),
        (_entry(video_id=9), "unknown ids", "video_id 9"),
        (_entry(category_id=9), "unknown ids", "category_id 9"),
        (_entry(segmentations=[None]), "wrong list lengths", "has 1 segmentations, video 1 has 2 frames"),
        (_entry(bboxes=None, segmentations=[{"size": [4, 4], "counts": "00"}, None]), "bad masks", "has size [4, 4]"),
        (_entry(bboxes=None, segmentations=[{"size": [H, W], "counts": "05"}, None]), "bad masks", "has runs of 5"),
        (_entry(bboxes=None, segmentations=[{"size": [H, W], "counts": "~~"}, None]), "bad masks", "characters"),
        (_entry(bboxes=[[50, 5, 30, 15], None]), "bad boxes", "leaves the frame of 60x40"),
        (_entry(bboxes=[[10, 5, 0, 15], None]), "bad boxes", "has a size of 0x15"),
        (_entry(bboxes=[[10, 5, 3], None]), "bad boxes", "is not [x, y, width, height]"),
        (_entry(bboxes=[None, None]), "bad boxes", "frame 0 that is missing"),
        (_entry(bboxes=[[10, 5, 30, 15]] * 2), "bad boxes", "frame 1 that has no mask"),
    ],
)
def test_each_fault_is_found_and_named(tmp_path: Path, edit: Any, kind: str, words: str) -> None:
    content, _ = dataset(tmp_path)
    edit(content)
    report = check(tmp_path, content)
    assert {problem.kind for problem in report.problems} == {kind}
    assert words in report.problems[0].text
    assert "\n" not in report.problems[0].text
    text = printed(report)
    assert kind in text
    assert report.problems[0].text in text


def test_a_frame_that_is_cut_short(tmp_path: Path) -> None:
    content, frames = dataset(tmp_path)
    file = frames / "v1/0.png"
    file.write_bytes(file.read_bytes()[:-20])
    (problem,) = check(tmp_path, content).problems
    assert problem.kind == "unreadable frames"
    assert str(file) in problem.text


def test_many_problems_are_counted_but_not_all_listed(tmp_path: Path) -> None:
    content, _ = dataset(tmp_path)
    content["annotations"] *= MAX_LINES + 4
    text = printed(check(tmp_path, content))
    assert text.count("- duplicate ids") == MAX_LINES
    assert "... and 3 more" in text


def test_davis_without_index_pngs_is_a_test_set(tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    (root / "Annotations_unsupervised").rename(root / "elsewhere")
    report = check_davis(root)
    assert (report.annotated, report.num_videos, report.num_frames, report.problems) == (False, 1, 2, [])


def test_contact_sheet_shows_the_frame_with_the_object(tmp_path: Path) -> None:
    content, frames = dataset(tmp_path)
    cv2.imwrite(str(frames / "v1/1.png"), np.zeros((H, W, 3), np.uint8))
    draw_contact_sheet(check(tmp_path, content), tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (188, 652, 3)  # two tiles of 180x320 and their margins
    left, right = sheet[4:184, 4:324], sheet[4:184, 328:648]
    assert np.ptp(left[60, 130]) > 60  # the object's colour, on grey
    assert np.ptp(right[60, 130]) == 0


def test_contact_sheet_needs_a_frame(tmp_path: Path) -> None:
    content, _ = dataset(tmp_path)
    for video in content["videos"]:
        video["file_names"] = ["gone0.png", "gone1.png"]
    with pytest.raises(DatasetError, match="no frame can be read"):
        draw_contact_sheet(check(tmp_path, content), tmp_path / "sheet.png")


def test_what_is_no_fault_is_noted(tmp_path: Path) -> None:
    content, _ = dataset(tmp_path)
    video = content["videos"][0]
    video["file_names"] = [name.replace("/", "\\") for name in video["file_names"]]
    video["annotated_frames"] = [0]
    polygon = [10, 5, 40, 5, 40, 20, 10, 20]
    del content["annotations"][0]["bboxes"], content["annotations"][0]["areas"]
    content["annotations"][0]["segmentations"] = [polygon, None]
    report = check(tmp_path, content)
    assert report.problems == []
    text = printed(report)
    for note in ("1 masks that are one flat polygon", "1 videos with frame names of Windows", "1 frames that nobody"):
        assert f"note: {note}" in text
    video["annotated_frames"] = [2]
    assert check(tmp_path, content).problems[0].kind == "bad entries"


def test_a_file_of_another_format_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    image = {"id": 1, "file_name": "0.png", "height": 4, "width": 4}
    report = check(tmp_path, {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "cat"}]})
    assert report.format == "coco"
    assert "read as a COCO file (objects with a track_id, or still images)" in printed(report)
    assert report.problems[0].kind == "missing frames"
    with pytest.raises(DatasetError, match="it is a frame of labelme; give its folder"):
        check(tmp_path, {"shapes": [], "imagePath": "0.jpg"})


def test_exif_is_named_where_it_turns_a_frame(tmp_path: Path) -> None:
    content, _ = dataset(tmp_path)
    video = content["videos"][0]
    exif = Image.Exif()
    exif[0x0112] = 8
    for name in video["file_names"]:
        file = tmp_path / "frames" / name
        Image.new("RGB", (video["width"], video["height"])).save(file.with_suffix(".jpg"), exif=exif)
    video["file_names"] = [str(Path(name).with_suffix(".jpg")) for name in video["file_names"]]
    problems = check(tmp_path, content).problems
    assert "its Exif orientation (8) turns the picture, which was annotated as it is stored" in problems[0].text
