"""``python -m mmdet_vis.data.synthvis OUT_DIR``: another name of ``mmdet-vis synth``."""

from functools import partial

from mmdet_vis.commands.synth import main
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(partial(main, prog="python -m mmdet_vis.data.synthvis"))
