"""Results and submissions: JSON files and zips, and the folders of runs."""

from __future__ import annotations

import io
import json
import random
import stat
import struct
import zipfile
from pathlib import Path

from mmdet_vis.evaluation.analysis import analyze
from mmdet_vis.evaluation.comparison import compare_ytvis
from mmdet_vis.evaluation.submission import check_davis_submission, check_ytvis_submission
from mmdet_vis.evaluation.tracking import evaluate_tracking
from mmdet_vis.evaluation.ytvis import evaluate, load_results
from mmdet_vis.run.job import Job
from mmdet_vis.run.store import DatasetStore
from tests.reliability.fuzzing.damage import damage_bytes, damage_json, dump_json
from tests.reliability.fuzzing.reader import Attempts, Reader, copy_tree, the_file
from tests.reliability.fuzzing.templates import FRAMES, example_annotations, index_png, results, square

NAMES = (
    "../results.json",
    "/results.json",
    "C:\\results.json",
    "a/../../x",
    "..\\x",
    "results.json",
    "x/results.json",
    "é" * 200,
)
BOMB = 2**26
"""Bytes that a member of a few kilobytes unpacks to."""


def make_results(rng: random.Random, folder: Path, templates: Path) -> str:
    """A damaged results file, half of them in a zip."""
    kind, content = damage_json(rng, results())
    more, data = dump_json(rng, content)
    if rng.random() < 0.5:
        (folder / "results.json").write_bytes(data)
        return f"{kind} {more}".strip()
    zip_kind, data = _damaged_zip(rng, {"results.json": data})
    (folder / "results.zip").write_bytes(data)
    return f"{kind} in a zip, {zip_kind}"


def read_results(folder: Path) -> None:
    """Evaluation, analysis, tracking, comparison with others, and the check of a submission."""
    file = the_file(folder)
    truth = example_annotations()
    with Attempts() as attempts:
        with attempts.another():
            evaluate(load_results(file), truth, results_name=str(file))
        with attempts.another():
            analyze(load_results(file), truth, results_name=str(file)).to_json()
        with attempts.another():
            evaluate_tracking(load_results(file), truth, 0.2, results_name=str(file)).table()
        with attempts.another():
            both = load_results(file), results()
            compare_ytvis(both, truth, draws=20, names=(str(file), "results")).to_json()
        with attempts.another():
            check_ytvis_submission(file, truth, "annotations").text()


def make_davis_zip(rng: random.Random, folder: Path, templates: Path) -> str:
    """A submission for DAVIS as a damaged zip."""
    copy_tree(templates / "davis", folder / "DAVIS")
    members = {f"{name}/{t:05d}.png": index_png(square(t)) for name in ("car", "dog") for t in range(FRAMES)}
    name = rng.choice(sorted(members))
    if rng.random() < 0.4:
        members[name] = damage_bytes(rng, members[name])[1]
    kind, data = _damaged_zip(rng, members)
    (folder / "submission.zip").write_bytes(data)
    return kind


def read_davis_zip(folder: Path) -> None:
    """The check of a submission."""
    check_davis_submission(folder / "submission.zip", folder / "DAVIS").text()


def _damaged_zip(rng: random.Random, members: dict[str, bytes]) -> tuple[str, bytes]:
    """A zip of these members, damaged in one way; and the way."""
    kind = rng.choice(("whole", "bytes", "bytes", "names", "link", "bomb", "sizes", "twice", "method", "nested"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, data) in enumerate(members.items()):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if kind == "link" and number == 0:
                info.external_attr, data = (stat.S_IFLNK | 0o777) << 16, b"/etc/passwd"
            if kind == "names" and number == 0:
                archive.writestr(rng.choice(NAMES), data)
            if kind == "bomb" and number == 0:
                _write_bomb(archive, info)
                continue
            archive.writestr(info, data)
        if kind == "nested":
            archive.writestr("inner.zip", buffer.getvalue())
    data = buffer.getvalue()
    if kind == "twice":
        with zipfile.ZipFile(io.BytesIO(), "w"), zipfile.ZipFile(buffer, "a") as archive:
            archive.comment = b"x" * 100
        data = buffer.getvalue()
    if kind in ("bytes", "sizes", "method"):
        return kind, _damage_zip(rng, kind, data)
    return kind, data


def _write_bomb(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    block = bytes(2**24)
    with archive.open(info, "w", force_zip64=True) as member:
        for _ in range(BOMB // len(block)):
            member.write(block)


def _damage_zip(rng: random.Random, kind: str, data: bytes) -> bytes:
    if kind == "bytes":
        return damage_bytes(rng, data)[1]
    out = bytearray(data)
    for signature, method, sizes in ((b"PK\x01\x02", 10, 20), (b"PK\x03\x04", 8, 18)):
        place = data.find(signature)
        if place >= 0 and kind == "method":
            struct.pack_into("<H", out, place + method, rng.choice((0, 1, 9, 12, 14, 93, 99)))
        elif place >= 0 and rng.random() < 0.8:
            struct.pack_into(
                "<II", out, place + sizes, rng.choice((0, 100, 2**32 - 1)), rng.choice((0, 5, 2**32 - 1, 2**31))
            )
    return bytes(out)


IDENTITY = {"version": "1", "checkpoint": "x", "options": {}, "dataset": {"videos": 2}, "config": {"a": [1, None]}}


def make_run(rng: random.Random, folder: Path, templates: Path) -> str:
    """The folder of a run over a data set, with one damaged file."""
    (folder / "videos").mkdir(parents=True)
    files = {
        folder / "run.json": json.dumps(IDENTITY).encode(),
        folder / "videos" / "1.json": json.dumps(results()[:1]).encode() + b"\n",
    }
    chosen = rng.choice(sorted(files))
    kind = rng.choice(("bytes", "json", "folder", "name", "loop"))
    for file, data in files.items():
        if file != chosen:
            file.write_bytes(data)
        elif kind == "folder":
            file.mkdir()
        elif kind == "loop":
            file.symlink_to(file.name)
        elif kind == "name":
            names = ("x.json", "-1.json", "٣.json", "1e3.json", "9" * 200 + ".json")
            file.with_name(rng.choice(names)).write_bytes(data)
        elif kind == "json":
            file.write_bytes(dump_json(rng, damage_json(rng, json.loads(data))[1])[1] + b"\n")
        else:
            file.write_bytes(damage_bytes(rng, data)[1])
    return f"{chosen.name}, {kind}"


def read_run(folder: Path) -> None:
    """What ``--resume`` reads."""
    store = DatasetStore(folder, [Job(n, str(n), lambda: None, {}) for n in range(100)])
    store.check(IDENTITY, resume=True)
    store.prepare()
    list(store.entries())


READERS = (
    Reader("results", make_results, read_results),
    Reader("davis zip", make_davis_zip, read_davis_zip),
    Reader("run", make_run, read_run),
)
