"""One style sheet for the book: the theme's rules that some page can use, and a font with the icons that it shows."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont

NAME, ICONS = "style.css", "icons.woff"  # in _static
KEPT = {"bs-tooltip-auto"}  # the scripts make it from two words
SOLID = Path("vendor") / "fontawesome" / "webfonts" / "fa-solid-900.ttf"


def one_sheet(static: Path, names: Iterable[str], texts: Iterable[str], more: str) -> None:
    """Write the theme's style sheets `names` of the folder `static` as one, then `more`.

    A selector of the theme is dropped when it asks for a class, an id or an element that stands nowhere in `texts`: the
    pages and the scripts that may change them.
    """
    words = KEPT.union(*(re.findall(r"[\w-]+", text) for text in texts))
    rules = [rule for name in names for rule in _rules(static / name)]
    kept = "".join(_used(rules, words))
    icons = {letter for letter in _unescaped(kept + more) if "\ue000" <= letter <= "\uf8ff"}
    _cut(static / SOLID, static / ICONS, icons)
    signs = set(_unescaped(" ".join(re.findall(r'content: "(.*?)"', more))))
    for font in sorted((static / "mathjax").glob("*.woff")):
        _cut(font, font, signs)
    face = f'@font-face{{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;src:url({ICONS})}}'
    (static / NAME).write_text(f"{face}\n{kept}\n{more}", encoding="utf-8", newline="\n")


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
    text = sheet.read_text(encoding="utf-8")
    for rule in tinycss2.parse_stylesheet(text, skip_whitespace=True):
        if rule.type == "at-rule" and rule.lower_at_keyword == "import":
            address = next(token.value for token in rule.prelude if token.type in ("string", "url"))
            yield from _rules((sheet.parent / address).resolve())
        elif rule.type == "error":
            raise ValueError(f"{sheet.name}, line {rule.source_line}: {rule.message}")
        elif rule.type != "comment" or rule.value.startswith("!"):
            yield rule


def _used(rules: Iterable[Any], words: set[str]) -> Iterator[str]:
    """The text of the rules that can apply to something."""
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = [text for text, names in _selectors(rule.prelude) if names <= words]
            if selectors:
                yield f"{','.join(selectors)}{{{tinycss2.serialize(rule.content).strip()}}}\n"
        elif rule.type == "comment":
            yield f"{rule.serialize()}\n"
        elif rule.lower_at_keyword in ("media", "supports", "container", "layer") and rule.content is not None:
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if kept := "".join(_used(inner, words)):
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{kept}}}\n"
        elif rule.lower_at_keyword not in ("font-face", "charset"):  # the only fonts of the theme are icons
            yield f"{rule.serialize()}\n"


def _selectors(prelude: list[Any]) -> Iterator[tuple[str, set[str]]]:
    """Each selector of a rule with the names of classes, ids and elements without which it selects nothing."""
    tokens: list[Any] = []
    for token in [*prelude, None]:
        if token is not None and token != ",":
            tokens.append(token)
            continue
        pairs = zip([None, *tokens], tokens, strict=False)
        names = {now.value for before, now in pairs if now.type == "hash" or (now.type == "ident" and before != ":")}
        yield tinycss2.serialize(tokens).strip(), names
        tokens = []


def _unescaped(css: str) -> str:
    return re.sub(r"\\([0-9a-fA-F]{1,6})\s?", lambda match: chr(int(match[1], 16)), css)
