"""Letters of every script: drawn where a font has them, else replaced and said once."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import ImageFont

from mmdet_vis.visualization import fonts
from mmdet_vis.visualization.fonts import FONT_VARIABLE, choose_font
from mmdet_vis.visualization.overlay import draw_overlay
from mmdet_vis.visualization.tags import fit_tag, tag_text


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FONT_VARIABLE, raising=False)
    monkeypatch.setattr(fonts, "_SAID", set())
    fonts._choose.cache_clear()


def make_font(path: Path, letters: str) -> Path:
    """A font in which each letter is a block of another width, and a missing one is an empty square."""
    names = [".notdef", *(f"letter{index}" for index in range(len(letters)))]
    glyphs = {}
    for index, name in enumerate(names):
        pen = TTGlyphPen(None)
        pen.moveTo((50, 0))
        for point in ((50, 700), (200 + 40 * index, 700), (200 + 40 * index, 0)):
            pen.lineTo(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): names[1 + index] for index, letter in enumerate(letters)})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Blocks", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return path


def without_system_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_listed_fonts", lambda letters: [])
    monkeypatch.setattr(fonts, "_system_fonts", lambda: ())


@pytest.mark.parametrize(
    "text", ["véhicule 0.93 #1", "животное", "ζώο", "حيوان", "חיה", "Łódź", "Việt Nam", "naïve façade", "пёс"]
)
def test_scripts_that_come_with_the_program(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    without_system_fonts(monkeypatch)
    font, drawn = choose_font(text, 20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert Path(str(font.path)).name == "DejaVuSans.ttf"
    assert drawn == text
    missing = bytes(font.getmask("\U000f0000"))
    for letter in text:
        assert letter.isspace() or bytes(font.getmask(letter)) != missing
    assert caplog.messages == []


def test_plain_text_keeps_its_font() -> None:
    assert choose_font("giant panda 0.93 #1", 20)[0].getname()[0] != "DejaVu Sans"  # type: ignore[union-attr]


def test_what_no_font_has_is_replaced_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_system_fonts(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert choose_font("人物 0.93 #1", 20)[1] == "?? 0.93 #1"
        assert choose_font("人物 0.51 #2", 30)[1] == "?? 0.51 #2"
        assert choose_font("हाथी", 20)[1] == "??"
    assert len(caplog.messages) == 2
    assert "no font has 2 of the letters of '人物 0.93 #1' (U+4EBA, U+7269): drawn as ?" in caplog.messages[0]


def test_a_font_of_the_system_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_font(tmp_path / "blocks.ttf", "人物 0123456789.#")
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    monkeypatch.setattr(fonts, "_listed_fonts", lambda letters: [])
    here = partial(font_manager.findSystemFonts, [str(tmp_path)])
    monkeypatch.setattr(font_manager, "findSystemFonts", here)
    fonts._system_fonts.cache_clear()
    try:
        font, drawn = choose_font("人物 0.93 #1", 20)
        assert (font.getname()[0], drawn) == ("Blocks", "人物 0.93 #1")  # type: ignore[union-attr]
    finally:
        fonts._system_fonts.cache_clear()
    assert caplog.messages == []
    assert path.is_file()


def test_a_font_that_is_named_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(FONT_VARIABLE, str(make_font(tmp_path / "blocks.ttf", "abc人")))
    font, drawn = choose_font("abc人", 20)
    assert (font.getname()[0], drawn) == ("Blocks", "abc人")  # type: ignore[union-attr]
    monkeypatch.setenv(FONT_VARIABLE, str(tmp_path / "none.ttf"))
    assert choose_font("été", 20)[1] == "été"
    assert "none.ttf is no font file that can be read" in caplog.messages[0]


def test_fontconfig_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "fc-list"
    command.write_text(f'#!/bin/sh\necho "$3" > {tmp_path}/asked\necho /fonts/B-Bold.ttf\necho /fonts/B.ttf\n')
    command.chmod(0o755)
    monkeypatch.setattr(fonts.shutil, "which", lambda name: str(command))
    assert fonts._listed_fonts(frozenset("人物")) == ["/fonts/B.ttf", "/fonts/B-Bold.ttf"]
    assert (tmp_path / "asked").read_text() == ":charset=4eba 7269\n"


def test_tags_of_every_script_lie_inside_the_frame() -> None:
    names = ["人物", "животное", "véhicule", "その他", "حيوان", "ไทย", "🐕", "two\nlines", "a_b"]
    texts = [tag_text(name, 0.93, 1) for name in names]
    assert texts[-2:] == ["two lines 0.93 #1", "a b 0.93 #1"]
    frame = np.full((200, 300, 3), 90, np.uint8)
    mask = np.zeros((200, 300), np.uint8)
    mask[60:140, 40:200] = 1
    plain = draw_overlay(frame, [mask], [""], [1])
    for text in texts:
        tag = fit_tag(text, (90, 200, 30), 200, 300)
        assert tag is not None
        assert tag[0].shape[0] < 60
        assert (draw_overlay(frame, [mask], [text], [1]) != plain).any()
