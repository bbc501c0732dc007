"""``minidl data``: what it fetches, lists, checks, prints and refuses."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server import Server, serving, status

from minidl import cli
from minidl.cli import data
from minidl.data import download
from minidl.data.mirrors import Collection, File

PLAIN = {"images-idx3.gz": b"pictures" * 5000, "labels-idx1.gz": b"names" * 20}
FILES = {name: gzip.compress(text, mtime=0) for name, text in PLAIN.items()}
IMAGES, LABELS = FILES
KNOWN = tuple(
    File(
        name,
        len(FILES[name]),
        hashlib.sha256(FILES[name]).hexdigest(),
        hashlib.sha256(PLAIN[name]).hexdigest(),
    )
    for name in FILES
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


@pytest.fixture
def run(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return a function that runs a command: (exit code, stdout, stderr).

    The only collections are small ones, on a mirror of this machine.
    """
    small = dict.fromkeys(("mnist", "fashion-mnist"), Collection(KNOWN, (server.url,)))
    monkeypatch.setattr(download, "COLLECTIONS", small)
    monkeypatch.setattr(data, "COLLECTIONS", small)
    monkeypatch.setenv("MINIDL_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["data", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def place(folder: Path, **changed: bytes) -> Path:
    """Write the files, ``images`` or ``labels`` changed; return their folder."""
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(changed.get(name.split("-")[0], content))
    return folder


def test_fetch(run: Run, tmp_path: Path, server: Server) -> None:
    assert run("fetch", "mnist") == (0, f"mnist is in {tmp_path / 'mnist'}\n", "")
    assert (tmp_path / "mnist" / IMAGES).read_bytes() == FILES[IMAGES]
    assert run("fetch", "mnist", "--quiet") == (0, "", "")
    assert server.names() == [IMAGES, LABELS]


def test_fetch_to_a_folder(run: Run, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert run("fetch", "mnist", "--data-folder", there, "--quiet") == (0, "", "")
    assert (there / "mnist" / LABELS).is_file()


def test_a_mirror_takes_the_place_of_those_known(run: Run, server: Server) -> None:
    server.script[IMAGES] = [status(404)]
    mirrors = [f"--mirror={server.url}{name}" for name in ("a", "b/")]
    assert run("fetch", "mnist", *mirrors)[0] == 0
    assert [asked.path for asked in server.asked] == [
        f"/a/{IMAGES}",
        f"/b/{IMAGES}",
        f"/a/{LABELS}",
    ]


def test_when_all_mirrors_are_down_the_message_has_lines(
    run: Run, tmp_path: Path, server: Server
) -> None:
    server.default = status(403)
    code, out, err = run("fetch", "mnist")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0] == f"minidl: error: no mirror gave {IMAGES}. Missing in the folder"
    assert lines[1] == f"  {tmp_path / 'mnist'}"
    assert f"  {KNOWN[1].sha256}" in lines
    assert lines[lines.index(f"  {server.url}") + 1] == "    403 Forbidden"
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("fetch", "arguments are required: NAME (see minidl data fetch --help)"),
        ("fetch digits", "no files to fetch for 'digits': expected one of mnist, fashion-mnist ("),
        ("fetch minst", "no files to fetch for 'minst': expected one of mnist, fashion-mnist ('"),
        ("fetch mnist --mirror ftp://a.org", "the mirror 'ftp://a.org' is no address of http://"),
        ("verify digits", "unknown name 'digits': expected mnist, fashion-mnist"),
        ("list --sizes", "unknown option --sizes (see minidl data list --help)"),
        ("get", "unknown command 'get'"),
    ],
)
def test_mistakes_get_one_line(run: Run, arguments: str, says: str) -> None:
    code, out, err = run(*arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith("minidl: error: ")
    assert says in err
    assert err.count("\n") == 1


def test_list(run: Run, tmp_path: Path) -> None:
    place(tmp_path / "mnist", images=bytes(2_345_678))
    (tmp_path / "fashion-mnist").mkdir()
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "digits always there drawn by minidl",
        f"mnist present 2.3 MB {tmp_path / 'mnist'}",
        "fashion-mnist missing run: minidl data fetch fashion-mnist",
    ]
    (tmp_path / "mnist" / LABELS).unlink()
    row = json.loads(run("list", "--json")[1].splitlines()[-1])["sets"][1]
    assert row["state"] == "1 of 2 files"
    assert row["bytes"] == 2_345_678


