"""Fetching: against a server on this machine that drops, truncates, stalls, corrupts and lies."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from server import (
    Answer,
    Server,
    corrupt,
    drop,
    endless,
    endless_redirect,
    good,
    no_ranges,
    page,
    redirect,
    redirect_loop,
    secret_page,
    serving,
    shorter,
    slowly,
    stall,
    status,
    trickle,
    truncate,
    wrong_range,
)

import minidl as dl
from minidl.data import download, fetch, write_idx
from minidl.data.download import DownloadError, Patience, fetch_collection
from minidl.data.locking import locked
from minidl.data.mirrors import COLLECTIONS, Collection, File
from minidl.data.sources import load
from minidl.data.transfer import Refused, transfer

REAL = os.environ.get("MINIDL_DATA", "")

PLAIN = np.random.default_rng(5).integers(0, 256, 150_000).astype(np.uint8).tobytes()
FILES = {
    "images-idx3.gz": gzip.compress(PLAIN, 1, mtime=0),
    "labels-idx1.gz": gzip.compress(PLAIN[:500], mtime=0),
}
BIG, SMALL = FILES
SIZE = len(FILES[BIG])


def known(name: str) -> File:
    data = FILES[name]
    unpacked = hashlib.sha256(gzip.decompress(data)).hexdigest()
    return File(name, len(data), hashlib.sha256(data).hexdigest(), unpacked)


KNOWN = tuple(map(known, FILES))
ONE = KNOWN[:1]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


@pytest.fixture
def second() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


def get(
    folder: Path,
    *mirrors: str,
    files: tuple[File, ...] = KNOWN,
    timeout: float = 5,
    attempts: int = 3,
) -> Path:
    return fetch_collection(
        Collection(files, mirrors), folder, Patience(timeout, attempts, 0.001, False)
    )


def held(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, but for the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def refusal(folder: Path, *mirrors: str, **options: Any) -> str:
    """Return what the only error says of the mirrors' answers."""
    with pytest.raises(DownloadError, match="no mirror gave") as caught:
        get(folder, *mirrors, **options)
    return str(caught.value).split("Asked for ")[1].split("Try again")[0]


# all goes well


def test_all_files_come_and_nothing_else(tmp_path: Path, server: Server) -> None:
    folder = tmp_path / "deep" / "er"
    assert get(folder, server.url) == folder
    assert held(folder) == FILES
    assert server.names() == [BIG, SMALL]


def test_what_is_there_is_not_fetched(tmp_path: Path, server: Server) -> None:
    (tmp_path / "images-idx3").write_bytes(PLAIN)
    (tmp_path / "labels.idx1.gz").write_bytes(gzip.compress(PLAIN[:500], 1))  # packed otherwise
    get(tmp_path, server.url)
    assert server.asked == []
    assert not (tmp_path / ".lock").exists()  # a folder that is read-only would do


def test_a_bad_packed_file_is_replaced(tmp_path: Path, server: Server) -> None:
    (tmp_path / BIG).write_bytes(FILES[BIG][:1000])
    (tmp_path / SMALL).write_bytes(FILES[SMALL])
    get(tmp_path, server.url)
    assert held(tmp_path) == FILES
    assert server.ranges() == [""]


def test_a_file_that_is_not_packed_is_never_touched(tmp_path: Path, server: Server) -> None:
    (tmp_path / "images-idx3").write_bytes(b"mine")
    get(tmp_path, server.url)
    assert held(tmp_path) == {**FILES, "images-idx3": b"mine"}


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_mirror_with_and_without_a_slash(tmp_path: Path, server: Server, end: str) -> None:
    get(tmp_path, server.url + "a/b" + end, files=ONE)
    assert [asked.path for asked in server.asked] == [f"/a/b/{BIG}"]


