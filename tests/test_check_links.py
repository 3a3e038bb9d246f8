"""The check of links in Markdown files, and that the repository's own have none that is broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_links import anchors_of, check, default_pages, links_of

GOOD = """# A page

[here](#a-page) · [there](other.md#two-words--more) · [again](other.md#twice-1) · [a place](other.md#marked)
![picture](images/a.svg) <img src="images/a.svg"> [folder](images) [web](https://example.org/a?b=c#d)
<https://example.org> [mail](mailto:a@example.org) [by name][name] [x] `[code](nowhere.md)`

    [code](nowhere.md)

```
![code](nowhere.png)
```

[name]: other.md
"""
OTHER = "# Two *words* & more\n\n## Twice\n\n## Twice\n\n<a id='marked'></a>\n"


def write(folder: Path, text: str) -> Path:
    (folder / "images").mkdir()
    (folder / "images" / "a.svg").write_text("<svg/>")
    (folder / "other.md").write_text(OTHER)
    page = folder / "page.md"
    page.write_text(text)
    return page


def test_good_links(tmp_path):
    assert list(check(write(tmp_path, GOOD), tmp_path)) == []
    assert len(links_of(GOOD)[0]) == 11


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[a](missing.md)", "missing.md does not exist"),
        ("[a](Other.md)", "Other.md does not exist"),
        ("![a](images/b.png)", "images/b.png does not exist"),
        ("![a](other.md)", "other.md is not an image"),
        ("[a](#nothing)", "#nothing has no heading #nothing"),
        ("[a](other.md#twice-2)", "other.md#twice-2 has no heading #twice-2"),
        ("[a](/other.md)", "/other.md is an absolute path: write it relative to this file"),
        ("[a](../outside.md)", "../outside.md leaves the repository"),
        ("[a](https://)", "https:// has no valid host"),
        ("[a](https://exa_mple)", "https://exa_mple has no valid host"),
        ("[a](ftp://example.org)", "ftp://example.org has the scheme 'ftp': use https"),
        ("[a](mailto:nobody)", "mailto:nobody is no mail address"),
        ("<a href='gone.md'>a</a>", "gone.md does not exist"),
        ("[a][nowhere]", "[a][nowhere] refers to a link that is defined nowhere"),
    ],
)
def test_broken_links_are_named_with_their_line(tmp_path, link, problem):
    page = write(tmp_path, f"# A page\n\nFirst line,\nsecond line with {link}.\n")
    assert list(check(page, tmp_path)) == [f"page.md:4: {problem}"]


def test_anchors_are_those_of_github(tmp_path):
    page = write(tmp_path, "# `load_model()` – what & why?\n\n## Über 3.10\n")
    assert anchors_of(page.resolve()) == {"load_model--what--why", "über-310"}


def test_the_pages_of_this_repository(repository):
    pages = default_pages(repository)
    names = {str(page.relative_to(repository)) for page in pages}
    assert {"README.md", "INSTALL.md", "data/README.md", "benchmarks/README.md", "docs/index.md"} <= names
    assert [line for page in pages for line in check(page)] == []


def test_the_command(repository, tmp_path):
    script = str(repository / "scripts" / "check_links.py")
    broken = write(tmp_path, "[a](missing.md)")

    def run(*pages: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, script, *map(str, pages)], capture_output=True, text=True)

    assert run(repository / "README.md").returncode == 0
    found = run(broken)
    assert (found.returncode, found.stdout.splitlines()[-1]) == (1, "1 pages, 1 broken links")
    gone = run(tmp_path / "gone.md")
    assert gone.returncode == 2
    assert gone.stderr.startswith("error: ")
    assert "gone.md cannot be read" in gone.stderr
