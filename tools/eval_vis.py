#!/usr/bin/env python3
"""Evaluate YouTube-VIS results against annotations: AP, AP50, AP75, AP by size, AR at 1, 10 and 100."""

from functools import partial

from mmdet_vis.commands.eval import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(partial(main, benchmark="ytvis"))
