"""Detectors that can propose: each file is a door to one library, which is imported when it is used.

A config names one as ``proposer=dict(type="torchvision", ...)``, a command line as ``--proposer torchvision``.
"""

from mmdet_vis.propose_reduce.proposer import Place, Proposals, Proposer
from mmdet_vis.proposers.categories import InCategories
from mmdet_vis.proposers.files import FilesProposer
from mmdet_vis.proposers.function import FunctionProposer
from mmdet_vis.proposers.named import build_proposer, proposed_categories
from mmdet_vis.proposers.rfdetr_models import RFDETRProposer
from mmdet_vis.proposers.torchvision_models import TorchvisionProposer
from mmdet_vis.proposers.transformers_models import TransformersProposer

__all__ = [
    "FilesProposer",
    "FunctionProposer",
    "InCategories",
    "Place",
    "Proposals",
    "Proposer",
    "RFDETRProposer",
    "TorchvisionProposer",
    "TransformersProposer",
    "build_proposer",
    "proposed_categories",
]
