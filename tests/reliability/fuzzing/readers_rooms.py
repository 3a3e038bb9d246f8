"""What is handed in beside videos and annotations: results, corrections, proposals, lists of videos, graphs, logs."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmdet_vis.batch.manifest import read_manifest, write_manifest
from mmdet_vis.batch.store import BatchStore
from mmdet_vis.config.load import build_settings
from mmdet_vis.corrections.edit import edit_result
from mmdet_vis.corrections.files import as_json, parse_prompt, read_corrections, read_prompts
from mmdet_vis.errors import ConfigError, UserError
from mmdet_vis.files.storage import open_storage
from mmdet_vis.propose_reduce.proposer import Place
from mmdet_vis.proposers.files import FilesProposer
from mmdet_vis.result import VideoResult
from mmdet_vis.structures import InstanceSequence, Prompt
from mmdet_vis.training.curves import read_scalars
from mmdet_vis.webui import edits as page_edits
from mmdet_vis.webui.history import History
from mmdet_vis.webui.project import Project
from mmdet_vis.weights.graph_files import INDEX, carried_config, open_graph_folder, run_graphs
from tests.reliability.fuzzing.damage import VALUES, damage_bytes, damage_json, dump_json
from tests.reliability.fuzzing.reader import Attempts, Reader, make_special
from tests.reliability.fuzzing.templates import CATEGORIES, FRAMES, HEIGHT, WIDTH, index_png, rles, square

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
BOX = [4.0, 6.0, 16.0, 18.0]


def a_result() -> VideoResult:
    """A result of two sequences."""
    scores = np.array([0.1, 0.9, 0.2], np.float32)
    one = InstanceSequence(
        track_id=1, label=1, score=0.9, class_scores=scores, masks=rles(), confidence=np.full(FRAMES, 0.5, np.float32)
    )
    return VideoResult(
        name="clip", height=HEIGHT, width=WIDTH, num_frames=FRAMES, fps=5.0, sequences=[one, replace(one, track_id=2)],
        categories=CATEGORIES, category_ids=(1, 2, 3), frame_names=[f"{t:05d}.png" for t in range(FRAMES)],
    )  # fmt: skip


CORRECTIONS: list[dict[str, Any]] = [
    {"frame": 0, "box": BOX, "category": "cat"},
    {"type": "prompt", "frame": 1, "point": [[8, 9], [2, 2]], "labels": [1, 0], "id": 1},
    {"type": "prompt", "frame": 2, "mask": "mask.png"},
    {"type": "prompt", "frame": 0, "mask": rles()[0], "id": 7},
    {"type": "split", "id": 1, "frame": 1, "new_id": 5},
    {"type": "swap", "a": 1, "b": 2, "frame": 1},
    {"type": "merge", "ids": [1, 2]},
    {"type": "rename", "id": 1, "category": "fox"},
    {"type": "not_visible", "id": 1, "first": 0, "last": 1},
    {"type": "delete", "id": 2},
]
WORDS = (
    "0",
    "2",
    "9" * 30,
    ":",
    ":",
    "box",
    "point",
    "mask",
    ",",
    "-",
    "nan",
    "1e999",
    "mask.png",
    "cat",
    "٣",
    " ",
    "\0",
)


@contextlib.contextmanager
def _about(folder: Path) -> Any:
    """Errors of parts whose callers name the file name it here."""
    try:
        yield
    except UserError as error:
        raise ConfigError(f"{folder}: {error}") from error


def _damaged(rng: random.Random, file: Path, content: Any, times: int = 0) -> str:
    """Write a damaged tree as JSON."""
    kind, content = damage_json(rng, content, times)
    more, data = dump_json(rng, content)
    file.write_bytes(data)
    return f"{kind} {more}".strip()


def make_corrections(rng: random.Random, folder: Path, templates: Path) -> str:
    """A damaged file of corrections, with the PNG that it names; or words of a command line."""
    data = index_png(square(0))
    (folder / "mask.png").write_bytes(damage_bytes(rng, data)[1] if rng.random() < 0.2 else data)
    if rng.random() < 0.2:
        (folder / "words.txt").write_text("".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 14))))
        return "words"
    return _damaged(rng, folder / "corrections.json", CORRECTIONS)


def read_corrections_of(folder: Path) -> None:
    """What ``refine``, ``--prompt`` and the page do with them before a network is asked."""
    if (folder / "words.txt").exists():
        text = (folder / "words.txt").read_text()
        with _about(folder):
            parse_prompt(text.replace("mask.png", str(folder / "mask.png")))
        return
    with Attempts() as attempts:
        with attempts.another():
            found = read_corrections(folder / "corrections.json")
            (folder / "again.json").write_text(json.dumps([as_json(entry) for entry in found]))
            assert len(read_corrections(folder / "again.json")) == len(found)
            result = a_result()
            for one in found:
                with attempts.another(), _about(folder):
                    if isinstance(one, Prompt):
                        one.check(FRAMES, HEIGHT, WIDTH)
                    else:
                        result = edit_result(result, [one])
            result.save(folder / "result.json")
        with attempts.another():
            read_prompts(folder / "corrections.json")
        with contextlib.suppress(ValueError, RecursionError):  # those of a body are answered by the server
            _as_the_page_sends_them(json.loads((folder / "corrections.json").read_bytes()), attempts)


def _as_the_page_sends_them(content: Any, attempts: Attempts) -> None:
    for entry in content if isinstance(content, list) else [content]:
        if isinstance(entry, dict):
            with attempts.another():
                page_edits.parse_edit(entry)
            with attempts.another():
                page_edits.parse_prompt(entry, a_result())


def make_result(rng: random.Random, folder: Path, templates: Path) -> str:
    """A damaged result file."""
    a_result().save(folder / "result.json")
    if rng.random() < 0.2:
        kind, data = damage_bytes(rng, (folder / "result.json").read_bytes())
        (folder / "result.json").write_bytes(data)
        return kind
    return _damaged(rng, folder / "result.json", json.loads((folder / "result.json").read_text()))


def read_result(folder: Path) -> None:
    """Loading, saving, and what is computed from one."""
    result = VideoResult.load(folder / "result.json")
    if result.height * result.width * result.num_frames <= 2**24:
        for sequence in result.sequences:
            assert len(sequence.areas) == result.num_frames
    result.save(folder / "again.json")
    assert len(VideoResult.load(folder / "again.json").sequences) == len(result.sequences)


PROPOSALS: list[dict[str, Any]] = [
    {"image_id": 0, "category_id": 1, "score": 0.9, "bbox": [4, 6, 12, 12], "segmentation": rles()[0]},
    {"image_id": "00001", "category_id": 2, "score": 0.5, "segmentation": [[4.0, 6.0, 16.0, 6.0, 16.0, 18.0]]},
    {"image_id": 1, "category_id": 3, "score": 0.4, "bbox": [4, 6, 12, 12], "segmentation": rles()[1]},
]


def make_proposals(rng: random.Random, folder: Path, templates: Path) -> str:
    """A folder of proposals: a file of the video or one per frame, and the names of the categories."""
    names = [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, 1)]
    (folder / "categories.json").write_text(json.dumps(names))
    chosen = rng.choice(("clip.json", "clip.json", "clip.json", "categories.json", "frames", "special"))
    (folder / "clip.json").write_text(json.dumps(PROPOSALS))
    if chosen == "categories.json":
        return f"categories, {_damaged(rng, folder / chosen, names)}"
    if chosen == "frames":
        (folder / "clip").mkdir()
        (folder / "clip" / "00001.json").write_text("[]")
        return f"frames, {_damaged(rng, folder / 'clip' / '00000.json', PROPOSALS[:1])}"
    if chosen == "special":
        (folder / "clip.json").unlink()
        make_special(rng, rng.choice(("link loop", "broken link", "pipe", "empty")), folder / "clip.json")
        return chosen
    return _damaged(rng, folder / chosen, {"annotations": PROPOSALS} if rng.random() < 0.2 else PROPOSALS)


def read_proposals(folder: Path) -> None:
    """As the proposer of a whole folder, and of one file."""
    images = torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    places = [Place("clip", t, f"{t:05d}") for t in range(2)]
    with Attempts() as attempts:
        with attempts.another():
            for found in FilesProposer(str(folder)).propose(images, places):
                assert len(found.boxes) == len(found.scores)
        with attempts.another():
            FilesProposer(str(folder / "clip.json"), CATEGORIES).propose(images, places)


ROWS: list[dict[str, Any]] = [
    {"id": "a", "uri": "a.mp4", "start": 0, "stop": 9, "frames": 20, "seconds": 1.5, "bytes": 1000},
    {"id": "b", "uri": "s3://bucket/b.mp4"},
    {"uri": "folder/"},
]
COLUMNS = ("id", "uri", "start", "stop", "frames", "seconds", "bytes")


def make_manifest(rng: random.Random, folder: Path, templates: Path) -> str:
    """A damaged list of videos in one of its forms."""
    form = rng.choice((".jsonl", ".jsonl", ".csv", ".parquet"))
    kind, rows = damage_json(rng, ROWS)
    path = folder / f"list{form}"
    if form == ".jsonl":
        lines = [dump_json(rng, row)[1] for row in (rows if isinstance(rows, list) else [rows])]
        path.write_bytes(b"\n".join(lines))
    elif form == ".csv":
        table = [[str(row.get(name, "")) for name in COLUMNS] if isinstance(row, dict) else [str(row)] for row in ROWS]
        line = rng.choice(table)
        line[rng.randrange(len(line))] = str(rng.choice(VALUES))
        text = "\n".join(",".join(line) for line in [list(COLUMNS), *table])
        data = text.encode("utf-8", "surrogatepass")
        path.write_bytes(damage_bytes(rng, data)[1] if rng.random() < 0.3 else data)
    elif not importlib.util.find_spec("pyarrow"):
        path.write_bytes(rng.randbytes(100))
    else:
        (folder / "plain.jsonl").write_text("\n".join(json.dumps({**row, "uri": "/a"}) for row in ROWS[:2]))
        write_manifest(path, read_manifest(str(folder / "plain.jsonl")))
        kind, data = damage_bytes(rng, path.read_bytes())
        path.write_bytes(data)
    return f"{form[1:]}, {kind}"


def read_manifest_of(folder: Path) -> None:
    """The list that ``mmdet-vis batch`` is given."""
    path = next(path for path in folder.iterdir() if path.stem == "list")
    for entry in read_manifest(str(path)):
        assert entry.load >= 1
        assert "/" not in entry.id


def make_batch(rng: random.Random, folder: Path, templates: Path) -> str:
    """OUT of a batch, with one damaged file."""
    (folder / "videos").mkdir()
    (folder / "chunks" / "b").mkdir(parents=True)
    a_result().save(folder / "videos" / "a.json")
    a_result().save(folder / "chunks" / "b" / "0.json")
    (folder / "run.json").write_text(json.dumps(IDENTITY))
    file = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    kind = rng.choice(("bytes", "json", "json", "special"))
    if kind == "special":
        file.unlink()
        make_special(rng, rng.choice(("link loop", "broken link", "empty")), file)
    elif kind == "bytes":
        file.write_bytes(damage_bytes(rng, file.read_bytes())[1])
    else:
        kind = _damaged(rng, file, json.loads(file.read_text()))
    return f"{file.name}, {kind}"


IDENTITY = {"batch": {"chunk": 0}, "options": {"score_thr": 0.05}, "config": {"a": [1, None]}, "checkpoint": "x"}


def read_batch(folder: Path) -> None:
    """What ``--resume``, the status and the joining of results read."""
    store = BatchStore(open_storage(str(folder)))
    with Attempts() as attempts:
        with attempts.another():
            store.check(IDENTITY, resume=True)
        with attempts.another():
            assert store.score_thr() is not None
        store.chunks()
        for id in store.done():
            store.frames(id)
            with attempts.another():
                store.load(id)


def make_graphs(rng: random.Random, folder: Path, templates: Path) -> str:
    """A folder of graphs, with a damaged index or a damaged graph."""
    place = folder / "graphs"
    place.mkdir()
    graph = _small_graph()
    kind = rng.choice(("index", "index", "graph", "graph with its digest", "missing"))
    if kind.startswith("graph"):
        damaged = damage_bytes(rng, graph)[1]
        (place / "neck.onnx").write_bytes(damaged)
        graph = damaged if kind.endswith("digest") else graph
    elif kind == "index":
        (place / "neck.onnx").write_bytes(graph)
    index = {
        "version": "1", "format": "onnx", "config": json.loads((templates / "model_config.json").read_text()),
        "axes": {"neck": [["N", 3]]}, "differences": {"neck": 1e-6},
        "sha256": {"neck.onnx": hashlib.sha256(graph).hexdigest()},
    }  # fmt: skip
    if kind == "index":
        return f"index, {_damaged(rng, place / INDEX, index)}"
    (place / INDEX).write_text(json.dumps(index))
    return kind


def _small_graph() -> bytes:
    if not HAS_ONNX:
        return b"\x08\x08"
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "neck", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def read_graphs(folder: Path) -> None:
    """The config inside, and the graph, run once."""
    place = folder / "graphs"
    with Attempts() as attempts:
        with attempts.another():
            build_settings(carried_config(place))
        with attempts.another():
            opened = open_graph_folder(place)
            if HAS_ONNX:
                run_graphs(opened, "onnxruntime")("neck", torch.ones(2, 3))


def make_project(rng: random.Random, folder: Path, templates: Path) -> str:
    """A video of the page as it lies on disk after two corrections, one file of it damaged."""
    place = folder / "project"
    (place / "frames").mkdir(parents=True)
    note = {
        "name": "clip", "options": {"key_num": None}, "height": HEIGHT, "width": WIDTH, "fps": 5.0,
        "frame_names": ["0"], "notes": [], "runs": 1, "outcome": "ready",
    }  # fmt: skip
    (place / "project.json").write_text(json.dumps(note))
    history = History(place, a_result())
    history.add({"type": "delete", "id": 2, "title": "x"}, replace(a_result(), sequences=a_result().sequences[:1]))
    history.add({"type": "delete", "id": 1, "title": "x"}, replace(a_result(), sequences=[]))
    history.undo()
    file = rng.choice([path for path in sorted(place.rglob("*")) if path.is_file()])
    if file.suffix == ".jsonl":
        lines: list[Any] = [json.loads(line) for line in file.read_text().splitlines()]
        kind, lines = damage_json(rng, lines)
        lines = lines if isinstance(lines, list) else [lines]
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    elif rng.random() < 0.3:
        kind, data = damage_bytes(rng, file.read_bytes())
        file.write_bytes(data)
    else:
        kind = _damaged(rng, file, json.loads(file.read_text()))
    return f"{file.name}, {kind}"


def read_project(folder: Path) -> None:
    """As the server does when the page asks for it: what is damaged is no project any more."""
    try:
        project = Project(folder / "project")
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder}: a project is damaged") from error
    history = project.history
    assert history is not None
    assert isinstance(history.edits, list)
    assert history.revision >= 0


def make_log(rng: random.Random, folder: Path, templates: Path) -> str:
    """The log of a training run with damaged lines."""
    lines: list[Any] = [{"iter": i, "loss": 1.0 / i, "loss_cls": 0.5, "lr": 0.01, "time": 0.1} for i in range(1, 9)]
    kind, lines = damage_json(rng, [*lines, {"step": 8, "AP": 12.5, "AP50": 20.0}])
    data = b"\n".join(dump_json(rng, line)[1] for line in (lines if isinstance(lines, list) else [lines]))
    place = folder / "20260101_000000" / "vis_data"
    place.mkdir(parents=True)
    (place / "scalars.json").write_bytes(damage_bytes(rng, data)[1] if rng.random() < 0.2 else data)
    return kind


def read_log(folder: Path) -> None:
    """The curves of a run."""
    for values in read_scalars(folder).values():
        assert all(type(step) is int for step in values)


READERS = (
    Reader("corrections", make_corrections, read_corrections_of),
    Reader("video result", make_result, read_result),
    Reader("proposals", make_proposals, read_proposals),
    Reader("list of videos", make_manifest, read_manifest_of),
    Reader("batch folder", make_batch, read_batch),
    Reader("graphs", make_graphs, read_graphs),
    Reader("page's project", make_project, read_project),
    Reader("training log", make_log, read_log),
)
