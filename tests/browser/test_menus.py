"""Menus, panels and hidden code: each opens and closes by mouse, by keyboard and on a phone."""

from __future__ import annotations

from opened import Book


def test_hidden_code_opens_from_the_keyboard(book: Book) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        for page in book.pages():
            if 'class="admonition hide' in (book.html / page).read_text(encoding="utf-8"):
                tab.goto(book.address + page)
                summary = tab.locator("details.hide > summary").first
                summary.focus()
                tab.keyboard.press("Enter")
                assert summary.evaluate("node => node.parentElement.open"), page


def test_the_menu_of_downloads_opens_and_closes_by_mouse_and_by_keyboard(book: Book) -> None:
    with book.browser.new_context(viewport={"width": 360, "height": 640}) as context:
        tab = context.new_page()
        tab.goto(f"{book.address}book/01-two-origin-stories.html")
        button = tab.get_by_role("button", name="Download this page")
        entry = tab.locator(".dropdown-menu a[href$='.ipynb']")
        assert not entry.is_visible()
        button.click()
        box = entry.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        tab.mouse.click(4, 500)  # on nothing
        assert not entry.is_visible()
        button.focus()
        tab.keyboard.press("Enter")
        tab.keyboard.press("Tab")
        assert entry.evaluate("node => node === document.activeElement")
        tab.keyboard.press("Escape")
        assert not entry.is_visible()
        assert button.evaluate("node => node === document.activeElement")
        assert button.get_attribute("aria-expanded") == "false"


def test_what_opens_over_the_page_on_a_phone_shows_and_closes(book: Book) -> None:
    with book.browser.new_context(viewport={"width": 360, "height": 640}) as context:
        tab = context.new_page()
        tab.goto(f"{book.address}book/03-race-inside-a-row.html")
        for button, link in (
            ("Toggle primary sidebar", "The ledger of claims"),
            ("Toggle secondary sidebar", "Verdicts"),
        ):
            entry = tab.locator("dialog").get_by_role("link", name=link)
            assert not entry.is_visible()
            tab.get_by_title(button).click()
            entry.wait_for(state="visible")
            tab.wait_for_function(
                "node => node.getBoundingClientRect().right <= innerWidth", arg=entry.element_handle()
            )
            assert entry.evaluate("node => node.getBoundingClientRect().left") >= 0
            tab.keyboard.press("Escape")
            entry.wait_for(state="hidden")
        tab.get_by_role("button", name="Search").first.click()
        assert tab.locator("#pst-search-dialog").evaluate("node => node.offsetWidth") > 300
        tab.keyboard.press("Escape")
        assert not tab.locator("#pst-search-dialog").is_visible()


def test_folded_code_has_one_title_open_and_closed(book: Book) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        tab.goto(f"{book.address}book/03-race-inside-a-row.html")
        fold = tab.locator("details.hide").first
        for _ in range(2):
            assert sum(title.is_visible() for title in fold.locator("summary > p").all()) == 1
            fold.locator("summary").click()
