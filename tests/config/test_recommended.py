"""What a model recommends: read from its config, and the same result by the API, the commands, streams and the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdet_vis.api import Session, load_model, segment_video
from mmdet_vis.commands.segment import main
from mmdet_vis.config.load import Recommended, build_settings, load_config, recommended
from mmdet_vis.config.read import find_config
from mmdet_vis.data.formats import sequence_annotations
from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import ConfigError
from mmdet_vis.run.options import Plan, RunOptions
from mmdet_vis.streaming.segment import segment_stream
from mmdet_vis.structures import areas
from mmdet_vis.structures.sequence import frame_stems
from mmdet_vis.visualization.images import ImageFolderWriter
from mmdet_vis.webui.actions import segment_project
from mmdet_vis.webui.export import export
from mmdet_vis.webui.project import JobOptions, Project, new_note
from mmdet_vis.weights.find import default_weights
from mmdet_vis.weights.model_file import embedded_config
from tests.tiny import moving_frames
from tests.webui.clips import write_clip

BLOCK = """
_base_ = "{base}"
recommended = dict(
    precision=dict(cpu="bfloat16"), profile="fast", score_thr=0.27, show_thr=0.32, show_share=0.9, show_least=0.1
)
"""


@pytest.fixture(scope="module")
def model_files(tiny, tmp_path_factory) -> tuple[Path, Path]:
    """Of a model that recommends something."""
    config = tmp_path_factory.mktemp("recommended") / "own.py"
    config.write_text(BLOCK.format(base=tiny[0].as_posix()))
    return config, tiny[1]


def test_every_way_in_gives_the_same_result(model_files, tmp_path, capsys) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    model = load_model(*model_files, device="cpu")
    assert model.precision.name == "bfloat16"
    result = segment_video(model, clip)
    scores = [sequence.score for sequence in result.sequences]
    assert min(scores) >= 0.27
    assert 0 < len(result.shown()) < len(scores), "the clip has sequences on both sides of the threshold"
    none_reaches = load_model(
        *model_files, device="cpu", cfg_options={"recommended.show_thr": 0.9, "recommended.show_share": 1}
    )
    assert [s.track_id for s in segment_video(none_reaches, clip).shown()] == [1], "the best one is drawn"

    config, weights = map(str, model_files)
    save_dir = tmp_path / "out"
    arguments = [str(clip), "--config", config, "--weights", weights, "--device", "cpu", "--save-dir", str(save_dir)]
    assert main([*arguments, "--format", "json,overlay"]) == 0
    entries = [{**e, "video_name": "clip"} for e in sequence_annotations(result, 1, 0.27)]
    assert json.loads((save_dir / "results.json").read_text()) == entries
    with open_source(clip) as source:
        with ImageFolderWriter(tmp_path / "drawn", frame_stems(result)) as pictures:
            for index, frame in enumerate(source.read(0, len(source))):
                pictures.write(result.draw(index, frame))
        stream = list(segment_stream(model, source.read(0, len(source)), window=len(source)))
    drawn_by_api, drawn_by_command = (sorted(f.glob("*.jpg")) for f in (tmp_path / "drawn", save_dir / "clip"))
    assert len(drawn_by_api) == result.num_frames
    assert [f.read_bytes() for f in drawn_by_api] == [f.read_bytes() for f in drawn_by_command]
    names = [result.category_of(s) for s in result.shown()]
    said = capsys.readouterr().out
    assert all(f"{names.count(name)} {name}" in said for name in names)

    (tmp_path / "page" / "input").mkdir(parents=True)
    clip.rename(tmp_path / "page" / "input" / "clip.mp4")
    project = Project(tmp_path / "page", new_note("clip", JobOptions()))
    with project.open_source() as source, Session(model, source) as session:
        segment_project(project, session, lambda share, text: None)
    assert project.history is not None
    assert project.history.result == result
    assert project.note.threshold == result.show_thr
    shown = [sequence.masks for sequence in result.shown()]
    done = export(project, "results", project.note.threshold, False)
    assert json.loads(done.file.read_text()) == [e for e in entries if e["segmentations"] in shown]

    assert {frame.show_thr for frame in stream} == {result.show_thr}
    masks = [sequence.masks[0] for sequence in result.sequences]
    assert [found.mask for found in stream[0].objects] == [mask for mask in masks if areas([mask])[0]]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.9, 0.5], 0.4), ([0.3, 0.3, 0.2], 0.15), ([0.2], 0.1), ([0.06, 0.05], 0.05), ([0.04], 0.05), ([], 0.05)],
)
def test_where_little_is_sure_the_best_of_it_is_drawn(scores: list[float], expected: float) -> None:
    assert Recommended(show_thr=0.4, show_share=0.5, show_least=0.05).drawn_from(scores) == pytest.approx(expected)
    assert Recommended().drawn_from(scores) == 0.2


def test_a_model_that_recommends_nothing_is_used_as_ever(tiny) -> None:
    config = load_config(tiny[0])
    assert recommended(config) == Recommended({}, "exact", 0.05, 0.2, 1.0, 0.2)
    settings = Plan(config, tiny[1], RunOptions(), device="cpu").settings()
    kept = {"profile": "exact", "score_thr": 0.05, "show_thr": 0.2, "precision": "float32"}
    assert {key: settings[key] for key in kept} == kept, "a run of an earlier version goes on"
    assert build_settings(config).skip_covered_iou is None


def test_what_is_given_comes_before_what_is_recommended(model_files) -> None:
    config = load_config(model_files[0])
    options = RunOptions(profile="exact", score_thr=0.5, show_thr=0.6)
    settings = Plan(config, model_files[1], options, device="cpu", precision="float32").settings()
    given = {"profile": "exact", "score_thr": 0.5, "show_thr": 0.6, "precision": "float32"}
    assert {key: settings[key] for key in given} == given
    assert build_settings(config).skip_covered_iou == 0.7
    assert build_settings(config, profile="exact").skip_covered_iou is None
    model = load_model(*model_files, device="cpu", precision="float32")
    assert model.precision.name == "float32"
    assert segment_video(model, moving_frames(2), score_thr=1.0).sequences == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("precision", {"tpu": "float32"}, "a dict from cpu, cuda, mps to float32"),
        ("precision", {"cpu": "double"}, "a dict from cpu"),
        ("precision", "auto", "a dict from cpu"),
        ("profile", "slow", "exact, fast"),
        ("show_thr", 2, "a number from 0 to 1"),
        ("draw", 0.3, "unknown key 'draw'"),
    ],
)
def test_a_wrong_recommendation_is_named(model_files, key, value, said) -> None:
    with pytest.raises(ConfigError, match=rf"own\.py: recommended.*{said}"):
        load_config(model_files[0], {f"recommended.{key}": value})


def test_the_default_model_carries_what_its_config_recommends() -> None:
    config = load_config(find_config("seq_mask_rcnn_mobilenetv2_fpn_stills"))
    assert recommended(config).profile == "fast"
    carried = embedded_config(default_weights())
    for key in ("recommended", "propose_reduce", "data_preprocessor"):
        assert carried[key] == json.loads(json.dumps(config[key].to_dict())), f"export the model again: {key}"
    assert carried.model.test_cfg == config.model.test_cfg
