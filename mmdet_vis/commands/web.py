"""Serve a web page that segments videos and lets one correct what comes out: drop a video, edit, export."""

from __future__ import annotations

import argparse
import re
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from mmdet_vis.choices import PRECISIONS
from mmdet_vis.commands.arguments import Parser, add_model_options, check_model_options, number, positive, seconds
from mmdet_vis.errors import UserError


def root_path(text: str) -> str:
    """Parse ``--root-path``: a path that begins with /, or an address; without a / at the end."""
    if not re.fullmatch(r"(https?://[^/\s]+)?(/[^\s?#]*)?", text) or not text.strip("/"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path: use one like /vis, or an address of the page")
    return text.rstrip("/")


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Serve a web page that segments videos: drop one, see its objects, correct them, and save them in "
        "any format of annotations.",
        epilog="Ctrl-C ends the server and deletes all uploads and results, unless there is --projects; a video that "
        "nobody looks at is deleted after a day. Videos are segmented one at a time, others wait. Nothing is sent to "
        "or loaded from other machines.",
    )
    model = parser.add_argument_group("model")
    add_model_options(model, all=False)
    model.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    model.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="what the page starts with; auto is the fastest that the device does well, float32 is exact (default: "
        "what the model recommends, or float32)",
    )
    model.add_argument(
        "--proposer",
        action="append",
        metavar="NAME[:WEIGHTS]",
        default=[],
        help="a detector that the page offers beside the model's own, as in 'mmdet-vis segment'; may be given several "
        "times. Its weights are fetched when the server starts, if need be, and kept in memory",
    )
    server = parser.add_argument_group("server")
    port = number(int, lambda value: 0 <= value <= 65535, "a port, a number from 0 to 65535")
    server.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1: this machine only). There are no passwords: with another "
        "address, everyone who can reach the machine can use it",
    )
    server.add_argument("--port", type=port, default=7860, help="port to listen on (default 7860); 0 takes a free one")
    server.add_argument(
        "--root-path",
        type=root_path,
        metavar="PATH",
        help="where a proxy in front of the server puts the page, e.g. /vis, or the whole address of the page "
        "(default: what the proxy says with X-Forwarded-Prefix, or the top of the address)",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-size", type=positive, default=200, metavar="MB", help="largest upload (default 200)")
    limits.add_argument(
        "--max-seconds", type=seconds, default=60.0, metavar="SECONDS", help="longest video (default 60)"
    )
    server.add_argument(
        "--projects",
        type=Path,
        metavar="FOLDER",
        help="keep videos and their corrections in this folder, so that their addresses also open when the server was "
        "started anew (default: a temporary folder, deleted when the server ends)",
    )
    parser.add_argument(
        "--examples",
        type=Path,
        metavar="FOLDER",
        help="videos that the page offers, beside a synthetic one (default: demo/inputs of the repository)",
    )
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Serve the page until Ctrl-C or a signal to end; returns the exit status."""
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    check_model_options(parser, args)
    if not _has_gradio():
        raise UserError("the web page needs gradio: pip install 'gradio>=6.31,<7'")
    port = check_address(args.host, args.port)
    from mmdet_vis.files.atomic import ensure_writable_dir
    from mmdet_vis.webui.examples import find_examples

    examples = find_examples(args.examples)
    # From here on it takes seconds: torch and gradio are imported.
    from mmdet_vis.webui.inputs import Limits
    from mmdet_vis.webui.models import ModelStore
    from mmdet_vis.webui.server import running, serve
    from mmdet_vis.weights.find import find_weights

    # Found now, as the server itself has nothing to do with other machines.
    weights = None if args.checkpoint is None else find_weights(args.checkpoint)
    given = {"config": args.config, "weights": weights, "device": args.device, "safe_config": args.safe_config}
    models = ModelStore(given, args.precision, args.proposer)
    kept = None if args.projects is None else ensure_writable_dir(args.projects).resolve()
    limits = Limits(args.max_size, args.max_seconds)
    page = running(models, limits, args.host, port, examples, args.root_path or "", kept)
    serve(page, args.host, port)
    return 0


def _has_gradio() -> bool:
    try:
        return find_spec("gradio") is not None
    except ValueError:  # a module that was blocked
        return False


def check_address(host: str, port: int) -> int:
    """Make sure that the server can listen, before time goes into anything else; returns the port, a free one for 0.

    Raises:
        UserError: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a port of one that has just ended counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise UserError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another --port or --host"
        ) from error
