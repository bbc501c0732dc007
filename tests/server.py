"""An HTTP server on this machine that answers as it is told, well or badly."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request: its path (or address, to a proxy) and the range it asks for."""

    path: str
    range: str


class Handler(BaseHTTPRequestHandler):
    """Lets the server choose the answer."""

    server: Server

    def do_GET(self) -> None:
        self.server.answer(self)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


Answer = Callable[[Handler, bytes], None]


class Server(ThreadingHTTPServer):
    """Holds files by name; ``script`` has the answers to the next requests for a name."""

    daemon_threads = True
    block_on_close = True

    def __init__(self, files: Mapping[str, bytes], default: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.default = default
        self.script: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self._lock = threading.Lock()

    def answer(self, handler: Handler) -> None:
        name = handler.path.rsplit("/", 1)[-1]
        with self._lock:
            self.asked.append(Asked(handler.path, handler.headers.get("Range", "")))
            answers = self.script.get(name)
            answer = answers.pop(0) if answers else self.default
        answer(handler, self.files.get(name, b""))

    def names(self) -> list[str]:
        return [asked.path.rsplit("/", 1)[-1] for asked in self.asked]

    def ranges(self) -> list[str]:
        return [asked.range for asked in self.asked]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what the tests are about."""


def head(handler: Handler, code: int, **headers: object) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()


def begin(handler: Handler, content: bytes) -> bytes:
    """Send the head of a whole answer, or of the rest that is asked for; return the body."""
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not found:
        head(handler, 200, Content_Length=len(content))
        return content
    start = int(found[1])
    span = f"bytes {start}-{len(content) - 1}/{len(content)}"
    head(handler, 206, Content_Length=len(content) - start, Content_Range=span)
    return content[start:]


def good(handler: Handler, content: bytes) -> None:
    handler.wfile.write(begin(handler, content))


def no_ranges(handler: Handler, content: bytes) -> None:
    head(handler, 200, Content_Length=len(content))
    handler.wfile.write(content)


def wrong_range(handler: Handler, content: bytes) -> None:
    """Send the beginning, whatever was asked for."""
    if not handler.headers.get("Range"):
        return good(handler, content)
    span = f"bytes 0-{len(content) - 1}/{len(content)}"
    head(handler, 206, Content_Length=len(content), Content_Range=span)
    handler.wfile.write(content)
    return None


def corrupt(handler: Handler, content: bytes) -> None:
    handler.wfile.write(begin(handler, content[:-1] + bytes([content[-1] ^ 1])))


def shorter(handler: Handler, content: bytes) -> None:
    """Send another, shorter file."""
    good(handler, content[:100])


def page(handler: Handler, content: bytes) -> None:
    """Answer as the login page of a hotel does."""
    text = b"<html>Welcome! Please log in.</html>"
    head(handler, 200, Content_Type="text/html; charset=utf-8", Content_Length=len(text))
    handler.wfile.write(text)


def secret_page(handler: Handler, content: bytes) -> None:
    """The same, but it does not say that it is a page, nor how long it is."""
    head(handler, 200)
    handler.wfile.write(b"<html>Welcome! Please log in.</html>")


def endless(handler: Handler, content: bytes) -> None:
    """Send for as long as there is a reader."""
    head(handler, 200)
    handler.wfile.write(content)
    flood(handler)


def flood(handler: Handler) -> None:
    while not handler.server.closing.is_set():
        handler.wfile.write(b"more" * 4096)


def redirect_loop(handler: Handler, content: bytes) -> None:
    head(handler, 302, Location=handler.path, Content_Length=0)


def status(code: int) -> Answer:
    """Refuse with a code."""
    return lambda handler, content: head(handler, code, Content_Length=0)


def redirect(folder: str) -> Answer:
    """Send to the same name in another folder."""

    def answer(handler: Handler, content: bytes) -> None:
        name = handler.path.rsplit("/", 1)[-1]
        head(handler, 302, Location=folder + name, Content_Length=0)

    return answer


def endless_redirect(folder: str) -> Answer:
    """The same, with a page that never ends."""

    def answer(handler: Handler, content: bytes) -> None:
        head(handler, 302, Location=folder + handler.path.rsplit("/", 1)[-1])
        flood(handler)

    return answer


def truncate(count: int) -> Answer:
    """Send some bytes of all that are announced, and end in order."""
    return lambda handler, content: write(handler, begin(handler, content)[:count])


def write(handler: Handler, content: bytes) -> None:
    handler.wfile.write(content)


def drop(count: int) -> Answer:
    """Send some bytes, then break the connection off."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.wfile.write(begin(handler, content)[:count])
        handler.wfile.flush()
        now = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        handler.connection.close()

    return answer


def stall(count: int) -> Answer:
    """Send some bytes, then nothing any more."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.wfile.write(begin(handler, content)[:count])
        handler.server.closing.wait()

    return answer


def trickle(every: float) -> Answer:
    """Send a byte at a time."""

    def answer(handler: Handler, content: bytes) -> None:
        for byte in begin(handler, content):
            handler.wfile.write(bytes([byte]))
            if handler.server.closing.wait(every):
                return

    return answer


def slowly(pieces: int, every: float) -> Answer:
    """Send the content in some pieces, with pauses."""

    def answer(handler: Handler, content: bytes) -> None:
        body = begin(handler, content)
        step = len(body) // pieces + 1
        for at in range(0, len(body), step):
            handler.wfile.write(body[at : at + step])
            handler.server.closing.wait(every)

    return answer


@contextmanager
def serving(files: Mapping[str, bytes], default: Answer = good) -> Iterator[Server]:
    """Serve files while the block runs."""
    with Server(files, default) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
