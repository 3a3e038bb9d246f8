"""``python -m mmdet_vis.webui``: another name of ``mmdet-vis web``."""

from functools import partial

from mmdet_vis.commands.web import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(partial(main, prog="python -m mmdet_vis.webui"))
