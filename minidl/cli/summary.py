"""``minidl summary``: a model as a table."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from minidl import models
from minidl.checks import perhaps
from minidl.cli.arguments import COUNT, WORKERS, Commands
from minidl.cli.choices import MODELS
from minidl.cli.runs import model_file
from minidl.files import load
from minidl.graph import Graph

EPILOG = """\
examples:
  minidl summary lenet
  minidl summary runs/digits-lenet-1 --plan --batch-size 256"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "summary",
        usage="minidl summary [options] MODEL",
        help="show a model as a table",
        description="Show a model's layers: output shapes, parameters and FLOPs for one sample.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "model", metavar="MODEL", help=f"a model file, a run folder, or {', '.join(MODELS)}"
    )
    add = parser.add_argument
    add("--plan", action="store_true", help="show instead what a training step computes, and how")
    add("--batch-size", metavar="N", type=COUNT, default=64, help="images in that step (64)")
    add("--workers", metavar="N", type=WORKERS, help="processors that train (as many as help)")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print the table."""
    model = _find(args.model)
    print(model.plan(args.batch_size, workers=args.workers) if args.plan else model.summary())
    return 0


def _find(name: str) -> Graph:
    if name in MODELS and not Path(name).exists():
        graph: Graph = getattr(models, name)()
        return graph
    if not Path(name).exists():
        raise FileNotFoundError(
            f"no model {name!r}: expected a file, a run folder or one of {', '.join(MODELS)}"
            f"{perhaps(name, MODELS)}"
        )
    return load(model_file(name))
