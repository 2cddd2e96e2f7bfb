"""`python -m poly.press`: build, check and serve the book, with or without make."""

import argparse
import os
import sys
from datetime import date
from pathlib import Path

from poly import perturb
from poly.press import command_line
from poly.press.reader_settings import (
    forget_matplotlib,
    forget_warnings,
    load_matplotlib,
    make_streams_safe,
    provide_home,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0 on success, 1 on failure, 130 after Ctrl-C.

    An error is printed as one line. The command `notebook` returns the exit status of JupyterLab.
    """
    make_streams_safe()
    options = command_line.parser().parse_args(arguments)
    forget_warnings()
    forget_matplotlib(os.environ)
    load_matplotlib()
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
            build.export_book(root, options.command, stored=options.stored, workers=options.jobs)
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

    first = reproduce.commit_seed(root) if options.seed is None else options.seed
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


if __name__ == "__main__":
    sys.exit(main())