def test_verify_what_is_right(run: Run, tmp_path: Path) -> None:
    """Those that are unpacked, or packed otherwise, are right by what is in them."""
    folder = place(tmp_path / "mnist", images=gzip.compress(PLAIN[IMAGES], 1))
    (folder / LABELS).unlink()
    (folder / "labels-idx1").write_bytes(PLAIN[LABELS])
    said = f"right    {folder / IMAGES}\nright    {folder / 'labels-idx1'}\n"
    assert run("verify") == (0, said, "")
    assert run("verify", "mnist") == (0, said, "")
    found = json.loads(run("verify", "--json")[1].splitlines()[-1])
    assert found["right"] is True
    assert found["files"][str(folder / IMAGES)] == "right"


@pytest.mark.parametrize(
    "content",
    [
        FILES[IMAGES][:50],  # cut short
        FILES[IMAGES][:-9] + b"\0" + FILES[IMAGES][-8:],  # a byte changed
        gzip.compress(PLAIN[IMAGES] + b"!"),  # another file
        b"<html>404</html>",
        b"",
    ],
)
def test_verify_names_what_is_wrong(run: Run, tmp_path: Path, content: bytes) -> None:
    folder = place(tmp_path / "mnist", images=content)
    code, out, err = run("verify", "--json")
    assert code == 2
    assert out.startswith(f"wrong    {folder / IMAGES}\nright    {folder / LABELS}\n")
    assert json.loads(out.splitlines()[-1])["right"] is False
    assert f"not the file that everyone has: {folder / IMAGES}: run 'minidl data fetch mn" in err
    assert run("fetch", "mnist")[0] == run("verify")[0] == 0


def test_verify_a_wrong_file_that_is_not_packed(run: Run, tmp_path: Path) -> None:
    folder = place(tmp_path / "mnist")
    (folder / IMAGES).unlink()
    (folder / "images-idx3").write_bytes(b"mine")
    code, _, err = run("verify", "mnist")
    assert code == 2
    assert f"{folder / 'images-idx3'}: remove {folder / 'images-idx3'}, then run 'minidl" in err


def test_verify_what_is_missing(run: Run, tmp_path: Path) -> None:
    folder = place(tmp_path / "fashion-mnist")
    (folder / LABELS).unlink()
    code, out, err = run("verify")
    assert (code, out.splitlines()[1]) == (2, f"missing  {folder / LABELS}")
    assert f"{folder / LABELS}: run 'minidl data fetch fashion-mnist'" in err
    assert run("verify", "mnist")[0] == 2


def test_verify_nothing(run: Run, tmp_path: Path) -> None:
    assert run("verify") == (0, f"nothing to check in {tmp_path}\n", "")


def test_where(run: Run, tmp_path: Path) -> None:
    assert run("where") == (0, f"{tmp_path}\n", "")
    assert run("where", "--data-folder", "here") == (0, "here\n", "")


def test_alone_it_helps(run: Run) -> None:
    assert run() == run("--help")
    assert run()[0] == 0


@pytest.mark.parametrize("command", ["", "fetch", "list", "verify", "where"])
def test_help_fits_a_narrow_terminal_and_has_an_example(run: Run, command: str) -> None:
    code, out, err = run(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert f"  minidl data {command}" in out.split("example")[1] or command == "where"


def test_what_was_begun_is_continued(run: Run, tmp_path: Path, server: Server) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / f"{IMAGES}.part").write_bytes(FILES[IMAGES][:7])
    assert run("fetch", "mnist", "--quiet") == (0, "", "")
    assert server.ranges() == ["bytes=7-", ""]
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == [".lock", *FILES]


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "fetch", interrupt)
    said = "minidl: interrupted: what came is kept, the same command goes on from there\n"
    assert run("fetch", "mnist") == (130, "", said)


def test_the_command_is_there_for_shells(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "minidl", "data", "where"]
    environment = {**os.environ, "MINIDL_DATA": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{tmp_path}\n", "")
