"""What a check of a submission found."""

from __future__ import annotations

from dataclasses import dataclass

MOST_LISTED = 50


@dataclass(frozen=True)
class Report:
    """Problems for which a server would reject a submission or score it wrongly, and what was checked, in words."""

    problems: list[str]
    checked: str

    def text(self) -> str:
        """The first problems and their number, or that there are none."""
        if not self.problems:
            return f"no problems in {self.checked}"
        lines = [f"- {problem}" for problem in self.problems[:MOST_LISTED]]
        if len(self.problems) > MOST_LISTED:
            lines.append(f"... and {len(self.problems) - MOST_LISTED} more")
        noun = "problem" if len(self.problems) == 1 else "problems"
        return "\n".join([*lines, f"{len(self.problems)} {noun} in {self.checked}"])
