"""Errors of the evaluation."""

import zipfile
import zlib

from mmdet_vis.errors import UserError


class ResultsError(UserError):
    """A results file or folder that cannot be evaluated: the message names the entry or the PNG."""


# What reading a damaged zip may raise; RuntimeError is an encrypted member's.
ZIP_ERRORS = (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error)