def test_a_proxy_from_the_environment(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    get(tmp_path, "http://files.example.invalid/a", files=ONE)
    assert [asked.path for asked in server.asked] == [f"http://files.example.invalid/a/{BIG}"]
    assert held(tmp_path) == {BIG: FILES[BIG]}


# faults that pass: the same mirror is asked again, for what is missing

PASSING = {
    "500": (status(500), ""),
    "503": (status(503), ""),
    "429": (status(429), ""),
    "dropped": (drop(70_000), "bytes=70000-"),
    "dropped at once": (drop(0), ""),
    "truncated": (truncate(70_000), "bytes=70000-"),
    "stalled": (stall(70_000), "bytes=70000-"),
    "stalled at once": (stall(0), ""),
}


@pytest.mark.parametrize("fault", PASSING)
def test_after_a_fault_that_passes_it_goes_on(
    tmp_path: Path, server: Server, second: Server, fault: str
) -> None:
    answer, asked = PASSING[fault]
    server.script[BIG] = [answer]
    get(tmp_path, server.url, second.url, files=ONE, timeout=0.2)
    assert held(tmp_path) == {BIG: FILES[BIG]}
    came = server.ranges()
    assert len(came) == 2
    # A reset may overtake the last bytes on their way.
    assert came[1] == asked or (fault == "dropped" and re.fullmatch(r"(bytes=\d+-)?", came[1]))
    assert second.asked == []


def test_a_stalled_server_is_left_soon(tmp_path: Path, server: Server) -> None:
    server.default = stall(10)
    began = time.monotonic()
    assert "timed out" in refusal(tmp_path, server.url, timeout=0.1, attempts=2)
    assert time.monotonic() - began < 3


def test_a_trickle_counts_as_stalled(tmp_path: Path, server: Server, second: Server) -> None:
    """Each byte comes in time, the file would not."""
    server.default = trickle(0.02)
    get(tmp_path, server.url, second.url, files=ONE, timeout=0.1, attempts=2)
    assert len(server.asked) == 2
    assert int(server.ranges()[1].strip("bytes=-")) < 100
    assert held(tmp_path) == {BIG: FILES[BIG]}


def test_a_slow_line_is_no_fault(tmp_path: Path, server: Server) -> None:
    """Though it takes longer than the timeout, which is for silence."""
    server.default = slowly(8, 0.05)
    get(tmp_path, server.url, files=ONE, timeout=0.2)
    assert len(server.asked) == 1


def test_the_next_mirror_continues_what_the_last_began(
    tmp_path: Path, server: Server, second: Server
) -> None:
    server.default = truncate(40_000)
    get(tmp_path, server.url, second.url, files=ONE)
    assert server.ranges() == ["", "bytes=40000-", "bytes=80000-"]
    assert second.ranges() == ["bytes=120000-"]
    assert held(tmp_path) == {BIG: FILES[BIG]}


def test_waits_grow(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.default = status(500)
    waits: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=waits.append))
    with pytest.raises(ConnectionError, match="500 Internal Server Error"):
        fetch_collection(Collection(ONE, (server.url,)), tmp_path, Patience(5, 4, 0.5, False))
    assert waits == [0.5, 1.0, 2.0]


def test_what_comes_is_on_the_disk_at_once(tmp_path: Path, server: Server) -> None:
    """Or a process that is killed would leave less than it had."""
    server.default = slowly(300, 0.001)
    part = tmp_path / "part"
    sizes: list[tuple[int, int]] = []
    transfer(
        server.url + BIG, part, SIZE, 5, lambda here: sizes.append((here, part.stat().st_size))
    )
    assert len(sizes) > 50
    assert all(here == size for here, size in sizes)


def test_no_more_is_read_than_the_file_has(tmp_path: Path, server: Server) -> None:
    server.default = endless
    seen: list[int] = []
    with pytest.raises(Refused, match=f"it sent more than {SIZE} bytes"):
        transfer(server.url + BIG, tmp_path / "part", SIZE, 5, seen.append)
    assert max(seen) == SIZE + 1
    assert held(tmp_path) == {}


# what an earlier call left


@pytest.mark.parametrize("answer", [good, no_ranges, wrong_range])
def test_a_partial_file_is_continued(tmp_path: Path, server: Server, answer: Answer) -> None:
    """Or fetched anew from a server that knows no ranges, or sends another one."""
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG][:99_999])
    server.default = answer
    get(tmp_path, server.url, files=ONE)
    assert held(tmp_path) == {BIG: FILES[BIG]}
    assert server.ranges()[0] == "bytes=99999-"
    assert len(server.asked) == (2 if answer is wrong_range else 1)


def test_a_range_that_is_refused_is_not_asked_again(tmp_path: Path, server: Server) -> None:
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG][:99_999])
    server.script[BIG] = [status(416)]
    get(tmp_path, server.url, files=ONE, attempts=1)
    assert held(tmp_path) == {BIG: FILES[BIG]}
    assert server.ranges() == ["bytes=99999-", ""]


def test_a_whole_partial_file_needs_no_request(tmp_path: Path, server: Server) -> None:
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG])
    get(tmp_path, server.url, files=ONE)
    assert held(tmp_path) == {BIG: FILES[BIG]}
    assert server.asked == []


