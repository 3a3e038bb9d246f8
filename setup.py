"""Everything is declared in pyproject.toml; here is only what it cannot say."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithModel(build_py):
    """Puts the default model of ``pretrained/`` into the package, so that an installed wheel has it too."""

    def run(self) -> None:
        """Build the package."""
        super().run()
        if self.editable_mode:
            return  # the repository itself is used
        for file in sorted(Path("pretrained").glob("*_stills.safetensors")):
            target = Path(self.build_lib, "mmdet_vis", "pretrained", file.name)
            self.mkpath(str(target.parent))
            self.copy_file(str(file), str(target))


setup(cmdclass={"build_py": BuildWithModel})
