"""Define the commands of `python -m poly.press` with their arguments, and what ``--help`` says of them."""

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DESCRIPTION = "`python -m poly.press`: build, check and serve the book, with or without make."
EPILOG = "make only calls these commands; without make, run them in any environment that has the package installed."


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the name of the chosen command is its ``command``."""
    made = argparse.ArgumentParser(prog="python -m poly.press", description=DESCRIPTION, epilog=EPILOG)
    commands = made.add_subparsers(dest="command", required=True, metavar="command")
    _build(commands)
    _chapter(commands)
    _new(commands)
    _record(commands)
    commands.add_parser("register", help="store the commit that registers each new claim, before its number is known")
    _test(commands)
    _reproduce(commands)
    _perturb(commands)
    _unchanged(commands)
    _verify(commands)
    _export(commands, "pdf", "print the book as one PDF")
    _export(commands, "zip", "pack the book for reading without a server")
    _serve(commands)
    _notebook(commands)
    commands.add_parser("clean", help="remove _build: the book and everything it was made from")
    return made


def _build(commands: Commands) -> None:
    build = commands.add_parser("build", help="execute what changed and render the book into _build/html")
    build.add_argument("--stored", action="store_true", help="render the stored outputs, execute nothing")
    _add_jobs(build)


def _chapter(commands: Commands) -> None:
    chapter = commands.add_parser("chapter", help="execute one chapter with other parameters")
    chapter.add_argument("chapter", help="its number or name: 3, 03 or 03-race-inside-a-row")
    chapter.add_argument("parameters", nargs="*", metavar="name=value", help="parameters to change, for example n=64")


def _new(commands: Commands) -> None:
    new = commands.add_parser("new", help="write a chapter or an appendix from a template, with a claim and a figure")
    new.add_argument("name", help="the name of its file, for example appendix-my-check")


def _record(commands: Commands) -> None:
    record = commands.add_parser("record", help="refresh the outputs stored in the chapters, showing what changes")
    _add_chapters(record)
    record.add_argument("--dry-run", action="store_true", help="show what would change, write nothing")
    record.add_argument(
        "--every",
        action="store_true",
        help="write chapters of which nothing changes, too: in a clean clone, for run times without stored sweeps",
    )
    _add_jobs(record)


def _test(commands: Commands) -> None:
    test = commands.add_parser("test", help="run every check")
    test.add_argument("--fast", action="store_true", help="only what executes and renders no chapter")
    test.add_argument("--execute", action="store_true", help="execute chapters that the last build has executed, too")


def _reproduce(commands: Commands) -> None:
    reproduce = commands.add_parser(
        "reproduce", help="check the stored numbers on other threads and instruction sets, and perturbed"
    )
    _add_chapters(reproduce)
    reproduce.add_argument("--instructions", choices=("native", "avx512", "avx2", "default"), help="only these")
    reproduce.add_argument("--threads", type=int, choices=(1, 2), help="only so many")


def _perturb(commands: Commands) -> None:
    perturb = commands.add_parser(
        "perturb", help="check the levels: execute with every start moved in its last digit, and compare"
    )
    _add_chapters(perturb)
    where = perturb.add_mutually_exclusive_group()
    where.add_argument("--small", action="store_true", help="on the chapters' small grids")
    where.add_argument("--kept", action="store_true", help="some networks of each kept sweep, in place of chapters")
    perturb.add_argument("--seed", type=_whole, help="of the first perturbation (default: chosen by the commit)")
    perturb.add_argument("--times", type=_positive, default=1, metavar="N", help="perturbations (default 1)")


def _unchanged(commands: Commands) -> None:
    unchanged = commands.add_parser(
        "unchanged", help="compare every stored value, figure, claim and address with another commit's"
    )
    unchanged.add_argument("base", metavar="COMMIT", help="the commit, as git names it")


def _verify(commands: Commands) -> None:
    verify = commands.add_parser(
        "verify", help="execute everything again and compare the claims with the published ones"
    )
    verify.add_argument(
        "--against", type=Path, metavar="claims.json", help="a published ledger (default: the stored one)"
    )


def _export(commands: Commands, name: str, says: str) -> None:
    take = commands.add_parser(name, help=f"{says}; builds it first")
    take.add_argument("--stored", action="store_true", help="of the stored outputs, executing nothing")
    _add_jobs(take)


def _serve(commands: Commands) -> None:
    serve = commands.add_parser("serve", help="serve the finished book on this machine")
    serve.add_argument("--port", type=_port, default=8000, help="the first port to try (default 8000)")


def _notebook(commands: Commands) -> None:
    notebook = commands.add_parser("notebook", help="open JupyterLab on the chapters")
    notebook.add_argument("options", nargs="*", help="further options for JupyterLab, after --")


def _add_chapters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapters", nargs="*", metavar="chapter", help="only these chapters")


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=_positive, metavar="N", help="chapters at a time (default: one per core)")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text!r}")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535, got {text!r}")
    return int(text)