@pytest.mark.parametrize("size", [50_000, SIZE, SIZE + 1, 2 * SIZE])
def test_a_partial_file_of_something_else(tmp_path: Path, server: Server, size: int) -> None:
    """The mirror is not blamed for it."""
    (tmp_path / f"{BIG}.part").write_bytes(bytes(size))
    get(tmp_path, server.url, files=ONE)
    assert held(tmp_path) == {BIG: FILES[BIG]}
    assert server.ranges()[-1] == ""


# faults that stay: the next mirror is asked at once

STAYING = {
    "403": (status(403), "403 Forbidden"),
    "404": (status(404), "404 Not Found"),
    "410": (status(410), "410 Gone"),
    "corrupt": (corrupt, r"wrong checksum: it sent \w{12}\.\.\."),
    "shorter": (shorter, "wrong checksum: it sent another file, of 100 bytes"),
    "page": (page, "wrong checksum: it sent a web page, perhaps a login to the network"),
    "endless": (endless, rf"wrong checksum: it sent more than {SIZE} bytes"),
    "loop": (redirect_loop, "302 .* infinite loop"),
    "to a file": (redirect("file:///"), "302 .*'file:///.*' is not allowed"),
    "to ftp": (redirect("ftp://127.0.0.1/"), "unknown url type: ftp"),
}


@pytest.mark.parametrize("fault", STAYING)
def test_after_a_fault_that_stays_the_next_mirror_is_asked(
    tmp_path: Path, server: Server, second: Server, fault: str
) -> None:
    server.default, says = STAYING[fault]
    get(tmp_path / "a", server.url, second.url, files=ONE)
    assert held(tmp_path / "a") == {BIG: FILES[BIG]}
    assert len(server.asked) == 1 or fault == "loop"
    assert len(second.asked) == 1
    assert re.search(says, refusal(tmp_path / "b", server.url, files=ONE))
    assert held(tmp_path / "b") == {}


def test_a_page_does_not_spoil_what_is_there(tmp_path: Path, server: Server) -> None:
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG][:99_999])
    server.default = page
    assert "a web page" in refusal(tmp_path, server.url, files=ONE)
    assert held(tmp_path) == {f"{BIG}.part": FILES[BIG][:99_999]}


def test_a_page_that_looks_like_data_is_dropped(
    tmp_path: Path, server: Server, second: Server
) -> None:
    server.default = secret_page
    get(tmp_path, server.url, second.url, files=ONE)
    assert held(tmp_path) == {BIG: FILES[BIG]}
    assert second.ranges() == ["bytes=36-", ""]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_redirects_are_followed_to_other_hosts(
    tmp_path: Path, server: Server, second: Server, host: str
) -> None:
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG][:5])
    server.default = redirect(f"http://{host}:{second.server_port}/other/")
    get(tmp_path, server.url, files=ONE)
    assert second.asked == [(f"/other/{BIG}", "bytes=5-")]
    assert held(tmp_path) == {BIG: FILES[BIG]}


def test_the_page_of_a_redirect_is_not_read(tmp_path: Path, server: Server, second: Server) -> None:
    server.default = endless_redirect(second.url)
    get(tmp_path, server.url, files=ONE)
    assert held(tmp_path) == {BIG: FILES[BIG]}


# nothing helps


def test_the_only_error_tells_how_to_do_without(
    tmp_path: Path, server: Server, second: Server
) -> None:
    server.default, second.default = status(404), status(500)
    with serving({}) as third:
        gone = third.url
    with pytest.raises(ConnectionError, match="no mirror gave") as caught:
        get(tmp_path / "mnist", server.url, second.url, gone)
    lines = str(caught.value).splitlines()
    assert lines[:3] == [
        f"no mirror gave {BIG}. Missing in the folder",
        f"  {tmp_path / 'mnist'}",
        f"  {BIG}  {SIZE:,} bytes, SHA-256",
    ]
    for file in KNOWN:
        assert f"  {file.sha256}" in lines
    for mirror, answer in [
        (server.url, "404 Not Found"),
        (second.url, "500 Internal Server Error"),
        (gone, ""),
    ]:
        assert lines[lines.index(f"  {mirror}") + 1].startswith(f"    {answer}")
    assert "put them into that folder under" in str(caught.value)
    assert "'minidl data verify mnist' checks them." in lines[-1]
    assert max(map(len, lines[2:])) <= 80
    assert [len(server.asked), len(second.asked)] == [1, 3]


