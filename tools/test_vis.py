#!/usr/bin/env python3
"""Segment videos: every object as one sequence with a category, a score and a mask per frame."""

from functools import partial

from mmdet_vis.commands import segment
from mmdet_vis.errors import run_command

main = partial(segment.main, tool=True)

if __name__ == "__main__":
    run_command(main)
