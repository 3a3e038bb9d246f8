"""What is named wrongly is said before PyTorch is loaded, which takes seconds; and so is what only lists."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

R50 = "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage"
LINES = {
    "configs nope": "config nope does not exist",
    f"configs {R50[:-1]}": f"did you mean {R50}?",
    "segment nothing.mp4": "nothing.mp4: no such file or folder",
    "segment --weights nothing.pth VIDEO": "checkpoint nothing.pth does not exist",
    f"segment --config {R50} --weights nothing.pth VIDEO": "checkpoint nothing.pth does not exist",
    "segment --config nope.py --weights WEIGHTS VIDEO": "config nope.py does not exist",
    f"segment --config {R50} --weights WEIGHTS VIDEO --cfg-options tset.x=1": "did you mean 'test'?",
    f"segment --config {R50} --weights WEIGHTS VIDEO --cfg-options propose_reduce.key_num=0": "key_num=0 must be",
    f"segment --config {R50} --weights WEIGHTS VIDEO --cfg-options model.test_cfg.rcnn.nms=0.5": "unknown key 'nms'",
    "segment VIDEO --config nope --weights nothing.pth": "config nope does not exist",
    f"segment VIDEO --config {R50[:-1]}": f"did you mean {R50}?",
    "segment VIDEO --weights seq_mask_rcnn_mobilnet_stills": "mean seq_mask_rcnn_mobilenetv2_stills.safetensors?",
    "segment VIDEO --weights zzz": "seq_mask_rcnn_mobilenetv2_stills.safetensors; see README.md",
    "segment VIDEO --weights ./below/mobile.pth": "did you mean mobile2.pth?",
    "segment --config broken.py --weights WEIGHTS VIDEO": "config broken.py cannot be read: SyntaxError: ",
    f"segment --config {R50} --weights WEIGHTS VIDEO --cfg-options propose_reduce.keynum=3": "mean 'key_num'?",
    f"segment --config {R50} --weights WEIGHTS VIDEO --cfg-options categories=3": "must be the name of a benchmark",
    "stream nothing.mp4 --config nope.py --weights WEIGHTS": "config nope.py does not exist",
    "train nope.py": "config nope.py does not exist",
    f"train {R50} --cfg-options train_dataloader.x=1": "has no key 'train_dataloader'",
    "export nope.py WEIGHTS out.safetensors": "config nope.py does not exist",
    f"export {R50} nothing.pth out.safetensors": "checkpoint nothing.pth does not exist",
    "eval nothing.json nothing.json": "nothing.json does not exist",
    "compare nothing.json nothing.json nothing.json": "nothing.json does not exist",
    "check nothing.json --img-prefix .": "nothing.json does not exist",
    "segmnt clip.mp4": "did you mean segment?",
}
PROGRAM = """
import contextlib, io, json, sys
from mmdet_vis.commands.main import main
from mmdet_vis.errors import UserError
found = {}
for line in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main(line.split())
        except UserError as error:
            said.write(str(error))
        except SystemExit:
            pass
    found[line] = [said.getvalue(), "torch" in sys.modules]
listed = io.StringIO()
with contextlib.redirect_stdout(listed):
    main(["configs"])
print(json.dumps([found, listed.getvalue(), "torch" in sys.modules]))
"""


@pytest.fixture(scope="module")
def answers(repository, tmp_path_factory):
    """All lines in one new process."""
    folder = tmp_path_factory.mktemp("early")
    for name in ("WEIGHTS", "VIDEO"):
        (folder / name).write_bytes(b"x")
    (folder / "broken.py").write_text("model = dict(backbone=\n")
    (folder / "below").mkdir()
    (folder / "below" / "mobile2.pth").write_bytes(b"x")
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", PROGRAM, json.dumps(list(LINES))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("line", LINES)
def test_a_wrong_name_waits_for_nothing(answers, line):
    said, torch_loaded = answers[0][line]
    assert LINES[line] in said
    assert not torch_loaded


def test_configs_are_listed_without_torch(answers):
    _, listed, torch_loaded = answers
    assert f"{R50} " in listed
    assert "ResNet-50" in listed
    assert not torch_loaded
