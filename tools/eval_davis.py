#!/usr/bin/env python3
"""Evaluate index PNGs on a DAVIS set by the unsupervised protocol: J and F, each as mean, recall and decay."""

from functools import partial

from mmdet_vis.commands.eval import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(partial(main, benchmark="davis"))
