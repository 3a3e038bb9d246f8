"""What the editor asks for: answers, corrections, and all that is no request of a page."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from mmdet_vis.structures import areas, encode_masks
from mmdet_vis.webui.actions import Actions
from mmdet_vis.webui.inputs import Limits
from mmdet_vis.webui.jobs import Jobs
from mmdet_vis.webui.projects import Projects
from mmdet_vis.webui.routes import MOST_BYTES, Routes
from tests.webui.projects import FRAMES, known_masks, known_result, make_project


class NoModels:
    """Gives none."""

    def get(self, precision, detector=None):
        raise AssertionError("no model is needed")


@pytest.fixture
def projects(tmp_path):
    projects = Projects(tmp_path, Limits())
    yield projects
    projects.close()


@pytest.fixture
def client(projects):
    jobs = Jobs(NoModels())
    with TestClient(Routes(projects, Actions(jobs)).app()) as client:
        yield client
    jobs.close()


@pytest.fixture
def key(tmp_path):
    return make_project(tmp_path).key


def edit(client, key, **what):
    revision = client.get(f"/{key}/state").json()["revision"]
    return client.post(f"/{key}/edit", json={"edit": what, "revision": revision})


def test_state_frames_and_masks(client, key):
    state = client.get(f"/{key}/state").json()
    assert (state["name"], state["frames"], state["frames_ready"], state["job"]) == ("clip", FRAMES, FRAMES, None)
    assert [(t["id"], t["category"], t["runs"]) for t in state["tracks"]] == [
        (1, "cat", [[0, 19]]), (2, "dog", [[0, 19]]), (3, "bird", [[4, 15]]), (4, "cat", [[0, 19]]),
    ]  # fmt: skip
    assert "tracks" not in client.get(f"/{key}/state?revision={state['revision']}").json()
    assert client.get(f"/{key}/frames/0.jpg").content[:2] == b"\xff\xd8"
    masks = client.get(f"/{key}/masks?start=3&stop=5").json()
    assert masks["revision"] == state["revision"]
    expected = encode_masks(known_masks()[2, 4:5])[0]["counts"]
    assert [sorted(frame) for frame in masks["frames"]] == [["1", "2", "4"], ["1", "2", "3", "4"]]
    assert masks["frames"][1]["3"] == expected
    assert "html" in client.get(f"/{key}/").headers["content-type"]
    assert client.get(f"/{key}", follow_redirects=False).headers["location"] == f"{key}/"
    assert client.get("/static/editor.js").status_code == 200


def test_what_is_proposed_is_there_before_the_result(client, key, projects):
    project = projects.get(key)
    (project.folder / "result.json").unlink()
    project.forget_history()
    counts = [rle["counts"] for rle in encode_masks(known_masks()[:2, 5])]
    project.proposed[5] = counts
    state = client.get(f"/{key}/state").json()
    assert (state["revision"], state["proposed"]) == (-1, {"5": 2})
    masks = client.get(f"/{key}/masks?start=4&stop=6").json()
    assert masks == {"revision": -1, "frames": [{}, {"1": counts[0], "2": counts[1]}]}
    project.set_result(known_result(), "done")
    assert "proposed" not in client.get(f"/{key}/state").json()
    assert project.proposed == {}


def test_corrections_in_all_kinds(client, key):
    state = edit(client, key, type="delete", id=4).json()
    assert (state["undo"], state["message"]) == ("delete #4 cat", "last step: delete #4 cat")
    assert (
        edit(client, key, type="rename", id=1, category="  snow   leopard ").json()["tracks"][0]["category"]
        == "snow leopard"
    )
    tracks = edit(client, key, type="split", id=2, frame=10).json()["tracks"]
    assert [(t["id"], t["runs"]) for t in tracks[1:3]] == [(2, [[0, 9]]), (4, [[10, 19]])]
    tracks = edit(client, key, type="swap", a=1, b=2, frame=5).json()["tracks"]
    assert [t["runs"] for t in tracks[:2]] == [[[0, 9]], [[0, 19]]]
    tracks = edit(client, key, type="not_visible", id=1, first=2, last=3).json()["tracks"]
    assert tracks[0]["runs"] == [[0, 1], [4, 9]]
    assert tracks[0]["by_hand"]
    state = edit(client, key, type="merge", ids=[2, 4]).json()
    assert (len(state["tracks"]), state["edits"]) == (3, 6)
    for _ in range(6):
        state = edit(client, key, type="undo").json()
    assert (state["undo"], state["redo"]) == (None, "delete #4 cat")
    assert state["message"] == "undone: delete #4 cat"
    assert [t["category"] for t in state["tracks"]] == ["cat", "dog", "bird", "cat"]


def test_what_the_program_says_of_a_step_is_in_the_state_as_long_as_that_is_the_last(client, key, tmp_path):
    state = edit(client, key, type="rename", id=1, category="catt").json()
    (line,) = state["said"]
    assert line == "category 'catt' is new, beside 3 others; there is 'cat'"
    assert edit(client, key, type="undo").json()["said"] == []
    assert edit(client, key, type="redo").json()["said"] == [line]
    state = edit(client, key, type="not_visible", id=3, first=0, last=19).json()
    assert state["said"] == ["sequence 3 (bird) is visible in no frame any more: left out"]
    assert Projects(tmp_path, Limits()).get(key).history.edits[-1]["warnings"] == state["said"]
    state = edit(client, key, type="prompt", frame=3, box=[1, 2, 30, 40], category="dogg").json()
    assert state["said"] == ["category 'dogg' is new, beside 4 others; there is 'dog'"]
    assert edit(client, key, type="prompt", frame=4, box=[1, 2, 30, 40], category="dogg").json()["said"] == []
    assert edit(client, key, type="delete", id=2).json()["said"] == []


def test_what_is_drawn_waits_to_be_propagated(client, key):
    mask = {"size": [64, 96], "counts": [64 * 50, 64, 64 * 45]}
    state = edit(client, key, type="prompt", frame=3, mask=mask).json()
    (prompt,) = state["pending"]
    assert (prompt["id"], prompt["frame"]) == (5, 3)
    assert areas([prompt["mask"]])[0] == 64
    state = edit(client, key, type="prompt", frame=3, id=5, box=[1, 2, 30, 40], category="fox").json()
    assert [(p["id"], "mask" in p, p.get("box")) for p in state["pending"]] == [(5, False, [1, 2, 30, 40])]
    state = edit(client, key, type="prompt", frame=9, id=1, point=[[3, 4], [5, 6]], labels=[1, 0]).json()
    assert [(p["id"], p["frame"]) for p in state["pending"]] == [(5, 3), (1, 9)]
    # An object that is split off gets a number that what is drawn does not have.
    assert 6 in [t["id"] for t in edit(client, key, type="split", id=2, frame=4).json()["tracks"]]
    assert [p["id"] for p in edit(client, key, type="delete", id=1).json()["pending"]] == [5]
    assert edit(client, key, type="withdraw", id=5, frame=3).json()["pending"] == []
    assert edit(client, key, type="propagate").json()["error"].startswith("nothing is drawn")
    assert len(edit(client, key, type="undo").json()["pending"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "delete", "id": 99}, {"type": "delete", "id": "1"}, {"type": "delete", "id": True}, {"type": "delete"},
        {"type": "explode"}, {"type": "delete", "id": 1, "frame": 2}, {"type": "split", "id": 1, "frame": 0},
        {"type": "split", "id": 1, "frame": 10**9}, {"type": "swap", "a": 1, "b": 1, "frame": 1},
        {"type": "merge", "ids": [1]}, {"type": "merge", "ids": "12"}, {"type": "rename", "id": 1, "category": " "},
        {"type": "rename", "id": 1, "category": "x" * 999}, {"type": "not_visible", "id": 1, "first": 5, "last": 2},
        {"type": "not_visible", "id": 1, "first": 0, "last": 10**12}, {"type": "undo"}, {"type": "redo"},
        {"type": "prompt", "frame": 0}, {"type": "prompt", "frame": 99, "box": [0, 0, 9, 9]},
        {"type": "prompt", "frame": 0, "box": [0, 0, 1e400, 9]}, {"type": "prompt", "frame": 0, "box": ["a", 0, 1, 9]},
        {"type": "prompt", "frame": 0, "box": [0, 0, 10**400, 9]},
        {"type": "prompt", "frame": 0, "mask": {"size": [64, 96], "counts": [5]}},
        {"type": "prompt", "frame": 0, "mask": {"size": [6400, 9600], "counts": "0"}},
        {"type": "prompt", "frame": 0, "mask": "../../etc/passwd"}, {"type": "prompt", "frame": 0, "path": "x"},
        {"type": "prompt", "frame": 0, "point": [[500, 5]]}, {"type": "withdraw", "id": 1, "frame": 1},
    ],
)  # fmt: skip
def test_foolish_corrections_are_a_line_and_change_nothing(client, key, wrong):
    before = client.get(f"/{key}/state").json()
    revision = before["revision"]
    answer = client.post(f"/{key}/edit", content=json.dumps({"edit": wrong, "revision": revision}))
    assert answer.status_code == 409
    assert answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert "corrections[" not in answer.json()["error"], "a page knows of no list"
    assert client.get(f"/{key}/state").json() == before


def test_an_older_page_is_told(client, key):
    revision = client.get(f"/{key}/state").json()["revision"]
    assert edit(client, key, type="delete", id=1).status_code == 200
    answer = client.post(f"/{key}/edit", json={"edit": {"type": "delete", "id": 2}, "revision": revision})
    assert answer.status_code == 409
    assert "changed in another window" in answer.json()["error"]


def test_view_and_export(client, key):
    assert client.post(f"/{key}/view", json={"threshold": 0.55, "hidden": [2]}).status_code == 200
    state = client.get(f"/{key}/state").json()
    assert (state["threshold"], state["hidden"]) == (0.55, [2])
    for threshold, hidden in ((7, []), ("a", []), (None, None), (0.5, ["x"]), (0.5, 3)):
        assert client.post(f"/{key}/view", json={"threshold": threshold, "hidden": hidden}).status_code == 409
    assert {"ytvis", "coco", "cvat", "overlay"} <= {f["name"] for f in client.get(f"/{key}/export").json()["formats"]}
    answer = client.get(f"/{key}/export?format=ytvis&score=0.5")
    assert 'filename="clip.json"' in answer.headers["content-disposition"]
    assert len(answer.json()["annotations"]) == 2
    assert json.loads(answer.headers["x-notes"]) == []
    notes = json.loads(client.get(f"/{key}/export?format=labelme").headers["x-notes"])
    assert any("whose files are not known" in note for note in notes)
    assert "--" not in "".join(notes)
    for query in ("format=no", "format=ytvis&score=nan", "format=ytvis&score=x"):
        assert client.get(f"/{key}/export?{query}").status_code == 409


def test_what_is_no_request_of_a_page(client, key, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    for path in ("/nothing/state", f"/{'a' * 22}/state", "/..%2f..%2fetc/state", f"/{key}/frames/99.jpg",
                 f"/{key}/frames/-1.jpg", f"/{key}/frames/..%2fproject.json", f"/{key}/project.json",
                 "/static/..%2froutes.py", f"/{key}/edit"):  # fmt: skip
        assert client.get(path).status_code in (404, 405), path
    for body in (b"[]", b"{", b"[" * 10**5, b"\xff"):
        assert client.post(f"/{key}/edit", content=body).status_code == 400
    assert client.post(f"/{key}/edit", content=b" " * (MOST_BYTES + 1)).status_code == 400
    for body in ({}, {"edit": 3}, {"edit": {"type": "undo"}, "revision": "x"}):
        assert client.post(f"/{key}/edit", json=body).status_code == 409
    for query in ("start=-5&stop=3", "start=10&stop=1000000"):
        assert len(client.get(f"/{key}/masks?{query}").json()["frames"]) <= FRAMES
    assert client.get(f"/{key}/masks?start=a").status_code == 409


@pytest.mark.parametrize(
    ("error", "line"),
    [(MemoryError(), "the memory is not enough for this video"), (KeyError("x"), "the program failed (KeyError)")],
)
def test_what_is_no_fault_of_the_page_is_a_line_too(client, key, monkeypatch, error, line):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("mmdet_vis.webui.routes.export", fail)
    answer = client.get(f"/{key}/export?format=result")
    assert answer.status_code == 500
    assert answer.json()["error"].startswith(line)


def test_deleting(client, key, projects):
    assert client.post(f"/{key}/delete", json={}).status_code == 200
    answer = client.get(f"/{key}/state")
    assert (answer.status_code, answer.json()["gone"]) == (404, True)
    assert not (projects.folder / key).exists()


def test_it_is_on_disk(client, key, tmp_path):
    edit(client, key, type="delete", id=2)
    client.post(f"/{key}/view", json={"threshold": 0.2, "hidden": [1]})
    project = Projects(tmp_path, Limits()).get(key)
    assert (project.note.threshold, project.note.hidden) == (0.2, [1])
    assert [s.track_id for s in project.history.result.sequences] == [1, 3, 4]
    assert project.history.result.sequences[0] == known_result().sequences[0]
