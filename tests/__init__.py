"""Tests, and what holds for all processes that they start."""

import os
import sys

# Hundreds of processes import the same files: what one has compiled serves the others, whatever is said about that.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Threads that wait leave the cores to those that work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
