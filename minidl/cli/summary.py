"""``minidl summary``: a model as a table."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from minidl import models
from minidl.cli.arguments import Commands
from minidl.cli.choices import MODELS
from minidl.cli.runs import model_file
from minidl.files import load
from minidl.graph import Graph


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "summary",
        usage="minidl summary [--help] MODEL",
        help="show a model as a table",
        description="Show a model's layers: output shapes, parameters and FLOPs for one sample.",
        epilog="examples:\n  minidl summary lenet\n  minidl summary runs/digits-lenet-1",
    )
    parser.add_argument(
        "model", metavar="MODEL", help=f"a model file, a run folder, or {', '.join(MODELS)}"
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print the table."""
    print(_find(args.model).summary())
    return 0


def _find(name: str) -> Graph:
    if name in MODELS and not Path(name).exists():
        graph: Graph = getattr(models, name)()
        return graph
    if not Path(name).exists():
        raise FileNotFoundError(
            f"no model {name!r}: expected a file, a run folder or one of {', '.join(MODELS)}"
        )
    return load(model_file(name))
