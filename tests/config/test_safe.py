"""Configs read as data: the same outcome as running them, and nothing else of Python."""

from __future__ import annotations

import json
import sys

import pytest

from mmdet_vis.config.load import load_config
from mmdet_vis.config.safe import MAX_BYTES
from mmdet_vis.errors import ConfigError
from tests import programs
from tests.tiny import write_frames


def read(tmp_path, text, name="config.py"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_config(path, safe=True)


def test_all_configs_of_the_project_read_equally_in_both_ways(repository):
    paths = sorted((repository / "configs").rglob("*.py"))
    assert len(paths) > 25
    for path in paths:
        executed, read_only = load_config(path), load_config(path, safe=True)
        assert repr(executed.to_dict()) == repr(read_only.to_dict()), path  # with the order of keys, and types


def test_what_is_read(tmp_path):
    (tmp_path / "base.json").write_text('{"a": {"x": 1, "y": [1, 2]}, "b": 3, "c": {"d": {"e": 1}}}')
    text = '''"""A docstring."""
_base_ = ["base.json"]
shared = dict(p=-1, q=not True)
a = {"x": 2.5e-3 * 4 / 6, "z": (None, "text", shared)}
d = e = dict(_delete_=True, r=0, **shared)
f = {**shared, "p": 7 // 2 + 1 % 2 - 0}
g = dict(x=_base_.b, **_base_.c.d)
__hidden = 1
pass
'''
    config = read(tmp_path, text)
    assert config.to_dict() == load_config(tmp_path / "config.py").to_dict()
    assert config.a == {"x": 2.5e-3 * 4 / 6, "y": [1, 2], "z": (None, "text", {"p": -1, "q": False})}
    assert config.f == {"p": 4, "q": False}
    assert load_config(tmp_path / "config.py", {"b": 5}, safe=True).b == 5


REFUSED = {
    "import os": "line 1: an import",
    "from os import system": "line 1: an import",
    "a = 1\nb = open('x')": r"line 2: a call of open\(...\)",
    "a = dict([(1, 2)])": r"line 1: a call of dict\(...\)",
    "a = __import__('os').system('true')": r"line 1: a call of __import__\('os'\).system",
    "a = [].__class__": "line 1: an attribute",
    "a = [1]\nb = a[0]": "line 2: an index",
    "a = f'{1}'": "line 1: an f-string",
    "a = lambda: 1": "line 1: a lambda",
    "a = [x for x in (1, 2)]": "line 1: a comprehension",
    "def f(): pass": "line 1: a function",
    "class A: pass": "line 1: a class",
    "while True: pass": "line 1: a loop",
    "if True: a = 1": "line 1: an if",
    "a = 1 if True else 2": "line 1: an if expression",
    "a = b": "line 1: the name 'b', which is not assigned before,",
    "a = _base_": "line 1: the name '_base_'",
    "a = _base_.b": "line 1: _base_.b, which no base has,",
    "a = _base_.items()": r"line 1: a call of _base_.items\(",
    "a, b = 1, 2": "line 1: an assignment to anything but a name",
    "dict = 3": "line 1: an assignment to anything but a name",
    "a = 1\na += 1": "line 2: an augmented assignment",
    "a = 'x' * 3": "line 1: arithmetic with anything but numbers",
    "a = 9 ** 9": r"line 1: BinOp \(Python\)",
    "a = 99999999999 * 99999999999": "line 1: a whole number of more than 64 bits",
    "a = 1 / 0": "line 1: division by zero",
    "a = 3j": "line 1: a complex",
    "a = {[]: 1}": "line 1: a key that is no string or number",
    "b = dict(x=1)\na = dict(x=2, **b)": "line 2: 'x', given twice",
    "a = dict(**3)": r"line 1: \*\* of anything but a dict",
    "a = '{{ fileDirname }}'": "line 1: a placeholder",
    "a = '{{$HOME:x}}'": "line 1: a placeholder",
    "custom_imports = dict(imports=['os'])": "line 1: custom_imports",
    "a = (": "line 1: '\\(' was never closed",
    "_base_ = 'mmdet::x.py'": "_base_ 'mmdet::x.py' is not the path of a file",
    "_base_ = 3": "_base_ 3 is not the path",
    "_base_ = 'none.py'": "none.py, the _base_ of .*config.py, does not exist",
    "_base_ = 'config.py'": "leads back to itself",
    "_base_ = '.'": "does not exist or is no file",
    "filename = 'x'": "KeyError: 'filename is reserved",
    "model = dict(neck=dict(type='os.system'))": "model.neck.type='os.system' is refused",
    "model = dict(neck=dict(type='antigravity'))": "model.neck.type='antigravity' is refused",
    "model = dict(neck=dict(type='FPM'))": "model.neck.type='FPM' is refused: .*; did you mean 'FPN'",
    "test = dict(dataset=dict(type='mmengine.BaseDataset', ann_file='x.pkl'))": "BaseDataset' is refused",
    "visualizer = dict(vis_backends=[dict(type='WandbVisBackend')])": "vis_backends.0..type='WandbVisBackend' is ref",
    "optim_wrapper = dict(constructor='os.system')": "optim_wrapper.constructor='os.system' is refused",
    "model = dict(_scope_='mmdet', type='FPN')": "model._scope_='mmdet' is refused",
    "default_scope = 'mmdet'": "default_scope='mmdet' is refused",
    "model = dict(type=3)": "model.type=3 is refused",
}


@pytest.mark.parametrize("text", REFUSED, ids=[text[:30].replace("\n", ";") for text in REFUSED])
def test_what_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=REFUSED[text]) as caught:
        read(tmp_path, text)
    assert "config.py" in str(caught.value) or "none.py" in str(caught.value) or str(tmp_path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_grows_or_nests_without_bound(tmp_path):
    laughs = "a0 = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    laughs += "".join(f"a{n + 1} = [{', '.join([f'a{n}'] * 10)}]\n" for n in range(20))
    with pytest.raises(ConfigError, match="line 5: more than 100000 values"):
        read(tmp_path, laughs)
    for text in (f"a = {'[' * 5000}", f"a = {'[' * 90}{']' * 90}".replace("[", "[" * 2).replace("]", "]" * 2)):
        with pytest.raises(ConfigError):
            read(tmp_path, text)
    for text in ("a = " + "-" * 50_000 + "1", "a = " + "+".join(["1"] * 50_000), "a = 1" + "0" * 5000):
        with pytest.raises(ConfigError):
            read(tmp_path, text)
    with pytest.raises(ConfigError, match="larger than"):
        read(tmp_path, "#" * (MAX_BYTES + 1))
    # Two bases each, of which each has two: a chain of 20 files is a tree of a million.
    for n in range(20):
        (tmp_path / f"b{n}.py").write_text(f"_base_ = ['b{n + 1}.py', 'b{n + 1}.py']")
    (tmp_path / "b20.py").write_text("")
    with pytest.raises(ConfigError, match="more than 100 files"):
        load_config(tmp_path / "b0.py", safe=True)


def test_json(tmp_path):
    assert read(tmp_path, '{"a": [1, {"b": null}]}', "c.json").a == [1, {"b": None}]
    deep = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
    for text, reason in {
        '{"a": 1,}': "line 1: not valid JSON",
        "[1]": "top level must be an object",
        '{"custom_imports": {"imports": ["os"]}}': "custom_imports is refused",
        '{"a": "{{ $HOME:x }}"}': "line 1: a placeholder",
        '{"model": {"type": "os.system"}}': "model.type='os.system' is refused",
        '{"a": ' + "1" * 5000 + "}": "not valid JSON",
        deep: "nested too deeply",
        json.dumps({"a": [0] * 200_000}): "more than 100000 values",
    }.items():
        with pytest.raises(ConfigError, match=reason):
            read(tmp_path, text, "c.json")
    with pytest.raises(ConfigError, match=r"only \.py and \.json"):
        read(tmp_path, "a: 1", "c.yaml")
    (tmp_path / "latin.py").write_bytes(b"a = '\xe9'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "latin.py", safe=True)


COMMANDS = {
    "files": ["tools/test_vis.py", "CONFIG", "WEIGHTS", "--input-dir", "VIDEOS", "--save-dir", "OUT"],
    "stream": ["tools/test_vis.py", "CONFIG", "WEIGHTS", "--stream", "VIDEOS/clip", "--save-dir", "OUT"],
    "dataset": ["tools/test_vis.py", "CONFIG", "WEIGHTS", "--save-dir", "OUT"],
    "training": ["tools/train.py", "CONFIG", "--work-dir", "OUT"],
    "export": ["tools/export_model.py", "CONFIG", "WEIGHTS", "OUT.safetensors"],
    "convert": ["tools/convert_checkpoint.py", "WEIGHTS", "OUT.pth", "--from", "published", "--config", "CONFIG"],
    "browse": ["tools/browse_dataset.py", "CONFIG", "--out", "OUT"],
    "split": ["tools/split_stills.py", "CONFIG", "WEIGHTS", "OUT"],
    "page": ["-m", "mmdet_vis.webui", "--config", "CONFIG", "--checkpoint", "WEIGHTS", "--port", "0"],
}
"""Every way in that takes a config."""


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_command_executes_a_config_that_is_to_be_read_as_data(tmp_path, repository, tiny, command):
    config = tmp_path / "evil.py"
    config.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    write_frames(tmp_path / "videos" / "clip", 3)
    places = {"CONFIG": config, "WEIGHTS": tiny[1], "VIDEOS": tmp_path / "videos", "OUT": tmp_path / "out"}
    words = [str(places.get(word.split(".")[0].split("/")[0], word)) for word in command]
    done = programs.run(
        [sys.executable, *words, "--safe-config"], capture_output=True, text=True, timeout=300, cwd=repository
    )
    assert done.returncode == 2, done.stderr
    assert f"error: config {config}, line 1: " in done.stderr
    assert not (tmp_path / "executed").exists()


def test_a_model_of_a_config_read_as_data(tmp_path, repository, tiny):
    frames = write_frames(tmp_path / "videos" / "clip", 3)
    command = [sys.executable, repository / "tools" / "test_vis.py", *tiny, "--input-dir", frames.parent]
    command += ["--save-dir", tmp_path / "out", "--format", "json", "--safe-config", "--device", "cpu"]
    done = programs.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "results.json").read_text())


def test_no_tool_reads_a_config_in_a_way_of_its_own(repository):
    modules = {path.name: path.read_text() for path in repository.glob("mmdet_vis/commands/*.py")}
    taking = {name for name, text in modules.items() if "args.config" in text or "read_config(" in text}
    wanted = ("segment", "train", "export", "browse", "convert_weights", "split_stills")
    assert taking >= {f"{name}.py" for name in wanted}
    reading = {name for name, text in modules.items() if "load_config(" in text}
    assert reading <= {"arguments.py", "configs.py"}  # the latter reads those that come with the program
