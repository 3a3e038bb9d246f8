"""Nothing that is read is executed: no pickle in the code, none in a file, and no type of a model file that imports."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from mmdet_vis.api import load_model
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import CheckpointError, ConfigError, UserError
from mmdet_vis.evaluation.ytvis import load_annotations, load_results
from mmdet_vis.run.store import DatasetStore
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.weights.model_file import CONFIG_KEY, embedded_config, export_model
from mmdet_vis.weights.torch_files import read_torch

UNPICKLING = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("pickle", "Unpickler"),
    ("shelve", "open"),
    ("marshal", "loads"),
}
UNPICKLING |= {
    ("marshal", "load"),
    ("yaml", "load"),
    ("np", "load"),
    ("numpy", "load"),
    ("joblib", "load"),
    ("dill", "load"),
}


def test_the_code_unpickles_nothing(repository: Path) -> None:
    files = [file for folder in ("mmdet_vis", "tools", "scripts") for file in (repository / folder).rglob("*.py")]
    assert len(files) > 200
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "__import__"), f"{file}:{node.lineno}"
            if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                name = (node.func.value.id, node.func.attr)
                assert name not in UNPICKLING, f"{file}:{node.lineno}"
                if name == ("torch", "load"):
                    options = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
                    assert options.get("weights_only") is True, f"{file}:{node.lineno}"


class Evil:
    """Pickles as a call that makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mknod, (str(self.marker),)


def evil_files(folder: Path, marker: Path) -> list[Path]:
    """The same code in every wrapping, under every ending that something of the program opens."""
    data = {"plain": pickle.dumps(Evil(marker)), "dict": pickle.dumps({"state_dict": Evil(marker)}, protocol=2)}
    magic = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    data["old"] = b"".join(magic) + pickle.dumps(Evil(marker), 2) + pickle.dumps([], 2)
    for kind, name in (("zip", "archive/data.pkl"), ("results", "results.json")):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, data["dict"])
            archive.writestr("archive/version", "3\n")
        data[kind] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil(marker)], dtype=object), allow_pickle=True)
    data["npy"] = buffer.getvalue()
    files = []
    for kind, content in data.items():
        for ending in (".pth", ".safetensors", ".npz", ".json", ".mp4", ".png", ".pkl"):
            files.append(folder / f"{kind}{ending}")
            files[-1].write_bytes(content)
    return files


def test_pickles_are_read_by_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(Evil(marker)))
    assert marker.exists()  # it would be executed
    marker.unlink()
    (tmp_path / "files").mkdir()
    readers = (
        read_state_dict,
        read_torch,
        embedded_config,
        load_annotations,
        load_results,
        open_source,
    )
    for file in evil_files(tmp_path / "files", marker):
        for reader in readers:
            with pytest.raises(UserError):
                reader(file)
        with pytest.raises(UserError):
            load_config(file)
        with pytest.raises(UserError):
            load_config(file, safe=True)
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        (run / "run.json").write_bytes(file.read_bytes())
        with pytest.raises(UserError):
            DatasetStore(run, []).check({}, resume=True)
        assert not marker.exists(), file
    with pytest.raises(CheckpointError, match="which could run code"):
        read_state_dict(tmp_path / "files" / "zip.pth")


@pytest.fixture(scope="module")
def model_content(tiny: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The config of the tiny network as a model file carries it."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    export_model(load_config(tiny[0]), tiny[1], path)
    return json.loads(embedded_config(path).text)


EVIL_PARTS = {
    "model": {"type": "os.system", "command": "touch {marker}"},
    "model.bbox_roi_extractor": {"type": "os.system", "command": "touch {marker}"},
    "model.neck": {"type": "builtins.open", "file": "{marker}", "mode": "w"},
    "model.rpn_head": {"type": "RPNHead", "_scope_": "os"},
    "model.backbone": {"type": "antigravity"},
    "model.mask_head": {"type": ["os.system"]},
    "propose_reduce.memory": {"type": "os.system", "command": "touch {marker}"},
    "propose_reduce.reduce": {"type": "mmengine.dataset.BaseDataset", "ann_file": "x.pkl"},
}


@pytest.mark.parametrize("place", EVIL_PARTS)
def test_a_model_file_names_only_parts_of_the_program(
    tmp_path: Path, model_content: dict[str, Any], place: str
) -> None:
    marker = tmp_path / "executed"
    part = json.loads(json.dumps(EVIL_PARTS[place]).replace("{marker}", str(marker)))
    content = json.loads(json.dumps(model_content))
    *parents, key = place.split(".")
    node = content
    for name in parents:
        node = node[name]
    node[key] = part
    path = tmp_path / "model.safetensors"
    path.write_bytes(save({"x": torch.zeros(1)}, {CONFIG_KEY: json.dumps(content)}))
    with pytest.raises(ConfigError, match=rf"model.safetensors: {place}\S*=.* is refused"):
        load_model(None, path, "cpu")
    assert not marker.exists()


def test_a_model_file_has_no_absurd_numbers(tmp_path: Path, model_content: dict[str, Any]) -> None:
    for place, value, most in (
        ("bbox_head.fc_channels", 10**8, 65536),
        ("mask_head.num_convs", 10**4, 256),
        ("neck.out_channels", 2**63, 65536),
    ):
        content = json.loads(json.dumps(model_content))
        head, key = place.split(".")
        content["model"][head][key] = value
        path = tmp_path / "model.safetensors"
        path.write_bytes(save({"x": torch.zeros(1)}, {CONFIG_KEY: json.dumps(content)}))
        with pytest.raises(ConfigError, match=f"model.{place}={value} is refused: more than {most}"):
            load_model(None, path, "cpu")
    content = json.loads(json.dumps(model_content))
    content["data_preprocessor"]["img_scale"] = [60_000, 60_000]
    path.write_bytes(save({"x": torch.zeros(1)}, {CONFIG_KEY: json.dumps(content)}))
    with pytest.raises(ConfigError, match=r"data_preprocessor.img_scale\[0\]=60000 is refused: more than 8192"):
        load_model(None, path, "cpu")


def test_timm_is_given_no_file_to_unpickle(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    torch.save(Evil(tmp_path / "executed"), tmp_path / "evil.pth")
    options = {"model.backbone.checkpoint_path": str(tmp_path / "evil.pth")}
    with pytest.raises(ConfigError, match="checkpoint_path is not taken: name weights in load_from"):
        build_model(load_config(tiny[0], options))
    assert not (tmp_path / "executed").exists()
