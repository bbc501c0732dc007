"""Fetching the files of a collection: mirrors, tries, checksums, and one process at a time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from minidl import checks
from minidl.data.mirrors import COLLECTIONS, Collection, File
from minidl.data.sources import data_folder, find

if TYPE_CHECKING:
    from tqdm import tqdm

TIMEOUT: Final = 20.0
ATTEMPTS: Final = 4
PAUSE: Final = 0.5


class DownloadError(ConnectionError):
    """No mirror gave a file. The message has several lines, and says how to do without."""


class Patience(NamedTuple):
    """How long to bear with a mirror, and whether to show what happens."""

    timeout: float
    attempts: int
    pause: float
    progress: bool


def fetch(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    mirrors: Sequence[str] | None = None,
    progress: bool = True,
    timeout: float = TIMEOUT,
    attempts: int = ATTEMPTS,
    pause: float = PAUSE,
) -> Path:
    """Download what is missing of a collection and return the folder that holds it.

    Each file is checked by its SHA-256 before it gets its name, and a partial one is continued,
    by a later call too. A second process, or thread, waits for the first. A packed file with a
    wrong checksum is replaced; one that is not packed is never touched.

    Parameters
    ----------
    name
        "mnist" or "fashion-mnist".
    folder
        The folder in which ``mnist/`` is made, by default what ``data_folder()`` says.
    mirrors
        Addresses, http or https, of folders that hold the files, instead of the known ones.
    progress
        Show a bar for each file, if there is a terminal.
    timeout
        Seconds to wait for a connection, and for data on it.
    attempts
        Tries at each mirror. One that says it has no such file (403, 404) gets no second.
    pause
        Seconds before the second try, doubled before each further one.

    Raises
    ------
    ConnectionError
        Where no mirror gives a file. The message tells the checksums, what each mirror answered,
        and how to place the files by hand.
    OSError
        Where the folder cannot be written, or the disk is full.
    ValueError
        For an unknown name, or an address that is not of http or https.

    Examples
    --------
    >>> fetch("mnist", mirrors=["ftp://example.org"])
    Traceback (most recent call last):
    ValueError: the mirror 'ftp://example.org' is no address of http:// or https://: ...
    """
    if name not in COLLECTIONS:
        known = ", ".join(COLLECTIONS)
        raise ValueError(
            f"no files to fetch for {name!r}: expected one of {known} ('digits' needs none)"
        )
    files, known_mirrors = COLLECTIONS[name]
    wanted = Collection(files, known_mirrors if mirrors is None else tuple(mirrors))
    patience = Patience(
        checks.positive("timeout", timeout),
        checks.integer("attempts", attempts, 1),
        checks.not_negative("pause", pause),
        checks.flag("progress", progress),
    )
    return fetch_collection(wanted, data_folder(folder) / name, patience)


def fetch_collection(collection: Collection, folder: Path, patience: Patience) -> Path:
    """Download what is missing in a folder and return the folder."""
    mirrors = [_checked(mirror) for mirror in collection.mirrors]
    if not _lacking(collection, folder):  # all is there, perhaps in a place that is read-only
        return folder
    from minidl.data.locking import locked

    with _naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", _waiting(folder, patience.progress)):
            for file in _lacking(collection, folder):
                answers = _fetch_file(file, mirrors, folder, patience)
                if answers:
                    missing = _lacking(collection, folder)
                    raise DownloadError(_by_hand(folder, missing, file, answers))
    return folder


def is_right(path: Path, file: File) -> bool:
    """Whether a file is the one that is known, or holds the same, packed otherwise or not."""
    import gzip
    import zlib

    with open(path, "rb") as stream:
        if _sha256(stream.read, 2**20) == file.sha256:
            return True
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            return _sha256(stream.read, 2**20) == file.unpacked
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False


def _sha256(read: Callable[[int], bytes], size: int) -> str:
    import hashlib

    total = hashlib.sha256()
    while chunk := read(size):
        total.update(chunk)
    return total.hexdigest()


def _lacking(collection: Collection, folder: Path) -> list[File]:
    """Return the files that are not there, or not as they should be."""
    found = {file: find(folder, file.name) for file in collection.files}
    return [file for file, path in found.items() if path is None or not is_right(path, file)]


def _checked(mirror: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(mirror)
    printable = mirror.isascii() and mirror.isprintable() and " " not in mirror
    if parts.scheme not in ("http", "https") or not parts.hostname or not printable:
        raise ValueError(
            f"the mirror {mirror!r} is no address of http:// or https://: "
            "give that of the folder that holds the files"
        )
    return mirror.rstrip("/") + "/"


def _waiting(folder: Path, progress: bool) -> Callable[[], None]:
    def tell() -> None:
        if progress and sys.stderr.isatty():
            print(f"waiting for another process that fetches into {folder}", file=sys.stderr)

    return tell


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Let errors of the disk name the folder."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OSError(
            f"cannot write to {folder}: {reason}: put that right, or name another folder with "
            "folder= (--data-folder) or the environment variable MINIDL_DATA"
        ) from error


def _fetch_file(
    file: File, mirrors: Iterable[str], folder: Path, patience: Patience
) -> dict[str, str]:
    """Fetch a file from the first mirror that has it; else return what each answered."""
    part = folder / f"{file.name}.part"
    answers: dict[str, str] = {}
    with _bar(file, patience.progress) as bar:
        for mirror in mirrors:
            answer = _ask(mirror, file, part, patience, lambda here: bar.update(here - bar.n))
            if answer is None:
                _place(part, folder / file.name)
                return {}
            answers[mirror] = answer
    return answers


def _bar(file: File, progress: bool) -> tqdm[NoReturn]:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread of its own: workers may have to be forked

    return Bar(
        total=file.size,
        desc=file.name,
        unit="B",
        unit_scale=True,
        disable=None if progress else True,  # None: where there is no terminal
        dynamic_ncols=True,
    )


def _ask(
    mirror: str, file: File, part: Path, patience: Patience, seen: Callable[[int], object]
) -> str | None:
    """Fetch a file from one mirror: None where it is there now, else what went wrong last."""
    from minidl.data.transfer import Broken, Refused, transfer

    answer = ""
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(patience.pause * 2 ** (attempt - 1))
        try:
            begun = transfer(mirror + file.name, part, file.size, patience.timeout, seen)
        except Refused as refused:
            return str(refused)
        except Broken as broken:
            answer = str(broken)
            continue
        answer = _compare(part, file)
        if not answer:
            return None
        part.unlink()
        if not begun:  # or the fault may be in what was there before
            return answer
    return answer


def _compare(part: Path, file: File) -> str:
    with open(part, "rb") as stream:
        came = _sha256(stream.read, 2**20)
    return "" if came == file.sha256 else f"wrong checksum: it sent {came[:12]}..."


def _place(part: Path, target: Path) -> None:
    """Give a whole file its name, once its bytes are safe on the disk."""
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, target)


def _by_hand(
    folder: Path, missing: Iterable[File], failed: File, answers: Mapping[str, str]
) -> str:
    files = [f"  {file.name}  {file.size:,} bytes, SHA-256\n  {file.sha256}" for file in missing]
    asked = [f"  {mirror}\n    {answer}" for mirror, answer in answers.items()]
    lines = [
        f"no mirror gave {failed.name}. Missing in the folder",
        f"  {folder}",
        *files,
        f"Asked for {failed.name}:",
        *asked,
        "Try again later: it goes on where it stopped. Or get these files elsewhere,",
        "with a browser or from another computer, and put them into that folder under",
        f"these names; 'minidl data verify {folder.name}' checks them.",
    ]
    return "\n".join(lines)
