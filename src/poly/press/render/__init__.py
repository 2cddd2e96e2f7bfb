"""Lay out the book for jupyter-book, render it, and replace the last book by the result."""

import base64
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from nbformat import NotebookNode, from_dict

from poly.press import claims, execute, foreign_addresses, reader_settings, record, sources, typeset
from poly.press.chapters import (
    Page,
    PressError,
    check_outputs,
    figures_of,
    give_ids,
    notebook_text,
    outputs_of,
    read_text,
)
from poly.press.claims import ledger, registry
from poly.press.disk import atomic_write, emptied, remove, what_failed
from poly.press.execute import provenance
from poly.press.figures import figure_data, sliders
from poly.press.render import (
    chapter_page,
    citation,
    cover,
    launch_buttons,
    postprocess,
    redirects,
    rounding_tables,
    run_time,
)
from poly.press.render.notebook_page import NUMBERS, for_the_page

PRESS = Path(__file__).parents[1]
STRICT = ("-W", "-n", "--keep-going")
# The system's errors in jupyter-book's output if the disk is full, or refuses its files.
DISK = (errno.EACCES, errno.EFBIG, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)
REFUSED = re.compile(rf"\[Errno (?:{'|'.join(map(str, DISK))})\] ([^:\n]+)(?:: '([^'\n]+)')?")
# The folder of pictures for narrow screens, beside what Sphinx reads.
NARROW = "narrow"
SKIPPED = shutil.ignore_patterns(*sources.PASSED_OVER, "*.ipynb")


def render(
    root: Path,
    out: Path,
    pages: Iterable[Page],
    notebooks: Mapping[Page, NotebookNode],
    *,
    strict: bool = True,
) -> bool:
    """Render the pages into `out`/html, with these notebooks for the chapters; return whether anything was rendered.

    `out`/html is replaced at the very end, by renames, and only by a complete book. Nothing is rendered if the
    staged files and the press are as they were for the existing book. With `strict`, every warning of jupyter-book is
    an error.

    Raises:
        PressError: jupyter-book fails, or makes what may not be published; the last book stays.
    """
    pages = list(pages)
    validate(notebooks)
    with _disk_errors(out):
        repair(out)
        return _render(root, out, pages, notebooks, strict)


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    """Convert errors of the system, such as a full disk, to an error of one line."""
    try:
        yield
    except OSError as error:
        raise PressError(f"{what_failed(error, out)}; the last book stays") from None


def _render(root: Path, out: Path, pages: list[Page], notebooks: Mapping[Page, NotebookNode], strict: bool) -> bool:
    stage = emptied(out / "stage")
    registered = record.registered(root)
    url, old = launch_buttons.home(root), redirects.read(root)
    _lay_out(root, stage, pages, notebooks, registered, url)
    tables = {
        **run_time.tables(root, notebooks),
        **rounding_tables.tables(root, notebooks),
        **ledger.tables(registered, notebooks, {name: was["commit"] for name, was in registry.read(root).items()}),
        **citation.tables(root, notebooks, url),
        **cover.tables(notebooks),
    }
    for page in pages:
        if page not in notebooks:
            _fill(stage / f"{page.docname}{page.path.suffix}", tables)
    stamp, stamp_file = _stamp(root, stage, strict), out / "html.stamp"
    expected = [f"{page.docname}.html" for page in pages]
    current = stamp_file.is_file() and stamp_file.read_text(encoding="utf-8") == stamp
    if current and all((out / "html" / name).is_file() for name in expected):
        return False
    html = _jupyter_book(stage, out, strict)
    missing = [name for name in expected if not (html / name).is_file()]
    if missing:
        raise PressError(f"jupyter-book finished without an error but did not make {', '.join(missing)}")
    for picture in sorted((stage / NARROW).glob("*.png")):
        shutil.copyfile(picture, html / "_images" / f"{picture.stem}{postprocess.NARROW}.png")
    postprocess.postprocess(html, old)
    (html / ".nojekyll").touch()  # a web host that runs Jekyll leaves out folders that begin with _
    if faults := foreign_addresses.in_book(html):
        raise PressError(f"pages call no other host, but {faults[0]}")
    for page, notebook in notebooks.items():  # the file behind the download button
        source = html / "_sources" / f"{page.docname}.ipynb"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(notebook_text(launch_buttons.to_run(notebook, url)), encoding="utf-8", newline="\n")
    listed = json.dumps(ledger.published(registered, notebooks), indent=1, ensure_ascii=False)
    (html / "claims.json").write_text(listed + "\n", encoding="utf-8", newline="\n")
    (html / "provenance.json").write_text(provenance.whole(root, notebooks), encoding="utf-8", newline="\n")
    stamp_file.unlink(missing_ok=True)
    _swap(html, out)
    atomic_write(stamp_file, stamp)
    return True


