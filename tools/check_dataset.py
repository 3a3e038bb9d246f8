#!/usr/bin/env python3
"""Check a dataset: counts, missing frames, wrong sizes, bad boxes and masks, categories; draw some of its frames."""

from mmdet_vis.commands.check import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
