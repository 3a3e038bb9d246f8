"""README and pages where they are read outside the repository: on the site, and in an index of packages.

Of mkdocs (see mkdocs.yml) it is a hook: pages of the site that lie outside docs/, and links between both.

INSTALL.md and the READMEs of folders are written for readers of the repository; the site shows the same files rather
than copies. Links to them are turned into links to their pages, and links to files that the site does not have (code,
configs) into their text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {
    "INSTALL.md": "install.md",
    "data/README.md": "data.md",
    "benchmarks/README.md": "benchmarks.md",
    "pretrained/README.md": "checkpoints.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files of the repository and the pages that they become."""

LATER = ("ablations.md", "webui.md")
"""Pages that may not be there: they are left out of the navigation until they are."""

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"^(```|~~~).*?^\1\s*?$|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> Any:
    """Leave pages out of the navigation that are not there."""
    config["nav"] = _present(config["nav"], Path(config["docs_dir"]))
    return config


def _present(nav: list[Any], docs: Path) -> list[Any]:
    kept: list[Any] = []
    for item in nav:
        title, value = next(iter(item.items())) if isinstance(item, dict) else (None, item)
        if isinstance(value, list):
            kept.append({title: _present(value, docs)})
        elif value not in LATER or (docs / value).is_file():
            kept.append(item)
    return kept


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from outside docs/."""
    from mkdocs.structure.files import File

    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrite the links of a page."""
    return site_links(markdown, page.file.src_uri)


def site_links(markdown: str, page: str) -> str:
    """Rewrite the relative links of a page for the site; code is left alone.

    Args:
        markdown: text of the page.
        page: its place on the site, such as ``training.md`` or ``install.md``.
    """
    sources = {site: source for source, site in OUTSIDE.items()}
    folder = PurePosixPath(sources.get(page, f"docs/{page}")).parent

    def replace(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        place = os.path.normpath(folder / target).replace(os.sep, "/")
        if place in OUTSIDE:
            site = OUTSIDE[place]
        elif place.startswith("docs/"):
            site = place.removeprefix("docs/")
        else:
            return match["text"]
        site = os.path.relpath(site, PurePosixPath(page).parent).replace(os.sep, "/")
        return f"{match['image']}[{match['text']}]({site}{'#' if anchor else ''}{anchor})"

    return _outside_code(markdown, replace)


def index_links(markdown: str, source: str | None) -> str:
    """Rewrite the relative links of the README for an index of packages, which has no files beside it.

    Args:
        markdown: text of the README.
        source: address of the public repository; without one, links become their text and images are left out.
    """

    def replace(match: re.Match[str]) -> str:
        if re.match(r"[a-z]+:", match["target"]):
            return match[0]
        if source is None:
            return "" if match["image"] else match["text"]
        kind = "raw" if match["image"] else "blob"
        target = match["target"] if not match["target"].startswith("#") else f"README.md{match['target']}"
        return f"{match['image']}[{match['text']}]({source.rstrip('/')}/{kind}/main/{target})"

    return _outside_code(markdown, replace)


def _outside_code(markdown: str, replace: Callable[[re.Match[str]], str]) -> str:
    parts, end = [], 0
    for code in _CODE.finditer(markdown):
        parts += [_LINK.sub(replace, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(replace, markdown[end:])])
