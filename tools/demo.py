#!/usr/bin/env python3
"""A script of the original ProposeReduce: says what took its place."""

from mmdet_vis.commands.original import answer
from mmdet_vis.errors import run_command

if __name__ == "__main__":
    run_command(lambda: answer("tools/demo.py"))
