#!/bin/sh
# Runs the tests; makes .venv at the first run.
#
#   sh test.sh                          the fast set, in parallel
#   sh test.sh -m slow                  the slow set
#   sh test.sh tests/ops -k nms         any arguments of pytest; paths start at the repository
#   PYTHON=/path/to/python sh test.sh   .venv made with that interpreter
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$root/scripts/setup_env.sh"

marked=no parallel=yes
for argument; do
  case $argument in
    # A set chosen by hand runs in one process, which may use every core.
    -m*) marked=yes parallel=no ;;
    -n* | --numprocesses* | -p* | --pdb | --trace) parallel=no ;;
  esac
done
if [ "$marked" = no ]; then
  set -- -m 'not slow' "$@"
fi
if [ "$parallel" = yes ]; then
  # One thread in each worker: more would compete for the same cores.
  : "${OMP_NUM_THREADS:=1}"
  export OMP_NUM_THREADS
  # Neighbours stay together, so that what a file prepares is prepared once.
  set -- -n auto --maxprocesses 4 --dist worksteal "$@"
fi

setup_env dev pytest pytest-xdist hypothesis
cd "$root"
exec "$python" -m pytest "$@"
