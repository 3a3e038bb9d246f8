#!/usr/bin/env python3
"""Convert a checkpoint: .pth to .safetensors or back, and between the names of other programs and ours."""

from mmdet_vis.commands.convert_weights import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
