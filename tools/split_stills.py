#!/usr/bin/env python3
"""Split COCO stills into images to train on and held-out images to measure AP on, with the classes of a config."""

from mmdet_vis.commands.split_stills import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
