"""The program on systems that lack what Linux has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import tiny

# Other packages ask which system they are on: they come first.
QUIET = ("-W", "error", "-W", "ignore::UserWarning", "-W", "ignore::DeprecationWarning")
HIDDEN = """
import importlib.abc, os, pkgutil, signal, sys
import av, cv2, matplotlib.pyplot, mmengine.runner, pycocotools.mask, rich.progress, scipy.optimize, timm, torch
import torch.distributed.run, torchvision, tqdm
try:
    import uvicorn, fastapi, huggingface_hub.utils
    huggingface_hub.utils.tabulate
except (ImportError, AttributeError):  # without the page
    pass
for name in ("fcntl", "resource", "termios", "pwd", "grp", "filelock"):
    for module in [key for key in sys.modules if key.split(".")[0] == name]:
        del sys.modules[module]
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource", "termios", "pwd", "grp"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "pthread_sigmask"):
    delattr(signal, name)
for name in ("O_NOFOLLOW", "fork", "register_at_fork", "pread", "pwrite", "sched_getaffinity", "mkfifo"):
    delattr(os, name)
import mmdet_vis
for module in pkgutil.walk_packages(mmdet_vis.__path__, "mmdet_vis."):
    if not module.name.endswith((".__main__", ".engines.ray")):  # Ray looks for modules of Unix itself
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # of what is not installed here
            assert error.name.split(".")[0] not in ("fcntl", "resource", "termios", "pwd", "grp", "mmdet_vis"), error
assert not {"fcntl", "resource"} & set(sys.modules)
from mmdet_vis.commands import segment
from mmdet_vis.data.sources import naming
from mmdet_vis.errors import run_command
naming._WINDOWS = True
import warnings
warnings.simplefilter("ignore")  # of other packages, from here on
run_command(lambda: segment.main(sys.argv[1:]))
"""


def test_every_module_and_the_command_where_modules_and_signals_of_unix_are_missing(
    tmp_path: Path, repository: Path
) -> None:
    config = tiny.write_config(tmp_path, repository)
    weights = tiny.write_checkpoint(config, tmp_path / "weights.safetensors")
    clip = tiny.write_frames(tmp_path / "nul. ", 2)
    command = [clip, "--config", config, "--weights", weights, "--save-dir", tmp_path / "out", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, *QUIET, "-c", HIDDEN, *map(str, command)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cannot be locked: start no second run there" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"results.json", "nul__.mp4", "nul__"}
