#!/usr/bin/env python3
"""Draw training samples as the network gets them: augmented frames side by side with masks, ids, boxes and classes."""

from mmdet_vis.commands.browse import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
