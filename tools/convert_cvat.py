#!/usr/bin/env python3
"""Turn CVAT exports ("CVAT for video 1.1", with images) into a YouTube-VIS annotation file."""

from functools import partial

from mmdet_vis.commands.convert import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(partial(main, source_format="cvat"))
