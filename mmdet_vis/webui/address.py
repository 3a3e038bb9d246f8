"""Where the server listens."""

from __future__ import annotations

import socket

from mmdet_vis.errors import UserError

LOCAL = ("127.0.0.1", "localhost", "::1")


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
