#!/usr/bin/env python3
"""Say what is wrong with YouTube-VIS results: types of errors and what each costs, AP by length, size and occlusion."""

from mmdet_vis.commands.analyze import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
