"""Pages that are written as one HTML file: read, and checked to load nothing."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects tags and attributes, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.values: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def images(self) -> list[bytes]:
        return [base64.b64decode(v.partition("base64,")[2]) for k, v in self.values if k == "src" and v]


def check_self_contained(text: str) -> Page:
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    for key, value in page.values:
        assert not key.startswith("on")
        assert key not in ("href", "srcset", "action")
        if key == "src":
            assert value is not None
            assert value.startswith("data:image/")
    assert "url(" not in text
    assert "@import" not in text
    return page
