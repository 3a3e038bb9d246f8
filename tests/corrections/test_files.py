"""Corrections as JSON files, and prompts as words of a command line."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mmdet_vis.corrections.files import as_json, parse_prompt, read_corrections, read_prompts
from mmdet_vis.errors import ConfigError, UserError
from mmdet_vis.structures import Delete, Merge, NotVisible, Prompt, Rename, Split, Swap, decode_masks

MASK = np.zeros((6, 9), np.uint8)
MASK[1:4, 2:5] = 1
EVERY = [
    Prompt(0, mask=MASK, id=3, category="dog"),
    Prompt(1, box=(0, 0, 4, 5)),
    Prompt(2, point=[(3, 4), (5, 1)], labels=[1, 0]),
    Delete(1),
    Split(2, 3),
    Split(2, 3, new_id=9),
    Merge((1, 2, 3)),
    Swap(1, 2, 4),
    Rename(4, "otter"),
    NotVisible(1, 2, 5),
]


def test_what_is_written_is_read_again(tmp_path):
    (tmp_path / "all.json").write_text(json.dumps([as_json(entry) for entry in EVERY]))
    assert read_corrections(tmp_path / "all.json") == EVERY
    (tmp_path / "none.json").write_text(json.dumps([as_json(entry) for entry in []]))
    assert read_corrections(tmp_path / "none.json") == []


def test_a_mask_may_be_a_picture_beside_the_file(tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), MASK * 255)
    (tmp_path / "p.json").write_text('[{"frame": 1, "mask": "m.png"}]')
    (prompt,) = read_prompts(tmp_path / "p.json")
    np.testing.assert_array_equal(decode_masks([prompt.mask])[0], MASK)


def test_short_forms(tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), MASK * 255)
    assert parse_prompt("3:box:1,2.5,30,40") == [Prompt(3, box=(1, 2.5, 30, 40))]
    assert parse_prompt("3:box:1,2,30,40:dog") == [Prompt(3, box=(1, 2, 30, 40), category="dog")]
    assert parse_prompt("0:point:4,5") == [Prompt(0, point=(4, 5))]
    assert parse_prompt("7@0:point:4,5:cat") == [Prompt(0, point=(4, 5), category="cat", id=7)]
    with pytest.raises(ConfigError, match=r"^'x@0:point:4,5': ID is a whole number from 1 to 999999999: write FRAME"):
        parse_prompt("x@0:point:4,5")
    with pytest.raises(ConfigError, match=r"^'0@0:point:4,5': prompt: id=0 must be a whole number from 1"):
        parse_prompt("0@0:point:4,5")
    several = Prompt(0, point=[(4, 5), (8, 9), (0, 1)], labels=[1, 0, 0], category="cat")
    assert parse_prompt("0:point:4,5,-8,9,-0,1:cat") == [several]
    assert parse_prompt(f"2:mask:{tmp_path}/m.png:dog") == [Prompt(2, mask=MASK, category="dog")]
    (tmp_path / "p.json").write_text(json.dumps([as_json(entry) for entry in EVERY[:3]]))
    assert parse_prompt(str(tmp_path / "p.json")) == EVERY[:3]


@pytest.mark.parametrize("text", ["0:box:1,2,3", "0:circle:1,2,3", "0:point:1,x", "0:point:1,2,3", "0:box:", "1:", ""])
def test_a_mistyped_prompt_is_shown_the_forms(text):
    with pytest.raises(ConfigError, match=r"FRAME:box:X0,Y0,X1,Y1|box=.* must be 4 numbers"):
        parse_prompt(text)


@pytest.mark.parametrize("text", ["-1:box:1,2,3,4", "1.5:point:3,3", "x:box:1,2,3,4"])
def test_a_frame_is_a_whole_number(text):
    with pytest.raises(ConfigError, match=rf"^'{text}': FRAME is a whole number from 0: write FRAME:box:X0"):
        parse_prompt(text)


def test_a_mask_that_is_no_picture_is_named_with_its_entry(tmp_path):
    cv2.imwrite(str(tmp_path / "m.jpg"), MASK)
    for name, message in (
        ("no.png", "mask no.png does not exist beside the file"),
        ("m.jpg", ".*: save it as PNG$"),
    ):
        (tmp_path / "p.json").write_text(json.dumps([{"frame": 1, "mask": name}]))
        with pytest.raises(ConfigError, match=rf"p.json: entry 0: {message}"):
            read_prompts(tmp_path / "p.json")
        with pytest.raises(ConfigError, match=rf"^'1:mask:/.*{name}'?: mask"):
            parse_prompt(f"1:mask:{tmp_path / name}")
    with pytest.raises(ConfigError, match=r"mask .*x does not exist: give a PNG"):
        parse_prompt(f"1:mask:{tmp_path / ('x' * 300)}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"frame": 0, "box": ["0", "0", "9", "9"]}], "box=.* must be 4 numbers"),
        ({}, r"must be a list"),
        ([1], "entry 0: must be an object"),
        ([{"type": "erase"}], "entry 0: type 'erase' is not known: use one of prompt, delete"),
        ([{"type": "delete"}], "a delete needs id"),
        ([{"type": "delete", "id": "1"}], "id='1' must be a whole number"),
        ([{"type": "delete", "id": 1, "name": 2}], "a delete has no 'name': it has id"),
        ([{"type": "merge", "ids": "12"}], "ids='12' must be a list of whole numbers"),
        ([{"frame": 0, "mask": 3}], "mask=3 must be an RLE"),
        ([{"frame": 0, "mask": {"size": [2, 2], "counts": "zz"}}], "prompt: mask"),
        ([{"frame": 0, "mask": {"size": [10**9, 10**9], "counts": "1"}}], "prompt: mask"),
        ([{"frame": 0}], "takes one of mask, box and point"),
        ([{"frame": True, "box": [0, 0, 1, 1]}], "frame=True must be a whole number"),
    ],
)
def test_bad_files_are_one_line(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=f"bad.json.*{message}"):
        read_corrections(path)


def test_corrections_are_no_prompts(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps([as_json(entry) for entry in EVERY]))
    with pytest.raises(ConfigError, match="entry 3 is no prompt: corrections are for a result"):
        read_prompts(tmp_path / "c.json")
    with pytest.raises(UserError, match="nothing"):
        parse_prompt(str(tmp_path / "nothing.json"))
