"""`python -m poly.press`: build, check and serve the book, with or without make."""

import argparse
import os
import sys
from datetime import date
from pathlib import Path

from poly import perturb
from poly.press.surroundings import forget_matplotlib, forget_warnings, give_streams, provide_home

EPILOG = "make only calls these commands; without make, run them in any environment that has the package installed."


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0 on success, 1 on failure, 130 after Ctrl-C.

    An error is printed as one line. The command `notebook` returns the exit status of JupyterLab.
    """
    give_streams()
    options = _parser().parse_args(arguments)
    forget_warnings()
    forget_matplotlib(os.environ)
    try:
        # Import these only now, so that --help and bad usage answer at once.
        from poly.press.chapters import PressError, find_root  # noqa: PLC0415
        from poly.press.disk import what_failed  # noqa: PLC0415
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    root = Path()
    try:
        root = find_root(Path.cwd())
        if os.environ.get(perturb.VARIABLE):
            raise PressError(
                f"{perturb.VARIABLE} is set, and would perturb every start: unset it, or use `make perturb`"
            )
        provide_home(root)
        return _run(options, root)
    except PressError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise  # the reader of the output has ended: no fault of a disk
    except OSError as error:  # a full disk, a file of another user, a network share that went away
        print(f"error: {what_failed(error, root / '_build')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the next build goes on from the chapters that are finished", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, root: Path) -> int:  # noqa: PLR0912  # one branch for each command
    # Import these only when a command runs: papermill alone takes a second, and --help needs none of them.
    from poly.press import build, check, new, record, serve  # noqa: PLC0415
    from poly.press.check import verify  # noqa: PLC0415
    from poly.press.claims import registry  # noqa: PLC0415

    match options.command:
        case "build" if options.stored:
            build.build_stored(root)
        case "build":
            build.build(root, options.jobs)
        case "chapter":
            build.build_chapter(root, options.chapter, options.parameters)
        case "record":
            build.record_chapters(
                root, options.chapters, dry_run=options.dry_run, every=options.every, workers=options.jobs
            )
        case "new":
            for line in new.new(root, options.name, date.today().isoformat()):
                print(line)
        case "register":
            claims = registry.register(root, record.registered(root))
            print(f"registered: {', '.join(claims)}" if claims else "every claim is registered already")
        case "test":
            check.run(root, fast=options.fast, execute=options.execute)
        case "reproduce":
            _reproduce(options, root)
        case "perturb":
            return _perturb(options, root)
        case "unchanged":
            return _unchanged(options, root)
        case "verify":
            verify.verify(root, options.against)
        case "pdf" | "zip":
            build.take_away(root, options.command, stored=options.stored, workers=options.jobs)
        case "serve":
            serve.serve(root, options.port)
        case "notebook":
            return serve.notebook(root, options.options)
        case "clean":
            build.clean(root)
    return 0


def _reproduce(options: argparse.Namespace, root: Path) -> None:
    from poly.press.check import reproduce  # noqa: PLC0415

    asked = [
        variant
        for variant in reproduce.every_variant(root)
        if options.instructions in (None, variant.instructions) and options.threads in (None, variant.threads)
    ]
    reproduce.matrix(root, options.chapters, asked)


def _unchanged(options: argparse.Namespace, root: Path) -> int:
    from poly.press.check import unchanged  # noqa: PLC0415

    lines = unchanged.unchanged(root, options.base)
    for line in lines:
        print(line)
    print(f"{len(lines) or 'no'} differences from {options.base}")
    return 1 if lines else 0


def _perturb(options: argparse.Namespace, root: Path) -> int:
    from poly.press.chapters import PressError  # noqa: PLC0415
    from poly.press.check import reproduce, small_grids  # noqa: PLC0415

    first = reproduce.chosen(root) if options.seed is None else options.seed
    if options.kept:
        if options.chapters or options.times != 1:
            raise PressError("perturb --kept: takes neither chapters nor --times")
        reproduce.kept_runs(root, first)
        return 0
    if not options.small:
        reproduce.matrix(root, options.chapters, reproduce.perturbations(root, options.times, first))
        return 0
    seeds = range(first, first + options.times)
    faults = small_grids.perturb(root, options.chapters, seeds)
    for fault in faults:
        print(fault)
    print(f"{len(seeds)} perturbations from seed {first}: {len(faults) or 'no'} numbers moved beyond their level")
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m poly.press", description=__doc__, epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    build = commands.add_parser("build", help="execute what changed and render the book into _build/html")
    build.add_argument("--stored", action="store_true", help="render the stored outputs, execute nothing")
    _add_jobs(build)

    chapter = commands.add_parser("chapter", help="execute one chapter with other parameters")
    chapter.add_argument("chapter", help="its number or name: 3, 03 or 03-race-inside-a-row")
    chapter.add_argument("parameters", nargs="*", metavar="name=value", help="parameters to change, for example n=64")

    new = commands.add_parser("new", help="write a chapter or an appendix from a template, with a claim and a figure")
    new.add_argument("name", help="the name of its file, for example appendix-my-check")

    record = commands.add_parser("record", help="refresh the outputs stored in the chapters, showing what changes")
    record.add_argument("chapters", nargs="*", metavar="chapter", help="only these chapters")
    record.add_argument("--dry-run", action="store_true", help="show what would change, write nothing")
    record.add_argument(
        "--every",
        action="store_true",
        help="write chapters of which nothing changes, too: in a clean clone, for run times without stored sweeps",
    )
    _add_jobs(record)

    commands.add_parser("register", help="store the commit that registers each new claim, before its number is known")

    test = commands.add_parser("test", help="run every check")
    test.add_argument("--fast", action="store_true", help="only what executes and renders no chapter")
    test.add_argument("--execute", action="store_true", help="execute chapters that the last build has executed, too")

    reproduce = commands.add_parser(
        "reproduce", help="check the stored numbers on other threads and instruction sets, and perturbed"
    )
    reproduce.add_argument("chapters", nargs="*", metavar="chapter", help="only these chapters")
    reproduce.add_argument("--instructions", choices=("native", "avx512", "avx2", "default"), help="only these")
    reproduce.add_argument("--threads", type=int, choices=(1, 2), help="only so many")

    perturb = commands.add_parser(
        "perturb", help="check the levels: execute with every start moved in its last digit, and compare"
    )
    perturb.add_argument("chapters", nargs="*", metavar="chapter", help="only these chapters")
    where = perturb.add_mutually_exclusive_group()
    where.add_argument("--small", action="store_true", help="on the chapters' small grids")
    where.add_argument("--kept", action="store_true", help="some networks of each kept sweep, in place of chapters")
    perturb.add_argument("--seed", type=_whole, help="of the first perturbation (default: chosen by the commit)")
    perturb.add_argument("--times", type=_positive, default=1, metavar="N", help="perturbations (default 1)")

    unchanged = commands.add_parser(
        "unchanged", help="compare every stored value, figure, claim and address with another commit's"
    )
    unchanged.add_argument("base", metavar="COMMIT", help="the commit, as git names it")

    verify = commands.add_parser(
        "verify", help="execute everything again and compare the claims with the published ones"
    )
    verify.add_argument(
        "--against", type=Path, metavar="claims.json", help="a published ledger (default: the stored one)"
    )

    for name, says in (("pdf", "print the book as one PDF"), ("zip", "pack the book for reading without a server")):
        take = commands.add_parser(name, help=f"{says}; builds it first")
        take.add_argument("--stored", action="store_true", help="of the stored outputs, executing nothing")
        _add_jobs(take)

    serve = commands.add_parser("serve", help="serve the finished book on this machine")
    serve.add_argument("--port", type=_port, default=8000, help="the first port to try (default 8000)")

    notebook = commands.add_parser("notebook", help="open JupyterLab on the chapters")
    notebook.add_argument("options", nargs="*", help="further options for JupyterLab, after --")

    commands.add_parser("clean", help="remove _build: the book and everything it was made from")
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
