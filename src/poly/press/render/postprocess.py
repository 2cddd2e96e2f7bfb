"""Make the rendered pages small: one style sheet without unused rules, small pictures, and deferred scripts.

The theme loads 3 MB for a page, most of it to draw icons in every reader's browser. The result is known when the book
is rendered, so this is done here, once.
"""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from bs4.dammit import EntitySubstitution
from bs4.formatter import HTMLFormatter
from PIL import Image

from poly.press.chapters import PressError
from poly.press.render import redirects, stylesheet

OWN = "book.css"
# Load the font of equations together with the style sheet, so that no line moves later. From files, preload nothing.
AHEAD = """if (location.protocol !== "file:") document.head.append(Object.assign(document.createElement("link"),
{rel: "preload", as: "font", type: "font/woff", crossOrigin: "", href: "%s"}))"""
# The ending of a picture for narrow screens, and which screens are narrow. The style sheet says it, too.
NARROW, ON_NARROW = "-narrow", "(max-width: 576px)"
CARRIED = (
    "sphinx",
    "pydata-sphinx-theme",
    "sphinx-book-theme",
    "sphinx-copybutton",
    "sphinx-design",
    "sphinx-togglebutton",
)
# Scripts that only the page of search results needs, the theme's own script, and scripts that no page needs.
SEARCH_ONLY = {"searchtools.js", "language_data.js", "searchindex.js"}
THEME = "pydata-sphinx-theme.js"  # it serves banners and a choice of versions, which the book lacks
GONE = {"fontawesome.js", "design-tabs.js", "bootstrap.js"}  # book.js replaces the last: it opens the menus
OPTIONS = "documentation_options.js"
# A role of markdown, as a page shows it where it stands within HTML, which is not read as markdown.
_ROLE = re.compile(r"\{[a-z:]+\}`[^`]*`?")


class Unsorted(HTMLFormatter):
    """Write attributes in the order in which they were read."""

    def attributes(self, tag: Tag) -> Iterable[tuple[str, Any]]:
        """List the attributes of a tag."""
        return tag.attrs.items()


UNSORTED = Unsorted(EntitySubstitution.substitute_xml)


def postprocess(book: Path, old: Mapping[str, str]) -> None:
    """Make all pages of the rendered book smaller, in place; add the pages of `old` addresses, each with its successor.

    Raises:
        PressError: a page shows a role of markdown as text.
    """
    pictures = sorted((book / "_images").glob("*.png"))
    sizes = {path.name: _size(path) for path in pictures}
    with ThreadPoolExecutor() as pool:
        shrunk = [pool.submit(_shrink, path) for path in pictures]  # these take longest: the pages are done meanwhile
        pages = {path: parsed(path) for path in page_files(book)}
        sheets = list(dict.fromkeys(name for page in pages.values() for _, _, name in _style_sheets(page)))
        for path, page in pages.items():
            _check_roles(page, path.name)
            _lighten(page, path.name, book / "_static", sizes)
        _style(book / "_static", sheets, list(pages.values()))
        for path, page in pages.items():
            path.write_text(page.decode(formatter=UNSORTED), encoding="utf-8", newline="\n")
        redirects.write(book, pages, old)
    for each in shrunk:
        each.result()
    _clear(book / "_static", sheets)
    _licenses(book / "_static" / "licenses")


def _check_roles(page: BeautifulSoup, name: str) -> None:
    for text in page.find_all(string=_ROLE):
        role = _ROLE.search(text)
        if role and not text.find_parent(("code", "pre", "script", "style")):
            raise PressError(f"{name} shows {role[0]} as text: a role must stand in markdown, not within HTML")


def _lighten(page: BeautifulSoup, name: str, static: Path, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Change the tags of a page; `sizes` are those of the book's pictures, by name."""
    for table in page.find_all("table", class_="dataframe", border="1"):
        _mark_heads(table)
    for picture in page.find_all("img", src=True):
        _use_small_picture(picture, sizes)
    for figure in page.find_all("figure", id=True):
        _add_narrow_picture(page, figure, sizes)
    for link in page.find_all("a", href=True):  # a figure links to itself at full size
        path = PurePosixPath(str(link["href"]))
        if path.name in sizes and path.parent.name == "_images":
            link["href"] = str(path.with_suffix(".webp"))
    _use_one_style_sheet(page)
    _defer_scripts(page, name, static)
    _hide_icons(page)
    for viewport in page.find_all("meta", attrs={"name": "viewport"})[1:]:  # docutils and the theme say it again
        viewport.decompose()


def _style(static: Path, sheets: Sequence[str], pages: Sequence[BeautifulSoup]) -> None:
    """Make one style sheet of those that the pages asked for."""
    scripts = [path.read_text(encoding="utf-8") for path in static.rglob("*.js") if path.name not in {*GONE, THEME}]
    theme, own = [name for name in sheets if name != OWN], [name for name in sheets if name == OWN]
    stylesheet.one_sheet(static, theme, own, pages, scripts)


def lighten_single_page(path: Path) -> None:
    """Lighten a page that is the whole book, for print: the style of its equations is put into its head."""
    page, static = parsed(path), path.parent / "_static"
    style = page.new_tag("style")
    style.string = stylesheet.equations(static, [page], "_static/")
    (page.head or page).append(style)
    _defer_scripts(page, path.name, static)
    path.write_text(page.decode(formatter=UNSORTED), encoding="utf-8", newline="\n")


def parsed(path: Path) -> BeautifulSoup:
    """Read a page of HTML."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser", multi_valued_attributes=None)


def page_files(book: Path) -> list[Path]:
    """List the rendered pages; those under _static are the theme's templates."""
    return [path for path in sorted(book.rglob("*.html")) if path.relative_to(book).parts[0] != "_static"]


def _defer_scripts(page: BeautifulSoup, name: str, static: Path) -> None:
    """Run scripts after the page is there, and leave out those that it has no use for."""
    for link in page.find_all("link", attrs={"rel": "preload", "as": "script"}):
        link.decompose()
    needed = name == "search.html"
    for script in page.find_all("script", src=True):
        source = PurePosixPath(urlsplit(str(script["src"])).path).name
        if source in GONE or (source in SEARCH_ONLY and not needed):
            script.decompose()
        elif needed:  # the theme's own scripts on this page count on their order
            continue
        elif source == OPTIONS:  # others in the page change it at once
            del script["src"]
            script.string = (static / OPTIONS).read_text(encoding="utf-8").strip()
        else:
            script.attrs = {"defer": "", **script.attrs}


def _hide_icons(page: BeautifulSoup) -> None:
    """Hide icons from screen readers, which would spell out the letter that stands for one; its button has a name."""
    for icon in page.find_all(["i", "span"], class_=True):
        if any(name.startswith("fa-") for name in str(icon["class"]).split()) and "aria-hidden" not in icon.attrs:
            icon["aria-hidden"] = "true"


def _size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def _shrink(picture: Path) -> None:
    """Convert a picture to lossless WebP, which takes a third of the space, and remove the original."""
    with Image.open(picture) as image:
        opaque = image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255)
        (image.convert("RGB") if opaque else image).save(picture.with_suffix(".webp"), lossless=True, method=4)
    picture.unlink()


