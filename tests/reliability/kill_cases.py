"""What ``tests/reliability/kills.py`` runs and kills, and what must hold afterwards, for each kind of run."""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import torch

from tests.programs import ROOT
from tests.tiny import moving_frames, write_checkpoint, write_config, write_frames
from tests.tiny_dataset import write_dataset_config, write_ytvis
from tests.tiny_training import write_training

TEST_VIS, TRAIN = (str(ROOT / "tools" / name) for name in ("test_vis.py", "train.py"))
Files = dict[str, bytes]


def contents(folder: Path, *patterns: str) -> Files:
    """Contents of the files of a folder by their path in it; hidden ones only where a pattern says so."""
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def unfinished(folder: Path) -> list[str]:
    """Temporary files."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".tmp-*")]


def different(found: Files, expected: Files) -> list[str]:
    """Files that are not as expected; those that are not there are not yet."""
    return [name for name, data in found.items() if expected.get(name) != data]


class Case(ABC):
    """A kind of run.

    Args:
        folder: for its inputs, made in here.

    Attributes:
        reference: folder of an uninterrupted run, set by the harness.
    """

    name: str
    reference: Path

    @abstractmethod
    def command(self, save: Path) -> list[str]:
        """The command that starts a run in ``save``, or goes on with the one that is there."""

    @abstractmethod
    def done(self, save: Path) -> dict[str, Any]:
        """What is computed and must stay so: by name, something that changes if it is computed again."""

    @abstractmethod
    def partial(self, save: Path) -> list[str]:
        """What is wrong after a signal: files under their final name that are not whole."""

    def final(self, save: Path) -> list[str]:
        """What is wrong after a run to the end."""
        problems = [f"left {name}" for name in unfinished(save)]
        return problems + [f"{path.name} stays" for path in save.glob(".lock*")]

    def reference_command(self, save: Path) -> list[str]:
        """The command of the uninterrupted run."""
        return self.command(save)


class TestCase(Case):
    """``test_vis.py`` over a dataset, with all kinds of results and an evaluation."""

    __test__ = False  # for pytest
    name = "test"
    FINAL = ("results.json", "submission.zip", "metrics.json", "run.json", "videos/*.json")
    PICTURES = ("png/*/*.png", "overlay/*/*.jpg", "video/*.mp4")

    def __init__(self, folder: Path) -> None:
        config = write_config(folder, ROOT)
        data = write_ytvis(folder / "data", "valid.json", "frames")
        self._model = [str(write_dataset_config(folder / "dataset.py", config, data))]
        self._model.append(str(write_checkpoint(config, folder / "tiny.safetensors")))

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        options = ["--format", "json,overlay,video,png", "--key-num", "1", "--show-thr", "0", "--device", "cpu"]
        return [TEST_VIS, *self._model, "--save-dir", str(save), *options, "--eval", "--resume"]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`."""
        return {path.name: path.stat().st_mtime_ns for path in save.glob("videos/[!.]*.json")}

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`."""
        patterns = [p.replace("*.", "[!.]*.") for p in (*self.FINAL, *self.PICTURES)]
        return different(contents(save, *patterns), contents(self.reference, *patterns))

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        files, expected = (contents(place, "**/*") for place in (save, self.reference))
        for each in (files, expected):
            summary = json.loads(each.pop("summary.json", b"{}"))
        problems = [] if summary.get("videos_done") == 5 else ["summary.json counts other videos"]
        if files != expected:
            problems.append(
                f"other files or contents: {sorted(set(files) ^ set(expected)) or different(files, expected)}"
            )
        return super().final(save) + problems


class DemoCase(Case):
    """``test_vis.py --input-dir``, with all kinds of results."""

    name = "demo"

    def __init__(self, folder: Path) -> None:
        config = write_config(folder, ROOT)
        self._model = [str(config), str(write_checkpoint(config, folder / "tiny.safetensors"))]
        self._videos = folder / "in"
        for name, frames in (("a", 4), ("b", 2), ("c", 5), ("d", 3)):
            write_frames(self._videos / name, frames, seed=frames)

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        options = ["--format", "json,overlay,video,png", "--key-num", "1", "--show-thr", "0", "--device", "cpu"]
        return [TEST_VIS, *self._model, "--input-dir", str(self._videos), "--save-dir", str(save), *options, "--resume"]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`."""
        files = save.glob(".progress/[!.]*.json")
        return {path.name: path.stat().st_mtime_ns for path in files if path.name != "run.json"}

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`."""
        patterns = ("*/[!.]*.png", "*/[!.]*.jpg", "[!.]*.mp4", ".progress/[!.]*.json")
        problems = different(contents(save, *patterns), contents(self.reference, *patterns))
        if (save / "results.json").exists():
            found, expected = self._entries(save), self._entries(self.reference)
            problems += [f"results.json: {name}" for name in found if found[name] != expected.get(name)]
        return problems

    @staticmethod
    def _entries(save: Path) -> dict[str, list[Any]]:
        by_video: dict[str, list[Any]] = defaultdict(list)
        for entry in json.loads((save / "results.json").read_text()):
            by_video[entry["video_name"]].append(entry)
        return by_video

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        files, expected = (contents(place, "**/*") for place in (save, self.reference))
        problems = different(files, expected) + sorted(set(expected) - set(files))
        return super().final(save) + [f"other files or contents: {name}" for name in problems]