def test_what_came_stays_when_a_later_file_fails(tmp_path: Path, server: Server) -> None:
    server.script[SMALL] = [status(404)]
    with pytest.raises(DownloadError, match=f"no mirror gave {SMALL}") as caught:
        get(tmp_path, server.url)
    assert BIG not in str(caught.value)
    assert held(tmp_path) == {BIG: FILES[BIG]}
    get(tmp_path, server.url)
    assert server.names() == [BIG, SMALL, SMALL]


def test_a_host_that_does_not_exist(tmp_path: Path) -> None:
    assert refusal(tmp_path, "http://no-such-host.invalid/", files=ONE, attempts=1)


@pytest.mark.parametrize(
    "mirror",
    ["ftp://a.org/", "file:///etc", "a.org/mnist", "", "http://", "http://a b/", "https://ä.org"],
)
def test_addresses_that_are_none(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(ValueError, match=r"the mirror .* is no address of http:// or https://"):
        fetch("mnist", tmp_path, mirrors=[mirror])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": 0}, "timeout"),
        ({"attempts": 0}, "attempts"),
        ({"pause": -1}, "pause"),
    ],
)
def test_impatience_that_is_none(tmp_path: Path, options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fetch("mnist", tmp_path, **options)


@pytest.mark.parametrize("name", ["digits", "cifar", ""])
def test_a_name_without_files(name: str) -> None:
    with pytest.raises(ValueError, match=f"no files to fetch for '{name}': expected one of mnist,"):
        fetch(name)


# the disk


def test_a_folder_that_may_not_be_written(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "mnist")

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere
    with pytest.raises(OSError, match=r"cannot write to .*mnist: permission denied: .*MINIDL_DATA"):
        get(tmp_path / "mnist", server.url)
    assert server.asked == []


def test_a_file_in_the_folders_place(tmp_path: Path, server: Server) -> None:
    (tmp_path / "mnist").write_text("mine")
    with pytest.raises(OSError, match=r"cannot write to .*mnist: file exists: put that right, or"):
        get(tmp_path / "mnist", server.url)
    assert server.asked == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "part")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(
        OSError, match=r"cannot write to .*: no space left on device: put that right"
    ):
        get(tmp_path, server.url, files=ONE)
    assert len(server.asked) == 1  # no other mirror would help


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_disk_that_is_full_while_it_writes(tmp_path: Path, server: Server) -> None:
    (tmp_path / f"{BIG}.part").symlink_to("/dev/full")
    with pytest.raises(
        OSError, match=r"cannot write to .*: no space left on device: put that right"
    ):
        get(tmp_path, server.url, server.url, files=ONE)
    assert len(server.asked) == 1


# several at once

CODE = """
import json, sys
from pathlib import Path
from minidl.data.download import Patience, fetch_collection
from minidl.data.mirrors import Collection, File
files, mirror, folder = json.loads(sys.argv[1])
collection = Collection(tuple(File(*file) for file in files), (mirror,))
print("ready", flush=True)
fetch_collection(collection, Path(folder), Patience(20, 3, 0.01, False))
"""