def _use_small_picture(picture: Tag, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Make a picture load when the reader comes near it, and keep its place free until then."""
    address = urlsplit(str(picture["src"]))
    path = PurePosixPath(address.path)
    if address.scheme or path.parent.name != "_images" or path.suffix != ".png":
        return
    if path.name not in sizes:
        raise PressError(f"{path.name}: a page shows it, but the book has no such figure")
    width, height = sizes[path.name]
    loading = {"loading": "lazy", "decoding": "async", "width": str(width), "height": str(height)}
    picture.attrs = {**loading, **picture.attrs, "src": str(path.with_suffix(".webp"))}


def _add_narrow_picture(page: BeautifulSoup, figure: Tag, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Let narrow screens load the picture that is made for them, if a figure has one."""
    stem, shown = f"{figure['id']}{NARROW}", figure.find("img")
    if shown is None or f"{stem}.png" not in sizes:
        return
    folder, (width, height) = PurePosixPath(str(shown["src"])).parent, sizes[f"{stem}.png"]
    size = {"width": str(width), "height": str(height)}
    source = page.new_tag("source", attrs={"media": ON_NARROW, "srcset": f"{folder}/{stem}.webp", **size})
    shown.wrap(page.new_tag("picture")).insert(0, source)


def _mark_heads(table: Tag) -> None:
    """Mark the cells of a pandas table that head a column or a row."""
    _join_heads(table)
    for cell in table.select("thead th:empty"):
        cell.name = "td"
    for part, scope in (("thead", "col"), ("tbody", "row")):
        for cell in table.select(f"{part} th:not([colspan], [rowspan])"):
            cell["scope"] = scope


def _join_heads(table: Tag) -> None:
    """Move the name of the index from pandas' second row of heads into the empty corner of the first."""
    corner = table.select_one("thead tr:first-child > th:empty")
    names = table.select("thead tr:nth-child(2):last-child > th:not(:empty)")
    if corner and len(names) == 1 and names[0].parent:
        row = names[0].parent
        corner.replace_with(names[0])
        row.decompose()


def _style_sheets(page: BeautifulSoup) -> list[tuple[Tag, str, str]]:
    """List the links to the theme's style sheets, each with the address of their folder and the name in it."""
    found = []
    for link in page.find_all("link", rel="stylesheet", href=True):
        before, folder, name = urlsplit(str(link["href"])).path.partition("_static/")
        if folder and name.endswith(".css") and not name.startswith("playground/"):
            found.append((link, before + folder, name))
    return found


def _use_one_style_sheet(page: BeautifulSoup) -> None:
    """Replace the links to the theme's style sheets by a link to one style sheet."""
    sheets = _style_sheets(page)
    if not sheets:
        return
    first, static, _ = sheets[0]
    if page.find("math"):
        ahead = page.new_tag("script")
        ahead.string = AHEAD % f"{static}{stylesheet.EQUATIONS}/{stylesheet.FONT}"
        first.insert_before(ahead)
    first.insert_before(page.new_tag("link", attrs={"rel": "stylesheet", "href": f"{static}{stylesheet.NAME}"}))
    for link, _, _ in sheets:
        link.decompose()


def _licenses(folder: Path) -> None:
    """Write the licenses of the packages whose styles and scripts the pages carry."""
    folder.mkdir(exist_ok=True)
    for name in CARRIED:
        found = metadata.distribution(name)
        texts = [file.read_text(encoding="utf-8") for file in found.files or [] if "license" in file.name.lower()]
        (folder / f"{name}.txt").write_text("\n".join(texts), encoding="utf-8", newline="\n")


def _clear(static: Path, names: Iterable[str]) -> None:
    """Remove the files that no page loads any more."""
    spent = [*names, *(f"**/{name}*" for name in GONE), "**/*.map", "*webpack-macros.html"]
    spent += ["scripts/fontawesome*", "vendor", "styles", "basic.css"]
    for path in {path for pattern in spent for path in static.glob(pattern)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in static.rglob("*.js"):  # the maps are gone
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("//# sourceMappingURL="))
        path.write_text(text, encoding="utf-8", newline="\n")
