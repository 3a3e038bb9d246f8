"""The queue of the model: one at a time, places and times, stopping, and pages that are left."""

from __future__ import annotations

import threading
import time

import pytest

from mmdet_vis.corrections.check import CorrectionError
from mmdet_vis.errors import NotEnoughMemoryError, UserError
from mmdet_vis.webui import jobs as jobs_module
from mmdet_vis.webui.jobs import Jobs
from tests.webui.projects import make_project


class NoModels:
    """Gives no model: the work of these tests needs none."""

    def get(self, precision, detector=None):
        return None


@pytest.fixture
def projects(tmp_path):
    made = [make_project(tmp_path) for _ in range(3)]
    for project in made[1:]:
        (project.folder / "result.json").unlink()
        project.forget_history()
        project.note.outcome = "new"
    return made


@pytest.fixture
def jobs():
    jobs = Jobs(NoModels())
    yield jobs
    jobs.close()


def gate():
    """Work that waits until it is let go on, and reports."""
    inside, go_on = threading.Event(), threading.Event()

    def work(model, progress):
        progress(0.5, "half of it")
        inside.set()
        while not go_on.wait(0.005):
            progress(0.5, "half of it")
        return "done"

    return work, inside, go_on


def test_one_at_a_time_with_places_and_times(jobs, projects):
    work, inside, go_on = gate()
    first = jobs.add(projects[0], work, 10)
    assert inside.wait(30)
    others = [jobs.add(project, lambda model, progress: "quick", 10) for project in projects[1:]]
    running = jobs.status(projects[0])
    assert (running["state"], running["place"], running["share"], running["text"]) == ("running", 0, 0.5, "half of it")
    assert running["seconds"] >= 0
    waiting = [jobs.status(project) for project in projects[1:]]
    assert [(status["state"], status["place"]) for status in waiting] == [("waiting", 1), ("waiting", 2)]
    assert running["seconds"] < waiting[0]["seconds"] < waiting[1]["seconds"], "guessed from how the first one goes"
    with pytest.raises(UserError, match="this video is being worked on"):
        jobs.add(projects[1], work, 1)
    go_on.set()
    for job in (first, *others):
        assert job.ended.wait(30)
    assert [project.note.message for project in projects] == ["done", "quick", "quick"]
    assert jobs.status(projects[0]) is None


def test_times_are_guessed_from_what_was_done(jobs, projects):
    assert jobs.add(projects[0], lambda model, progress: time.sleep(0.1) or "", 10).ended.wait(30)
    work, inside, go_on = gate()
    jobs.add(projects[0], work, 10)
    assert inside.wait(30)
    jobs.add(projects[1], work, 1000)
    jobs.add(projects[2], work, 1000)
    seconds = [jobs.status(project)["seconds"] for project in projects]
    assert seconds[0] < 5 < seconds[1] < seconds[2]
    assert seconds[2] - seconds[1] >= 9
    go_on.set()


def test_stopping_one_that_waits_and_one_that_runs(jobs, projects):
    work, inside, _ = gate()
    running, waiting = jobs.add(projects[0], work, 1), jobs.add(projects[1], work, 1)
    assert inside.wait(30)
    jobs.stop(projects[1])
    assert waiting.ended.is_set()
    assert (projects[1].note.outcome, projects[1].note.message) == ("stopped", "stopped")
    jobs.stop(projects[0])
    assert running.ended.wait(30)
    # It has a result from before, which stays.
    assert (projects[0].note.outcome, projects[0].note.message) == ("ready", "stopped")
    jobs.stop(projects[2])


def test_a_correction_that_failed_is_said_as_such_and_the_result_stays(jobs, projects):
    def fail(model, progress):
        raise UserError("nothing is in the box")

    project = projects[0]
    assert jobs.add(project, fail, 1).ended.wait(30)
    assert (project.note.outcome, project.note.message, project.note.wrong) == ("ready", "nothing is in the box", True)
    assert jobs.add(project, lambda model, progress: "good", 1).ended.wait(30)
    assert (project.note.message, project.note.wrong) == ("good", False)


def test_nobody_looks(projects):
    jobs = Jobs(NoModels(), patience=0.05)
    job = jobs.add(projects[1], gate()[0], 1)
    assert job.ended.wait(30)
    assert projects[1].note.message == "stopped, since its page was closed"
    jobs.close()


def test_the_queue_is_bounded(jobs, projects, monkeypatch):
    monkeypatch.setattr(jobs_module, "MOST_WAITING", 1)
    work, inside, go_on = gate()
    jobs.add(projects[0], work, 1)
    assert inside.wait(30)
    jobs.add(projects[1], work, 1)
    with pytest.raises(UserError, match="1 videos wait already"):
        jobs.add(projects[2], work, 1)
    go_on.set()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RuntimeError("boom"), "the program failed (RuntimeError): its terminal says where"),
        (RuntimeError("CUDA out of memory"), "the memory is not enough for this video: use fewer frames or a smaller"),
        (UserError("clip.mp4:\ncannot be read"), "clip.mp4: cannot be read"),
        (NotEnoughMemoryError("try --mem-max 40"), "the memory is not enough for this video: use fewer frames or"),
        (CorrectionError("corrections", 0, "prompt on frame 3: no object"), "prompt on frame 3: no object"),
    ],
)
def test_what_fails_is_one_line_and_the_next_job_is_not_harmed(jobs, projects, caplog, fault, words):
    def fail(model, progress):
        raise fault

    assert jobs.add(projects[1], fail, 1).ended.wait(30)
    assert projects[1].note.outcome == "failed"
    assert projects[1].note.message.startswith(words)
    assert ("boom" in caplog.text) == (str(fault) == "boom")
    assert jobs.add(projects[1], lambda model, progress: "good", 1).ended.wait(30)
    assert projects[1].note.message == "good"


def test_the_end_stops_all(jobs, projects):
    work, inside, _ = gate()
    running, waiting = jobs.add(projects[0], work, 1), jobs.add(projects[1], work, 1)
    assert inside.wait(30)
    jobs.close()
    assert running.ended.wait(30)
    assert waiting.ended.is_set()
    with pytest.raises(UserError, match="the server is ending"):
        jobs.add(projects[2], work, 1)