def validate(notebooks: Mapping[Page, NotebookNode]) -> None:
    """Refuse what jupyter-book would render without a warning.

    Raises:
        PressError: a cell failed, or an output holds a script or is too long. Each figure must have numbers, and a
            name that no other figure has.
    """
    shown_in: dict[str, str] = {}
    for page, notebook in notebooks.items():
        if any(output.output_type == "error" for _, output in outputs_of(notebook)):
            raise PressError(f"{page.name} holds the output of a failed cell")
        check_outputs(page.name, notebook)
        try:
            figures = figures_of(notebook)
        except PressError as error:
            raise PressError(f"{page.name}: {error}") from None
        for figure in figures:
            name = figure["name"]
            if other := shown_in.get(name.lower()):  # labels, and files on some systems, ignore case
                raise PressError(f"{page.name}: figure {name!r} is shown in {other} already, names are unique")
            shown_in[name.lower()] = page.name
            try:
                numbers = figure_data.unpack(figure.get("data"))
                if "explore" in figure:
                    sliders.html(figure["explore"], numbers.series, name)
            except (ValueError, LookupError, TypeError) as error:
                raise PressError(f"{page.name}: figure {name!r}: {error}") from None


def _lay_out(
    root: Path,
    stage: Path,
    pages: Iterable[Page],
    notebooks: Mapping[Page, NotebookNode],
    registered: Mapping[str, claims.Claim],
    url: str | None,
) -> None:
    """Copy the book's files into `stage`, the chapters as pages.

    Each page says at its foot what it was made from; only these feet differ between two builds of one commit.
    """
    shutil.copytree(root / "book", stage / "book", ignore=SKIPPED)
    for name in ("_config.yml", "_toc.yml", "references.bib"):
        if (root / name).is_file():
            shutil.copyfile(root / name, stage / name)
    config = stage / "_config.yml"
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    settings = yaml.safe_load(launch_buttons.configured(text, url)) or {}
    settings = _configured(settings, ledger.substitutions(registered, notebooks))
    config.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8", newline="\n")
    now = provenance.book(root)
    words = root / "book" / "glossary.md"
    meanings = chapter_page.glossary(read_text(words)) if words.is_file() else {}
    for page in pages:
        if page not in notebooks:
            with (stage / f"{page.docname}{page.path.suffix}").open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"\n\n{provenance.footer({}, now)}\n")
    for page, notebook in notebooks.items():
        path = stage / f"{page.docname}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = chapter_page.add_claims(for_the_page(notebook, page.name), page.name, registered, meanings)
        source = provenance.footer(provenance.stamp(notebook), now)
        staged.cells.append(from_dict({"cell_type": "markdown", "id": "foot", "metadata": {}, "source": source}))  # type: ignore[no-untyped-call]
        give_ids(staged)
        path.write_text(notebook_text(staged), encoding="utf-8", newline="\n")
        for figure in figures_of(notebook):
            if small := figure.get("narrow"):
                picture = stage / NARROW / f"{figure['name']}.png"
                picture.parent.mkdir(exist_ok=True)
                picture.write_bytes(base64.b64decode(small))
            series = figure_data.unpack(figure["data"]).series
            target = path.parent / NUMBERS / figure["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_suffix(".csv").write_text(figure_data.csv(series), encoding="utf-8", newline="\n")
            target.with_suffix(".npz").write_bytes(figure_data.npz(series))


def _configured(settings: dict[str, Any], substitutions: Mapping[str, str]) -> dict[str, Any]:
    """Add the press's extension of Sphinx, and what pages may quote of claims, to the settings of jupyter-book."""
    parse = {**(settings.get("parse") or {})}
    parse["myst_substitutions"] = {**substitutions, **(parse.get("myst_substitutions") or {})}
    sphinx = {**(settings.get("sphinx") or {})}
    own = sphinx["config"] = {**(sphinx.get("config") or {})}
    where, name = (own, "extensions") if "extensions" in own else (sphinx, "extra_extensions")
    where[name] = [*(where.get(name) or []), typeset.__name__]
    return {**settings, "parse": parse, "sphinx": sphinx}


def _fill(page: Path, tables: Mapping[str, str]) -> None:
    """Put the tables into the staged page, each in the place of the line ``% name``."""
    text = read_text(page)
    for name, table in tables.items():
        text = text.replace(f"% {name}\n", table)
    page.write_text(text, encoding="utf-8", newline="\n")


def _stamp(root: Path, stage: Path, strict: bool) -> str:
    """Hash all that the rendered book depends on: what is staged, the tools and the press."""
    staged = [path for path in sorted(stage.rglob("*")) if path.is_file()]
    press = [path for path in sorted(PRESS.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    requirements = [root / "requirements.txt"] if (root / "requirements.txt").is_file() else []
    whole = hashlib.sha256(f"{sys.version_info[:2]} {strict}".encode())
    for path in [*staged, *press, *requirements]:
        name = path.relative_to(stage).as_posix() if path.is_relative_to(stage) else path.name
        whole.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def single_page(out: Path) -> Path:
    """Render what was staged for the last book as one page, in a folder of its own."""
    made = _jupyter_book(out / "stage", out, strict=True, builder="singlehtml")
    page = made / "whole.html"  # the builder writes it into book/, but with addresses relative to here
    (made / "book" / "index.html").rename(page)
    postprocess.lighten_single_page(page)
    made.rename(emptied(out / "single"))
    return out / "single" / page.name


def _jupyter_book(stage: Path, out: Path, strict: bool, builder: str = "html") -> Path:
    """Run jupyter-book on the stage, into an empty folder; show its output only when it fails."""
    work = emptied(out / "render")
    flags = STRICT if strict else ()
    tool = "from jupyter_book.cli.main import main; main()"  # it has no __main__, and its script may not be on PATH
    command = [
        sys.executable,
        "-c",
        tool,
        "build",
        str(stage),
        "--path-output",
        str(work),
        "--builder",
        builder,
        *flags,
    ]
    # UTF-8 for Windows; no color, so that the log reads everywhere.
    own = {name: value for name, value in os.environ.items() if name not in reader_settings.FOREIGN}
    variables = {**own, "PYTHONUTF8": "1", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    log = execute.ANSI.sub("", done.stdout)
    atomic_write(out / "render.log", log)
    html = work / "_build" / builder
    if done.returncode and (refused := REFUSED.search(log)):
        raise PressError(f"{refused[2] or work}: {refused[1]}")
    if done.returncode or not (html / "index.html").is_file():
        raise PressError(f"jupyter-book failed; its whole output is in {out / 'render.log'}\n\n{_gist(log, stage)}")
    return html


def _gist(log: str, stage: Path) -> str:
    """Pick warnings and errors out of jupyter-book's output, or its last lines where it has none."""
    lines = [line.replace(f"{stage}{os.sep}", "") for line in log.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL|\w+Error|\w+Exception):", line)]
    shown = list(dict.fromkeys(wrong)) or lines[-15:]
    more = [f"… and {len(shown) - 30} more"] if len(shown) > 30 else []
    return "\n".join([*shown[:30], *more])


def repair(out: Path) -> None:
    """Finish or undo a swap that was cut off between its two renames."""
    html, old = out / "html", out / "html.old"
    if old.exists() and not html.exists():
        old.rename(html)
    remove(old, strict=False)


def _swap(new: Path, out: Path) -> None:
    """Put `new` in the place of `out`/html; between the two renames the old book lies in html.old."""
    html, old = out / "html", out / "html.old"
    try:
        if html.is_symlink() or html.is_file():
            html.unlink()
        if html.exists():
            html.rename(old)
        new.rename(html)
    except OSError as error:
        repair(out)
        raise PressError(f"cannot replace {html}: {error.strerror}; is it open in another program?") from None
    remove(old, strict=False)
    remove(out / "render", strict=False)
