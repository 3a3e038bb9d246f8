"""Configs, checkpoints and model files."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

from mmdet_vis.api import load_model
from mmdet_vis.config.load import build_model, build_settings, load_config
from mmdet_vis.weights.checkpoint import load_checkpoint, read_state_dict
from mmdet_vis.weights.convert.formats import FORMATS, recognise
from mmdet_vis.weights.model_file import CONFIG_KEY, embedded_config
from tests.reliability.fuzzing.damage import damage_bytes, damage_json, dump_json
from tests.reliability.fuzzing.reader import Attempts, Reader, the_file
from tests.reliability.fuzzing.templates import safetensors, small_network

MARKER = "executed"
"""Name of the file beside an input that code in it would make."""
LINES = (
    "import os", "open('executed', 'w')", "a = __import__('os').system('touch executed')", "a = [1] * 10**9",
    "a = 9**9**9",
    "while True: pass", "_base_ = 'config.py'", "_base_ = ['/etc/passwd']", "_base_ = 3",
    "custom_imports = dict(imports=['os'])",
    "model = 3", "model = dict(type='os.system', command='touch executed')", "categories = {1, 2}", "x = f'{1}'",
    "filename = 1",
    "propose_reduce = dict(memory=dict(type='os.system', command='touch executed'))", "x = '{{fileDirname}}'",
    "default_scope = 'os'",
    "x = (" * 300, "x = " + "-" * 30_000 + "1", "x = " + "[" * 90, "x = '\\ud800'", "x = 1e999", "x = 1" + "0" * 4500,
    "\f\0",
)  # fmt: skip


def make_config(rng: random.Random, folder: Path, templates: Path) -> str:
    """A config as Python text or JSON, damaged."""
    if rng.random() < 0.4:
        kind, content = damage_json(rng, json.loads((templates / "model_config.json").read_text()))
        more, data = dump_json(rng, content)
        (folder / "config.json").write_bytes(data)
        return f"JSON, {kind} {more}".strip()
    data = (templates / "config.py").read_bytes()
    kind = rng.choice(("bytes", "line", "line", "lines", "number"))
    lines = data.split(b"\n")
    if kind == "line":
        lines.insert(rng.choice((rng.randrange(len(lines)), len(lines))), rng.choice(LINES).encode())
    elif kind == "lines":
        lines.insert(rng.randrange(len(lines)), lines.pop(rng.randrange(len(lines))))
    data = b"\n".join(lines)
    if kind == "number":
        old, new = rng.choice((b"16", b"4", b"32", b"0.01", b"True", b'"FPN"', b"8")), rng.choice(
            (b"0", b"-1", b"1e400", b"None", b"10**3", b"99999999999", b"[]", b"'x'", b"3.5", b"2**70")
        )  # fmt: skip
        data = data.replace(old, new, rng.randrange(1, 4))
    elif kind == "bytes":
        kind, data = damage_bytes(rng, data)
    (folder / "config.py").write_bytes(data)
    return f"Python, {kind}"


def read_config(folder: Path) -> None:
    """As data, and then the model of it, without memory for its weights."""
    config = load_config(the_file(folder), safe=True)
    with Attempts() as attempts:
        with attempts.another(), torch.device("meta"):
            build_model(config)
        with attempts.another():
            build_settings(config)
    _check_nothing_ran(folder)


class Evil:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def make_checkpoint(rng: random.Random, folder: Path, templates: Path) -> str:
    """A checkpoint in one of four formats: damaged, or with code in its pickle."""
    kind = rng.choice(("plain.safetensors", "plain.pth", "wrapped.pth", "old.pth", "header", "evil", "evil", "zip"))
    if kind == "header":
        kind, data = _damaged_header(rng, (templates / "plain.safetensors").read_bytes())
    elif kind == "evil":
        kind, data = _evil(rng, folder)
    elif kind == "zip":
        kind, data = _repacked(rng, (templates / "wrapped.pth").read_bytes())
    else:
        data = (templates / kind).read_bytes()
        for _ in range(rng.choice((0, 1, 1, 2))):
            damage, data = damage_bytes(rng, data)
            kind = f"{kind}, {damage}"
    (folder / f"weights{rng.choice(('.pth', '.pth', '.safetensors', '.pt', '.bin'))}").write_bytes(data)
    return kind


def _damaged_header(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    length = struct.unpack("<Q", data[:8])[0]
    kind, header = damage_json(rng, json.loads(data[8 : 8 + length]))
    more, text = dump_json(rng, header)
    return f"header, {kind} {more}", safetensors(text, data[8 + length :])


def _evil(rng: random.Random, folder: Path) -> tuple[str, bytes]:
    """A pickle that would make the file :data:`MARKER`, in one of the wrappings that are read."""
    marker = str(folder / MARKER)
    payload = rng.choice(
        (
            Evil(os.system, f"touch {marker}"),
            Evil(os.mknod, marker),
            Evil(eval, f"open({marker!r}, 'w')"),
            Evil(open, marker, "w"),
        )
    )
    kind = rng.choice(("plain pickle", "in a zip", "behind the magic number", "state dict"))
    content: Any = {"state_dict": {"0.weight": payload}} if kind == "state dict" else payload
    protocol = rng.choice((2, 2, 3, 4, 5))
    data = pickle.dumps(content, protocol)
    if kind in ("in a zip", "state dict"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", data)
            archive.writestr("archive/version", "3\n")
        data = buffer.getvalue()
    elif kind == "behind the magic number":
        data = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + data
    return f"code, {kind}", data


def _repacked(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """A checkpoint's zip with other members: compressed, missing, huge or damaged."""
    kind = rng.choice(("compressed", "missing", "huge", "damaged pickle", "twice"))
    source, buffer = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    names = source.namelist()
    chosen = rng.choice(names)
    with zipfile.ZipFile(buffer, "w") as archive, contextlib.suppress(UserWarning):
        for name in names:
            content = source.read(name)
            if name == chosen and kind == "missing":
                continue
            if name.endswith("data.pkl") and kind == "damaged pickle":
                content = damage_bytes(rng, content)[1]
            archive.compression = zipfile.ZIP_DEFLATED if kind in ("compressed", "huge") else zipfile.ZIP_STORED
            if name == chosen and kind == "huge":
                content += bytes(2**26)
            archive.writestr(name, content)
            if name == chosen and kind == "twice":
                archive.writestr(name + "x", content)
    return f"zip, {kind}", buffer.getvalue()


