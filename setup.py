"""Everything is declared in pyproject.toml; here is only what it cannot say."""

import re
import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("pretrained/*_stills.safetensors", "configs/**/*.py")
"""What of the repository an installed wheel has in its package, too: the default model and the configs."""


class BuildWithModel(build_py):
    """Puts the default model and the configs into the package."""

    def run(self) -> None:
        """Build the package."""
        super().run()
        if self.editable_mode:
            return  # the repository itself is used
        for file in sorted(path for pattern in CARRIED for path in Path().glob(pattern)):
            target = Path(self.build_lib, "mmdet_vis", file)
            self.mkpath(str(target.parent))
            self.copy_file(str(file), str(target))


def readme() -> str:
    """The README as an index of packages shows it: without the repository around it."""
    source = re.search(r'^Source = "(.+)"$', Path("pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    index_links = runpy.run_path("scripts/site_pages.py")["index_links"]
    text: str = index_links(Path("README.md").read_text(encoding="utf-8"), source[1] if source else None)
    return text


setup(cmdclass={"build_py": BuildWithModel}, long_description=readme(), long_description_content_type="text/markdown")
