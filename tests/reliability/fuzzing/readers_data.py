"""Annotation files and the folders of data sets, for evaluation, training and conversion."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mmdet_vis.data.check.check import check_davis, check_ytvis
from mmdet_vis.data.clips import StillClips, YTVISClips
from mmdet_vis.data.converters.split import split_stills
from mmdet_vis.data.datasets import DAVISDataset, YTVISDataset
from mmdet_vis.data.formats import coco_json, cvat, index_pngs
from mmdet_vis.data.formats import labelme as labelme_files
from mmdet_vis.data.formats.annotated import ReadOptions
from mmdet_vis.data.formats.ytvis_json import write_ytvis
from mmdet_vis.errors import DatasetError
from mmdet_vis.evaluation.ytvis import evaluate, load_annotations
from mmdet_vis.structures import areas, decode_masks
from mmdet_vis.structures.rle import InvalidMaskError, checked_rle, to_rles
from tests.reliability.fuzzing.damage import damage_bytes, damage_json, dump_json
from tests.reliability.fuzzing.reader import SPECIAL, Attempts, Reader, copy_tree, make_special
from tests.reliability.fuzzing.templates import (
    CATEGORIES,
    FRAMES,
    HEIGHT,
    WIDTH,
    coco,
    example_annotations,
    labelme,
    results,
    rles,
)

OUTSIDE = ("../secret.png", "/etc/passwd", "v1/../../secret.png", "v1/../v1/00000.png", "link/00000.png", "", ".", "v1")


def make_annotations(rng: random.Random, folder: Path, templates: Path) -> str:
    """A data set whose annotation file is damaged, or names files elsewhere."""
    copy_tree(templates / "ytvis", folder)
    content = example_annotations()
    chance = rng.random()
    if chance < 0.05:
        kind, frame = "special file", folder / "frames/v1/00000.png"
        frame.unlink()
        make_special(rng, rng.choice(SPECIAL), frame)
    elif chance < 0.15:
        kind = "names of other places"
        names = content["videos"][0]["file_names"]
        names[rng.randrange(len(names))] = rng.choice(OUTSIDE)
        (folder / "secret.png").write_bytes((folder / "frames/v1/00000.png").read_bytes())
        (folder / "frames" / "link").symlink_to("..")
    else:
        kind, content = damage_json(rng, content)
    more, data = dump_json(rng, content)
    (folder / "annotations.json").write_bytes(data)
    return f"{kind} {more}".strip()


def read_annotations(folder: Path) -> None:
    """Everything that reads such a file: datasets, checks, training and evaluation."""
    file = folder / "annotations.json"
    places: dict[str, Any] = {"ann_file": file.name, "img_prefix": "frames", "data_root": folder}
    with Attempts() as attempts:
        with attempts.another():
            dataset = YTVISDataset(**places, categories=CATEGORIES)
            dataset.open(0).read(0, 1)
        with attempts.another():
            evaluate(results(), load_annotations(file), results_name=str(folder), annotations_name=str(file))
        with attempts.another():
            check_ytvis(file, folder / "frames")
        with attempts.another(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clips = YTVISClips(**places)
            clips.draw(0, np.random.default_rng(0))


def make_coco(rng: random.Random, folder: Path, templates: Path) -> str:
    """A damaged COCO file beside its images."""
    copy_tree(templates / "ytvis" / "frames", folder / "frames")
    content = coco()
    if rng.random() < 0.1:
        kind = "names of other places"
        content["images"][0]["file_name"] = rng.choice(OUTSIDE)
    else:
        kind, content = damage_json(rng, content)
    more, data = dump_json(rng, content)
    (folder / "coco.json").write_bytes(data)
    return f"{kind} {more}".strip()


def read_coco(folder: Path) -> None:
    """Conversion, division and training."""
    file = folder / "coco.json"
    with Attempts() as attempts:
        with attempts.another():
            write_ytvis(coco_json.read_coco(file, ReadOptions(repeat=2)), folder / "out.json")
        with attempts.another():
            split_stills(file, 1, CATEGORIES, {name: [name] for name in CATEGORIES})
        with attempts.another(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clips = StillClips("coco.json", "frames", CATEGORIES, data_root=folder, copy_paste={"prob": 1.0})
            for index in range(len(clips)):
                clips.draw(index, np.random.default_rng(0))


def make_rle(rng: random.Random, folder: Path, templates: Path) -> str:
    """Masks: damaged strings and run lengths, polygons, and sizes of other frames."""
    kind = rng.choice(("string", "runs", "polygons", "size", "tree"))
    masks: list[Any] = rles()
    number = rng.randrange(len(masks))
    size = [HEIGHT, WIDTH]
    if kind == "string":
        text = list(masks[number]["counts"])
        for _ in range(rng.choice((1, 1, 3))):
            place = rng.randrange(len(text) + 1)
            text[place : place + rng.choice((0, 1, 2, 9))] = [
                chr(rng.randrange(40, 120)) for _ in range(rng.randrange(9))
            ]
        masks[number] = {"size": size, "counts": "".join(text)}
    elif kind == "runs":
        runs = [rng.choice((0, 1, 5, 700, -1, 2**31, 2**32 + 5, 2**63)) for _ in range(rng.randrange(6))]
        rest = HEIGHT * WIDTH - sum(runs)
        masks[number] = {"size": size, "counts": [*runs, rest] if rng.random() < 0.7 else runs}
    elif kind == "polygons":
        value = lambda: rng.choice((rng.uniform(-10, 50), rng.uniform(-1e6, 1e6), 1e9, 1e300, float("nan"), 0.0))  # noqa: E731
        masks[number] = [[value() for _ in range(rng.choice((6, 6, 8, 7, 40)))] for _ in range(rng.randrange(1, 3))]
    elif kind == "size":
        sides = (0, 1, -1, HEIGHT, WIDTH, 2**16, 2**31, 2.0, "24", None, True)
        masks[number] = {**masks[number], "size": [rng.choice(sides) for _ in range(rng.choice((2, 2, 2, 1, 3)))]}
    else:
        _, masks = damage_json(rng, masks)
    if rng.random() < 0.2:
        size = [rng.choice((1, HEIGHT, 2**15, 2**16, 2**31)), rng.choice((1, WIDTH, 2**15, 2**31))]
        for mask in masks if isinstance(masks, list) else ():
            if isinstance(mask, dict) and rng.random() < 0.8:
                mask["size"] = size
    (folder / "masks.json").write_text(json.dumps({"size": size, "masks": masks}))
    return kind


def read_rle(folder: Path) -> None:
    """Check, measure and decode each mask, as training, evaluation and drawing do."""
    content = json.loads((folder / "masks.json").read_bytes())
    height, width = content["size"]
    masks = content["masks"]
    try:
        checked = [checked_rle(mask, height, width) for mask in masks] if isinstance(masks, list) else []
        if isinstance(masks, list):
            to_rles(masks, height, width)
    except InvalidMaskError as error:
        raise DatasetError(f"{folder}: {error}") from error
    present = [rle for rle in checked if rle is not None]
    if present and height * width <= 2**24:
        assert decode_masks(present).shape == (len(present), height, width)
        assert decode_masks(present).sum() == areas(present).sum()
        coco_mask.iou(present, present, [0] * len(present))
        coco_mask.toBbox(present)


def make_davis(rng: random.Random, folder: Path, templates: Path) -> str:
    """A DAVIS folder with results, in which one to three files are damaged."""
    copy_tree(templates / "davis", folder / "DAVIS")
    copy_tree(folder / "DAVIS" / "Annotations_unsupervised" / "480p", folder / "results")
    kind = ""
    for _ in range(rng.choice((1, 1, 3))):
        file = rng.choice(
            sorted(
                path
                for path in folder.rglob("*")
                if path.is_file() and not path.is_symlink() and path.parent.name != "2017"
            )
        )
        kind = rng.choice(("bytes", "bytes", "bytes", "image", "folder", "missing", *SPECIAL))
        data = file.read_bytes()
        file.unlink()
        if kind == "bytes":
            file.write_bytes(damage_bytes(rng, data)[1])
        elif kind == "image":
            from tests.reliability.fuzzing.media import IMAGES, image_file

            file.write_bytes(image_file(rng, rng.choice(IMAGES))[1])
        elif kind == "folder":
            file.mkdir()
        elif kind in SPECIAL:
            make_special(rng, kind, file)
    if rng.random() < 0.1:
        file = folder / "DAVIS" / "ImageSets" / "2017" / "val.txt"
        shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink(missing_ok=True)
        file.write_text(rng.choice(("../../results/car\n", "/etc\n", "..\n", ".\n", "car\ncar\n", "\0\n", "x" * 300)))
        kind = "list"
    return kind


def read_davis(folder: Path) -> None:
    """Evaluation, submission check, conversion and dataset."""
    from mmdet_vis.evaluation.davis import evaluate as evaluate_davis
    from mmdet_vis.evaluation.submission import check_davis_submission

    with Attempts() as attempts:
        with attempts.another():
            evaluate_davis(folder / "results", folder / "DAVIS")
        with attempts.another():
            check_davis_submission(folder / "results", folder / "DAVIS")
        with attempts.another():
            write_ytvis(index_pngs.read_davis(folder / "DAVIS"), folder / "out.json")
        with attempts.another():
            check_davis(folder / "DAVIS")
        with attempts.another():
            dataset = DAVISDataset(folder / "DAVIS")
            with dataset.open(0) as source:
                source.read(0, 1)


def make_labelme(rng: random.Random, folder: Path, templates: Path) -> str:
    """Two files of labelme, one of them damaged, with or without their images."""
    (folder / "clip").mkdir()
    if rng.random() < 0.5:
        copy_tree(templates / "ytvis" / "frames" / "v1", folder / "clip")
    kind, content = damage_json(rng, labelme())
    more, data = dump_json(rng, content)
    (folder / "clip" / "00000.json").write_bytes(data)
    if rng.random() < 0.05:
        kind = "special file"
        make_special(rng, rng.choice(SPECIAL), folder / "clip" / "2.json")
    (folder / "clip" / "00001.json").write_text(json.dumps({**labelme(), "imagePath": "..\\x\\00001.png"}))
    return f"{kind} {more}".strip()


def read_labelme(folder: Path) -> None:
    """Conversion, and reading what it wrote."""
    write_ytvis(labelme_files.read_labelme(folder), folder / "out.json")
    load_annotations(folder / "out.json")


def make_cvat(rng: random.Random, folder: Path, templates: Path) -> str:
    """A damaged export of CVAT."""
    text = (templates / "cvat.xml").read_text()
    kind = rng.choice(("bytes", "value", "value", "value", "entities", "deep", "lines"))
    if kind == "value":
        values = (
            "",
            "-1",
            "0",
            "1",
            "99999999999",
            "1e9",
            "nan",
            "inf",
            "1,2;3",
            ";",
            "0,0;1e308,0;0,1",
            "٣",
            "x" * 999,
            "1_0",
            " 1",
        )
        for _ in range(rng.choice((1, 2))):
            places = [i for i, c in enumerate(text) if c in '">' and i + 1 < len(text) and text[i + 1] not in ' "\n<>/']
            place = rng.choice(places) + 1
            end = min(i for i in (text.find('"', place), text.find("<", place)) if i >= 0)
            text = text[:place] + rng.choice(values) + text[end:]
    elif kind == "entities":
        laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(20))
        inside = rng.choice(
            (laughs, '<!ENTITY l19 SYSTEM "file:///etc/passwd">', '<!ENTITY % x SYSTEM "http://127.0.0.1:9/">%x;')
        )
        text = text.replace("<annotations>", f"<!DOCTYPE a [{inside}]><annotations>&l19;", 1)
    elif kind == "deep":
        text = text.replace("<track", "<x>" * rng.choice((100, 5000, 200_000)) + "<track", 1)
    elif kind == "lines":
        lines = text.splitlines()
        lines.insert(rng.randrange(len(lines)), lines.pop(rng.randrange(len(lines))))
        text = "\n".join(lines)
    data = text.encode()
    if kind == "bytes":
        kind, data = damage_bytes(rng, data)
    (folder / "clip" / "images").mkdir(parents=True)
    for number in range(FRAMES):
        shutil.copy(templates / "ytvis" / "frames" / "v1" / f"{number:05d}.png", folder / "clip" / "images")
    (folder / "clip" / "annotations.xml").write_bytes(data)
    return kind


def read_cvat(folder: Path) -> None:
    """Conversion, and reading what it wrote."""
    write_ytvis(cvat.read_cvat(folder), folder / "out.json")
    load_annotations(folder / "out.json")


READERS = (
    Reader("annotations", make_annotations, read_annotations),
    Reader("coco", make_coco, read_coco),
    Reader("rle", make_rle, read_rle),
    Reader("davis", make_davis, read_davis),
    Reader("labelme", make_labelme, read_labelme),
    Reader("cvat", make_cvat, read_cvat),
)
