#!/usr/bin/env python3
"""Evaluate index PNGs on a DAVIS set by the unsupervised protocol: J and F, each as mean, recall and decay."""

from mmdet_vis.commands.eval_davis import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
