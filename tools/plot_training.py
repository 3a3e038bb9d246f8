#!/usr/bin/env python3
"""Draw the losses and the validation AP of a training run."""

from mmdet_vis.commands.plot_training import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
