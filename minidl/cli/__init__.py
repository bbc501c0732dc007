"""The command line. A command is a file here, with ``add``, its arguments, and ``run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from minidl.cli import bench, completion, data, doctor, evaluate, plot, predict, summary, train
from minidl.cli.arguments import Parser, ShowVersion
from minidl.cli.output import complain, explain

EXAMPLES = """\
examples:
  minidl train                             LeNet-5 on digits that minidl draws
  minidl data fetch mnist                  get the real ones
  minidl train --data mnist --epochs 5
  minidl train --data pets                 your own pictures, a folder a class
  minidl train --resume runs/mine          go on with a run that was cut off
  minidl evaluate runs/digits-lenet-1 --data mnist
  minidl predict runs/pets-lenet-1 cat.jpg
  minidl plot runs/digits-lenet-1          what the run did and the model sees
  minidl summary lenet
  minidl bench --quick

'minidl COMMAND --help' tells what a command takes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, by default the process's own, and return its exit code.

    0 where all went well, 2 after a mistake of the user (told in one line), 130 after Ctrl-C, 141
    where nobody reads the output any more.
    """
    try:
        code = _run(argv)
        sys.stdout.flush()  # here, where a closed pipe is still dealt with
    except KeyboardInterrupt:
        return complain("interrupted: nothing was saved", 130)
    except BrokenPipeError:
        _discard_output()
        return 141
    except (ValueError, OSError, FloatingPointError, MemoryError, ImportError) as error:
        return complain(f"error: {explain(error)}", 2)
    return code


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # --help and --version have printed what they should
        return int(stop.code or 0)
    if args.command is None:
        parser.print_help()
        return 0
    code: int = args.run(args)
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="minidl",
        usage="minidl [--help] [--version] COMMAND ...",
        description="Train small convolutional networks in plain NumPy.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action=ShowVersion, help="show the version and exit")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", prog=parser.prog
    )
    for command in (train, evaluate, predict, summary, doctor, plot, data, bench):
        command.add(commands)
    completion.add(commands, parser)
    return parser


def _discard_output() -> None:
    """Keep Python from failing a second time when it closes the output at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
