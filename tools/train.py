#!/usr/bin/env python3
"""Train a Seq Mask R-CNN."""

from mmdet_vis.commands.train import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
