#!/usr/bin/env python3
"""Turn COCO still images into videos of one frame (or one frame repeated) in the YouTube-VIS format."""

from functools import partial

from mmdet_vis.commands.convert import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(partial(main, source_format="coco"))
