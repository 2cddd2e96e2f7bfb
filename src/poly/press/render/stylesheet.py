"""Make one style sheet of the theme's rules that pages can use, and fonts of the characters in use."""

import json
import re
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from fontTools import subset
from fontTools.ttLib import TTFont

from poly.press import typeset
from poly.press.chapters import PressError
from poly.press.typeset import node

NAME, ICONS = "style.css", "icons.woff"  # in _static
# Names that scripts add to pages: book.js the class of an open menu, the theme the attribute of the heading in view.
SCRIPTED = ("show", "aria-current")
EQUATIONS, FONT = "equations", "stix-two-math.woff"
ITALICS = {"ℎ"} | {s for s in map(chr, range(0x1D434, 0x1D7CC)) if "MATHEMATICAL ITALIC" in unicodedata.name(s, "")}
SOLID = Path("vendor") / "fontawesome" / "webfonts" / "fa-solid-900.ttf"
_PURGE = Path(__file__).parent / "purge" / "purge.js"
_TEMML = "temml.css"
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)")


def one_sheet(
    static: Path, names: Sequence[str], own: Sequence[str], pages: Sequence[BeautifulSoup], scripts: Iterable[str]
) -> None:
    """Write one style sheet into `static`: those of the theme, `names`, then that of equations, then the book's, `own`.

    A selector of the theme is dropped if its class, id, attribute or element is not in use. Such a name is in use if a
    tag of the pages has it, or if the scripts that may change them hold the word. A custom property is dropped if no
    value asks for it.
    """
    texts = {path.relative_to(static).as_posix(): path.read_text(encoding="utf-8") for path in static.rglob("*.css")}
    styles = [str(tag["style"]) for page in pages for tag in page.find_all(style=True)]
    styles += [tag.get_text() for page in pages for tag in page.find_all("style")]
    ours = equations(static, pages, "")
    book = {"sheets": list(own)}
    theme = {
        "sheets": list(names),
        "names": _names(tag for page in pages for tag in page.find_all(True)),
        "scripts": list(scripts),
        "kept": SCRIPTED,
        "variables": _VARIABLE.findall("".join([ours, *styles, *(texts[name] for name in own)])),
    }
    of_theme, of_book = _purged(texts, [theme, book])
    icons = {letter for letter in _unescaped(of_theme + of_book) if "\ue000" <= letter <= "\uf8ff"}
    _cut(static / SOLID, static / ICONS, icons)
    face = f'@font-face{{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;src:url({ICONS})}}'
    (static / NAME).write_text("\n".join([face, of_theme, ours, of_book, ""]), encoding="utf-8", newline="\n")


def equations(static: Path, pages: Iterable[BeautifulSoup], address: str) -> str:
    """Write the part of the font that these pages' equations use into `static`, and return their style.

    `address` is that of `static` where the style will stand.
    """
    found = [equation for page in pages for equation in page.find_all("math")]
    if not found:
        return ""
    folder = static / EQUATIONS
    folder.mkdir(exist_ok=True)
    for terms in typeset.FOLDER.glob("*.LICENSE.txt"):
        shutil.copy(terms, folder)
    letters = {letter for equation in found for letter in equation.get_text()}
    letters.add("√")  # an element of its own, without a letter
    plain = {unicodedata.normalize("NFKC", letter) for letter in letters}
    # A browser shows a variable's letter as its italic, which is another sign of the font.
    letters |= {sign for sign in ITALICS if unicodedata.normalize("NFKC", sign) in plain}
    _cut(typeset.FOLDER / FONT, folder / FONT, letters)
    names = _names(tag for equation in found for tag in [equation, *equation.find_all(True)])
    text = (typeset.FOLDER / _TEMML).read_text(encoding="utf-8")
    (rules,) = _purged({_TEMML: text}, [{"sheets": [_TEMML], "names": names, "kept": ["body"]}])
    return f"@font-face{{font-family:STIX2;src:url({address}{EQUATIONS}/{FONT})}}\n{rules}"


def _names(tags: Iterable[Tag]) -> dict[str, list[str]]:
    """List what style sheets can ask for in these tags, each once."""
    found: dict[str, set[str]] = {"tags": set(), "classes": set(), "ids": set(), "attributes": set()}
    for tag in tags:
        found["tags"].add(tag.name)
        found["classes"].update(str(tag.get("class", "")).split())
        found["ids"].add(str(tag.get("id", "")))
        found["attributes"].update(tag.attrs)
    return {kind: sorted(names - {""}) for kind, names in found.items()}


def _purged(texts: dict[str, str], jobs: Sequence[dict[str, Any]]) -> list[str]:
    """Run PurgeCSS; web/src/purge.ts says what a job holds.

    Raises:
        PressError: a style sheet is malformed, or imports one that is not there.
    """
    given = f"{json.dumps(texts)}, {json.dumps(jobs)}"
    bundle = _PURGE.read_text(encoding="utf-8")
    try:
        made = node.run(f"{bundle}\npress.purge({given}).then((made) => console.log(JSON.stringify(made)))")
    except RuntimeError as error:
        raise PressError(f"the style sheets: {error}") from None
    return [str(sheet) for sheet in made]


def _cut(source: Path, target: Path, letters: set[str]) -> None:
    """Write the font with these letters only."""
    # A reduced font may have to give up its name (SIL Open Font License). It keeps copyright and license.
    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=True, name_IDs=[0, 13, 14])
    options.drop_tables += ["FFTM"]  # a font editor's dates
    with TTFont(source, recalcTimestamp=False) as font:  # two builds are equal
        if not letters & set(map(chr, font.getBestCmap())):
            return  # browsers refuse a font that is empty
        cut = subset.Subsetter(options)
        cut.populate(text="".join(sorted(letters)))
        cut.subset(font)
        subset.save_font(font, target, options)


def _unescaped(css: str) -> str:
    return re.sub(r"\\([0-9a-fA-F]{1,6})\s?", lambda match: chr(int(match[1], 16)), css)
