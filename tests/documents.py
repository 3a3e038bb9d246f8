"""What the tests of the documentation read: code blocks, commands and tables of Markdown pages."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_SHELLS = ("", "sh", "bash", "console")
_PROGRAMS = ("mmdet-vis", "python", "python3", "sh", "torchrun", ".venv/bin/python")


@dataclass(frozen=True)
class Command:
    """A command of this project in a page: its script, its module or ``mmdet-vis NAME``, and its options."""

    page: str
    script: str
    options: tuple[str, ...]


def python_blocks(page: Path) -> list[str]:
    """The fenced blocks of a page that are Python."""
    return [text for language, text in blocks(page) if language == "python"]


def blocks(page: Path, end: str | None = None) -> list[tuple[str, str]]:
    """Language and text of the fenced blocks of a page, in order, up to the heading ``end``."""
    found: list[tuple[str, str]] = []
    for before, token in itertools.pairwise(_tokens(page)):
        if before.type == "heading_open" and token.content == end:
            break
        if token.type == "fence":
            found.append((token.info.strip(), token.content))
    return found


def named_block(page: Path, first_line: str) -> str:
    """The Python block of a page that begins with this line."""
    return next(block for block in python_blocks(page) if block.splitlines()[0] == first_line)


def inline_code(page: Path) -> list[str]:
    """All code within the text of a page."""
    return [child.content for token in _tokens(page) for child in token.children or () if child.type == "code_inline"]


def table_cells(page: Path, column: int) -> list[list[str]]:
    """Of each row of a page's tables, the pieces of code in a column."""
    rows, index = [], -1
    for token in _tokens(page):
        if token.type == "tr_open":
            index = -1
        elif token.type == "td_open":
            index += 1
        elif token.type == "inline" and index == column:
            rows.append([child.content for child in token.children or () if child.type == "code_inline"])
            index = column  # one inline token per cell
    return [row for row in rows if row]


def commands(page: Path) -> list[Command]:
    """The commands of this project in the code of a page."""
    lines = [line for line in inline_code(page) if line.split(" ")[0] in _PROGRAMS]
    for token in _tokens(page):
        if token.type == "code_block" or (token.type == "fence" and token.info.strip() in _SHELLS):
            lines += token.content.replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        for part in re.split(r"[|;]| && ", line):
            command = _command(page.name, part)
            if command is not None:
                found.append(command)
    return found


def _command(page: str, line: str) -> Command | None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if not words or words[0] not in _PROGRAMS:
        return None
    if words[0] == "mmdet-vis":
        named = len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]) and not words[1].startswith("-")
        return Command(page, f"mmdet-vis {words[1]}", _options(words[2:])) if named else None
    for index, word in enumerate(words[1:], 1):
        if word == "-m":
            module = words[index + 1] if index + 1 < len(words) else ""
            if module.startswith("mmdet_vis.") and module != "mmdet_vis.run.launch":
                return Command(page, module, _options(words[index + 2 :]))
            if module != "mmdet_vis.run.launch":
                return None
        if re.fullmatch(r"[\w./-]+\.(py|sh)", word):
            return Command(page, word, _options(words[index + 1 :]))
    return None


def _options(words: list[str]) -> tuple[str, ...]:
    return tuple(word.split("=")[0] for word in words if re.match(r"--?[a-z]", word))


def _tokens(page: Path) -> list[Token]:
    return _MARKDOWN.parse(page.read_text(encoding="utf-8"))
