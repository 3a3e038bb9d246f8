"""Says whether this interpreter can run the repository's commands; used by scripts/setup_env.sh.

``python check_env.py [NAME...]`` exits with 0 if the package is installed and every requirement in
pyproject.toml is met, with those of its extras that concern the distributions NAME. Otherwise it exits with
1, and when the package is there and only requirements are not, it prints them. Only metadata is read: to
import torch would take longer than all the rest.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mmdet_vis"


def declared_requirements(names: list[str]) -> list[str]:
    """Return the requirements of the package, and those of any extra that are for one of ``names``."""
    # Python 3.10 has no tomllib; the package's own dependencies bring tomli there.
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    return project["dependencies"] + [line for line in optional if re.split(r"[^\w.-]", line, maxsplit=1)[0] in names]


def unmet(requirements: list[str]) -> list[str]:
    """Return those of ``requirements`` that are not installed, or not in a version that they admit."""
    from packaging.requirements import Requirement

    missing = []
    for line in requirements:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(line)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            missing.append(f"{line} (it has {version})")
    return missing


def main() -> int:
    """Return the exit status."""
    # A build leaves metadata in the repository; only an installation counts.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    try:
        metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return 1
    try:
        missing = unmet(declared_requirements(sys.argv[1:]))
    except ImportError as error:
        missing = [str(error.name)]
    print(", ".join(missing), end="")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
