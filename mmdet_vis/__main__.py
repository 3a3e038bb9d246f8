"""``python -m mmdet_vis``: the program ``mmdet-vis``, also where its folder is not on the PATH."""

from mmdet_vis.commands.main import run

if __name__ == "__main__":
    run()
