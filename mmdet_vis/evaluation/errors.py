"""Errors of the evaluation."""

from mmdet_vis.errors import UserError


class ResultsError(UserError):
    """A results file or folder that cannot be evaluated: the message names the entry or the PNG."""
