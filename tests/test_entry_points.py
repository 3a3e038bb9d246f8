"""`sh demo.sh` and `sh test.sh` on a copy of the repository, with stand-ins for what would download."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SHELLS = [shell for shell in ("sh", "dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0])]
PROGRAMS = ["sh", "cat", "cksum", "cp", "dirname", "mkdir", "mv", "rm", "rmdir", "sleep", "touch", "uname"]
COPIED = ["demo.sh", "test.sh", "pyproject.toml", "setup.py", "scripts/setup_env.sh", "scripts/check_env.py"]

# A Python without the package. The environments it makes have the package once pip has run in them. It is
# real Python for everything else, and logs what would have taken minutes.
STAND_IN = """#!/bin/sh
prefix=$(dirname "$0")/..
case " $* " in
  *" -m venv "*)
    for target; do :; done
    echo venv >>{log}
    mkdir -p "$target/bin" && touch "$target/pyvenv.cfg" && cp "$0" "$target/bin/python" ;;
  *" -m pip --version "*) ;;
  *" -m pip install "*)
    for target; do :; done
    echo "pip $target" >>{log}
    {during_pip}
    touch "$prefix/installed" ;;
  *check_env.py*) [ -e "$prefix/installed" ] && exec {python} "$@" ;;
  {special}
  *) exec {python} "$@" ;;
esac
"""
TOOL = """
import json, os, sys, mmdet_vis
facts = {"argv": sys.argv, "cwd": os.getcwd(), "python": sys.executable, "package": mmdet_vis.__file__}
print(json.dumps(facts))
"""
TESTS = """
import pytest

def test_fast(): pass

