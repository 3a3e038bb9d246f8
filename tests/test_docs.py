"""The documentation against the program: its snippets run, its commands exist, its messages and keys are the code's."""

from __future__ import annotations

import ast
import io
import itertools
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmdet_vis.api import VideoResult, load_model, segment_video
from mmdet_vis.commands.main import main
from mmdet_vis.config import read as config_check
from mmdet_vis.config.load import build_dataset, build_model, load_config
from mmdet_vis.corrections.files import read_corrections
from mmdet_vis.data.clips import ClipSampler
from mmdet_vis.data.formats.number_pngs import encode_png
from mmdet_vis.training import check as training_check
from mmdet_vis.training.setup import build_training_dataset
from mmdet_vis.visualization.video_writer import VideoWriter
from mmdet_vis.weights.checkpoint import read_state_dict
from scripts.check_links import default_pages
from scripts.site_pages import LATER, OUTSIDE, site_links
from tests import programs
from tests.documents import commands, inline_code, named_block, python_blocks, table_cells
from tests.tiny import moving_frames
from tests.tiny_dataset import write_ytvis

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PLACEHOLDER = "\0"


# Snippets.


def _working_folder(tiny: tuple[Path, Path], folder: Path) -> None:
    """The files that the snippets name, with the tiny network in place of the published one."""
    config = folder / "configs" / "SeqMaskRCNN" / "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
    config.parent.mkdir(parents=True)
    config.write_text(tiny[0].read_text())
    (folder / "pretrained").mkdir()
    torch.save(read_state_dict(tiny[1]), folder / "pretrained" / "seq_mask_rcnn_r50_ytv19.pth")
    frames = moving_frames(10)
    with VideoWriter(folder / "clip.mp4", 25, frames[0].shape[:2]) as video:
        for frame in frames:
            video.write(frame)
    write_ytvis(folder, "annotations.json", "frames", {1: 10})
    annotations = json.loads((folder / "annotations.json").read_text())
    annotations["categories"] = [{"id": n, "name": name} for n, name in enumerate(("cat", "dog", "bird"), 1)]
    annotations["annotations"][0]["category_id"] = 1
    (folder / "annotations.json").write_text(json.dumps(annotations))


