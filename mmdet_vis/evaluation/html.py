"""Pages that need no server and load nothing: what they are made of."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_CSS = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
h1 { margin-bottom: 0; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; } h3 { margin-bottom: .3em; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; }
th { text-align: left; background: #f4f4f4; vertical-align: bottom; } .n { text-align: right; white-space: nowrap; }
img { max-width: 100%; } figure { margin: .6em 0; } figcaption, .note { color: #666; font-size: 13px; }
.wide { overflow-x: auto; } .big { font-size: 22px; margin-right: 1.5em; }
"""

Cell = str | int | float


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page; the sections are HTML, empty ones are left out, the title is text."""
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        + "\n".join([f"<h1>{escape(title)}</h1>", *(section for section in sections if section)])
        + "\n</body>\n</html>\n"
    )
    # JSON may hold half a surrogate pair, which UTF-8 cannot.
    return text.encode("utf-8", "replace").decode("utf-8")


def image(data: bytes, kind: str, caption: str) -> str:
    """An inline image; the caption is HTML."""
    source = f"data:image/{kind};base64,{b64encode(data).decode('ascii')}"
    return f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], numbers: Sequence[int]) -> str:
    """A table; cells are escaped, and the columns ``numbers`` stand to the right."""
    lines = []
    for tag, row in [("th", header), *(("td", row) for row in rows)]:
        cells = [f"<{tag}{' class=n' * (n in numbers)}>{escape(str(value))}</{tag}>" for n, value in enumerate(row)]
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "<table>" + "\n".join(lines) + "</table>"


def frames(title: str, name: str, pictures: Iterable[tuple[int, bytes]], shown: str) -> str:
    """JPEGs of a video's frames by their numbers, below its title; nothing if there are none. The texts are HTML."""
    images = [image(data, "jpeg", f"{name}, frame {t}: {shown}") for t, data in pictures]
    return f"<h3>{title}</h3>{''.join(images)}" if images else ""


def chart(columns: int, height: float) -> tuple[Any, list[Any]]:
    """A figure of Matplotlib as wide as a page, ``height`` inches high, and its axes beside each other."""
    # matplotlib takes a second to import, and only reports need it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def chart_png(figure: Any) -> bytes:
    """A :func:`chart` as PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
