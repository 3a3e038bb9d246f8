"""Weights files: what is read, what is refused, and what the error says."""

from __future__ import annotations

import os
import pickle
import sys
import zipfile

import pytest
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.errors import CheckpointError
from mmdet_vis.weights.checkpoint import (
    compare,
    describe_mismatch,
    load_checkpoint,
    read_state_dict,
    write_state,
)
from mmdet_vis.weights.convert import convert_checkpoint
from tests import programs

RESNET = "configs/SeqMaskRCNN/seq_mask_rcnn_{}_fpn_1x_youtubevis19_ftstage.py"


@pytest.fixture
def model(tiny):
    return build_model(load_config(tiny[0]))


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", ["plain", "mmdet", "module"])
def test_pth_forms(model, tmp_path, form, zipped):
    state = model.state_dict()
    content = {
        "plain": state,
        "mmdet": {"meta": {"epoch": 4, "CLASSES": ("cat", "dog"), "config": "text"}, "state_dict": state},
        "module": {"state_dict": {f"module.{k}": v for k, v in state.items()}},
    }[form]
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert equal(read_state_dict(tmp_path / "w.pth"), dict(state))


def test_safetensors_round_trip(model, tiny, tmp_path):
    write_state(model.state_dict(), tmp_path / "w.safetensors", {"note": "test"})
    other = build_model(load_config(tiny[0]))
    load_checkpoint(other, tmp_path / "w.safetensors")
    assert equal(other.state_dict(), model.state_dict())
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_pickle_that_runs_code_does_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    for name, save in (("zip.pth", torch.save), ("plain.pth", lambda o, p: p.write_bytes(pickle.dumps(o)))):
        save({"state_dict": {"a": torch.zeros(1)}, "meta": Attack()}, tmp_path / name)
        with pytest.raises(CheckpointError, match=rf"{name} was refused: .* could run code when loaded") as caught:
            read_state_dict(tmp_path / name)
        assert ("(posix.mkdir)" in str(caught.value)) == (name == "zip.pth")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken", bytes(1000)])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_damaged_files(tmp_path, content, suffix):
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=path.name):
        read_state_dict(path)


WRONG_FILES = {
    "web page": (
        b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>",
        "not the page that offers",
    ),
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 176\n", "git lfs pull"),
    "JSON": (b'{"error": "not found"}', "download it again"),
    "text": (b"Not Found\n", "download it again"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(50), "give the file with the weights"),
    "an archive": (b"\x1f\x8b\x08" + bytes(50), "unpack it"),
    "it is empty": (b"", "download it again"),
}


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("kind", WRONG_FILES)
def test_files_that_are_no_checkpoints_are_named(tmp_path, kind, name):
    content, fix = WRONG_FILES[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name} is not a checkpoint \(.*{kind}\): .*{fix}"):
        read_state_dict(tmp_path / name)


