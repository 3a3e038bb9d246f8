"""Submissions to the servers of YouTube-VIS and DAVIS: writing them, and checking them before uploading."""

from mmdet_vis.evaluation.submission.check_davis import check_davis_submission
from mmdet_vis.evaluation.submission.check_ytvis import check_ytvis_submission
from mmdet_vis.evaluation.submission.writers import Report, write_davis_zip

__all__ = ["Report", "check_davis_submission", "check_ytvis_submission", "write_davis_zip"]
