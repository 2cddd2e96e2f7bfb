"""One style sheet for the book: the theme's rules that some page can use, and fonts with the signs that it shows."""

import html
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont

from poly.press import typeset

NAME, ICONS = "style.css", "icons.woff"  # in _static
KEPT = {"class", "id", "show"}  # book.js opens menus by the last
EQUATIONS, FONT = "equations", "stix-two-math.woff"
ITALICS = {"ℎ"} | {s for s in map(chr, range(0x1D434, 0x1D7CC)) if "MATHEMATICAL ITALIC" in unicodedata.name(s, "")}
SOLID = Path("vendor") / "fontawesome" / "webfonts" / "fa-solid-900.ttf"


def one_sheet(static: Path, names: Iterable[str], own: str, pages: Sequence[str], scripts: Iterable[str]) -> None:
    """Write the theme's style sheets `names` of the folder `static` as one, then that of equations, then `own`.

    A selector of the theme is dropped when it asks for a class, an id, a data attribute or an element that no tag of
    the pages has, and no string of the scripts that may change them; a custom property, when no value asks for it.
    """
    tags = {tag for page in pages for tag in re.findall(r"<[a-z][^>]*>", page)}
    strings = {text for script in scripts for text in re.findall(r"\"[^\"]*\"|'[^']*'|`[^`]*`", script)}
    names_of = re.compile(r'<([\w-]+)|\s(?:class|id)="([^"]*)"|\s([\w-]+)(?=[=>\s])')
    words = KEPT.union(*(re.findall(r"[\w-]{3,}", text) for text in strings))
    words.update(word for tag in tags for found in names_of.findall(tag) for part in found for word in part.split())
    rules = [rule for name in names for rule in _rules(static / name)]
    rest = f"{equations(static, pages, '')}\n{''.join(_used(_parsed(own), None))}"
    kept = _asked("".join(_used(rules, words)), rest + "".join(pages))
    icons = {letter for letter in _unescaped(kept + own) if "\ue000" <= letter <= "\uf8ff"}
    _cut(static / SOLID, static / ICONS, icons)
    face = f'@font-face{{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;src:url({ICONS})}}'
    (static / NAME).write_text(f"{face}\n{kept}\n{rest}", encoding="utf-8", newline="\n")


def equations(static: Path, pages: Iterable[str], address: str) -> str:
    """Put what the equations of these pages use of their font into `static`; return their style.

    `address` is that of `static` where the style will stand.
    """
    text = "".join(equation for page in pages for equation in re.findall(r"<math.*?</math>", page, re.S))
    if not text:
        return ""
    folder = static / EQUATIONS
    folder.mkdir(exist_ok=True)
    for terms in typeset.FOLDER.glob("*.LICENSE.txt"):
        shutil.copy(terms, folder)
    letters = set(html.unescape(re.sub(r"<[^>]*>", "", text))) | {"√"}  # an element of its own, without a letter
    plain = {unicodedata.normalize("NFKC", letter) for letter in letters}
    # A browser shows a variable's letter as its italic, which is another sign of the font.
    letters |= {sign for sign in ITALICS if unicodedata.normalize("NFKC", sign) in plain}
    _cut(typeset.FOLDER / FONT, folder / FONT, letters)
    words = set(re.findall(r"[\w-]+", re.sub(r">[^<]*<", "> <", text)))
    rules = _used(_rules(typeset.FOLDER / "temml.css"), words | {"math", "mfrac", "msqrt", "mover", "body"})
    return f"@font-face{{font-family:STIX2;src:url({address}{EQUATIONS}/{FONT})}}\n{''.join(rules)}"


def _cut(source: Path, target: Path, letters: set[str]) -> None:
    """Write the font with these letters only."""
    # Cut down, a font may have to give up its name (SIL Open Font License); copyright and license it keeps.
    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=True, name_IDs=[0, 13, 14])
    options.drop_tables += ["FFTM"]  # a font editor's dates
    with TTFont(source, recalcTimestamp=False) as font:  # two builds are equal
        if not letters & set(map(chr, font.getBestCmap())):
            return  # browsers refuse a font that is empty
        cut = subset.Subsetter(options)
        cut.populate(text="".join(sorted(letters)))
        cut.subset(font)
        subset.save_font(font, target, options)


def _rules(sheet: Path) -> Iterator[Any]:
    """The rules of a sheet with those that it imports, and the comments that must stay: copyrights."""
    for rule in _parsed(sheet.read_text(encoding="utf-8")):
        if rule.type == "at-rule" and rule.lower_at_keyword == "import":
            address = next(token.value for token in rule.prelude if token.type in ("string", "url"))
            yield from _rules((sheet.parent / address).resolve())
        elif rule.type == "error":
            raise ValueError(f"{sheet.name}, line {rule.source_line}: {rule.message}")
        elif rule.type != "comment" or rule.value.startswith("!"):
            yield rule


def _parsed(text: str) -> list[Any]:
    return list(tinycss2.parse_stylesheet(text, skip_whitespace=True))


def _used(rules: Iterable[Any], words: set[str] | None, asked: set[str] | None = None) -> Iterator[str]:
    """The text of the rules that can apply to something, with the custom properties asked for; of all without these."""
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = [text for text, names in _selectors(rule.prelude) if words is None or names <= words]
            if selectors and (held := ";".join(_declarations(rule.content, asked))):
                yield f"{','.join(selectors)}{{{held}}}\n"
        elif rule.type == "comment":
            yield f"{rule.serialize()}\n" if rule.value.startswith("!") else ""
        elif rule.lower_at_keyword in ("media", "supports", "container", "layer") and rule.content is not None:
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if kept := "".join(_used(inner, words, asked)):
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{kept}}}\n"
        elif rule.lower_at_keyword not in ("font-face", "charset"):  # the only fonts of the theme are icons
            yield f"{rule.serialize()}\n"


def _declarations(content: list[Any], asked: set[str] | None) -> Iterator[str]:
    """What a rule holds, declarations without needless blanks; what cannot be read, browsers leave out too."""
    for found in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if found.type == "declaration" and (asked is None or found.name[:2] != "--" or found.name in asked):
            value = "".join(" " if token.type == "whitespace" else token.serialize() for token in found.value)
            yield f"{found.name}:{value.strip()}{'!important' if found.important else ''}"
        elif found.type in ("qualified-rule", "at-rule"):  # rules in rules
            yield found.serialize()


def _asked(css: str, rest: str) -> str:
    """The style sheet without custom properties that neither it nor `rest` asks for."""
    while True:
        asked = set(re.findall(r"var\(\s*(--[\w-]+)", css + rest))
        fewer = "".join(_used(_parsed(css), None, asked))
        if fewer == css:
            return css
        css = fewer


def _selectors(prelude: list[Any]) -> Iterator[tuple[str, set[str]]]:
    """Each selector of a rule with the names of classes, ids, elements and data without which it selects nothing."""
    tokens: list[Any] = []
    for token in [*prelude, None]:
        if token is not None and token != ",":
            tokens.append(token)
            continue
        pairs = zip([None, *tokens], tokens, strict=False)
        names = {now.value for before, now in pairs if now.type == "hash" or (now.type == "ident" and before != ":")}
        # Of attributes only data-…: browsers add others by themselves, such as open.
        asked = (now.content[0].value for now in tokens if now.type == "[] block")
        names |= {name for name in asked if name.startswith("data-")}
        yield tinycss2.serialize(tokens).strip(), names
        tokens = []


def _unescaped(css: str) -> str:
    return re.sub(r"\\([0-9a-fA-F]{1,6})\s?", lambda match: chr(int(match[1], 16)), css)
