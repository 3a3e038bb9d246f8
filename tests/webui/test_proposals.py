"""What another program found, as it is uploaded: one file, one per frame, a zip; and what is refused in a line."""

from __future__ import annotations

import json
import shutil

import pytest

from mmdet_vis.errors import UserError
from mmdet_vis.propose_reduce import Place
from mmdet_vis.proposers import FilesProposer
from mmdet_vis.webui.inputs import Limits, found_proposals, line_of, take_proposals
from tests.webui.test_inputs import pack

NAMES = [{"id": 7, "name": "lamp"}]
FOUND = [{"image_id": 1, "category_id": 7, "score": 0.5, "bbox": [1, 2, 30, 40]}]


@pytest.fixture
def write(tmp_path):
    def write_json(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_json


@pytest.fixture
def take(tmp_path):
    def taken(*files):
        folder = tmp_path / "project" / "proposals"
        folder.parent.mkdir()
        try:
            take_proposals(files, folder, "clip", Limits(max_megabytes=1))
            proposer = FilesProposer(str(found_proposals(folder)))
            return proposer.categories, [proposer._frame(Place("clip", t, f"{t:05d}"), (64, 96)) for t in (0, 1)]
        except UserError as error:
            line = line_of(error, (f"{folder}/",))
            assert str(tmp_path) not in line
            return line
        finally:
            shutil.rmtree(folder.parent)

    return taken


def test_one_file_of_any_name_one_per_frame_and_a_zip(take, write):
    names = write("categories.json", NAMES)
    frames = [write("00000.json", []), write("00001.json", [{**FOUND[0], "image_id": "x"}])]
    one = write("what ever.json", FOUND)
    inside = {"a/categories.json": names, "a/clip/00000.json": frames[0], "a/clip/00001.json": frames[1]}
    for files in ([names, one], [*frames, names], [pack(one.with_name("proposals.zip"), inside)]):
        categories, (first, second) = take(*files)
        assert categories == ("lamp",)
        assert (len(first.boxes), len(second.boxes)) == (0, 1)


def test_what_is_refused_is_one_line(take, write, tmp_path):
    names, one = write("categories.json", NAMES), write("found.json", FOUND)
    assert take(one) == (
        "files of another program are categories.json and a .json (or one per frame): one of both is missing"
    )
    assert take(names).endswith("one of both is missing")
    assert take(names, one, write("clip.txt", "")).endswith("clip.txt is none")
    assert take(write("no.zip", "hello")) == "no.zip is no zip: give another"
    assert "bad.json" in take(names, write("bad.json", "[1,"))
    assert take(names, write("number.json", "3")).startswith("number.json is not a list of COCO results")
    assert "categories.json" in take(write("other/categories.json", [{"id": "x"}]), one)
    twins = {"a/00000.json": one, "b/00000.json": one, "categories.json": names}
    assert take(pack(tmp_path / "twins.zip", twins)).startswith("two files are called 00000.json")
    assert take(write("large.json", " " * (2**20 + 1)), names).endswith("this server takes 1: compress or cut it")