def read_checkpoint(folder: Path) -> None:
    """As weights of a model, as its config, and as another program's weights."""
    file = next(path for path in sorted(folder.iterdir()) if path.name != MARKER)
    with Attempts() as attempts:
        with attempts.another():
            load_checkpoint(small_network(), file)
        with attempts.another():
            embedded_config(file)
        with attempts.another():
            state = read_state_dict(file)
            recognise(state)
            for form in FORMATS:
                _ = form
    _check_nothing_ran(folder)


def make_model_file(rng: random.Random, folder: Path, templates: Path) -> str:
    """A model file whose config is damaged or names what it must not."""
    text = (templates / "model_config.json").read_text()
    content = json.loads(text)
    kind = rng.choice(("damaged", "damaged", "damaged", "types", "numbers"))
    if kind == "types":
        parts = [content["model"], *[v for v in content["model"].values() if isinstance(v, dict)]]
        parts += [
            content["propose_reduce"]["memory"],
            content["propose_reduce"]["reduce"],
            content["data_preprocessor"],
        ]
        part = rng.choice(parts)
        name = rng.choice(
            ("os.system", "subprocess.run", "builtins.exec", "antigravity", "os", "mmengine.model.Sequential")
        )
        part.clear()
        part.update({rng.choice(("type", "type", "_scope_")): name, "command": f"touch {folder / MARKER}"})
    elif kind == "numbers":
        _, content = damage_json(rng, content, 1)
        for part in (
            content.get("model", {}).values()
            if isinstance(content, dict) and isinstance(content.get("model"), dict)
            else ()
        ):
            for key, value in list(part.items()) if isinstance(part, dict) else ():
                if isinstance(value, int) and rng.random() < 0.15:
                    part[key] = rng.choice((0, -1, 3, 1000, 60_000, 2**31, 2**62))
    else:
        _, content = damage_json(rng, content)
    more, data = dump_json(rng, content)
    header = {
        "__metadata__": {CONFIG_KEY: data.decode("utf-8", "replace")},
        "x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    }
    (folder / "model.safetensors").write_bytes(safetensors(json.dumps(header).encode(), bytes(8)))
    return f"{kind} {more}".strip()


def read_model_file(folder: Path) -> None:
    """As the program loads it: the config, the model, the weights."""
    file = folder / "model.safetensors"
    with Attempts() as attempts:
        with attempts.another():
            config = embedded_config(file)
            build_settings(config)
            with torch.device("meta"):
                build_model(config)
        with attempts.another():  # which finds that the weights are missing, before it takes memory for them
            load_model(None, file, "cpu")
    _check_nothing_ran(folder)


def _check_nothing_ran(folder: Path) -> None:
    if (folder / MARKER).exists() or Path(MARKER).exists():
        raise AssertionError("code in the input was executed")


READERS = (
    Reader("config", make_config, read_config),
    Reader("checkpoint", make_checkpoint, read_checkpoint),
    Reader("model file", make_model_file, read_model_file),
)
