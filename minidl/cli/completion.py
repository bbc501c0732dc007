"""``minidl completion``: a script that lets a shell complete commands, options and choices."""

from __future__ import annotations

import argparse
from argparse import Namespace
from types import MappingProxyType
from typing import Final

from minidl.cli.arguments import Commands, Parser
from minidl.cli.choices import MODELS
from minidl.cli.shells import SHELLS, Command, Option, Value
from minidl.data.mirrors import COLLECTIONS
from minidl.data.sources import KNOWN

EPILOG = """\
In bash and zsh put a line where the shell reads it at its start:
  ~/.bashrc   eval "$(minidl completion bash)"
  ~/.zshrc    eval "$(minidl completion zsh)"     after compinit

example:
  minidl completion fish > ~/.config/fish/completions/minidl.fish"""

SUGGESTED: Final = MappingProxyType(
    {"--data": KNOWN, "summary MODEL": MODELS, "data fetch NAME": tuple(COLLECTIONS)}
)
"""Words for values that may be something else too, or that are checked later."""

PATHS: Final = ("DIR", "FILE", "MODEL", "PICTURE", "RUN")
"""What is called so is completed to files and folders, unless it has choices."""


def add(commands: Commands, root: Parser) -> None:
    """Add the command; ``root`` is the parser whose commands are completed."""
    parser = commands.add_parser(
        "completion",
        usage="minidl completion [--help] SHELL",
        help="let the shell complete these commands",
        description="Print a script that lets a shell complete commands, options and choices.",
        epilog=EPILOG,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    parser.set_defaults(run=lambda args: run(args, root))


def run(args: Namespace, root: Parser) -> int:
    """Print the script."""
    print("\n".join(SHELLS[args.shell](_read("", "", root))))
    return 0


def _read(name: str, help: str, parser: argparse.ArgumentParser) -> Command:
    """Read a command, and those below it, from its parser."""
    options, values, below = [], [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: _plain(choice.help) for choice in action._choices_actions}
            below += [
                _read(f"{name} {word}".strip(), helps[word], one)
                for word, one in action.choices.items()
            ]
        elif action.option_strings:
            value = None if action.nargs == 0 else _value(name, action)
            options.append(Option(tuple(action.option_strings), _plain(action.help), value))
        else:
            values.append(_value(name, action))
    return Command(name, help, tuple(options), tuple(values), tuple(below))


def _plain(help: str | None) -> str:
    return (help or "").replace("%%", "%")


def _value(command: str, action: argparse.Action) -> Value:
    kind = str(action.metavar)
    if action.choices is not None:
        return Value(kind, tuple(map(str, action.choices)), paths=False)
    option = action.option_strings[-1:] or [f"{command} {kind}"]
    return Value(kind, SUGGESTED.get(option[0], ()), kind in PATHS or option == ["--data"])
