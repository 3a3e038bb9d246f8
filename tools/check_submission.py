#!/usr/bin/env python3
"""Find what the YouTube-VIS or DAVIS server would reject, before uploading."""

from mmdet_vis.commands.submit import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
