"""A browser that does foolish things to the page: ``python -m tests.reliability.foolish --minutes 10``, from the root.

It types numbers out of range, presses whatever there is, uploads what is no video, reloads in the middle, loses its
connection and opens a second tab, at random but by a seed. After each few of these the page must still be of use
without a reload: with its first values typed back and a video given, it segments. Which fields and buttons there are
is read from the page, so that those of a page to come are tried as well.
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
from tests.webui.browser import Server, chromium, lacking, upload, visit
from tests.webui.clips import write_clip

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = ("0", "-1", "-0", "1e9", "1e300", "0.0000001", "999999999999999999999", "", "3.7", "NaN")
TEXTS = ("", "x" * 5000, "<script>alert(1)</script>", "../../etc/passwd", "\U0001f98a", "0", "-1")
FIELDS = "input[type=number]:visible, input[type=text]:visible, textarea:visible, input[type=range]:visible"
BUTTONS = "button:visible, input[type=checkbox]:visible, input[type=radio]:visible"
NAME = "f => f.getAttribute('aria-label') || f.closest('label')?.innerText || f.id || f.name"
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
        self.page.on("dialog", lambda dialog: dialog.dismiss())
        self.first = self._values()
        self.done: Counter[str] = Counter()
        self.history: list[str] = []

    def _values(self) -> dict[str, str]:
        """By what a field is called: the first value of each."""
        named = f"fields => fields.map(field => [({NAME})(field), field.value])"
        return dict(reversed(self.page.eval_on_selector_all(FIELDS, named)))

    def something(self) -> None:
        """One foolish thing; that a field vanished under the hand is no fault of the page."""
        kinds = (
            "field",
            "field",
            "field",
            "press",
            "press",
            "start",
            "upload",
            "reload",
            "offline",
            "tab",
            "impatient",
        )
        kind = self.rng.choice(kinds)
        self.done[kind] += 1
        self.history.append(kind)
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

    def _reload(self) -> None:
        if self.rng.random() < 0.5:
            self.page.locator("#start").click(timeout=1000, no_wait_after=True)
        self.page.reload(timeout=60_000)
        self.page.locator("#start").wait_for(timeout=60_000)

    def _offline(self) -> None:
        self.context.set_offline(True)
        try:
            self.page.locator("#start").click(timeout=1000, no_wait_after=True)
            self.page.wait_for_timeout(self.rng.choice((100, 1000)))
        finally:
            self.context.set_offline(False)

    def _tab(self) -> None:
        other = visit(self.context, self.address)
        other.set_default_timeout(5000)
        try:
            other.locator("#start").click(timeout=1000, no_wait_after=True)
        finally:
            other.close()

    def _impatient(self) -> None:
        for _ in range(5):
            self.page.locator(self.rng.choice(("#start", "#stop"))).click(timeout=300, no_wait_after=True, force=True)

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
        stop = self.page.locator("#stop")
        if stop.is_enabled(timeout=2000):
            stop.click(timeout=2000)
        if not self.page.locator("#start").is_enabled(timeout=2000):
            return "the start button is disabled"
        for field in self.page.locator(FIELDS).all():
            value = self.first.get(field.evaluate(NAME))
            if value is not None and value != field.input_value(timeout=2000) and field.is_enabled(timeout=2000):
                field.fill(value, timeout=2000)
                field.press("Tab", timeout=2000)
        if not self.page.locator("#input video").count():
            self.page.locator("#input input[type=file]").first.wait_for(state="attached", timeout=2000)
        else:
            self.page.locator("#input button[aria-label*=lear], #input button[aria-label*=emove]").first.click(
                timeout=2000
            )
        upload(self.page, self.good)
        self.page.evaluate("document.querySelectorAll('#status [role=status]').forEach(n => n.classList.add('old'))")
        self.page.locator("#start").click(timeout=3000)
        line = self.page.locator("#status [role=status]:not(.old):not(.busy)")
        line.wait_for(timeout=45_000)
        said = line.inner_text()
        return None if "sequence" in said or "object" in said or "frames" in said else f"the page says {said!r}"


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
            faults = [line for line in server.lines if "Traceback" in line]
            print(f"{sum(fool.done.values())} foolish things, {looks} looks, the page was of use after each; ", end="")
            print(", ".join(f"{kind} {number}" for kind, number in sorted(fool.done.items())))
            print(f"tracebacks in the log: {len(faults)}")
            return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
