"""List the frames of a result that are most worth a look: where the program is least sure of a mask."""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, positive, probability
from mmdet_vis.errors import EXIT_SOME_FAILED, ResultsError, UserError, counted

_LOGGER = logging.getLogger(__name__)


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="Exit code 3: some of several files could not be read (they are named).",
    )
    parser.add_argument(
        "result",
        nargs="+",
        type=Path,
        help="NAME.result.json of segment, or another file of VideoResult.save(); or a folder of the former",
    )
    parser.add_argument("--number", type=positive, default=20, metavar="N", help="list so many frames (default 20)")
    parser.add_argument(
        "--show-thr", type=probability, help="look at sequences from this score (default: those that are drawn)"
    )
    parser.add_argument(
        "--apart", type=positive, default=5, metavar="N", help="list no other frame of a sequence within N (default 5)"
    )
    return parser


def _files(given: Path) -> list[Path]:
    """A folder's result files; a file is itself, and so is a folder without any: reading it says what is wrong."""
    return sorted(given.glob("*.result.json")) or [given]


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_intermixed_args(arguments)

    from mmdet_vis.corrections.review import worth_a_look
    from mmdet_vis.result import VideoResult

    rows, passed_over, unknown, failed = [], [], 0, False
    named = [path for given in args.result for path in _files(given)]
    paths = list({os.path.realpath(path): path for path in reversed(named)}.values())[::-1]  # each once
    for path in paths:
        try:
            result = VideoResult.load(path)
            try:
                doubts = worth_a_look(result, args.number, args.show_thr, args.apart)
            except UserError as error:
                raise ResultsError(f"{path}: {error}") from None
        except UserError as error:
            if len(paths) == 1:
                raise
            _LOGGER.error("%s", error)
            failed = True
            continue
        if not result.sequences:
            _LOGGER.info("%s has no objects", path)
        elif not doubts and result.shown(args.show_thr):
            _LOGGER.info("%s: a person gave every frame of what is drawn", path)
        rows += [(result, found) for found in doubts]
        looked_at = {s.track_id for s in result.shown(args.show_thr)}
        unknown += sum(s.confidence is None and s.track_id in looked_at for s in result.sequences)
        passed_over += [s.score for s in result.sequences if s.track_id not in looked_at]
    rows.sort(key=lambda row: row[1].confidence)
    if rows:
        print("| confidence | video | frame | time | sequence | category |\n|---|---|---|---|---|---|")
    for result, found in rows[: args.number]:
        time = "" if result.fps is None else f"{found.frame / result.fps:.2f} s"
        category = result.category_of(result.sequence(found.track_id))
        print(f"| {found.confidence:.3f} | {result.name} | {found.frame} | {time} | {found.track_id} | {category} |")
    if passed_over:
        below = "which are not drawn" if args.show_thr is None else f"whose score is below {args.show_thr:g}"
        how = f"--show-thr {math.floor(1000 * max(min(passed_over), 0)) / 1000:g} looks at these, too"
        print(f"not looked at: {counted(len(passed_over), 'sequence')}, {below}; {how}", file=sys.stderr)
    if unknown:
        print(f"not looked at: {counted(unknown, 'sequence')} without a confidence", file=sys.stderr)
    return EXIT_SOME_FAILED if failed else 0
