"""The network in other runtimes gives what it gives in PyTorch."""

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.commands import export
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.device import check_runtime
from mmdet_vis.errors import CheckpointError, ConfigError, OutputError
from mmdet_vis.run.options import Plan, identity_of
from mmdet_vis.weights import graph_files
from mmdet_vis.weights.checkpoint import load_checkpoint
from mmdet_vis.weights.graph_files import INDEX, export_graphs, open_graph_folder, run_graphs
from tests.light import light_model
from tests.tiny import moving_frames

pytest.importorskip("onnx")
RUNTIMES = [
    pytest.param(name, marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is missing"))
    for name in ("onnxruntime", "openvino")
]
KINDS = [pytest.param("published", marks=pytest.mark.slow), "light"]


@pytest.fixture(scope="module")
def published(tiny, tmp_path_factory):
    """A tiny published network: config, weights, its graphs."""
    return (*tiny, exported(*tiny, tmp_path_factory.mktemp("published") / "graphs"))


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """One with the light propagation head."""
    folder = tmp_path_factory.mktemp("light")
    light_model(folder)
    config, weights = folder / "light.py", folder / "light.safetensors"
    return config, weights, exported(config, weights, folder / "graphs")


def exported(config: Path, weights: Path, target: Path) -> Path:
    network = build_model(load_config(config))
    load_checkpoint(network, weights)
    export_graphs(network, load_config(config), target)
    return target


def assert_same(found, expected):
    assert [s.label for s in found.sequences] == [s.label for s in expected.sequences]
    for a, b in zip(found.sequences, expected.sequences, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-3)  # weights at random amplify the last digits
        x, y = a.masks_array(), b.masks_array()
        assert (x != y).mean() < 5e-3


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_same_sequences_as_pytorch(kind, runtime, request):
    config, weights, graphs = request.getfixturevalue(kind)
    frames = moving_frames(6)
    expected = segment_video(load_model(config, weights, device="cpu", precision="float32"), frames)
    assert len(expected.sequences) > 1
    found = segment_video(load_model(weights=graphs, device="cpu", precision="float32", runtime=runtime), frames)
    assert_same(found, expected)
    assert found.categories == expected.categories
    # Another size of images and number of frames, in the same model.
    larger = [np.pad(frame, ((0, 40), (0, 8), (0, 0))) for frame in frames[:3]]
    model = load_model(config, weights, device="cpu", precision="float32")
    assert_same(
        segment_video(load_model(weights=graphs, device="cpu", runtime=runtime), larger), segment_video(model, larger)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_graph_says_how_much_it_differs(kind, request):
    graphs = request.getfixturevalue(kind)[2]
    folder = open_graph_folder(graphs)
    assert set(folder.differences) == set(folder.axes) == {path.stem for path in graphs.glob("*.onnx")}
    assert {"backbone", "encode_frame", "memorize", "look_up", "decode"} <= set(folder.axes)
    assert 0 < max(folder.differences.values()) <= graph_files.MOST_DIFFERENT


def test_the_config_is_inside(light):
    import onnx

    model = onnx.load(str(light[2] / "decode.onnx"))
    inside = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(inside["mmdet_vis.config"])["categories"] == ["cat", "dog", "bird"]
    assert inside["mmdet_vis.graph"] == "decode"


def test_prepared_once(tiny, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("MMDET_VIS_HOME", str(tmp_path))
    load_model(*tiny, device="cpu", runtime="onnxruntime")
    (index,) = (tmp_path / "graphs").glob(f"*/{INDEX}")
    written = index.stat().st_mtime_ns
    load_model(*tiny, device="cpu", runtime="onnxruntime")
    assert index.stat().st_mtime_ns == written
    index.write_text("{")  # damaged: made again
    load_model(*tiny, device="cpu", runtime="onnxruntime")
    assert open_graph_folder(index.parent).differences


@pytest.fixture(scope="module")
def whole_numbers(light, tmp_path_factory):
    """The light network with graphs in whole numbers, by the command, and the frames that it saw."""
    pytest.importorskip("onnxruntime")
    folder, frames = tmp_path_factory.mktemp("int8"), moving_frames(8)
    (folder / "clip").mkdir()
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"clip/{index:05d}.png"), frame)
    target = folder / "graphs"
    export.main([*map(str, light[:2]), str(target), "--to", "onnx", "--int8", str(folder / "clip")])
    return target, frames


def test_whole_numbers(light, whole_numbers):
    import onnx

    runtime = "onnxruntime"

    graphs, frames = whole_numbers
    names = {path.name.removesuffix(".int8.onnx") for path in graphs.glob("*.int8.onnx")}
    assert names == {"backbone", "neck", "encode_frame", "memorize", "decode"}  # what is done for each frame and object
    kinds = {node.op_type for node in onnx.load(str(graphs / "decode.int8.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    found = segment_video(load_model(weights=graphs, device="cpu", runtime=runtime, precision="int8"), frames)
    exact = segment_video(load_model(*light[:2], device="cpu", precision="float32"), frames)
    a, b = (result.sequences[0].masks_array() for result in (found, exact))
    assert (a & b).sum() / (a | b).sum() > 0.5  # weights at random amplify rounding
    assert found != exact
    plain = segment_video(load_model(weights=graphs, device="cpu", runtime=runtime, precision="float32"), frames)
    assert_same(plain, exact)


def test_whole_numbers_need_frames_and_a_runtime(light, tmp_path, monkeypatch):
    config, weights, graphs = light
    with pytest.raises(ConfigError, match=r"holds no graphs in whole numbers: .*--int8 CLIP"):
        load_model(weights=graphs, device="cpu", runtime="onnxruntime", precision="int8")
    with pytest.raises(ConfigError, match="precision='int8' is for runtime='onnxruntime'"):
        load_model(weights=graphs, device="cpu", runtime="openvino", precision="int8")
    monkeypatch.setenv("MMDET_VIS_HOME", str(tmp_path / "home"))
    with pytest.raises(ConfigError, match="precision='int8' needs a folder of graphs"):
        load_model(config, weights, device="cpu", runtime="onnxruntime", precision="int8")
    assert not (tmp_path / "home").exists()  # none are prepared for nothing
    with pytest.raises(ConfigError, match="precision='int8' is for other runtimes"):
        load_model(config, weights, precision="int8")
    with pytest.raises(SystemExit):
        export.main([str(config), str(weights), str(tmp_path / "out"), "--to", "openvino", "--int8", "clip.mp4"])
    network = build_model(load_config(config))
    load_checkpoint(network, weights)
    with pytest.raises(ConfigError, match="nothing was found in the frames to calibrate on"):
        export_graphs(network, load_config(config), tmp_path / "out", segment=lambda network: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["openvino", pytest.param("torch-export", marks=pytest.mark.slow)])
def test_other_formats(kind, light, tmp_path, capsys):
    if kind == "openvino":
        pytest.importorskip("openvino")
    config, weights, _ = light
    export.main([str(config), str(weights), str(tmp_path / "out"), "--to", kind, "--size", "64x64"])
    printed = capsys.readouterr().out
    assert "decode" in printed
    assert f"{tmp_path / 'out'}: " in printed
    files = {path.suffix for path in (tmp_path / "out").iterdir()}
    assert files == ({".xml", ".bin", ".json"} if kind == "openvino" else {".pt2", ".json"})
    frames = moving_frames(3)
    if kind == "openvino":
        expected = segment_video(load_model(config, weights, device="cpu"), frames)
        assert_same(
            segment_video(load_model(weights=tmp_path / "out", device="cpu", runtime="openvino"), frames), expected
        )
    else:
        with pytest.raises(ConfigError, match="holds no graphs for openvino"):
            load_model(weights=tmp_path / "out", device="cpu", runtime="openvino")


def test_what_cannot_be_is_said_in_one_line(light, tmp_path, monkeypatch):
    config, weights, graphs = light
    with pytest.raises(ConfigError, match="runtime='tensorrt' is not known: use one of torch, onnxruntime, openvino"):
        load_model(config, weights, runtime="tensorrt")
    with pytest.raises(ConfigError, match="holds graphs for other runtimes"):
        load_model(weights=graphs)
    with pytest.raises(ConfigError, match="computes in float32"):
        load_model(weights=graphs, device="cpu", runtime="onnxruntime", precision="bfloat16")
    with pytest.raises(ConfigError, match="is PyTorch's own"):
        load_model(weights=graphs, device="cpu", runtime="onnxruntime", compile=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all my work")
    with pytest.raises(OutputError, match="holds no graphs: choose another folder"):
        exported(config, weights, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all my work"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / INDEX).write_text('{"config": {}, "axes": []}')
    with pytest.raises(CheckpointError, match="is damaged: export the model again"):
        load_model(weights=tmp_path / "broken", runtime="openvino")
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnx" else real(name, *rest))
    with pytest.raises(ConfigError, match="pip install onnx"):
        exported(config, weights, tmp_path / "new")


def test_a_graph_that_is_not_as_it_was_written_is_refused(light, tmp_path):
    graphs = Path(shutil.copytree(light[2], tmp_path / "graphs"))
    data = bytearray((graphs / "decode.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (graphs / "decode.onnx").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"decode.onnx is missing or not as it was written: export the model"):
        load_model(weights=graphs, device="cpu", runtime="openvino")
    (graphs / "decode.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"decode.onnx is missing"):
        load_model(weights=graphs, device="cpu", runtime="onnxruntime")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_another_graph_in_its_place_is_one_line(runtime, light, tmp_path):
    graphs = tmp_path / "graphs"
    shutil.copytree(light[2], graphs)
    shutil.copy(graphs / "mask_head.onnx", graphs / "backbone.onnx")
    index = json.loads((graphs / INDEX).read_text())
    index["sha256"]["backbone.onnx"] = index["sha256"]["mask_head.onnx"]
    (graphs / INDEX).write_text(json.dumps(index))
    run = run_graphs(open_graph_folder(graphs), runtime)
    with pytest.raises(CheckpointError, match=r"backbone.onnx is no graph that .* runs: export the model again"):
        run("backbone", torch.zeros(1, 3, 64, 64))


def test_a_graph_that_differs_is_refused(light, tmp_path, monkeypatch):
    monkeypatch.setattr(graph_files, "MOST_DIFFERENT", 0.0)
    with pytest.raises(CheckpointError, match=r"differs from PyTorch by .* allowed 0"):
        exported(*light[:2], tmp_path / "graphs")
    assert not list(tmp_path.iterdir())  # nothing half written stays


def test_a_run_in_another_runtime_is_another_run(light):
    config = load_config(light[0])
    plan = Plan(config, light[1], device="cpu")
    usual = plan.settings()
    assert "runtime" not in usual  # runs of before go on
    assert replace(plan, runtime="openvino").settings() == usual | {"runtime": "openvino"}
    assert identity_of(config, light[2], {})["checkpoint"] != identity_of(config, light[1], {})["checkpoint"]
    with pytest.raises(ConfigError, match="runs on the CPU"):
        check_runtime("openvino", torch.device("cuda"))
