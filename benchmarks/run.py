"""Measure minidl next to PyTorch on many cells: python benchmarks/run.py --full --json FILE."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from minidl import bench
from minidl.engine.workers import helpful_workers, usable_cores

COUNTS = (1, 2, 4)
"""How many workers there are, as far as there are cores."""

OTHERS = {"middling": 64, "stem": 64, "resnet": 100}
"""The batch of each network that the engine was not tuned on."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure minidl next to PyTorch.")
    parser.add_argument("--full", action="store_true", help="batches of 256, and more networks")
    parser.add_argument("--rounds", type=int, default=30, help="times each side is timed (30)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the record to a file")
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    return parser.parse_args()


def chosen(full: bool, cores: int) -> list[bench.Cell]:
    """Return what to measure: in full with two batch sizes, and more networks."""
    counts = [count for count in COUNTS if count <= cores]
    batches = (64, 256) if full else (64,)
    wanted = [(name, batch) for name in bench.NETWORKS for batch in batches]
    wanted += OTHERS.items() if full else []
    return [
        bench.Cell(name, batch, min(count, helpful_workers(bench.build(name), batch)), count)
        for name, batch in wanted
        for count in counts
    ]


def print_means(record: bench.Record) -> None:
    """Print the geometric means of the ratios."""
    for title, networks in (("standard", bench.CONVOLVING), ("other", tuple(bench.OTHERS))):
        means = bench.geometric_means(record, networks)
        if means:
            print(f"\ngeometric means of the ratios, {title} networks ({', '.join(networks)})")
        for name, mean in means.items():
            print(f"  {name:26} {mean:.2f}")


def main() -> None:
    """Measure, print and write."""
    args = arguments()
    if args.rounds < 1:
        sys.exit(f"--rounds should be at least 1, got {args.rounds}")
    if args.json and not args.json.parent.is_dir():
        sys.exit(f"--json {args.json} should be a file in a folder that exists")
    record = bench.measure(
        chosen(args.full, usable_cores()),
        args.rounds,
        torch=not args.no_torch,
        tell=lambda text: print(text, "...", file=sys.stderr, flush=True),
    )
    print(bench.tables(record))
    print_means(record)
    if args.json:
        args.json.write_text(json.dumps(record.as_json(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
