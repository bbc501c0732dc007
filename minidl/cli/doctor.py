"""``minidl doctor``: what is wrong with a network, its data and its first steps."""

from __future__ import annotations

from argparse import Namespace
from textwrap import fill

from minidl.cli import config, train
from minidl.cli.arguments import Commands, add_json
from minidl.cli.output import print_json
from minidl.data.loader import batch_count
from minidl.doctor import Finding, doctor
from minidl.doctor.checks import FULL
from minidl.losses import SoftmaxCrossEntropy

EPILOG = """\
It takes what 'minidl train' takes, and trains for a few steps on copies. The
exit code is 1 where an error is found, which keeps the run from learning.

examples:
  minidl doctor --data pets --model resnet
  minidl doctor --data mnist --lr 3 --json"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        usage="minidl doctor [options]",
        help="look for mistakes before training",
        description="Look for what is wrong with a network, its data and its first steps.",
        epilog=EPILOG,
    )
    train.add_task(parser.add_argument_group("what"))
    how = parser.add_argument_group("how")
    train.add_amount(how)
    train.add_optimization(how)
    output = parser.add_argument_group("output")
    config.add_config(output)
    add_json(output)
    parser.read_defaults = config.from_config
    parser.set_defaults(run=run, early_stop=None, plateau=None)


def run(args: Namespace) -> int:
    """Print what is found, and return 1 where there is an error."""
    task = train.prepare(args)
    task.optimizer.state.total = args.epochs * batch_count(len(task.train), args.batch_size)
    found = doctor(
        task.model,
        SoftmaxCrossEntropy(),
        task.train,
        task.optimizer,
        task.held,
        batch_size=args.batch_size,
        seed=args.seed,
    )
    print("\n".join(map(_described, found)) or f"nothing found ({len(FULL)} checks)")
    if args.json:
        print_json({"checks": len(FULL), "findings": [finding.fields() for finding in found]})
    return int(any(finding.severity == "error" for finding in found))


def _described(finding: Finding) -> str:
    """Return a finding in a few lines of a terminal."""
    lines = [
        f"{finding.severity}: {finding.what} ({finding.where})",
        fill(finding.message, 79, initial_indent="  ", subsequent_indent="  "),
        fill(f"fix: {finding.fix}", 79, initial_indent="  ", subsequent_indent="       "),
    ]
    return "\n".join(lines)
