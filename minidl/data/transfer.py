"""One request for a file over HTTP, which goes on where the last one ended (RFC 9110, 14)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Final
from urllib import request
from urllib.error import HTTPError, URLError

CHUNK: Final = 2**16
"""Bytes read together."""

SLOWEST: Final = 512
"""Bytes a second that a server has to send; below it counts as stalled."""

PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be others a moment later: too busy, or a fault of the server's."""


class Redirects(request.HTTPRedirectHandler):
    """Follows a redirect without reading the page that came with it, which may be endless."""

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        """Do so."""
        fp.close()
        return super().redirect_request(req, fp, code, msg, headers, newurl)


HANDLERS: Final = (
    request.ProxyHandler,  # from the environment
    request.HTTPHandler,
    request.HTTPSHandler,
    Redirects,
    request.HTTPDefaultErrorHandler,
    request.HTTPErrorProcessor,
    request.UnknownHandler,
)
"""Those of ``urllib`` but for file:, ftp: and data:, to which no server may redirect us."""


class Broken(Exception):
    """The transfer ended early; another try may go on from there."""


class Refused(Exception):
    """The server does not have the file; another try would end the same."""


def transfer(
    url: str, part: Path, size: int, timeout: float, seen: Callable[[int], object]
) -> bool:
    """Bring a partial file to its size and return whether it was begun before.

    Parameters
    ----------
    url
        The address of the file.
    part
        The partial file; what it holds is taken for the file's beginning.
    size
        The bytes that the file will have. No more are read, whatever the server sends.
    timeout
        Seconds to wait for a connection, and for each 512 bytes a second to come.
    seen
        Is told the bytes that are there, again and again.

    Raises
    ------
    Broken, Refused
        Where the server did not send it all. What came before ``Broken`` stays in the file.
    OSError
        Where the disk refuses.
    """
    begun = part.stat().st_size if part.exists() else 0
    if begun == size:
        return True  # it was stopped just before it was checked
    begun = begun if begun < size else 0
    try:
        response, start = _open(url, begun, size, timeout)
    except (OSError, HTTPException) as error:
        raise _told(error) from error
    with response:
        _check_kind(response, size - start)
        _write(response, part, start, size, timeout, seen)
    return start > 0


def _open(url: str, start: int, size: int, timeout: float) -> tuple[HTTPResponse, int]:
    """Return the answer and the place in the file at which it begins: ``start``, or 0."""
    if start:
        try:
            response = _send(url, {"Range": f"bytes={start}-"}, timeout)
        except HTTPError as error:
            if error.code != 416:  # range not satisfiable: ask for all of it
                raise
            error.close()
        else:
            if response.status != 206:
                return response, 0  # it knows no ranges, and sends everything
            if _range(response) in (f"bytes {start}-{size - 1}/{total}" for total in (size, "*")):
                return response, start
            response.close()
    return _send(url, {}, timeout), 0


def _send(url: str, headers: dict[str, str], timeout: float) -> HTTPResponse:
    opener = request.OpenerDirector()
    for handler in HANDLERS:
        opener.add_handler(handler())
    agent = {"User-Agent": "minidl", "Accept-Encoding": "identity"}
    response: HTTPResponse = opener.open(
        request.Request(url, headers=agent | headers), timeout=timeout
    )
    return response


def _range(response: HTTPResponse) -> str:
    return " ".join(response.headers.get("Content-Range", "").split())


def _check_kind(response: HTTPResponse, expected: int) -> None:
    """Refuse what is plainly another file before it overwrites what is there."""
    kind = response.headers.get_content_type()
    length = response.headers.get("Content-Length", str(expected))
    if kind == "text/html":
        raise Refused("wrong checksum: it sent a web page, perhaps a login to the network")
    if length != str(expected):
        raise Refused(f"wrong checksum: it sent another file, of {length} bytes")


def _write(
    response: HTTPResponse,
    part: Path,
    start: int,
    size: int,
    timeout: float,
    seen: Callable[[int], object],
) -> None:
    """Write what comes, at once, so that a process that is killed leaves what it had."""
    here = start
    with open(part, "ab" if start else "wb") as file:
        for chunk in _chunks(response, size - start + 1, timeout):
            file.write(chunk)
            file.flush()
            here += len(chunk)
            seen(here)
    if here > size:
        part.unlink()
        raise Refused(f"wrong checksum: it sent more than {size} bytes")
    if here < size:
        raise Broken(f"the connection ended after {here} of {size} bytes")


def _chunks(response: HTTPResponse, limit: int, timeout: float) -> Iterator[bytes]:
    """Yield what comes, up to ``limit`` bytes, as long as it comes fast enough."""
    since, came = time.monotonic(), 0
    while limit > 0:
        try:
            chunk = response.read1(min(CHUNK, limit))
        except (OSError, HTTPException) as error:
            raise _told(error) from error
        if not chunk:
            return
        yield chunk
        limit, came = limit - len(chunk), came + len(chunk)
        if time.monotonic() - since > timeout:
            if came < SLOWEST * timeout:
                raise Broken(f"too slow: {came} bytes in {timeout:g} s")
            since, came = time.monotonic(), 0


def _told(error: Exception) -> Broken | Refused:
    """Return an error of the network in a few words, by whether another try may help."""
    from ssl import SSLCertVerificationError

    if isinstance(error, HTTPError):
        error.close()
        kind = Broken if error.code in PASSING else Refused
        return kind(f"{error.code} {error.msg}".split("\n")[0].rstrip(":. "))
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, SSLCertVerificationError):
        return Refused(f"certificate not trusted: {cause.verify_message}")
    if isinstance(cause, str):  # a redirect to a scheme that has no handler
        return Refused(cause)
    if isinstance(cause, TimeoutError):
        return Broken("timed out")
    words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return Broken(words[:1].lower() + words[1:])
