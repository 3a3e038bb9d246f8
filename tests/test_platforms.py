"""The program on systems that lack what Linux has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Other packages ask which system they are on: they come first.
HIDDEN = """
import importlib.abc, os, pkgutil, signal, sys
import av, cv2, matplotlib.pyplot, mmengine.runner, pycocotools.mask, rich.progress, scipy.optimize, timm, torch
import torch.distributed.run, torchvision, tqdm
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
import mmdet_vis.api, mmdet_vis.run, mmdet_vis.training, mmdet_vis.streaming, mmdet_vis.data.synthvis.dataset
for package in (mmdet_vis.run, mmdet_vis.training, mmdet_vis.streaming):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
assert not {"fcntl", "resource"} & set(sys.modules)
from pathlib import Path
from mmdet_vis.errors import run_command
from mmdet_vis.files.lock import RunLock
def main():
    with RunLock(Path(sys.argv[1])):
        print("used")
run_command(main)
"""


def test_everything_is_imported_where_modules_and_signals_of_unix_are_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::UserWarning", "-c", HIDDEN, str(tmp_path)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "used\n"), done.stderr
    assert "cannot be locked: start no second run there" in done.stderr
