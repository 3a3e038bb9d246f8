#!/usr/bin/env python3
"""Write a trained network as one model file: weights with their config, for load_model(weights=FILE)."""

from mmdet_vis.commands.export import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
