"""Settings for all tests, and fixtures of those of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Run, write_collection
from hypothesis import settings

# A busy machine is no error.
settings.register_profile("minidl", deadline=None)
settings.load_profile("minidl")


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_collection(tmp_path_factory.mktemp("data"))


@pytest.fixture
def own_folder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Work in an empty folder, with the small data where the environment says."""
    if "slow" not in request.keywords:
        monkeypatch.setenv("MINIDL_DATA", str(request.getfixturevalue("collection")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in this process: (exit code, stdout, stderr)."""

    from minidl import cli  # here, for it takes a while that other tests need not

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call
