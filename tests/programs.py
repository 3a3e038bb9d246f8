"""Programs as processes of their own, without the seconds that importing PyTorch takes each time.

:func:`run` and :class:`Popen` are those of :mod:`subprocess`. A Python program that they start is forked from a server
that has imported what the project's commands import, and goes through its file, module or text as ``__main__`` until
it ends as Python ends: signals, exit codes, locks and files are those of a real process. Whatever the server's own
imports have decided, such as the number of OpenMP's threads, needs an interpreter of its own: it gets one when the
environment says something else about it, and tests of imports use :mod:`subprocess`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMPORTED = (
    "torch", "cv2", "av", "timm", "scipy.optimize", "matplotlib.figure", "matplotlib.backends.backend_agg",
    "torch.distributed.run", "mmdet_vis.api", "mmdet_vis.run.videos",
    "mmdet_vis.run.launch", "mmdet_vis.training", "mmdet_vis.training.runner", "mmdet_vis.streaming.run",
    "mmdet_vis.models.backbones.timm_backbone", "mmdet_vis.streaming.container",
)  # fmt: skip
AT_IMPORT = ("PYTHON", "OMP_", "KMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "DNNL_", "ATEN_", "TORCH_", "CUDA", "LD_PRELOAD")
"""How the variables begin that libraries read once, when they are imported."""
NO_MATTER = {"PYTHONPATH", "OMP_WAIT_POLICY", "TORCH_NCCL_ASYNC_ERROR_HANDLING"}
LAUNCHERS = ("mmdet_vis.run.launch", "torch.distributed.run")
KEEPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
PR_SET_CHILD_SUBREAPER = 36
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_IMPORT) and name not in NO_MATTER}


_OURS = _read_at_import(os.environ)


def heed_signals() -> None:
    """Undo what shells do to programs in the background and under nohup: what they start ignores Ctrl-C, too."""
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def adopt_orphans() -> None:
    """Become the parent of processes whose own has ended, so that :func:`left_running` finds them (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def clock() -> int:
    """Now, in the ticks in which the system says when a process began."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")) if sys.platform == "linux" else 0


def left_running(since: int = 0) -> dict[int, str]:
    """What this process and those that it started have running now, by process: command lines (on Linux).

    Without the server, what Python keeps for as long as a process lives, and what began before ``since`` (see
    :func:`clock`) with all that it started.
    """
    found: dict[int, str] = {}
    parents = [os.getpid()]
    for parent in parents:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                # The list may miss some while others come and go, so the date of a process decides.
                parents += [pid for pid in map(int, children.read_text().split()) if _began(pid) > since]
    for pid in parents[1:]:
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # Those that have ended have none.
            if line and pid not in _servers and not any(keeper in line for keeper in KEEPERS):
                found[pid] = line
    return found


def _began(pid: int) -> int:
    """When a process began, in ticks; 0 if it is gone."""
    try:
        # The name stands in brackets and may hold any character.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def run(
    command: list[Any], *, input: Any = None, capture_output: bool = False, check: bool = False,
    timeout: float | None = None, **kwargs: Any,
) -> subprocess.CompletedProcess[Any]:  # fmt: skip
    """As :func:`subprocess.run`."""
    if capture_output:
        kwargs |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        kwargs["stdin"] = subprocess.PIPE
    with Popen(command, **kwargs) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


class Popen(subprocess.Popen[Any]):
    """As :class:`subprocess.Popen`."""

    finalizes = False
    """Whether the interpreter clears up to the last module, which takes long."""
    _channel: socket.socket | None = None

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *rest: Any) -> None:
        _, pass_fds, cwd, env, _, _, shell, *pipes = rest
        files, new_session = pipes[:6], pipes[11]
        command = [os.fspath(word) for word in args] if isinstance(args, (list, tuple)) else []
        if unbuffered := command[1:2] == ["-u"]:
            del command[1]
        if executable or preexec_fn or pass_fds or shell or not _can_be_forked(command, env):
            super()._execute_child(args, executable, preexec_fn, *rest)  # type: ignore[misc]
            return
        ours, theirs = socket.socketpair()
        with theirs:
            given = [number if file == -1 else file for number, file in enumerate((files[0], files[3], files[5]))]
            socket.send_fds(_server(), [b"+"], [theirs.fileno(), *given])
        message = {"command": command[1:], "cwd": os.fspath(cwd or os.getcwd()), "env": env and dict(env)}
        message |= {"session": bool(new_session), "finalizes": self.finalizes, "unbuffered": unbuffered}
        ours.sendall(json.dumps(message).encode() + b"\n")
        self._channel, self._child_created = ours, True  # type: ignore[attr-defined]
        self.pid = self._hear()
        self._close_pipe_fds(*files)  # type: ignore[attr-defined]

    def _hear(self) -> int:
        """The next number from the server: at first the process, then how it ended."""
        assert self._channel is not None
        said = self._channel.recv(8, socket.MSG_WAITALL)
        if not said:
            raise RuntimeError("the server of processes has ended: see what it printed on stderr")
        return int.from_bytes(said, "little", signed=True)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._channel is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc]
        if wait_flags & os.WNOHANG and not select.select([self._channel], [], [], 0)[0]:
            return 0, 0
        status = self._hear()
        self._channel.close()
        return self.pid, status

    def _internal_poll(self, *args: Any, **kwargs: Any) -> int | None:
        if self._channel is None:
            return super()._internal_poll(*args, **kwargs)  # type: ignore[misc]
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


class WholePopen(Popen):
    """Programs that end as the interpreter does, whatever that takes."""

    finalizes = True


def _can_be_forked(command: list[str], env: dict[str, str] | None) -> bool:
    """Whether it is a Python program whose imports would be the server's."""
    if not hasattr(os, "pidfd_open") or command[:1] != [sys.executable] or len(command) < 2:
        return False
    if command[1].startswith("-") and (command[1] not in ("-m", "-c") or len(command) < 3):
        return False
    return _read_at_import(os.environ if env is None else env) == _OURS


_servers: list[int] = []


@functools.cache
def _server() -> socket.socket:
    """Starts the server, which ends with this process or before."""
    ours, theirs = socket.socketpair()
    with theirs:
        others = {name: value for name, value in os.environ.items() if not _read_at_import({name: value})}
        environment = {**others, **_OURS, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.programs", str(theirs.fileno())]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()], start_new_session=True, preexec_fn=heed_signals,
        )  # fmt: skip

    _servers.append(process.pid)

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for each request and say how each process ends; returns in the children only, with what to run."""
    for name in IMPORTED:
        importlib.import_module(name)
    # What is imported stays out of the children's garbage collections, which would copy its pages, and of their ends.
    gc.freeze()
    for left in weakref.finalize._registry:  # type: ignore[attr-defined]
        left.atexit = False
    controls = [control]
    """Of the one whom this serves, and of launchers of further processes."""
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready in select.select([*controls, *running], [], [])[0]:
            if ready not in controls:
                pid, channel = running.pop(ready)
                os.close(ready)
                _tell(channel, os.waitpid(pid, 0)[1])
                channel.close()
                continue
            said, files, _, _ = socket.recv_fds(ready, 1, 4)
            if not said:
                if ready is control:
                    os._exit(0)
                controls.remove(ready)
                ready.close()
                continue
            channel = socket.socket(fileno=files[0])
            with channel.makefile("rb") as lines:
                message = json.loads(lines.readline())
            if message["command"][:2] == ["-m", "mmdet_vis.webui"]:
                importlib.import_module("mmdet_vis.webui.app")
            ours, theirs = socket.socketpair()
            # Hooks of libraries run in the child first, and swallow what a signal raises in them.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            pid = os.fork()
            if pid == 0:
                for file in (ours, channel, *controls, *(other for _, other in running.values())):
                    file.close()
                for number in running:
                    os.close(number)
                _serve_launcher(message["command"], theirs)
                return message, files[1:]
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            for number in files[1:]:
                os.close(number)
            theirs.close()
            controls.append(ours)
            _tell(channel, pid)
            running[os.pidfd_open(pid)] = pid, channel


def _serve_launcher(command: list[str], control: socket.socket) -> None:
    """Have the processes that torchrun starts forked, too."""
    global _server
    if command[0] != "-m" or command[1] not in LAUNCHERS:
        control.close()
        return
    from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler
    from torch.distributed.elastic.rendezvous import dynamic_rendezvous

    # It looks for the name in all modules, of which the server has many, for lines that are not printed.
    dynamic_rendezvous.get_method_name = lambda *_: ""

    def server() -> socket.socket:
        return control

    _server = server  # type: ignore[assignment]
    subprocess_handler.Popen = WholePopen  # type: ignore[misc]


def _tell(channel: socket.socket, number: int) -> None:
    """Answer, if the one who asked is still there."""
    with contextlib.suppress(OSError):
        channel.sendall(number.to_bytes(8, "little", signed=True))


def _run_as_main(message: dict[str, Any], files: list[int]) -> None:
    """Be the program."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", 1 if message["unbuffered"] else -1, closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    if message["session"]:
        os.setsid()
    else:
        os.setpgid(0, 0)  # what it sends to its group is not for the server
    os.chdir(message["cwd"])
    if message["env"] is not None:
        os.environ.clear()
        os.environ.update(message["env"])
        tempfile.tempdir = None  # as TMPDIR of this environment says
    sys.path[:] = [path for path in sys.path if path != str(ROOT)]
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    first, *words = message["command"]
    if first == "-m":
        sys.path.insert(0, message["cwd"])
        sys.argv = words
        if not hasattr(sys.modules.get(words[0]), "__path__"):
            sys.modules.pop(words[0], None)  # else runpy warns
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *words[1:]]
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        exec(compile(words[0], "<string>", "exec"), module.__dict__)
    else:
        sys.path.insert(0, str(Path(first).resolve().parent))
        sys.argv = [first, *words]
        runpy.run_path(first, run_name="__main__")


def _main() -> None:
    message, files = _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        _run_as_main(message, files)
        code = 0
    except SystemExit as end:
        if message["finalizes"] or not isinstance(end.code, int | None):
            raise
        code = end.code or 0
    if not message["finalizes"]:
        # What a program can notice of an interpreter's end, without the half second that clearing all modules takes.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    _main()
