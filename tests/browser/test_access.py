"""axe-core finds nothing against WCAG 2.1 AA, on any page, light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from npm import modules
from opened import Book

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(found => found.violations)"


@pytest.fixture(scope="module")
def axe() -> Path:
    return modules() / "axe-core" / "axe.min.js"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_no_page_breaks_a_rule(book: Book, axe: Path, scheme: Any, width: int) -> None:
    faults = []
    with book.browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:
        for page in book.pages():
            tab = context.new_page()
            tab.goto(book.address + page)
            tab.wait_for_function("!window.MathJax?.startup || MathJax.startup.promise.then(() => true)")
            tab.add_script_tag(path=axe)
            for violation in tab.evaluate(RUN, RULES):
                where = [node["html"][:110] for node in violation["nodes"][:3]]
                faults.append(f"{page}, {scheme}: {violation['id']}, {len(violation['nodes'])} times, such as {where}")
            tab.close()
    assert not faults, "\n".join(faults)
