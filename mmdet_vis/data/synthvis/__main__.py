"""``python -m mmdet_vis.data.synthvis OUT_DIR``."""

from mmdet_vis.data.synthvis.cli import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(main)
