from __future__ import annotations

import sys

import pytest

from mmdet_vis.progress import bars, with_bar


def test_without_a_terminal_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(with_bar([1, 2, 3], "videos")) == [1, 2, 3]
    assert capfd.readouterr() == ("", "")


def test_a_terminal_sees_a_bar_of_the_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(with_bar(iter("abc"), "videos [all]", total=3)) == ["a", "b", "c"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "videos [all]" in err
    assert "3/3" in err
    assert list(with_bar("ab", "videos", shown=False)) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_lines_above_the_bars_need_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bars() as bar:
        bar.console.print("a video is done")
    with bars(shown=False) as bar:
        bar.console.print("a video of another process is done")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "a video is done\n", "and no empty line at the end"
