"""Plain text tables for the terminal: they survive pipes and log files."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str | float | int]]) -> str:
    """Align rows under a header: text to the left, numbers to the right.

    Floats are metrics in [-1, 1] and shown as percentages with two digits; -1 and NaN (nothing to measure)
    become ``-``.
    """
    table = [list(header), *([points(v) if isinstance(v, float) else str(v) for v in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    sides = [">" if rows and not isinstance(rows[0][i], str) else "<" for i in range(len(header))]
    lines = []
    for row in table:
        cells = [f"{text:{side}{width}}" for text, side, width in zip(row, sides, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def points(value: float) -> str:
    """A measure in percent; -1 and NaN, nothing to measure, are ``-``."""
    return "-" if value == -1 or value != value else f"{100 * value:.2f}"
