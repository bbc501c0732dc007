"""``minidl data``: fetch data sets, list them, check them, and tell where they are."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Final

from minidl.cli.arguments import Commands, Group, Parser, add_json
from minidl.cli.output import complain, print_json
from minidl.data import data_folder, fetch
from minidl.data.download import is_right
from minidl.data.mirrors import COLLECTIONS, File
from minidl.data.sources import KNOWN, find

EPILOG = """\
examples:
  minidl data fetch mnist
  minidl data list
  minidl data verify
  cd "$(minidl data where)"

'minidl data COMMAND --help' tells what a command takes."""

FETCH = """\
Each file is checked by its SHA-256; one that was cut off is continued, also
by a later call. A proxy is taken from the environment (https_proxy).

examples:
  minidl data fetch fashion-mnist --data-folder ~/data
  minidl data fetch mnist --mirror https://files.example.org/mnist/"""

FETCHED: Final = tuple(COLLECTIONS)


def add(commands: Commands) -> None:
    """Add the command and the four below it."""
    parser = commands.add_parser(
        "data",
        usage="minidl data [--help] COMMAND ...",
        help="fetch data sets, list and check them",
        description="Fetch data sets, list them, check them, and tell where they are.",
        epilog=EPILOG,
    )
    parser.set_defaults(run=lambda args: _help(parser))
    below = parser.add_subparsers(
        dest="subcommand", metavar="COMMAND", title="commands", prog=parser.prog
    )
    _add_fetch(below)
    _add_list(below)
    _add_verify(below)
    _add_where(below)


def _help(parser: Parser) -> int:
    parser.print_help()
    return 0


def _add_fetch(commands: Commands) -> None:
    parser = _subcommand(commands, "fetch", _fetch, "[options] NAME", FETCH, "Download a data set.")
    parser.add_argument("name", metavar="NAME", help=" or ".join(FETCHED))
    _add_folder(parser)
    parser.add_argument(
        "--mirror",
        metavar="URL",
        action="append",
        help="of a folder with the files, instead of those known; may be given more than once",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing where all goes well")


def _add_list(commands: Commands) -> None:
    parser = _subcommand(
        commands,
        "list",
        _list,
        "[options]",
        "example:\n  minidl data list --json",
        "Show which data sets are here.",
    )
    _add_folder(parser)
    add_json(parser)


def _add_verify(commands: Commands) -> None:
    parser = _subcommand(
        commands,
        "verify",
        _verify,
        "[options] [NAME]",
        "It ends with code 2 where a file is missing or wrong.\n\n"
        "example:\n  minidl data verify mnist",
        "Check the files by their SHA-256.",
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        choices=FETCHED,
        help=f"{' or '.join(FETCHED)} (those that are here)",
    )
    _add_folder(parser)
    add_json(parser)


def _add_where(commands: Commands) -> None:
    parser = _subcommand(
        commands,
        "where",
        _where,
        "[options]",
        'example:\n  ls "$(minidl data where)"',
        "Print the folder that holds the data sets.",
    )
    _add_folder(parser)


def _subcommand(
    commands: Commands,
    name: str,
    run: Callable[[Namespace], int],
    takes: str,
    epilog: str,
    description: str,
) -> Parser:
    parser = commands.add_parser(
        name,
        usage=f"minidl data {name} {takes}",
        help=description[:1].lower() + description[1:-1],
        description=description,
        epilog=epilog,
    )
    parser.set_defaults(run=run)
    return parser


def _add_folder(group: Group) -> None:
    group.add_argument(
        "--data-folder", metavar="DIR", help="that holds mnist/ and so on ($MINIDL_DATA or cache)"
    )


def _fetch(args: Namespace) -> int:
    quiet = args.quiet
    try:
        folder = fetch(args.name, args.data_folder, mirrors=args.mirror, progress=not quiet)
    except KeyboardInterrupt:
        return complain("interrupted: what came is kept, the same command goes on from there", 130)
    if not quiet:
        print(f"{args.name} is in {folder}")
    return 0


def _list(args: Namespace) -> int:
    rows = [_row(name, args.data_folder) for name in KNOWN]
    for row in rows:
        print(f"{row['name']:14} {row['state']:14} {_size(row['bytes']):>9}  {row['place']}")
    if args.json:
        print_json({"folder": str(data_folder(args.data_folder)), "sets": rows})
    return 0


def _row(name: str, root: str | None) -> dict[str, object]:
    """Return what there is to tell of a data set, without a look into its files."""
    if name not in COLLECTIONS:
        return {"name": name, "state": "always there", "bytes": 0, "place": "drawn by minidl"}
    found = [path for path in _found(name, root).values() if path]
    count = len(COLLECTIONS[name].files)
    state = {0: "missing", count: "present"}.get(len(found), f"{len(found)} of {count} files")
    place = str(data_folder(root) / name) if found else f"run: minidl data fetch {name}"
    return {
        "name": name,
        "state": state,
        "bytes": sum(path.stat().st_size for path in found),
        "place": place,
    }


def _size(size: object) -> str:
    return f"{size / 1e6:.1f} MB" if isinstance(size, int) and size else ""


def _found(name: str, root: str | None) -> dict[File, Path | None]:
    folder = data_folder(root) / name
    return {file: find(folder, file.name) for file in COLLECTIONS[name].files}


def _verify(args: Namespace) -> int:
    wanted = [args.name] if args.name else FETCHED
    here = {name: _found(name, args.data_folder) for name in wanted}
    if args.name is None:  # what is not here at all is not asked for
        here = {name: found for name, found in here.items() if any(found.values())}
    states = {
        str(path or data_folder(args.data_folder) / name / file.name): _state(path, file)
        for name, found in here.items()
        for file, path in found.items()
    }
    for path, state in states.items():
        print(f"{state:8} {path}")
    if args.json:
        print_json({"files": states, "right": set(states.values()) <= {"right"}})
    elif not states:
        print(f"nothing to check in {data_folder(args.data_folder)}")
    _refuse_bad(states)
    return 0


def _state(path: Path | None, file: File) -> str:
    if path is None:
        return "missing"
    return "right" if is_right(path, file) else "wrong"


def _refuse_bad(states: dict[str, str]) -> None:
    bad = [path for path, state in states.items() if state != "right"]
    if not bad:
        return
    name = Path(bad[0]).parent.name
    own = [path for path in bad if states[path] == "wrong" and not path.endswith(".gz")]
    first = f"remove {', '.join(own)}, then " if own else ""
    raise ValueError(
        f"missing, or not the file that everyone has: {', '.join(bad)}: {first}run "
        f"'minidl data fetch {name}', which puts the right one in its place"
    )


def _where(args: Namespace) -> int:
    print(data_folder(args.data_folder))
    return 0
