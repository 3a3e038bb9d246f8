"""Errors of the evaluation."""

import zipfile
import zlib

from mmdet_vis.errors import UserError


class ResultsError(UserError):
    """A results file or folder that cannot be evaluated: the message names the entry or the PNG."""


# What reading a damaged zip may raise: RuntimeError for an encrypted member, NotImplementedError for a version to come.
ZIP_ERRORS = (
    OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error, UnicodeDecodeError,
)  # fmt: skip
