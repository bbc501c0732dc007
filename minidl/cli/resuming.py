"""``--resume``: a run that was cut off goes on, as its folder says."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any, Final

from minidl.cli import config, runs
from minidl.cli.arguments import Parser

ALLOWED: Final = (
    *("resume", "workers", "quiet", "json", "checkpoint_every"),
    *("data_folder", "download"),  # the data may have moved; they are compared
)
"""Options that do not change a run, so that they may be given when it is resumed."""


def defaults(parser: Parser, found: Namespace) -> dict[str, Any]:
    """Return what the arguments that were not given are: those of a file, or of a cut-off run."""
    if found.resume is None:
        return config.from_config(parser, found)
    return config.read(settings(Path(found.resume)), parser)


def settings(folder: Path) -> Path:
    """Return the file that says how a run was started; raise where there is none."""
    path = folder / runs.SETTINGS
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no run folder {str(folder)!r} to resume")
    if not path.is_file():
        raise FileNotFoundError(
            f"the folder {folder} holds no {path.name}, so there is no run in it to resume: start a"
            " new one with --out"
        )
    return path


def refuse_changes(parser: Parser, args: Namespace) -> None:
    """Raise ``ValueError`` where an argument is not what the run was started with."""
    changed = [
        f"{name} {value}" if (value := getattr(args, action.dest)) is not True else name
        for name, action in parser.options().items()
        if action.dest not in (*ALLOWED, "help")
        and getattr(args, action.dest) != parser.get_default(action.dest)
    ]
    if changed:
        allowed = ", ".join(f"--{name.replace('_', '-')}" for name in ALLOWED[1:])
        raise ValueError(
            f"{', '.join(changed)} would change the run in {args.resume}: --resume goes with"
            f" {allowed} alone; for another run, name its file with --config"
            f" {Path(args.resume, runs.SETTINGS)}"
        )


def results(folder: Path) -> dict[str, Any] | None:
    """Return what came out of a run; None where it is not finished."""
    path = folder / runs.RUN
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["results"]
        return found
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} is damaged, or not a run's: move it away, and 'minidl train --resume {folder}'"
            " writes it anew"
        ) from None
