"""Input that hypothesis makes up, for the readers of masks, JSON, configs and safetensors: what fails is made small."""

from __future__ import annotations

import json
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reliability.fuzzing.pool import Worker
from tests.reliability.fuzzing.templates import HEIGHT, WIDTH, coco, example_annotations, labelme, results, safetensors

QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
NUMBERS = count()
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["counts", "size", "cat", "v1/00000.png", HEIGHT, WIDTH, 2**31, 2**63]),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
)


@pytest.fixture
def read(worker: Worker, tmp_path: Path) -> Any:
    """Let a reader read files given by name; fails unless that ends with a result or one clear error."""

    def run(reader: str, files: dict[str, bytes]) -> str:
        folder = tmp_path / f"input{next(NUMBERS)}"
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        outcome = worker.run(reader, folder)
        shutil.rmtree(folder)
        assert outcome.outcome in ("result", "error"), outcome.message
        return outcome.outcome

    return run


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


COUNTS = st.one_of(
    st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=30),
    st.text(max_size=6),
    st.lists(st.one_of(st.integers(0, HEIGHT * WIDTH), st.integers()), max_size=6),
    st.lists(st.integers(0, 300), max_size=5).map(lambda runs: [*runs, HEIGHT * WIDTH - sum(runs)]),
)
SIZES = st.one_of(st.just([HEIGHT, WIDTH]), st.lists(st.integers(-1, 2**31), max_size=3))
POLYGONS = st.lists(st.lists(st.floats(width=32), max_size=10), max_size=3)
MASKS = st.one_of(st.builds(lambda s, c: {"size": s, "counts": c}, SIZES, COUNTS), POLYGONS, TREES)


@QUICK
@given(masks=st.lists(MASKS, max_size=3), size=st.sampled_from([(HEIGHT, WIDTH), (1, 1), (2**15, 2**15), (1, 2**20)]))
def test_masks(read: Any, masks: list[Any], size: tuple[int, int]) -> None:
    read("rle", {"masks.json": dumped({"size": size, "masks": masks})})


@QUICK
@given(data=st.data(), content=st.sampled_from([example_annotations(), coco(), labelme(), results()]))
def test_trees_in_place_of_a_value(read: Any, data: st.DataObject, content: Any) -> None:
    """Any value anywhere in each of the JSON formats."""
    content = json.loads(json.dumps(content))
    parent, key = {"top": content}, "top"
    for _ in range(data.draw(st.integers(0, 4))):
        value = parent[key]
        if not isinstance(value, dict | list) or not value:
            break
        parent, key = value, data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    top = {"top": content} if key == "top" else None
    if top is None:
        parent[key] = data.draw(TREES)
    else:
        content = data.draw(TREES)
    text = dumped(content)
    read("results", {"results.json": text})
    read("coco", {"coco.json": text, "frames/x": b""})
    read("annotations", {"annotations.json": text, "frames/x": b""})
    read("labelme", {"clip/00000.json": text})


NAMES = st.sampled_from(["a", "b", "model", "_base_", "dict", "type", "os", "__x"])
EXPRESSIONS = st.recursive(
    st.one_of(SCALARS.map(repr), NAMES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(NAMES, inner).map(lambda pair: f"dict({pair[0]}={pair[1]})"),
        st.tuples(NAMES, inner).map(lambda pair: f"{pair[0]}({pair[1]})"),
        st.tuples(inner, st.sampled_from("+-*/%@.:"), inner).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}"),
        inner.map(lambda item: f"{{**{item}}}"),
        inner.map(lambda item: f"f'{{{item}}}'"),
    ),
    max_leaves=8,
)


@QUICK
@given(lines=st.lists(st.tuples(NAMES, EXPRESSIONS), min_size=1, max_size=4))
def test_configs(read: Any, lines: list[tuple[str, str]]) -> None:
    text = "\n".join(f"{name} = {expression}" for name, expression in lines)
    read("config", {"config.py": text.encode("utf-8", "surrogatepass")})


@QUICK
@given(
    header=st.dictionaries(
        st.sampled_from(["0.weight", "x", "__metadata__"]),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "F16", "I64", "BOOL", "F8_E4M3", "U99", ""]),
                "shape": st.lists(st.integers(0, 2**33), max_size=3),
                "data_offsets": st.lists(st.integers(0, 64), max_size=3),
            }
        )
        | TREES,
        max_size=3,
    ),
    length=st.integers(0, 64),
)
def test_headers_of_safetensors(read: Any, header: dict[str, Any], length: int) -> None:
    read("checkpoint", {"weights.safetensors": safetensors(dumped(header), bytes(length))})
