#!/usr/bin/env python3
"""Find broken links in Markdown files: files, headings and images that are not there, and malformed addresses.

Addresses of other sites are checked for their form only, so no network is needed. Relative links must work both for
readers of the repository and on the site that mkdocs builds, so they may not leave the repository.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("*.md", "docs/**/*.md", "*/README.md")
IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"}
_MARKDOWN = MarkdownIt("commonmark").enable("table")
# A link whose definition is missing stays text; [x] and [ ] are boxes of task lists.
_UNDEFINED = re.compile(r"\[[^\[\]]+\]\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Link:
    """A link or image: its target, whether it is shown as an image, and its line (1-based)."""

    target: str
    image: bool
    line: int


def links_of(text: str) -> tuple[list[Link], list[tuple[int, str]]]:
    """The links and images of a Markdown text, and (line, text) of references that are defined nowhere."""
    links: list[Link] = []
    undefined: list[tuple[int, str]] = []
    for token in _MARKDOWN.parse(text):
        line = (token.map or [0])[0] + 1
        if token.type == "html_block":
            links += _html_links(token.content, line)
        for child in token.children or ():
            if child.type in ("softbreak", "hardbreak"):
                line += 1
            elif child.type == "link_open":
                links.append(Link(str(child.attrs["href"]), False, line))
            elif child.type == "image":
                links.append(Link(str(child.attrs["src"]), True, line))
            elif child.type == "html_inline":
                links += _html_links(child.content, line)
            elif child.type == "text":
                undefined += [(line, match[0]) for match in _UNDEFINED.finditer(child.content)]
    return links, undefined


class _HtmlReader(HTMLParser):
    """Collects targets and anchors of HTML within Markdown."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[tuple[str, bool]] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what links and what can be linked to."""
        for name, value in attrs:
            if value and (tag, name) in {("a", "href"), ("img", "src"), ("source", "srcset")}:
                self.targets.append((value, tag != "a"))
            elif value and (name == "id" or (tag, name) == ("a", "name")):
                self.anchors.append(value)


def _html(text: str) -> _HtmlReader:
    reader = _HtmlReader()
    reader.feed(text)
    return reader


def _html_links(text: str, line: int) -> list[Link]:
    return [Link(target, image, line) for target, image in _html(text).targets]


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """What can follow ``#`` in a link to a Markdown file: its headings as GitHub names them, and ids in its HTML."""
    tokens = _MARKDOWN.parse(page.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    anchors: set[str] = set()
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            slug = slug_of(_plain(token))
            number = found.get(slug, 0)
            found[slug] = number + 1
            anchors.add(f"{slug}-{number}" if number else slug)
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                anchors.update(_html(part.content).anchors)
    return frozenset(anchors)


def slug_of(heading: str) -> str:
    """The anchor of a heading: lower case, letters, digits, ``-`` and ``_`` kept, spaces as ``-``."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


def problem_of(page: Path, link: Link, root: Path) -> str | None:
    """What is wrong with a link of a page, or None."""
    try:
        parts = urlsplit(link.target)
    except ValueError as error:
        return f"is no address ({error})"
    if parts.scheme or parts.netloc:
        return _address_problem(link.target)
    path = page.parent / unquote(parts.path) if parts.path else page
    if parts.path.startswith("/"):
        return "is an absolute path: write it relative to this file"
    if not path.resolve().is_relative_to(root.resolve()):
        return "leaves the repository"
    if not path.exists():
        return "does not exist"
    if link.image and path.suffix.lower() not in IMAGES:
        return "is not an image"
    if parts.fragment and path.suffix.lower() == ".md" and unquote(parts.fragment) not in anchors_of(path.resolve()):
        return f"has no heading #{parts.fragment}"
    return None


def _address_problem(target: str) -> str | None:
    parts = urlsplit(target)
    if parts.scheme == "mailto":
        return None if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", parts.path) else "is no mail address"
    if parts.scheme not in ("http", "https"):
        return f"has the scheme {parts.scheme or '(none)'!r}: use https"
    if not re.fullmatch(r"([\w-]+\.)+[A-Za-z]{2,}(:\d+)?|localhost(:\d+)?", parts.netloc):
        return "has no valid host"
    return "holds a space" if re.search(r"\s|%20$", target) else None


def check(page: Path, root: Path = ROOT) -> Iterator[str]:
    """Problems of a page, each as ``file:line: what``.

    Raises:
        OSError, UnicodeDecodeError: the page cannot be read.
    """
    shown = page.resolve().relative_to(root.resolve()) if page.resolve().is_relative_to(root.resolve()) else page
    links, undefined = links_of(page.read_text(encoding="utf-8"))
    for line, text in undefined:
        yield f"{shown}:{line}: {text} refers to a link that is defined nowhere"
    for link in links:
        problem = problem_of(page, link, root)
        if problem:
            yield f"{shown}:{link.line}: {link.target} {problem}"


def default_pages(root: Path = ROOT) -> list[Path]:
    """The Markdown files of a repository that readers see."""
    pages = {page for pattern in PAGES for page in root.glob(pattern)}
    return sorted(page for page in pages if not page.relative_to(root).parts[0].startswith("."))


def main() -> int:
    """Check files; 1 if there are problems, 2 if a file cannot be read."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], epilog="Exit code 0: no problems; 1: problems; 2: a file cannot be read."
    )
    parser.add_argument("pages", nargs="*", type=Path, help=f"Markdown files (default: {', '.join(PAGES)})")
    args = parser.parse_args()
    pages = args.pages or default_pages()
    problems: list[str] = []
    for page in pages:
        try:
            problems += check(page)
        except (OSError, UnicodeDecodeError) as error:
            print(f"error: {page} cannot be read ({error}): give Markdown files", file=sys.stderr)
            return 2
    print("\n".join([*problems, f"{len(pages)} pages, {len(problems)} broken links"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
