"""Plain text tables for the terminal: they survive pipes and log files."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str | float | int]]) -> str:
    """Align rows under a header: text to the left, numbers to the right.

    Floats are metrics in [-1, 1] and shown as percentages with two digits; -1 and NaN (nothing to measure)
    become ``-``.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
    numeric = [bool(rows) and not isinstance(rows[0][i], str) for i in range(len(header))]
    lines = []
    for line in [list(header), *cells]:
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cell(value: str | float | int) -> str:
    if isinstance(value, float):
        return "-" if value == -1 or value != value else f"{100 * value:.2f}"
    return str(value)
