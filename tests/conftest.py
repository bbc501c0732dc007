"""Settings for all tests, and fixtures of those of the command line."""

from __future__ import annotations

import gc
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
def own_folder(collection: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, with the small data where the environment says."""
    monkeypatch.setenv("MINIDL_DATA", str(collection))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def bare_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave empty pictures of runs: to draw takes longer than a short run does."""
    from minidl.plotting import figures

    monkeypatch.setattr("minidl.plotting.curves", lambda history: figures.empty(1, 1))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in this process: (exit code, stdout, stderr)."""

    from minidl import cli  # here, for it takes a while that other tests need not

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def pytest_collection_finish() -> None:
    """Leave what collecting ten thousand tests made out of every later search for garbage.

    It would be looked through again and again, and copied in each process that a test forks.
    """
    gc.collect()
    gc.freeze()
