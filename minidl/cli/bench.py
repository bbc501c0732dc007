"""``minidl bench``: how fast this machine trains, next to PyTorch where that is installed."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Final

from minidl import plotting
from minidl.cli.arguments import COUNT, WORKERS, Commands, add_json
from minidl.cli.output import print_json, write_picture

ROUNDS: Final = 30
QUICK: Final = 5

HINT: Final = "for PyTorch's figures next to these: pip install 'minidl[torch]'"

EPILOG = """\
PyTorch takes part where it is installed: in turn with minidl, in one process,
with the same weights and as many threads. Every figure is a median.

examples:
  minidl bench --quick --networks lenet
  minidl bench --workers 2 --json --out ratios.png"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench",
        usage="minidl bench [options]",
        help="measure this machine, next to PyTorch",
        description="Measure training, inference and memory of some networks on this machine.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("--networks", metavar="NAMES", help="with commas between (lenet,ptmnist,vggish,mlp)")
    add("--batch-size", metavar="N", type=COUNT, default=64, help="images in a step (64)")
    add("--workers", metavar="N", type=WORKERS, help="beside 1, and threads (as many as help)")
    add("--rounds", metavar="N", type=COUNT, help=f"times that each side is timed ({ROUNDS})")
    add("--quick", action="store_true", help=f"{QUICK} rounds")
    add("--no-torch", action="store_true", help="leave PyTorch out")
    add("--out", metavar="FILE", help="draw the ratios to PyTorch's figures as a PNG")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Measure and tell."""
    from minidl import bench  # which knows the engine, and is of no use to other commands

    names = list(dict.fromkeys(args.networks.split(","))) if args.networks else list(bench.NETWORKS)
    wanted = bench.cells(names, args.batch_size, args.workers)
    torch = bench.is_installed() and not args.no_torch
    if args.out:
        _check_drawing(args.out, torch)
    rounds = args.rounds or (QUICK if args.quick else ROUNDS)
    record = bench.measure(wanted, rounds, torch, _tell)
    _tell("")
    print(bench.tables(record))
    if not bench.is_installed():
        print(HINT)
    if args.out:
        _draw(bench.ratios(record), Path(args.out))
    if args.json:
        print_json(record.as_json())
    return 0


def _tell(text: str) -> None:
    """Say on a terminal what is measured, in a line that the next replaces."""
    if sys.stderr.isatty():
        print(f"\r{text[:78]:78}\r", end="", file=sys.stderr, flush=True)


def _check_drawing(out: str, torch: bool) -> None:
    """Find out before minutes of measuring that there will be a picture."""
    if not torch:
        raise ValueError(
            "--out draws ratios to PyTorch's figures, and PyTorch takes no part: pip install"
            " 'minidl[torch]', or leave --out away"
        )
    if not Path(out).parent.is_dir() or Path(out).is_dir():
        raise ValueError(f"--out {out} should be a file in a folder that exists")
    try:
        plotting.ratios({"": {"": 1.0}})
    except ImportError as error:
        raise ValueError(str(error)) from None


def _draw(ratios: dict[str, dict[str, float]], path: Path) -> None:
    write_picture(plotting.ratios(ratios), path)
    print(f"in {path}: the ratios")