class StreamCase(Case):
    """``test_vis.py --stream`` of a file. It begins anew each time: a stream cannot be asked to send again."""

    name = "stream"

    def __init__(self, folder: Path) -> None:
        config = write_config(folder, ROOT)
        self._model = [str(config), str(write_checkpoint(config, folder / "tiny.safetensors"))]
        self._video = folder / "clip.mkv"
        with av.open(str(self._video), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"bf": "0"})
            stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
            for frame in moving_frames(30):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
            container.mux(stream.encode())

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        options = ["--window", "8", "--overlap", "2", "--key-num", "1", "--show-thr", "0", "--device", "cpu"]
        source = ["--stream", str(self._video), "--save-dir", str(save)]
        return [TEST_VIS, *self._model, *source, *options, "--overwrite"]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`."""
        return {}

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`. Each line and each frame is whole, in both files up to nearly the same one: a frame
        is drawn after its line is written, and goes into the file when the next one comes.
        """
        problems = []
        expected = (self.reference / "clip.jsonl").read_bytes()
        lines = (save / "clip.jsonl").read_bytes() if (save / "clip.jsonl").exists() else b""
        if not expected.startswith(lines) or (lines and not lines.endswith(b"\n")):
            problems.append("clip.jsonl is not the beginning of what it should be, in whole lines")
        video = (save / "clip.mp4").read_bytes() if (save / "clip.mp4").exists() else b""
        frames = 0
        if len(video) > 2000:  # more than the index of no frames
            with av.open(io.BytesIO(video)) as container:
                frames = sum(1 for _ in container.decode(video=0))
        if frames < lines.count(b"\n") - 2:
            problems.append(f"clip.mp4 has {frames} frames where clip.jsonl has {lines.count(bytes([10]))}")
        return problems

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        files, expected = (contents(place, "**/*") for place in (save, self.reference))
        return super().final(save) + ([] if files == expected else ["other files or contents"])


class TrainCase(Case):
    """``train.py``, six steps with a state every two, the moving average of the weights and a validation at the end."""

    name = "train"

    def __init__(self, folder: Path) -> None:
        self._config = str(write_training(folder, ROOT))

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        resume = ["--resume"] if list(save.glob("iter_*.pth")) else []
        return [TRAIN, self._config, "--work-dir", str(save), "--device", "cpu", *resume]

    def reference_command(self, save: Path) -> list[str]:
        """A state after each step, to compare with wherever a run was stopped."""
        return [*self.command(save), "--cfg-options", "default_hooks.checkpoint.interval=1"]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`."""
        return {path.name: path.stat().st_mtime_ns for path in save.glob("iter_*.pth")}

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`."""
        problems = []
        for path in sorted(save.glob("[!.]*.pth")):
            name = path.name if path.name.startswith("iter_") else "iter_6.pth"
            try:
                problems += self._compare(path, self.reference / name, path.name)
            except Exception as error:
                problems.append(f"{path.name} cannot be read: {error}")
        return problems

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        problems = self._compare(save / "iter_6.pth", self.reference / "iter_6.pth", "iter_6.pth")
        if not (save / "best_AP_iter_6.pth").exists():
            problems.append("best_AP_iter_6.pth is not there")
        losses, expected = self._losses(save), self._losses(self.reference)
        if losses.keys() != expected.keys():
            problems.append(f"logged steps {sorted(losses)}")
        problems += [f"loss of step {i}: {losses[i]}" for i in losses if losses[i] != expected.get(i)]
        return super().final(save) + problems

    @staticmethod
    def _compare(path: Path, reference: Path, name: str) -> list[str]:
        found, expected = (torch.load(p, weights_only=True) for p in (path, reference))
        keys = [key for key in ("state_dict", "raw_state_dict", "optimizer", "param_schedulers") if key in found]
        return [f"{name}: other {key}" for key in keys if not _same(found[key], expected[key])]

    @staticmethod
    def _losses(save: Path) -> dict[int, set[Any]]:
        """Losses by step: a set of one value, however often the step was done."""
        losses: dict[int, set[Any]] = defaultdict(set)
        for file in sorted(save.glob("*/vis_data/scalars.json")):
            for line in file.read_text().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the last line of a run that was killed
                if "loss" in entry:
                    losses[entry["iter"]].add(entry["loss"])
        return losses


def _same(a: Any, b: Any) -> bool:
    """Whether two values of plain data are the same, tensors bit by bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


CASES: dict[str, Callable[[Path], Case]] = {case.name: case for case in (TestCase, DemoCase, TrainCase, StreamCase)}
