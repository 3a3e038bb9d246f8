"""scripts/slurm: run by bash with stand-ins for SLURM's programs and for the command, or the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmdet_vis.commands import batch, train
from tests.tiny_training import last_iteration, write_training

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "scripts" / "slurm").glob("*.sbatch"))
STAND_INS = {
    # Runs the command here, as the only task.
    "srun": 'while :; do case $1 in -w|--exclude) shift 2;; -*) shift;; *) break;; esac; done\n'
    "export SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=1\n" 'exec "$@"\n',
    "scontrol": 'if [ "$1" = show ]; then echo localhost; else echo "$@" >>"$LOG.scontrol"; fi\n',
    "sleep": "",
    "ray": 'echo "$@" >>"$LOG.ray"\n',
}  # fmt: skip
_NOTE = """import json, os, sys
with open(os.environ["LOG"], "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
"""
# The first line of a script cannot name an interpreter whose path has a space.
RECORD = f"""#!/bin/sh
exec "{sys.executable}" -c '{_NOTE}' "$@"
"""
WAIT = f"""#!/bin/sh
exec "{sys.executable}" -c '{_NOTE}
import time
time.sleep(60)' "$@"
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a job's script."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, text in STAND_INS.items():
        put(bin / name, f"#!/bin/sh\n{text}")
    facts = {
        "SLURM_JOB_ID": "4711", "SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_NODELIST": "node1", "SLURM_NNODES": "1",
        "SLURM_GPUS_ON_NODE": "2", "SLURM_CPUS_PER_TASK": "8", "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_ARRAY_TASK_COUNT": "8", "LOG": str(tmp_path / "log"), "PATH": f"{bin}:{os.environ['PATH']}",
    }  # fmt: skip
    return {**os.environ, **facts}


def put(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def arguments(slurm: dict[str, str]) -> list[str]:
    return json.loads(Path(slurm["LOG"]).read_text().splitlines()[-1])


def requeued(slurm: dict[str, str]) -> bool:
    path = Path(slurm["LOG"] + ".scontrol")
    return path.exists() and path.read_text() == "requeue 4711\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_command_of_a_script_is_one_that_there_is(script, slurm, tmp_path):
    put(tmp_path / "bin" / "mmdet-vis", RECORD)
    put(tmp_path / "bin" / "python", RECORD)
    words = ["config.py", "--seed", "2"] if script.stem == "train" else ["list.jsonl", "out", "--retries", "2"]
    done = subprocess.run(["bash", script, *words], env=slurm, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    given = arguments(slurm)
    if script.stem == "train":
        assert given[0] == "train"
        args = train.build_parser().parse_args(given[1:])
        assert (args.config, args.seed, args.resume) == (Path("config.py"), 2, "auto")
    else:
        args = batch.build_parser().parse_args(given[given.index("batch") + 1 :])
        assert (args.manifest, args.out, args.retries) == ("list.jsonl", "out", 2)
        assert args.resume or args.shard == (3, 8)
    assert not requeued(slurm)


def test_a_job_that_is_told_to_end_is_queued_again(slurm, tmp_path):
    put(tmp_path / "bin" / "mmdet-vis", WAIT)
    script = ROOT / "scripts" / "slurm" / "batch_array.sbatch"
    with subprocess.Popen(["bash", script, "list.jsonl", "out"], env=slurm, stdout=subprocess.PIPE) as process:
        while not Path(slurm["LOG"]).exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"job 4711 is queued again" in out
    assert requeued(slurm)


def test_a_job_that_fails_is_not(slurm, tmp_path):
    put(tmp_path / "bin" / "mmdet-vis", "#!/bin/sh\nexit 2\n")
    script = ROOT / "scripts" / "slurm" / "batch_array.sbatch"
    assert subprocess.run(["bash", script, "list.jsonl", "out"], env=slurm).returncode == 2
    assert not requeued(slurm)


@pytest.mark.slow
def test_training_goes_on_where_the_job_before_ended(slurm, tmp_path):
    put(tmp_path / "bin" / "mmdet-vis", f'#!/bin/sh\nexec "{sys.executable}" -m mmdet_vis "$@"\n')
    config, work = write_training(tmp_path / "training", ROOT), tmp_path / "work"
    command = ["bash", str(ROOT / "scripts" / "slurm" / "train.sbatch"), str(config), "--work-dir", str(work)]
    command += ["--device", "cpu", "--cfg-options", "train_cfg.max_iters={}"]
    with subprocess.Popen([word.format(100000) for word in command], env=slurm) as process:
        while not (work / "iter_2.pth").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(60) == 0
    assert requeued(slurm)
    saved = last_iteration(work)
    done = subprocess.run([word.format(saved + 3) for word in command], env=slurm, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"trained {saved + 3} iterations" in done.stdout
