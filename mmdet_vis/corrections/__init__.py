"""Corrections of results: what rearranges them, and the files that corrections are kept in."""

from mmdet_vis.corrections.edit import edit_result

__all__ = ["edit_result"]
