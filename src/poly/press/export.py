"""Export the book: one PDF, printed by a browser, and a zip whose pages open without a server."""

import shutil
import zipfile
from pathlib import Path

from playwright.sync_api import Error, Playwright, sync_playwright

from poly.press import render
from poly.press.chapters import PressError
from poly.press.execute.progress import console

NAME = "what-causes-polysemanticity"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOW = (
    "no browser on this machine: install Chromium or Chrome (on Debian and Ubuntu: apt-get install chromium), or run "
    "`python -m playwright install chromium` in the book's environment"
)
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
QUIET += ["--disable-dev-shm-usage"]  # a container's shared memory may be too small
# Zip archives hold times. A fixed one gives the same bytes for the same book.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_MINUTES = 10 * 60_000  # ms
# Prepare the page for print, and count the equations that are not set. Remove folded code and what needs a screen,
# open all solutions, and load all pictures and fonts.
_READY = """async () => {
  const screen = '.explore, #play, .cell details.hide, .provenance, aside.margin, script';
  for (const gone of document.querySelectorAll(screen)) gone.remove();
  for (const details of document.querySelectorAll('details')) details.open = true;
  const chapters = document.querySelectorAll('span[id^="document-"] + section');
  for (const chapter of chapters) chapter.style.breakBefore = 'page';
  document.querySelector('h1').style.cssText = 'white-space: nowrap; font-size: 20px'; // a bookmark loses line breaks
  for (const image of document.images) image.loading = 'eager';
  const loaded = [...document.images].map(image => image.decode());
  await Promise.all(loaded);
  await document.fonts.ready;
  return document.querySelectorAll('.math:not(:has(math))').length;
}"""
_FOOT = '<div style="width: 100%; font: 8px sans-serif; text-align: center"><span class="pageNumber"></span></div>'


def browser(play: Playwright) -> str:
    """Find a browser of the system, else the one that playwright has downloaded.

    Raises:
        PressError: there is none.
    """
    own = Path(play.chromium.executable_path)
    found = next(filter(None, map(shutil.which, BROWSERS)), None) or (str(own) if own.is_file() else None)
    if found is None:
        raise PressError(HOW)
    return found


def check() -> None:
    """Check that a browser can be found, so that a missing one is reported before the book is built."""
    with sync_playwright() as play:
        browser(play)


def pdf(out: Path) -> Path:
    """Print the pages staged in ``out`` by the last rendering as one PDF with bookmarks, links and tags."""
    target, draft = out / f"{NAME}.pdf", out / f"{NAME}.pdf.tmp"
    with sync_playwright() as play, console(stderr=True).status("printing the book"):
        path = browser(play)
        page = render.single_page(out)
        opened = play.chromium.launch(executable_path=path, args=QUIET)
        try:
            tab = opened.new_page()
            tab.set_default_timeout(_MINUTES)
            tab.goto(page.resolve().as_uri())
            if faults := tab.evaluate(_READY):
                raise PressError(f"{faults} equations of the book are not set")
            margin = {"top": "18mm", "bottom": "18mm", "left": "20mm", "right": "20mm"}
            options = {"format": "A4", "outline": True, "tagged": True, "print_background": True}
            words = {"display_header_footer": True, "header_template": "<span></span>", "footer_template": _FOOT}
            tab.pdf(path=draft, margin=margin, **options, **words)  # type: ignore[arg-type]
        except Error as error:
            raise PressError(f"the browser could not print the book: {str(error).splitlines()[0]}") from None
        finally:
            opened.close()
    draft.replace(target)
    shutil.rmtree(page.parent)
    return target


def archive(out: Path) -> Path:
    """Zip the rendered book, so that its index.html opens without a server wherever it is unpacked."""
    html, target, draft = out / "html", out / f"{NAME}.zip", out / f"{NAME}.zip.tmp"
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(html.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(f"{NAME}/{path.relative_to(html).as_posix()}", _NO_TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                file.writestr(entry, path.read_bytes())
    draft.replace(target)
    return target