def start(folder: Path, server: Server) -> subprocess.Popen[str]:
    arguments = json.dumps([KNOWN, server.url, str(folder)])
    environment = {**os.environ, "PYTHONPATH": str(Path(dl.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CODE, arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_two_processes_fetch_each_file_once(tmp_path: Path, server: Server) -> None:
    server.default = slowly(10, 0.02)
    processes = [start(tmp_path, server) for _ in range(2)]
    outcomes = [(process.communicate(timeout=30)[1], process.returncode) for process in processes]
    assert outcomes == [("", 0)] * 2
    assert server.names() == [BIG, SMALL]
    assert held(tmp_path) == FILES


def test_two_threads_fetch_each_file_once(tmp_path: Path, server: Server) -> None:
    server.default = slowly(10, 0.01)
    threads = [threading.Thread(target=get, args=(tmp_path, server.url)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.names() == [BIG, SMALL]
    assert held(tmp_path) == FILES


def test_a_process_that_is_killed_is_continued(tmp_path: Path, server: Server) -> None:
    """By one that waited for it: the lock is free as soon as its holder is gone."""
    server.script[BIG] = [stall(100_000)]
    killed = start(tmp_path, server)
    part = tmp_path / f"{BIG}.part"
    until(lambda: part.exists() and part.stat().st_size == 100_000)
    waiting = start(tmp_path, server)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "ready\n"
    killed.kill()
    killed.communicate()
    assert waiting.communicate(timeout=30)[1] == ""
    assert waiting.returncode == 0
    assert server.ranges() == ["", "bytes=100000-", ""]
    assert held(tmp_path) == FILES


def test_one_that_waits_says_so_once(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    arguments = (Collection(KNOWN, (server.url,)), tmp_path, Patience(5, 1, 0, True))
    with locked(tmp_path / ".lock", lambda: None):
        thread = threading.Thread(target=fetch_collection, args=arguments)
        thread.start()
        time.sleep(0.2)
        assert server.asked == []
    thread.join()
    assert server.names() == [BIG, SMALL]
    shown = capsys.readouterr().err
    assert shown.count(f"waiting for another process that fetches into {tmp_path}") == 1


# through the public functions


def test_load_downloads_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.arange(2 * 784).astype(np.uint8).reshape(2, 28, 28)
    files: dict[str, bytes] = {}
    for file in COLLECTIONS["mnist"].files:
        write_idx(tmp_path / file.name, images if "images" in file.name else images[:, 0, 0] % 10)
        files[file.name] = (tmp_path / file.name).read_bytes()
    with serving(files) as server:
        monkeypatch.setattr(download, "COLLECTIONS", {"mnist": fake(files, server.url)})
        with pytest.raises(FileNotFoundError, match="run 'minidl data fetch mnist' or pass downl"):
            load("mnist", tmp_path / "data")
        for _ in range(2):
            train, test = load("mnist", tmp_path / "data", download=True)
            assert (len(train), len(test)) == (2, 2)
        assert server.names() == list(files)


def fake(files: dict[str, bytes], url: str) -> Collection:
    known = [
        File(name, len(data), hashlib.sha256(data).hexdigest(), "") for name, data in files.items()
    ]
    return Collection(tuple(known), (url,))


def test_files_that_are_there_are_read_as_they_are(tmp_path: Path) -> None:
    """With download=True too: they may be one's own."""
    images = np.zeros((2, 28, 28), np.uint8)
    (tmp_path / "mnist").mkdir()
    for file in COLLECTIONS["mnist"].files:
        values = images if "images" in file.name else images[:, 0, 0]
        write_idx(tmp_path / "mnist" / file.name, values)
    assert len(load("mnist", tmp_path, download=True)[0]) == 2


def test_the_bar_is_for_terminals(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    patience = Patience(5, 1, 0, True)
    fetch_collection(Collection(KNOWN, (server.url,)), tmp_path, patience)
    assert capsys.readouterr() == ("", "")


def test_the_bar_moves_with_what_is_there(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    server.script[BIG] = [truncate(70_000), no_ranges]
    fetch_collection(Collection(ONE, (server.url,)), tmp_path, Patience(5, 2, 0, True))
    shown = capsys.readouterr().err
    assert shown.split("\r")[-1].startswith(f"{BIG}: 100%")
    names = [type(thread).__name__ for thread in threading.enumerate()]
    assert "TMonitor" not in names  # a thread of the bar's own


# the constants


@pytest.mark.parametrize("name", COLLECTIONS)
def test_the_mirrors_are_folders_of_hosts(name: str) -> None:
    files, mirrors = COLLECTIONS[name]
    assert len(mirrors) == len(set(mirrors)) >= 3
    assert len({urlsplit(mirror).hostname for mirror in mirrors}) == len(mirrors)
    for mirror in mirrors:
        assert re.fullmatch(r"https?://[a-z0-9.-]+/[\w./-]*", mirror)
        assert mirror.endswith("/")
        assert download._checked(mirror) == mirror
    assert len({file.sha256 for file in files} | {file.unpacked for file in files}) == 8
    assert all(re.fullmatch("[0-9a-f]{64}", total) for file in files for total in file[2:])


@pytest.mark.parametrize("name", COLLECTIONS)
def test_the_sums_are_those_of_the_real_files(name: str) -> None:
    if not (REAL and (Path(REAL) / name).is_dir()):
        pytest.skip(f"MINIDL_DATA names no folder that holds {name}/")
    for file in COLLECTIONS[name].files:
        data = (Path(REAL) / name / file.name).read_bytes()
        assert len(data) == file.size
        assert hashlib.sha256(data).hexdigest() == file.sha256
        assert hashlib.sha256(gzip.decompress(data)).hexdigest() == file.unpacked


def test_importing_minidl_leaves_the_network_alone() -> None:
    code = "import sys, minidl\nprint({'urllib.request', 'http.client', 'ssl'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
