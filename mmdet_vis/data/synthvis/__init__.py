"""SynthVIS: a video instance dataset in YouTube-VIS format, made from a seed alone.

``python -m mmdet_vis.data.synthvis OUT_DIR`` or :func:`make_dataset` writes it. See ``docs/synthvis.md``.
"""

from mmdet_vis.data.synthvis.categories import CATEGORIES, Category
from mmdet_vis.data.synthvis.dataset import DatasetSummary, make_dataset
from mmdet_vis.data.synthvis.options import LEVELS, DatasetOptions, Difficulty
from mmdet_vis.data.synthvis.preview import write_contact_sheet

__all__ = [
    "CATEGORIES",
    "LEVELS",
    "Category",
    "DatasetOptions",
    "DatasetSummary",
    "Difficulty",
    "make_dataset",
    "write_contact_sheet",
]
