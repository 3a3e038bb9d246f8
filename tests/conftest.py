"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


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
