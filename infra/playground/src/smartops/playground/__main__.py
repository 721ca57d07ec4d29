"""Starts the playground: `python -m smartops.playground --record FILE --state FILE`."""

from __future__ import annotations

import socket
import sys

from smartops.playground.app import create_app
from smartops.playground.errors import InvalidOption, PlaygroundError
from smartops.playground.record import Record
from smartops.playground.server import serve
from smartops.playground.settings import Settings, read_settings
from smartops.playground.state_file import StateFile
from smartops.playground.tokens import Tokens, read_token


def main() -> int:
    """Run until told to end; return the exit status, 2 for options that cannot work."""
    try:
        run(read_settings())
    except PlaygroundError as error:
        sys.stderr.write(f"playground: {error}\n")
        return 2
    return 0


def run(settings: Settings) -> None:
    """Serve the fleet that `settings` describe.

    Raises:
        PlaygroundError: A file, a token or an address cannot be used.
    """
    tokens = Tokens(
        fleet=read_token(settings.token_file) if settings.token_file else None,
        admin=read_token(settings.admin_token_file) if settings.admin_token_file else None,
    )
    with _listener(settings.host, settings.port) as listener:
        # The record first: its lock keeps a second process from touching the state.
        record = Record(settings.record, reads=settings.record_reads)
        state = StateFile(settings.state, settings.fleet)
        app = create_app(state.fleet, record, state=state, tokens=tokens)
        try:
            serve(app, listener, settings.ready_file)
        finally:
            app.world.close()


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only where it is. An
    # answer goes out as two writes, head and body; with the algorithm on, the second waits 40 ms
    # for the caller's delayed acknowledgement of the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InvalidOption(f"Cannot listen on {host!r}, port {port}: {error}.") from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