def test_other_bytes_are_not_called_objects(tmp_path):
    path = tmp_path / "w.pth"
    for content, message in (
        (bytes(1000), "is not a checkpoint of PyTorch or safetensors: download it again"),
        (b"PK\x03\x04 broken", "is damaged or not a PyTorch file: download it again"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\xff\xff\xff", "is damaged, or was saved with"),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            read_state_dict(path)


def test_files_of_torch_that_are_no_state_dicts(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(1)}, path, pickle_protocol=4)
    with pytest.raises(CheckpointError, match="saved with a pickle_protocol above 2"):
        read_state_dict(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(CheckpointError, match=r"was refused: it holds .* \(torch.nn.modules.linear.Linear\)"):
        read_state_dict(path)
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(path)
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read_state_dict(path)


def test_content_counts_not_the_name(model, tmp_path):
    write_state(model.state_dict(), tmp_path / "w.safetensors")
    torch.save(model.state_dict(), tmp_path / "t.pth")
    for old, new in (("w.safetensors", "w.pth"), ("w.pth", "W.SAFETENSORS"), ("t.pth", "t.safetensors")):
        (tmp_path / old).rename(tmp_path / new)
        assert equal(read_state_dict(tmp_path / new), model.state_dict())
    path = tmp_path / "W.SAFETENSORS"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"SAFETENSORS is a damaged safetensors file: download it again"):
        read_state_dict(path)


def test_folder_and_unreadable_file(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder: give the file in it"):
        read_state_dict(tmp_path)
    (tmp_path / "loop.pth").symlink_to("loop.pth")
    with pytest.raises(CheckpointError, match=r"loop.pth cannot be opened: .*[Ss]ymbolic links; check its permissions"):
        read_state_dict(tmp_path / "loop.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(model, tmp_path, value):
    state = {k: v.clone() for k, v in model.state_dict().items()}
    state["rpn_head.rpn_reg.weight"][0, 0] = value
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w.pth: rpn_head.rpn_reg.weight holds values that are not finite"):
        load_checkpoint(model, tmp_path / "w.pth")
    # Large values are no fault, though their sum overflows; neither are values that are not used.
    state["rpn_head.rpn_reg.weight"] = torch.full_like(state["rpn_head.rpn_reg.weight"], 3e38)
    state["prop_head.conv_logits.weight"] = torch.full((4, 16, 1, 1), value)
    torch.save(state, tmp_path / "w.pth")
    load_checkpoint(model, tmp_path / "w.pth")


def test_truncated_checkpoint(model, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match="damaged"):
        read_state_dict(path)


def test_missing_file_and_empty_content(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        read_state_dict(tmp_path / "none.pth")
    torch.save({"meta": 1}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="no weights"):
        read_state_dict(tmp_path / "w.pth")
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="list"):
        read_state_dict(tmp_path / "w.pth")


def test_mismatch_lists_and_guesses(repository, tmp_path):
    r50 = build_model(load_config(repository / RESNET.format("r50")))
    state = dict(r50.state_dict())
    torch.save(state, tmp_path / "r50.pth")
    with torch.device("meta"):
        r101 = build_model(load_config(repository / RESNET.format("r101")))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(r101, tmp_path / "r50.pth")
    message = str(caught.value)
    assert "missing (backbone.layer3.6.conv1.weight" in message
    assert "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py" in message
    state["bbox_head.fc_cls.bias"] = torch.zeros(2)
    state["extra"] = torch.zeros(1)
    torch.save(state, tmp_path / "r50.pth")
    with pytest.raises(CheckpointError, match=r"1 left over \(extra\).*fc_cls.bias is \[2\] instead of \[41\]"):
        load_checkpoint(r50, tmp_path / "r50.pth")


def test_unused_published_keys_are_ignored(model, tiny, tmp_path):
    state = dict(model.state_dict())
    state["prop_head.conv_logits.weight"] = torch.zeros(4, 16, 1, 1)
    state["prop_head.convs.3.conv.bias"] = torch.zeros(16)
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    load_checkpoint(model, tmp_path / "w.pth")


def refusal(model, state):
    expected = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    return describe_mismatch("w.pth", compare(expected, state), state)


def build_on_meta(config, options=None):
    with torch.device("meta"):
        return build_model(load_config(config, options))


def test_checkpoints_of_other_backbones_are_recognised(model, repository):
    r50 = build_on_meta(repository / RESNET.format("r50"))
    for options, name in (
        ({"depth": 152}, "ResNet-152"),
        ({"depth": 50, "groups": 32, "base_width": 4}, "ResNeXt-50 32x4d"),
    ):
        backbone = {f"model.backbone.{key}": value for key, value in options.items()}
        other = build_on_meta(repository / RESNET.format("r50"), backbone)
        assert refusal(r50, other.state_dict()).endswith(f"it was made for another backbone ({name})")
    assert refusal(r50, model.state_dict()).endswith("it was made for another backbone (a timm model)")
    state = model.state_dict()
    state["bbox_head.fc_cls.weight"], state["bbox_head.fc_cls.bias"] = torch.zeros(7, 32), torch.zeros(7)
    assert refusal(model, state).endswith("it was made for a config with num_classes=7")
    x101 = build_on_meta(repository / RESNET.format("x101"))
    assert "looks made for configs/SeqMaskRCNN/seq_mask_rcnn_x101_fpn_1x_youtubevis19" in refusal(
        r50, x101.state_dict()
    )
    mask_rcnn = {k: v for k, v in r50.state_dict().items() if not k.startswith("prop_head.")}
    assert refusal(r50, mask_rcnn).endswith("does not look like a Seq Mask R-CNN checkpoint")


def test_only_counters_of_the_backbone_are_ignored(model):
    state = dict(model.state_dict())
    counters = [k for k in state if k.endswith("num_batches_tracked")]
    assert counters
    for key in counters:
        del state[key]
    expected = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    assert compare(expected, state).fits
    state["neck.bn.num_batches_tracked"] = torch.zeros(())
    assert compare(expected, state).unexpected == ["neck.bn.num_batches_tracked"]


def test_conversion_keeps_every_tensor(model, tmp_path):
    state = dict(model.state_dict())
    state["prop_head.conv_logits.weight"] = torch.zeros(4, 16, 1, 1)
    state["view"], state["half"] = state["prop_head.conv_logits.weight"][1:], torch.ones(3, dtype=torch.bfloat16)
    torch.save({"meta": {"epoch": 1}, "state_dict": state}, tmp_path / "a.pth")
    assert convert_checkpoint(tmp_path / "a.pth", tmp_path / "new" / "b.safetensors") == len(state)
    convert_checkpoint(tmp_path / "new" / "b.safetensors", tmp_path / "c.pth")
    for path in (tmp_path / "new" / "b.safetensors", tmp_path / "c.pth"):
        found = read_state_dict(path)
        assert equal(found, state)
        assert all(found[k].dtype == state[k].dtype for k in state)
    assert (tmp_path / "c.pth").stat().st_mode == (tmp_path / "a.pth").stat().st_mode


STATE = {"backbone.a": torch.ones(2, 2), "neck.c": torch.ones(3)}


def test_conversion_tool(repository, tmp_path):
    def convert(*args):
        command = [sys.executable, str(repository / "tools/convert_checkpoint.py"), *map(str, args)]
        return programs.run(command, capture_output=True, text=True, cwd=tmp_path)

    torch.save(STATE, tmp_path / "a.pth")
    before = (tmp_path / "a.pth").read_bytes()
    done = convert("a.pth", "b.safetensors")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"b.safetensors: {len(STATE)} tensors\n"
    assert equal(read_state_dict(tmp_path / "b.safetensors"), STATE)
    (tmp_path / "link.pth").symlink_to("a.pth")
    for args, message in (
        (("a.pth", "link.pth"), "it is the checkpoint to convert; choose another name"),
        (("a.pth", "b.onnx"), "its name must end in .safetensors, .pth, .pt"),
        (("none.pth", "b.pth"), "none.pth does not exist"),
        (("a.pth", "a.pth/b.pth"), "choose another"),
    ):
        failed = convert(*args)
        assert failed.returncode == 2
        assert failed.stderr.startswith("error: ")
        assert message in failed.stderr
        assert failed.stderr.count("\n") == 1
    assert (tmp_path / "a.pth").read_bytes() == before
    assert "SOURCE" in convert("--help").stdout.upper()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.complex64])
def test_weights_that_are_no_real_numbers(model, tmp_path, dtype):
    torch.save({k: v.to(dtype) if "rpn_reg" in k else v for k, v in model.state_dict().items()}, tmp_path / "w.pth")
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(CheckpointError, match=rf"w.pth: rpn_head.rpn_reg.weight holds numbers of type {name}"):
        load_checkpoint(model, tmp_path / "w.pth")


@pytest.mark.filterwarnings("ignore")  # of PyTorch, that these kinds may change
@pytest.mark.parametrize(
    ("kind", "make"),
    {
        "sparse": lambda: torch.ones(2, 2).to_sparse(),
        "sparse ": lambda: torch.ones(2, 2).to_sparse_csr(),
        "meta": lambda: torch.ones(2, 2, device="meta"),
        "quantized": lambda: torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8),
        "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    }.items(),
)
def test_tensors_without_plain_numbers(tmp_path, kind, make):
    torch.save({**STATE, "neck.odd": make()}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=f"w.pth: neck.odd is a {kind.strip()}.* tensor"):
        read_state_dict(tmp_path / "w.pth")


@pytest.mark.parametrize("wrap", [
    lambda state: {"teacher": state, "student": {k: v + 1 for k, v in state.items()}},
    lambda state: {f"detector.{k}": v for k, v in state.items()} | {"track_head.x": torch.ones(1)},
    lambda state: {f"_forward_module._fsdp_wrapped_module.{k}": v for k, v in state.items()},
    lambda state: {"backbone._orig_mod.a": state["backbone.a"], "neck.module.c": state["neck.c"]},
    lambda state: {f"teacher.{k}": v for k, v in state.items()} | {f"student.{k}": -v for k, v in state.items()},
])  # fmt: skip
def test_wrappers(tmp_path, wrap):
    torch.save(wrap(STATE), tmp_path / "w.pth")
    assert equal(read_state_dict(tmp_path / "w.pth"), STATE)


def test_what_is_no_state_dict_is_named(tmp_path):
    path = tmp_path / "w.pth"
    for content, message in (
        ({"state_dict": {k: v.numpy() for k, v in STATE.items()}}, r"holds 2 NumPy objects \('backbone.a'\)"),
        ({"model": torch.nn.Linear(2, 2), "epoch": 1}, r"holds the model itself under 'model'.*Linear.*state_dict\(\)"),
    ):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            read_state_dict(path)
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.write(path, "best/weights.pth")
    with pytest.raises(CheckpointError, match=r"is a zip archive around 'best/weights.pth': unpack it"):
        read_state_dict(tmp_path / "zip.pth")