def test_snippets_of_the_python_interface(tiny, tmp_path, monkeypatch, capsys):
    """All blocks of the page, in order, as one program; then those of docs/analysis.md on its results."""
    _working_folder(tiny, tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = python_blocks(DOCS / "python-api.md")
    for number, block in enumerate(blocks):
        exec(compile(block, f"python-api.md, block {number}", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "1"
    assert any("tracks" in line for line in lines)
    assert any("'AP'" in line for line in lines)
    assert lines[-1] == "missing.mp4: no such file or folder; check the path"
    assert (tmp_path / "drawn.mp4").stat().st_size > 0
    assert len(list((tmp_path / "png" / "clip").glob("*.png"))) == 10
    (tmp_path / "annotations.json").rename("valid.json")
    for block in python_blocks(DOCS / "analysis.md"):
        exec(compile(block, "analysis.md", "exec"), {})
    assert (tmp_path / "report.html").is_file()


def test_snippets_of_corrections(tiny, tmp_path, monkeypatch, capsys):
    """The page's blocks as one program, and its file of corrections."""
    _working_folder(tiny, tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, block in enumerate(python_blocks(DOCS / "corrections.md")):
        exec(compile(block, f"corrections.md, block {number}", "exec"), names)
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert VideoResult.load("clip.json") == names["result"]
    text = re.search(r"```json\n(.*?)```", (DOCS / "corrections.md").read_text(), re.S)
    assert text is not None
    (tmp_path / "fixes.json").write_text(text[1])
    (tmp_path / "00012.png").write_bytes(encode_png(np.ones((4, 4), np.uint8)))
    assert len(read_corrections(tmp_path / "fixes.json")) == 7


# Configs.


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """A folder ``configs`` with the repository's, to which those of a page can be added."""
    folder = tmp_path / "configs"
    folder.mkdir()
    for name in ("_base_", "SeqMaskRCNN", "SynthVIS"):
        (folder / name).symlink_to(ROOT / "configs" / name)
    return folder


def _write(page: str, folder: Path, name: str) -> Path:
    path = folder / name.split("/")[-1]
    path.write_text(named_block(DOCS / page, f"# {name}"))
    return path


def test_backbone_example_segments_a_video(configs):
    path = _write("backbones.md", configs, "configs/convnext_tiny.py")
    options = {"data_preprocessor.img_scale": (96, 64), "model.test_cfg.rcnn.score_thr": 0.0}
    model = load_model(path, device="cpu", cfg_options=options)
    assert model.network.backbone.out_channels == (96, 192, 384, 768)
    result = segment_video(model, moving_frames(2), key_num=1)
    assert result.num_frames == 2


def test_own_backbone_is_built(configs, monkeypatch):
    _write("backbones.md", configs, "my_backbone.py")
    monkeypatch.syspath_prepend(str(configs))
    path = _write("backbones.md", configs, "configs/my_backbone_config.py")
    network = build_model(load_config(path))
    with torch.no_grad():
        levels = network.extract(torch.zeros(1, 3, 64, 96)).levels
    assert [tuple(level.shape[2:]) for level in levels] == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]


def test_one_line_backbones_are_built(configs):
    lines = python_blocks(DOCS / "backbones.md")[0].splitlines()
    assert len(lines) == 3
    for line in lines:
        path = configs / "one.py"
        base = "./SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
        path.write_text(f"_base_ = {base!r}\n{line}\n")
        with torch.device("meta"):
            assert len(build_model(load_config(path)).backbone.out_channels) == 4


def _own_data(folder: Path) -> None:
    """The files that own-data.md names: videos of a ball, and one image of it in the COCO format."""
    write_ytvis(folder, "my_videos.json", "my_frames")
    content = json.loads((folder / "my_videos.json").read_text())
    content["categories"] = [{"id": 12, "name": "Ball"}]
    for name in ("my_videos.json", "my_validation.json"):
        (folder / name).write_text(json.dumps(content))
    (folder / "my_images").symlink_to(folder / "my_frames" / "video0")
    found = content["annotations"][0]
    box = {"segmentation": found["segmentations"][0], "bbox": found["bboxes"][0], "area": found["areas"][0]}
    stills = {
        "images": [{"id": 1, "file_name": "00000.png", "height": 64, "width": 96}],
        "categories": [{"id": 12, "name": "ball"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 12, "iscrowd": 0, **box}],
    }
    (folder / "my_images.json").write_text(json.dumps(stills))


def test_configs_for_own_data_can_be_trained(configs, tmp_path, monkeypatch):
    """Config, network, and both datasets with data as the page has them."""
    (tmp_path / "data").mkdir()
    _own_data(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    first = _write("own-data.md", configs, "configs/my_many_videos.py")
    second = _write("own-data.md", configs, "configs/my_mixture.py")
    for path in (first, second):
        config = load_config(path)
        training_check.check_training(config)
        training_check.train_settings(config)
        with torch.device("meta"):
            assert build_model(config).bbox_head.num_classes == 1 + len(config.categories)
        clips = build_training_dataset(config)
        assert clips.categories == ("ball", "player")
        for batch in itertools.islice(ClipSampler(clips, 1, 0), 6):
            assert len(clips[batch[0]].images) == 2
        videos = build_dataset(config)
        assert (videos.categories, len(videos)) == (("ball", "player"), 5)


def test_the_config_in_configs_md_is_the_file():
    name = "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
    block = named_block(DOCS / "configs.md", f"# {name}")
    assert ast.dump(ast.parse(block)) == ast.dump(ast.parse((ROOT / name).read_text()))


def test_every_key_is_in_configs_md():
    text = " ".join(inline_code(DOCS / "configs.md"))
    words = set(re.findall(r"\w+", text))
    keys = {*config_check.PROPOSE_REDUCE, *config_check.RPN, *config_check.RCNN, *config_check.DATA_PREPROCESSOR}
    keys |= {*config_check.PARTS, *(key for rules in config_check.PARTS.values() for key in rules)}
    keys |= {*training_check.TRAIN, *training_check.TRAIN_CFG, *training_check.VAL_CFG, *training_check.SETTINGS}
    keys |= {*training_check.OPTIM_WRAPPER} - {"constructor"}
    assert sorted(keys - words) == []


def test_defaults_of_track_by_iou_are_the_documented_ones():
    from mmdet_vis.baselines import TrackByIoU

    documented = {row[0]: row[1] for row in _rows("configs.md", 5) if row[0] in config_check.PARTS["TrackByIoU"]}
    built = vars(TrackByIoU())
    assert {key: ast.literal_eval(value) for key, value in documented.items()} == built


def _rows(page: str, least: int) -> Iterator[tuple[str, str]]:
    """(key, default) of the table with a column "default" of a page, which has so many rows."""
    section = (DOCS / page).read_text().split("| argument | default | what |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines()[2:]]
    assert len(rows) == least
    for key, value in rows:
        yield key.strip(" `"), value.strip(" `")


# Commands.


@cache
def _help(script: str) -> str:
    if script.startswith("benchmarks/"):  # they load torch before they look at their options
        return (ROOT / script).read_text() + (ROOT / "benchmarks" / "common.py").read_text()
    if script.startswith("mmdet-vis"):
        with redirect_stdout(io.StringIO()) as out, suppress(SystemExit):
            main([*script.split()[1:], "--help"])
        return out.getvalue()
    arguments = [script] if script.endswith(".py") else ["-m", script]
    done = programs.run([sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{script}: {done.stderr}"
    return done.stdout


def test_every_command_exists_with_its_options():
    """Of all pages; scripts pass options on to the tool that they run."""
    runs = {"demo.sh": "tools/test_vis.py", "eval": "tools/test_vis.py", "run": "tools/train.py"}
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for page in default_pages(ROOT):
        written = {block.splitlines()[0].removeprefix("# ") for block in python_blocks(page)}
        for command in commands(page):
            script = command.script
            if script in written:
                continue  # the page has it
            if script.endswith((".py", ".sh")):
                assert (ROOT / script).is_file(), f"{command.page}: {script} does not exist"
            if script.endswith(".sh"):
                script = runs.get(Path(script).name.split("_")[0], "")
            if script:
                seen[script] |= {f"{command.page} {option}" for option in command.options}
    assert {"tools/test_vis.py", "mmdet-vis segment", "mmdet-vis train", "mmdet-vis configs"} <= set(seen)
    for script, options in seen.items():
        known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", _help(script)))
        wrong = sorted(option for option in options if option.split()[1] not in known)
        assert not wrong, f"{script} has no such options: {wrong}"


def test_options_of_the_tables_exist():
    """Options that stand alone in getting-started.md, evaluate.md and configs.md are those of the tools."""
    programs = ("tools/test_vis.py", *(f"mmdet-vis {name}" for name in ("segment", "stream", "eval", "compare")))
    known = set(re.findall(r"--[a-z][\w-]*", " ".join(map(_help, programs))))
    for page in ("getting-started.md", "evaluate.md", "configs.md"):
        for code in inline_code(DOCS / page):
            if code.startswith("--"):
                assert set(re.findall(r"--[a-z][\w-]*", code)) <= known, f"{page}: {code}"


# Messages.


def _as_shown(part: ast.expr) -> str:
    """A piece of an f-string; ``option("mem_max", 40)`` is shown as a command shows it."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    call = part.value if isinstance(part, ast.FormattedValue) else part
    if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "option":
        return PLACEHOLDER
    flag, *value = (a.value if isinstance(a, ast.Constant) else PLACEHOLDER for a in call.args)
    return " ".join([f"--{flag.replace('_', '-')}", *(str(v) for v in value if v is not True)])


@cache
def _messages() -> str:
    """All text of the program, with a placeholder for what is filled in."""
    texts: list[str] = []
    for folder in ("mmdet_vis", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    texts.append("".join(map(_as_shown, node.values)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


def test_messages_of_troubleshooting_are_the_programs():
    """Each piece of a message between two … is a piece of a text in the code."""
    cells = table_cells(DOCS / "troubleshooting.md", 0)
    assert len(cells) > 45
    for message in (code for cell in cells for code in cell):
        if message.startswith("demo.sh"):
            continue
        for piece in re.split(r"…|\(…\)", message):
            # What a message is built from may stand in several places.
            for part in re.split(r" \((?=it looks like)", piece):
                assert part.strip(" (),:=") in _messages(), f"troubleshooting.md: {message!r}: {part!r}"


# The site.


def test_links_between_the_site_and_the_repository():
    text = "[a](../INSTALL.md#by-hand) [b](../data/README.md) ![c](images/x.png) [d](../configs/x.py) [e](#f) `[g](h)`"
    assert site_links(text, "training.md") == (
        "[a](install.md#by-hand) [b](data.md) ![c](images/x.png) d [e](#f) `[g](h)`"
    )
    assert site_links("[a](../docs/training.md) [b](https://x.org)", "data.md") == "[a](training.md) [b](https://x.org)"
    assert site_links("[a](docs/training.md)", "install.md") == "[a](training.md)"
    assert site_links("```\n[a](../INSTALL.md)\n```\n", "index.md") == "```\n[a](../INSTALL.md)\n```\n"


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r": ([\w-]+\.md)$", text, re.MULTILINE))
    there = {path.name for path in DOCS.glob("*.md")} | set(OUTSIDE.values())
    assert there <= listed
    assert listed - there <= set(LATER)