@pytest.mark.slow
def test_slow(): pass
"""


class Checkout:
    """A copy of the entry points in a folder with spaces, with a stand-in as its only `python3`."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.root = folder / "a check out"
        self.elsewhere = folder / "else where"
        self.path = folder / "bin"
        self.log_file = folder / "log"
        for name in COPIED:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, self.root / name)
        for name, text in {
            "tools/test_vis.py": TOOL,
            "mmdet_vis/__init__.py": "",
            "tests/test_sample.py": TESTS,
            "pretrained/seq_mask_rcnn_mobilenetv2_stills.safetensors": "weights",
            "configs/SeqMaskRCNN/seq_mask_rcnn_mobilenetv2_fpn_stills.py": "",
            "demo/inputs/clip.mp4": "",
        }.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self.elsewhere.mkdir()
        self.path.mkdir()
        for program in PROGRAMS:
            (self.path / program).symlink_to(shutil.which(program) or "")
        self.stand_in(self.path / "python3")

    def stand_in(self, file: Path, during_pip: str = ":", special: str = "") -> Path:
        """Write a stand-in interpreter; `special` are further cases of its arguments."""
        file.parent.mkdir(parents=True, exist_ok=True)
        quoted = {"log": shlex.quote(str(self.log_file)), "python": shlex.quote(sys.executable)}
        file.write_text(STAND_IN.format(**quoted, during_pip=during_pip, special=special))
        file.chmod(0o755)
        return file

    def command(self, script: str, *arguments: str, shell: str = "sh") -> list[str]:
        program, *options = shell.split()
        return [shutil.which(program) or program, *options, str(self.root / script), *arguments]

    def environment(self, **variables: str | Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | {"PATH": str(self.path)} | {name: str(value) for name, value in variables.items()}

    def run(
        self, script: str, *arguments: str, shell: str = "sh", **variables: str | Path
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(script, *arguments, shell=shell),
            cwd=self.elsewhere,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start(self, script: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(script),
            cwd=self.elsewhere,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def log(self) -> list[str]:
        """What the stand-ins did so far."""
        return self.log_file.read_text().splitlines() if self.log_file.exists() else []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def demo_result(run: subprocess.CompletedProcess[str]) -> dict:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def one_line_error(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 2, run.stderr
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Checkout:
    return Checkout(repository, tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_demo_makes_its_environment_once(checkout: Checkout, shell: str) -> None:
    (checkout.elsewhere / "my weights.pth").touch()
    variables = {"CHECKPOINT": "my weights.pth", "SAVE_DIR": "my results"}
    for _ in range(2):
        result = demo_result(checkout.run("demo.sh", "--device", "cpu", shell=shell, **variables))
        assert result["cwd"] == str(checkout.elsewhere), "the user's relative paths stay valid"
        assert result["package"] == str(checkout.root / "mmdet_vis/__init__.py")
        config = checkout.root / "configs/SeqMaskRCNN/seq_mask_rcnn_mobilenetv2_fpn_stills.py"
        assert result["argv"] == [
            *[str(checkout.root / "tools/test_vis.py"), str(config), "my weights.pth", "--input-dir"],
            *[str(checkout.root / "demo/inputs"), "--save-dir", "my results"],
            *shlex.split("--use-img --key-num 5 --mem-step 5 --mem-max 40 --precision auto --device cpu"),
        ]
        assert checkout.log == ["venv", "pip ."]
    assert not (checkout.root / ".venv-lock").exists()


def test_the_default_model_is_run_with_its_own_settings(checkout: Checkout) -> None:
    for arguments in ([], ["--show-thr", "0.7"]):
        argv = demo_result(checkout.run("demo.sh", *arguments))["argv"]
        assert argv[argv.index("--save-dir") + 2 :] == ["--use-img", *arguments]


def test_tests_run_the_fast_set_and_any_other(checkout: Checkout) -> None:
    fast = checkout.run("test.sh")
    assert fast.returncode == 0, fast.stdout + fast.stderr
    assert "1 passed in" in fast.stdout
    assert checkout.log == ["venv", "pip .[dev]"]
    slow = checkout.run("test.sh", "-m", "slow", "-v")
    assert "::test_slow PASSED" in slow.stdout
    assert "1 passed, 1 deselected in" in slow.stdout
    assert checkout.run("test.sh", "-p", "no:xdist", "-k", "not test").returncode == 5
    assert checkout.log == ["venv", "pip .[dev]"]


def test_demo_and_tests_share_the_environment(checkout: Checkout) -> None:
    demo_result(checkout.run("demo.sh"))
    # To the stand-in no distribution is missing; this is how an environment without pytest looks.
    (checkout.root / ".venv/installed").unlink()
    assert "1 passed" in checkout.run("test.sh", "-p", "no:xdist").stdout
    demo_result(checkout.run("demo.sh"))
    assert checkout.log == ["venv", "pip .", "pip .[dev]"]
    (checkout.root / "setup.py").write_text("# changed")
    demo_result(checkout.run("demo.sh"))
    assert checkout.log[3:] == ["pip .[dev]"], "brought up to date in place, without losing the tests' packages"


def test_missing_default_checkpoint_is_explained_before_the_set_up(checkout: Checkout) -> None:
    weights = checkout.root / "pretrained/seq_mask_rcnn_mobilenetv2_stills.safetensors"
    weights.unlink()
    error = one_line_error(checkout.run("demo.sh"))
    assert str(weights) in error
    assert "CHECKPOINT" in error
    assert checkout.log == []


@pytest.mark.parametrize("variable", ["CHECKPOINT", "CONFIG", "INPUT_DIR"])
def test_missing_files_are_named_before_the_set_up(checkout: Checkout, variable: str) -> None:
    error = one_line_error(checkout.run("demo.sh", **{variable: "no such file"}))
    assert "no such file" in error
    assert variable in error
    assert checkout.log == []


def test_demo_help(checkout: Checkout) -> None:
    run = checkout.run("demo.sh", "--help")
    assert run.returncode == 0
    assert run.stdout.startswith("usage: ")
    assert checkout.log == []


@pytest.mark.parametrize("how", ["VIRTUAL_ENV", "CONDA_PREFIX", "PATH"])
def test_active_environment_with_the_package_is_used(checkout: Checkout, how: str) -> None:
    if how == "PATH":
        script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
        (checkout.path / "python").write_text(script)
        (checkout.path / "python").chmod(0o755)
        variables = {}
    else:
        variables = {how: sys.prefix}
    result = demo_result(checkout.run("demo.sh", **variables))
    assert result["python"] == sys.executable
    assert result["package"] == str(checkout.root / "mmdet_vis/__init__.py"), "this checkout's code"
    assert "1 passed" in checkout.run("test.sh", "-p", "no:xdist", **variables).stdout
    assert checkout.log == []


def test_active_environment_without_the_package_is_not_used(checkout: Checkout) -> None:
    bare = checkout.elsewhere / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    run = checkout.run("demo.sh", VIRTUAL_ENV=bare)
    demo_result(run)
    assert checkout.log == ["venv", "pip ."]
    assert str(bare) not in run.stderr


def test_unmet_requirements_are_named(checkout: Checkout) -> None:
    project = checkout.root / "pyproject.toml"
    project.write_text(
        project.read_text().replace('"torch>=', '"no-such-package", "torch>=999').replace('"pytest>=', '"pytest>=99')
    )
    run = checkout.run("test.sh", VIRTUAL_ENV=sys.prefix)
    note, *_, error = run.stderr.splitlines()
    for line in (note, error):
        assert "no-such-package, torch>=999" in line
        assert "pytest>=99" in line
    assert sys.prefix in note
    assert error == one_line_error(run)


def test_environment_made_by_hand_is_used_as_it_is(checkout: Checkout) -> None:
    environment = checkout.root / ".venv"
    checkout.stand_in(environment / "bin/python")
    for name in ("pyvenv.cfg", "installed"):
        (environment / name).touch()
    demo_result(checkout.run("demo.sh"))
    assert checkout.log == []
    (environment / "installed").unlink()
    demo_result(checkout.run("demo.sh"))
    assert checkout.log == ["pip ."], "completed, not replaced"


def remove_interpreter(checkout: Checkout) -> None:
    (checkout.root / ".venv/bin/python").unlink()


def break_interpreter(checkout: Checkout) -> None:
    (checkout.root / ".venv/bin/python").write_text("not a program")


def cut_set_up_short(checkout: Checkout) -> None:
    (checkout.root / ".venv/mmdet_vis.stamp").write_text("set-up under way\n")


def move_checkout(checkout: Checkout) -> None:
    checkout.root = checkout.root.rename(checkout.root.with_name("moved check out"))


@pytest.mark.parametrize("damage", [remove_interpreter, break_interpreter, cut_set_up_short, move_checkout])
def test_broken_environment_is_made_anew(checkout: Checkout, damage: Callable[[Checkout], None]) -> None:
    demo_result(checkout.run("demo.sh"))
    (checkout.root / ".venv/old").touch()
    damage(checkout)
    demo_result(checkout.run("demo.sh"))
    assert checkout.log == ["venv", "pip ."] * 2
    assert not (checkout.root / ".venv/old").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_broken_environment_that_is_active_is_made_anew(checkout: Checkout, shell: str) -> None:
    environment = checkout.root / ".venv"
    active: dict[str, str | Path] = {"VIRTUAL_ENV": environment, "PATH": f"{environment}/bin:{checkout.path}"}
    demo_result(checkout.run("demo.sh", shell=shell))
    (environment / "bin/python3").symlink_to("python")
    demo_result(checkout.run("demo.sh", shell=shell, **active))
    assert checkout.log == ["venv", "pip ."]
    cut_set_up_short(checkout)
    demo_result(checkout.run("demo.sh", shell=shell, **active))
    assert checkout.log == ["venv", "pip ."] * 2


def test_other_folder_named_venv_is_not_deleted(checkout: Checkout) -> None:
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv/letters.txt").touch()
    assert "not a virtual environment" in one_line_error(checkout.run("demo.sh"))
    assert (checkout.root / ".venv/letters.txt").exists()


def test_failed_installation_is_retried(checkout: Checkout) -> None:
    checkout.stand_in(checkout.path / "python3", during_pip="exit 1")
    assert "installation" in one_line_error(checkout.run("demo.sh"))
    checkout.stand_in(checkout.path / "python3")
    demo_result(checkout.run("demo.sh"))
    assert checkout.log == ["venv", "pip ."] * 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_set_up_is_repeated(checkout: Checkout, sent: signal.Signals) -> None:
    begun = checkout.elsewhere / "begun"
    # The process that takes long says itself that it runs: a signal sent while it is forked could miss it.
    program = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(60)"
    during_pip = f"exec {shlex.quote(sys.executable)} -c {shlex.quote(program)}"
    checkout.stand_in(checkout.path / "python3", during_pip=during_pip)
    process = checkout.start("demo.sh")
    wait_until(begun.exists)
    os.killpg(process.pid, sent)
    process.communicate(timeout=30)
    assert process.returncode in (-sent, 128 + sent)
    assert (checkout.root / ".venv-lock").exists() == (sent == signal.SIGKILL)
    checkout.stand_in(checkout.path / "python3")
    demo_result(checkout.run("demo.sh"))
    assert checkout.log == ["venv", "pip ."] * 2
    assert not (checkout.root / ".venv-lock").exists()


def test_concurrent_runs_wait_for_one_another(checkout: Checkout) -> None:
    checkout.stand_in(checkout.path / "python3", during_pip="sleep 1")
    processes = [checkout.start("demo.sh") for _ in range(3)]
    messages = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], messages
    assert checkout.log == ["venv", "pip ."]
    assert sum("waiting for another set-up" in message for message in messages) == 2


def test_lock_without_an_owner_is_taken_over(checkout: Checkout) -> None:
    (checkout.root / ".venv-lock").mkdir()
    (checkout.path / "sleep").unlink()
    (checkout.path / "sleep").symlink_to(shutil.which("true") or "")
    run = checkout.run("demo.sh")
    demo_result(run)
    assert "waiting for another set-up" in run.stderr


def test_python_must_be_new_enough(checkout: Checkout) -> None:
    old = "*'version_info < (3, 10)'*) exit 1 ;;"
    checkout.stand_in(checkout.path / "python3", special=old)
    assert "no Python 3.10 or newer" in one_line_error(checkout.run("demo.sh"))
    named = checkout.stand_in(checkout.elsewhere / "my python", special=old)
    assert f"PYTHON={named} is not a Python 3.10" in one_line_error(checkout.run("demo.sh", PYTHON=named))
    assert checkout.log == []
    checkout.stand_in(checkout.path / "python3.12")
    demo_result(checkout.run("demo.sh"))
    assert checkout.log == ["venv", "pip ."]


def test_missing_venv_module_is_named(checkout: Checkout) -> None:
    checkout.stand_in(checkout.path / "python3", special="*'import ensurepip'*) exit 1 ;;")
    assert "python3-venv" in one_line_error(checkout.run("demo.sh"))
    assert not (checkout.root / ".venv").exists()


def test_python_variable_decides_who_makes_the_environment(checkout: Checkout) -> None:
    demo_result(checkout.run("demo.sh"))
    other = checkout.stand_in(checkout.elsewhere / "other python", special="*sys.base_prefix*) echo other ;;")
    assert "PYTHON=/none" in one_line_error(checkout.run("demo.sh", PYTHON="/none"))
    assert (checkout.root / ".venv/bin/python").exists(), "nothing is removed that cannot be replaced"
    for _ in range(2):
        demo_result(checkout.run("demo.sh", PYTHON="./other python", VIRTUAL_ENV=sys.prefix))
        assert checkout.log == ["venv", "pip ."] * 2
    demo_result(checkout.run("demo.sh", PYTHON=other))
    assert checkout.log == ["venv", "pip ."] * 2
