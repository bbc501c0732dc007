"""Completion scripts for bash, zsh and fish, written from what the commands take."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Final, NamedTuple


class Value(NamedTuple):
    """What may follow an option or stand in a command: one of these words, or a path."""

    name: str
    words: tuple[str, ...]
    paths: bool


class Option(NamedTuple):
    """An option: its names, its help, and its value if it takes one."""

    names: tuple[str, ...]
    help: str
    value: Value | None


class Command(NamedTuple):
    """A command: the words that call it, its help, and what it takes."""

    name: str
    help: str
    options: tuple[Option, ...]
    values: tuple[Value, ...]
    below: tuple[Command, ...]

    @property
    def word(self) -> str:
        """The last of the words that call it."""
        return self.name.split(" ")[-1]


def _all(command: Command) -> Iterator[Command]:
    """Yield a command and those below it."""
    yield command
    for below in command.below:
        yield from _all(below)


# bash: a function that finds the command, then looks at the word before the cursor. Where it has
# no answer bash completes paths by itself, unless ``compopt`` turns that off.

BASH: Final = """\
# bash completion of minidl: put  eval "$(minidl completion bash)"  into ~/.bashrc
_minidl() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local command='' words='' paths='' word
    [[ $current == = ]] && current=''
    [[ $before == = ]] && before=${{COMP_WORDS[COMP_CWORD-2]}}
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$command/$word" in
{commands}
        esac
    done
    case "$command/$before" in
{values}
        *) case "$command/$current" in
{options}
{below}
        esac ;;
    esac
    [[ $paths ]] || compopt +o default 2>/dev/null
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _minidl minidl"""


def bash(root: Command) -> Iterator[str]:
    """Yield the lines of a script for bash."""
    every = list(_all(root))
    values = [
        (f"{one.name}/{name}", option.value)
        for one in every
        for option in one.options
        for name in option.names
        if option.value
    ]
    yield BASH.format(
        commands=_cases(
            (shlex.quote(f"{one.name}/{below.word}"), f"command={shlex.quote(below.name)}")
            for one in every
            for below in one.below
        ),
        values=_cases((shlex.quote(place), _bash_answer(value)) for place, value in values),
        options=_cases(
            (shlex.quote(f"{one.name}/-") + "*", f"words={shlex.quote(_option_names(one))}")
            for one in every
        ),
        below=_cases(
            (shlex.quote(f"{one.name}/") + "*", _bash_answer(_positional(one))) for one in every
        ),
    )


def _cases(cases: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"            {pattern}) {action} ;;" for pattern, action in cases)


def _option_names(command: Command) -> str:
    return " ".join(option.names[-1] for option in command.options)


def _positional(command: Command) -> Value:
    """Return what a command takes besides options, all in one."""
    words = [below.word for below in command.below]
    words += [word for value in command.values for word in value.words]
    return Value("", tuple(words), any(value.paths for value in command.values))


def _bash_answer(value: Value) -> str:
    return f"words={shlex.quote(' '.join(value.words))} paths={'1' if value.paths else ''}"


# zsh: a function a command, which hands on to the function of the one below.

ZSH: Final = """\
if [[ $funcstack[1] == _minidl ]]; then _minidl "$@"; else compdef _minidl minidl; fi"""


def zsh(root: Command) -> Iterator[str]:
    """Yield the lines of a script for zsh."""
    yield "#compdef minidl"
    yield '# zsh completion of minidl: put  eval "$(minidl completion zsh)"  into ~/.zshrc'
    for command in _all(root):
        function = "_".join(["_minidl", *command.name.split()])
        yield f"{function}() {{"
        yield from _zsh_body(function, command)
        yield "}"
    yield ZSH


def _zsh_body(function: str, command: Command) -> Iterator[str]:
    specs = [spec for option in command.options for spec in _zsh_option(option)]
    for number, value in enumerate(command.values, 1):
        place = "*" if number == len(command.values) else number
        specs.append(f"{place}:{value.name}:{_zsh_action(value)}")
    if command.below:
        described = " ".join(f'{one.word}\\:"{_zsh_text(one.help)}"' for one in command.below)
        specs += [f"1:command:(({described}))", "*::argument:->below"]
        yield "    local state line"
    yield "    _arguments -C \\"
    yield " \\\n".join(f"        {shlex.quote(spec)}" for spec in specs)
    if command.below:
        yield f"    [[ $state == below ]] && {function}_$line[1]"


def _zsh_option(option: Option) -> Iterator[str]:
    text = f"[{_zsh_text(option.help)}]"
    for name in option.names:
        if option.value is None:
            yield f"{name}{text}"
        else:
            equals = "=" if name.startswith("--") else "+"
            yield f"{name}{equals}{text}:{option.value.name}:{_zsh_action(option.value)}"


def _zsh_action(value: Value) -> str:
    words = f"({' '.join(value.words)})"
    if value.words and value.paths:
        return f'_alternative "words:word:{words}" "files:path:_files"'
    return words if value.words else "_files" if value.paths else " "


def _zsh_text(text: str) -> str:
    for mark in '\\[]:"`$':
        text = text.replace(mark, "\\" + mark)
    return text


# fish: a line for each thing that can be completed, with the condition under which it is.


def fish(root: Command) -> Iterator[str]:
    """Yield the lines of a script for fish."""
    yield "# fish completion of minidl: goes to ~/.config/fish/completions/minidl.fish"
    yield "complete -c minidl -f"
    for command in _all(root):
        here = _fish_condition(command)
        for below in command.below:
            yield f"{here} -a {below.word} -d {_fish_text(below.help)}"
        for value in command.values:
            yield f"{here}{_fish_value(value)}"
        for option in command.options:
            yield f"{here}{_fish_option(option)}"


def _fish_condition(command: Command) -> str:
    seen = [f"__fish_seen_subcommand_from {word}" for word in command.name.split()]
    if command.below:
        words = " ".join(one.word for one in command.below)
        seen.append(f"not __fish_seen_subcommand_from {words}")
    return f"complete -c minidl -n {_fish_text('; and '.join(seen))}"


def _fish_option(option: Option) -> str:
    names = "".join(
        f" -l {name[2:]}" if name[:2] == "--" else f" -s {name[1:]}" for name in option.names
    )
    value = "" if option.value is None else f" -r{_fish_value(option.value)}"
    return f"{names}{value} -d {_fish_text(option.help)}"


def _fish_value(value: Value) -> str:
    words = f" -a {_fish_text(' '.join(value.words))}" if value.words else ""
    return f"{words} -F" if value.paths else f"{words} -f"


def _fish_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SHELLS: Final[MappingProxyType[str, Callable[[Command], Iterable[str]]]] = MappingProxyType(
    {"bash": bash, "zsh": zsh, "fish": fish}
)
"""The writers of scripts by the name of the shell."""
