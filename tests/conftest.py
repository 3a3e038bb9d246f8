"""Fixtures that all tests share."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import programs
from tests.tiny import write_checkpoint, write_config

PATIENCE = 30.0
"""Seconds that processes may take to notice that they are to end, on a busy machine."""
REPOSITORY = Path(__file__).resolve().parent.parent


LONG = (
    "tests/webui/", "tests/training/", "tests/tools/", "tests/test_scripts_end_to_end", "tests/test_train_scripts",
    "tests/goldens/", "tests/reliability/", "tests/batch/", "tests/weights/", "tests/test_a", "tests/test_d",
    "tests/test_p", "tests/test_s", "tests/test_w",
)  # fmt: skip
"""How the paths begin of tests that take long for their number."""


def pytest_configure() -> None:
    programs.heed_signals()
    programs.adopt_orphans()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in a random order")


def shuffled(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """The tests in an order that the seed alone decides on; those of a file stay together, as they share fixtures."""
    chance, files = random.Random(seed), defaultdict(list)
    for item in sorted(items, key=lambda item: item.nodeid):
        files[item.nodeid.partition("::")[0]].append(item)
    names = list(files)
    chance.shuffle(names)
    for name in names:
        chance.shuffle(files[name])
    return [item for name in names for item in files[name]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers: long tests come first, so that no worker waits for one at the end."""
    if (seed := config.getoption("shuffle")) is not None:
        items[:] = shuffled(items, seed)
    elif hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True)
def nothing_outlives_its_test() -> Iterator[None]:
    """Processes of a test, but for those of fixtures that it shares, end with it."""
    began = programs.clock()
    yield
    deadline = time.monotonic() + PATIENCE
    while (left := programs.left_running(began)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    if left:
        pytest.fail(f"the test left running: {list(left.values())}")


@pytest.fixture(scope="session", autouse=True)
def home_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the program keeps for its user, such as graphs of other runtimes, is not kept for whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMDET_VIS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def messages_as_from_python() -> None:
    """Each test begins with the log as a program finds it, whatever libraries that ran before did to it."""
    logging.disable(logging.NOTSET)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "mmdet_vis":
            logger = logging.getLogger(name)
            logger.disabled, logger.propagate = False, True
            if logger.level:  # setting it empties the caches of all loggers there are
                logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data that lies beside a developer's checkout; tests that need it are skipped without it."""
    path = REPOSITORY.parent / "shared"
    if not (path / "reference").is_dir():
        pytest.skip("needs the reference data in ../shared, which is not part of the repository")
    return path


@pytest.fixture(scope="session")
def tiny(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Config and checkpoint of a tiny network with random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    config = write_config(folder, repository)
    return config, write_checkpoint(config, folder / "tiny.safetensors")
