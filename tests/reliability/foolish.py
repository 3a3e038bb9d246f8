"""A browser that does foolish things to the page: ``python -m tests.reliability.foolish --minutes 10``, from the root.

It types numbers out of range, presses whatever there is, draws anywhere, presses keys, uploads what is no video, goes
back and forth, reloads in the middle, loses its connection and opens a second tab, at random but by a seed. After each
few of these the page must still be of use without a reload: the editor shows another frame and leads back, and the
first page, with its first values typed back and a video given, segments it. Which fields and buttons there are is read
from the pages, so that those of a page to come are tried as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.tiny import write_checkpoint, write_config
from tests.webui.browser import Server, chromium, lacking, press_start, upload, visit, wait_for_objects
from tests.webui.clips import write_clip

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = ("0", "-1", "-0", "1e9", "1e300", "0.0000001", "999999999999999999999", "", "3.7", "NaN")
TEXTS = ("", "x" * 5000, "<script>alert(1)</script>", "../../etc/passwd", "\U0001f98a", "0", "-1")
FIELDS = "input[type=number]:visible, input[type=text]:visible, textarea:visible, input[type=range]:visible"
BUTTONS = "button:visible, input[type=checkbox]:visible, input[type=radio]:visible"
NAME = "f => f.getAttribute('aria-label') || f.closest('label')?.innerText || f.id || f.name"
ON_FIRST = ("field", "field", "press", "press", "start", "upload", "reload", "offline", "tab", "impatient", "history")
IN_EDITOR = ("field", "press", "press", "draw", "draw", "keys", "reload", "offline", "tab", "impatient", "history")
KEYS = ("Delete", "Enter", "Escape", "Space", "ArrowLeft", "ArrowRight", "Control+z", "Control+Shift+z", *"vberpmhs")
READY = "#start, #name"
"""What the first page and the editor have once they are there."""
EACH = 6
"""Foolish things between two looks."""
PATIENCE = 90
"""Seconds for the page to be of use again; the machine may be busy."""


class Fool:
    """One page, what was typed into it at first, and what is done to it."""

    def __init__(self, browser: Any, address: str, folder: Path, rng: random.Random) -> None:
        self.context = browser.new_context()
        self.address, self.rng = address, rng
        self.good = write_clip(folder / "good.mp4", frames=6)
        self.bad = folder / "bad.mp4"
        self.bad.write_bytes(rng.randbytes(3000))
        self.page = visit(self.context, address)
        self.page.set_default_timeout(5000)
        self.page.on("dialog", lambda dialog: dialog.accept() if rng.random() < 0.5 else dialog.dismiss())
        self.first = self._values()
        self.done: Counter[str] = Counter()
        self.history: list[str] = []

    def _values(self) -> dict[str, str]:
        """By what a field is called: the first value of each."""
        self._open_options()
        named = f"fields => fields.map(field => [({NAME})(field), field.value])"
        return dict(reversed(self.page.eval_on_selector_all(FIELDS, named)))

    def _open_options(self) -> None:
        if not self.page.locator("#frames").is_visible():
            self.page.locator("#options button").first.click()
            self.page.locator("#frames").wait_for()

    def _edits(self) -> bool:
        """Whether the page is the editor."""
        return "/edit/" in self.page.url

    def something(self) -> None:
        """One foolish thing; that a field vanished under the hand is no fault of the page."""
        kind = self.rng.choice(IN_EDITOR if self._edits() else ON_FIRST)
        self.done[kind] += 1
        self.history.append(f"{kind} (editor)" if self._edits() else kind)
        try:
            getattr(self, f"_{kind}")()
        except Exception as error:  # Playwright's: covered, disabled, gone
            if "Target crashed" in str(error) or "has been closed" in str(error):
                raise

    def _field(self) -> None:
        fields = self.page.locator(FIELDS).all()
        field = self.rng.choice(fields)
        value = self.rng.choice(TEXTS if field.get_attribute("type") not in ("number", "range") else NUMBERS)
        self.history[-1] += f" {value[:20]!r}"
        if field.get_attribute("type") == "range":
            field.evaluate("(f, v) => {f.value = v; f.dispatchEvent(new Event('input', {bubbles: true}))}", value)
        else:
            field.evaluate(
                """(f, v) => {
                    const own = f.tagName === 'TEXTAREA' ? HTMLTextAreaElement : HTMLInputElement;
                    Object.getOwnPropertyDescriptor(own.prototype, 'value').set.call(f, v);
                    for (const kind of ['input', 'change', 'blur']) f.dispatchEvent(new Event(kind, {bubbles: true}));
                }""",
                value,
            )

    def _press(self) -> None:
        button = self.rng.choice(self.page.locator(BUTTONS).all())
        self.history[-1] += f" {button.inner_text(timeout=1000)[:20]!r}"
        button.click(timeout=1500, no_wait_after=True)

    def _start(self) -> None:
        self.page.locator("#start").click(timeout=1500, no_wait_after=True)

    def _upload(self) -> None:
        file = self.rng.choice((self.good, self.bad))
        self.page.locator("#input input[type=file]").first.set_input_files(str(file), timeout=2000)

    def _draw(self) -> None:
        tool = self.rng.choice(self.page.locator("#tools button").all())
        tool.click(timeout=1500, no_wait_after=True)
        box = self.page.locator("#objects canvas").bounding_box(timeout=1500)
        for index in range(self.rng.choice((1, 3, 8))):
            x, y = self.rng.uniform(-0.1, 1.1), self.rng.uniform(-0.1, 1.1)
            self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
            if index == 0:
                self.page.mouse.down()
        if self.rng.random() < 0.8:
            self.page.mouse.up()
        if self.rng.random() < 0.6:
            self.page.locator("#propagate").click(timeout=1500, no_wait_after=True)

    def _keys(self) -> None:
        for _ in range(4):
            self.page.keyboard.press(self.rng.choice(KEYS))

    def _history(self) -> None:
        step = self.page.go_back if self.rng.random() < 0.5 else self.page.go_forward
        step(timeout=60_000, wait_until="commit")
        if self.page.url == "about:blank":
            self.page.goto(self.address)
        self.page.locator(READY).first.wait_for(timeout=60_000)

    def _reload(self) -> None:
        if self.rng.random() < 0.5:
            self._begin(1000)
        self.page.reload(timeout=60_000)
        self.page.locator(READY).first.wait_for(timeout=60_000)

    def _begin(self, patience: int) -> None:
        """Press what computes, without waiting for what comes of it."""
        button = "#propagate, #again" if self._edits() else "#start"
        self.page.locator(button).first.click(timeout=patience, no_wait_after=True)

    def _offline(self) -> None:
        self.context.set_offline(True)
        try:
            self._begin(1000)
            self.page.wait_for_timeout(self.rng.choice((100, 1000)))
        finally:
            self.context.set_offline(False)

    def _tab(self) -> None:
        other = visit(self.context, self.page.url)
        other.set_default_timeout(5000)
        try:
            button = self.rng.choice(other.locator(BUTTONS).all())
            button.click(timeout=1000, no_wait_after=True)
        finally:
            other.close()

    def _impatient(self) -> None:
        buttons = ("#stop", "#again", "#undo", "#redo", "#propagate") if self._edits() else ("#start",)
        for _ in range(5):
            self.page.locator(self.rng.choice(buttons)).click(timeout=300, no_wait_after=True, force=True)

    def look(self) -> str | None:
        """Use the page as a sensible person would, without a reload; what is wrong, None if it segments."""
        end, last = time.monotonic() + PATIENCE, "nothing was tried"
        while time.monotonic() < end:
            try:
                last = self._sensible()
            except Exception as error:
                last = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            if last is None:
                return None
            self.page.wait_for_timeout(500)
        return last

    def _sensible(self) -> str | None:
        if self._edits():
            self._leave_editor()
        self._open_options()
        for field in self.page.locator(FIELDS).all():
            value = self.first.get(field.evaluate(NAME))
            if value is not None and value != field.input_value(timeout=2000) and field.is_enabled(timeout=2000):
                field.fill(value, timeout=2000)
                field.press("Tab", timeout=2000)
        if self.page.locator("#input .file").count():
            self.page.locator("#input button[aria-label=Clear]").first.click(timeout=2000)
        upload(self.page, self.good)
        said = press_start(self.page)
        if said is not None:
            return f"the page says {said!r}"
        wait_for_objects(self.page)
        return None

    def _leave_editor(self) -> None:
        """Close what is open, stop what computes, look at the next frame, and take the way back."""
        self.page.mouse.up()
        for dialog in self.page.locator("dialog[open]").all():
            dialog.get_by_role("button", name="Close").click(timeout=2000)
        if self.page.locator("#stop:enabled:visible").count():
            self.page.locator("#stop").click(timeout=2000)
        again = self.page.locator("#again:visible")
        self.page.locator("#export:enabled, #again:visible").first.wait_for(timeout=45_000)
        if not again.count():
            before = int(self.page.locator("#frame").input_value(timeout=2000) or 0)
            last = int(self.page.locator("#last").inner_text(timeout=2000))
            button, after = ("#forth", before + 1) if before < last else ("#back", before - 1)
            self.page.locator(button).click(timeout=2000)
            self.page.locator(f"#objects[data-frame='{after}']").wait_for(timeout=5000)
        self.page.locator("#home").click(timeout=5000)
        self.page.locator("#start").wait_for(timeout=20_000)


def main() -> int:
    """Do foolish things for so long; returns 1 if the page once was of no use any more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if (reason := lacking()) is not None:
        parser.error(reason)
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        config = write_config(folder, ROOT)
        model = ("--config", str(config), "--checkpoint", str(write_checkpoint(config, folder / "tiny.safetensors")))
        with Server(folder, *model) as server:
            fool, looks = Fool(browser, server.address, folder, random.Random(args.seed)), 0
            end = time.monotonic() + 60 * args.minutes
            while time.monotonic() < end:
                for _ in range(EACH):
                    fool.something()
                wrong = fool.look()
                if wrong is not None or server.process.poll() is not None:
                    print(f"after {sum(fool.done.values())} things, of no use without a reload: {wrong}")
                    print("the last ones: " + ", ".join(fool.history[-2 * EACH :]))
                    print("the server said: " + "".join(server.lines[-20:]))
                    return 1
                looks += 1
                if looks % 2:  # the next ones begin at the first page
                    fool.page.locator("#home").click()
                    fool.page.locator("#start").wait_for()
            faults = [line for line in server.lines if "Traceback" in line]
            print(f"{sum(fool.done.values())} foolish things, {looks} looks, the page was of use after each; ", end="")
            print(", ".join(f"{kind} {number}" for kind, number in sorted(fool.done.items())))
            print(f"tracebacks in the log: {len(faults)}")
            return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
