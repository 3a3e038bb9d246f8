"""More runs that ``tests/reliability/kills.py`` kills: batches, corrections, conversions and exports of graphs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mmdet_vis import load_model, segment_video
from mmdet_vis.weights.graph_files import is_graph_folder, open_graph_folder
from tests.batch.cases import contents as batch_contents
from tests.batch.cases import write_clip, write_list
from tests.light import light_model
from tests.programs import ROOT
from tests.reliability.kill_cases import Case, contents, different, unfinished
from tests.tiny import write_checkpoint, write_config
from tests.tiny_dataset import write_ytvis

COMMAND = ["-m", "mmdet_vis"]


def _changed(files: list[Path]) -> dict[str, Any]:
    return {path.name: path.stat().st_mtime_ns for path in files}


class BatchCase(Case):
    """``mmdet-vis batch`` with a worker of its own, a video that is cut into parts among the others."""

    name = "batch"

    def __init__(self, folder: Path) -> None:
        config = write_config(folder, ROOT)
        self._model = ["--config", str(config), "--weights", str(write_checkpoint(config, folder / "tiny.safetensors"))]
        self._list = write_list(folder, (3, 14, 2, 4))

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        options = ["--format", "overlay,video", "--key-num", "1", "--show-thr", "0", "--device", "cpu", "--resume"]
        parts = ["--workers", "1", "--chunk", "6", "--overlap", "2"]
        return [*COMMAND, "batch", str(self._list), "--out", str(save), *self._model, *options, *parts]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`."""
        return _changed(list(save.glob("videos/[!.]*.json")))

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`."""
        patterns = ("videos/[!.]*.json", "overlay/*/[!.]*.jpg", "video/[!.]*.mp4", "[!.]*.json")
        found, expected = contents(save, *patterns), contents(self.reference, *patterns)
        return different({k: v for k, v in found.items() if k != "report.json"}, expected)

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        problems = [f"left {name}" for name in unfinished(save)]
        found, expected = batch_contents(save), batch_contents(self.reference)
        problems += different(found, expected) + sorted(set(found) ^ set(expected))
        report = json.loads((save / "report.json").read_text())
        return problems if report["videos_done"] == 4 else [*problems, f"report.json counts {report['videos_done']}"]


class RefineCase(Case):
    """``mmdet-vis refine``: objects that are added and taken away."""

    name = "refine"

    def __init__(self, folder: Path) -> None:
        config = write_config(folder, ROOT)
        weights = write_checkpoint(config, folder / "tiny.safetensors")
        self._model = ["--config", str(config), "--weights", str(weights), "--device", "cpu"]
        self._video = write_clip(folder / "clip.mp4", 8)
        model = load_model(config, weights, device="cpu", cfg_options={"propose_reduce.key_num": 1})
        result = segment_video(model, str(self._video))
        result.save(folder / "clip.result.json")
        self._result = folder / "clip.result.json"
        corrections: list[dict[str, Any]] = [{"frame": 2, "box": [5, 10, 30, 35]}, {"frame": 5, "box": [20, 5, 50, 40]}]
        corrections += [{"type": "delete", "id": s.track_id} for s in result.sequences[:1]]
        (folder / "fixes.json").write_text(json.dumps(corrections))
        self._fixes = folder / "fixes.json"

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        options = ["--save-dir", str(save), "--format", "json,overlay,video,png,result", "--show-thr", "0", "--resume"]
        files = [str(self._result), str(self._video), "--corrections", str(self._fixes)]
        return [*COMMAND, "refine", *files, *self._model, *options]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`."""
        return _changed([path for path in save.glob(".progress/[!.]*.json") if path.name != "run.json"])

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`."""
        patterns = ("*/[!.]*.png", "*/[!.]*.jpg", "[!.]*.mp4", "[!.]*.json", ".progress/[!.]*.json")
        return different(contents(save, *patterns), contents(self.reference, *patterns))

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        files, expected = (contents(place, "**/*") for place in (save, self.reference))
        return super().final(save) + different(files, expected) + sorted(set(expected) - set(files))


class ConvertCase(Case):
    """``mmdet-vis convert`` to a folder of masks, and to one file with a part that is kept apart.

    What a killed one leaves in the folder of a file stays, as that may be anyone's folder.
    """

    name = "convert"

    def __init__(self, folder: Path) -> None:
        data = write_ytvis(folder / "data", "valid.json", "frames", dict.fromkeys(range(1, 13), 6))
        self._source = [str(data / "valid.json")]
        self._images = ["--images", str(data / "frames")]

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        return [*COMMAND, "convert", *self._source, str(save / "there"), "--to", "davis", "--overwrite", *self._images]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`: it is done anew."""
        return {}

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`."""
        return different(contents(save, "**/[!.]*"), contents(self.reference, "**/[!.]*"))

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        files, expected = (contents(place, "**/[!.]*") for place in (save, self.reference))
        return different(files, expected) + sorted(set(expected) ^ set(files))


class ExportCase(Case):
    """``mmdet-vis export --to onnx`` into a folder in which an earlier export is replaced."""

    name = "export"

    def __init__(self, folder: Path) -> None:
        light_model(folder)
        self._model = [str(folder / "light.py"), str(folder / "light.safetensors")]

    def command(self, save: Path) -> list[str]:
        """See :meth:`Case.command`."""
        return [*COMMAND, "export", *self._model, str(save / "graphs"), "--to", "onnx"]

    def done(self, save: Path) -> dict[str, Any]:
        """See :meth:`Case.done`: it is done anew."""
        return {}

    def partial(self, save: Path) -> list[str]:
        """See :meth:`Case.partial`: what has the name is a whole export."""
        place = save / "graphs"
        if not place.exists():
            return []
        if not is_graph_folder(place):
            return [f"graphs holds {sorted(path.name for path in place.iterdir())} without its index"]
        digests = open_graph_folder(place).digests
        found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.glob("*.onnx")}
        return [] if found == digests == open_graph_folder(self.reference / "graphs").digests else ["graphs are others"]

    def final(self, save: Path) -> list[str]:
        """See :meth:`Case.final`."""
        files, expected = (contents(place, "**/*") for place in (save, self.reference))
        return super().final(save) + different(files, expected) + sorted(set(expected) ^ set(files))


ROOMS = (BatchCase, RefineCase, ConvertCase, ExportCase)
