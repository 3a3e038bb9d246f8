"""``python -m mmdet_vis.webui``."""

from mmdet_vis.errors import run_command
from mmdet_vis.webui.cli import main

if __name__ == "__main__":
    run_command(main)
