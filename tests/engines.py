"""Three engines behind the same few calls: Chromium, Firefox, WebKit.

Playwright drives Chromium, as in the other tests of pages. Firefox speaks WebDriver BiDi by itself: Debian has no
geckodriver. Debian's WebKit comes with a small browser, which Selenium drives on a virtual display.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import websocket
from playwright.sync_api import Page
from selenium.webdriver import ActionChains, WebKitGTK
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from opened import Book, not_here
from poly.press.render.postprocess import page_files

PATIENCE = 180  # seconds: the machine may be busy
KEYS = {"ArrowRight": "\ue014", "Home": "\ue011"}  # as WebDriver calls them
LOADED = """async () => {
  for (const image of document.images) image.loading = 'eager';
  dispatchEvent(new Event('scroll')); // what a phone leaves for later, see web/src/book.ts
  await Promise.all([document.fonts.ready, ...[...document.images].map(image =>
    image.complete || new Promise(done => { image.onload = image.onerror = done; }))]);
}"""
WHOLE = "() => 'whole' in document.documentElement.dataset"
# WebKit's driver keeps the console to itself, so the pages listen.
LISTENER = """<script>{
  const heard = window.heard = [];
  addEventListener('error', ({message, target}) => heard.push(message ?? `not loaded: ${target.outerHTML}`), true);
  addEventListener('unhandledrejection', ({reason}) => heard.push(String(reason)));
  for (const kind of ['error', 'warn']) console[kind] = (...words) => heard.push(words.join(' '));
}</script>"""
HEARD = """() => {
  const host = location.href.split('/', 3).join('/');
  const wrong = ({name, responseStatus}) => !name.startsWith(host) || responseStatus >= 400;
  return heard.concat(performance.getEntriesByType('resource').filter(wrong).map(({name}) => name));
}"""
# A window of that small browser is at least 447 px wide; a frame may be narrower, so the page is loaded in one.
TWO_FRAMES = """() => new Promise(done => {
  const frame = document.createElement('iframe');
  frame.style.cssText = 'border: 0; height: 800px; max-width: none';
  frame.onload = () => done(null);
  frame.src = location.href;
  document.body.replaceChildren(frame);
})"""


class Engine(Protocol):
    """The calls that tests make; ``run`` takes a JavaScript function, and returns its value or what it promises."""

    def goto(self, address: str) -> None: ...
    def heard(self) -> list[str]: ...  # errors, warnings, failed and foreign requests of the page
    def run(self, function: str) -> Any: ...
    def press(self, key: str) -> None: ...
    def resize(self, width: int) -> None: ...


def until(answer: Callable[[], Any], otherwise: str) -> Any:
    """Call ``answer`` until it returns something true, and return that; fail after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not (found := answer()):
        assert time.monotonic() < end, f"{otherwise}, after {PATIENCE} seconds"
        time.sleep(0.05)
    return found


def wait(engine: Engine, function: str) -> None:
    """Wait until the JavaScript function returns something true."""
    until(lambda: engine.run(function), f"never true: {function}")


def load(engine: Engine, address: str) -> None:
    """Open a page and wait until it is complete."""
    engine.goto(address)
    engine.run(LOADED)
    wait(engine, WHOLE)


class Chromium:
    """The engine Chromium, driven by playwright."""

    def __init__(self, tab: Page) -> None:
        self.tab, self.base, self.complaints = tab, "", list[str]()
        tab.on("request", lambda r: self.hear(r.url, not r.url.startswith((self.base, "data:", "blob:"))))
        tab.on("requestfailed", lambda r: self.hear(f"{r.url}: {r.failure}", True))
        tab.on("response", lambda r: self.hear(f"{r.url}: {r.status}", r.status >= 400))
        tab.on("console", lambda m: self.hear(m.text, m.type in ("error", "warning")))
        tab.on("pageerror", lambda error: self.hear(str(error), True))

    def hear(self, what: str, wrong: bool) -> None:
        if wrong:
            self.complaints.append(what)

    def goto(self, address: str) -> None:
        self.tab.goto("about:blank")  # the page before must not be heard any more
        self.complaints.clear()
        self.base = _host(address)
        self.resize(1280)
        self.tab.goto(address, wait_until="load")

    def heard(self) -> list[str]:
        return list(self.complaints)

    def run(self, function: str) -> Any:
        return self.tab.evaluate(function)

    def press(self, key: str) -> None:
        self.tab.keyboard.press(key)

    def resize(self, width: int) -> None:
        self.tab.set_viewport_size({"width": width, "height": 800})


class Firefox:
    """The engine Firefox, driven by WebDriver BiDi: events arrive between the answers to commands."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self.asked, self.base, self.events = 0, "", list[dict[str, Any]]()
        self.ask("session.new", capabilities={})
        heard = ["log.entryAdded", "network.beforeRequestSent", "network.fetchError", "network.responseCompleted"]
        self.ask("session.subscribe", events=heard)
        self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, command: str, **parameters: Any) -> Any:
        self.asked += 1
        self.socket.send(json.dumps({"id": self.asked, "method": command, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.asked:
            self.events.append(answer)
        assert "error" not in answer, f"{command}: {answer}"
        return answer["result"]

    def goto(self, address: str) -> None:
        self.events.clear()
        self.base = _host(address)
        self.resize(1280)
        self.ask("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def heard(self) -> list[str]:
        found = []
        for event in self.events:
            kind, said = event["method"], event["params"]
            url = said.get("request", {}).get("url", "")
            if kind == "log.entryAdded" and said["level"] in ("warn", "error"):
                found.append(said["text"])
            elif kind == "network.beforeRequestSent" and not url.startswith((self.base, "data:", "blob:")):
                found.append(url)
            elif said.get("errorText") == "NS_BINDING_ABORTED" and url.endswith(".html"):
                continue  # Firefox loads the next page ahead, and gives up when another page is opened
            elif kind == "network.fetchError" or said.get("response", {}).get("status", 0) >= 400:
                found.append(f"{url}: {said.get('errorText', 'not there')}")
        return found

    def run(self, function: str) -> Any:
        target = {"context": self.tab}
        found = self.ask("script.evaluate", expression=_text(function), target=target, awaitPromise=True)
        assert found["type"] == "success", f"{found['exceptionDetails']['text']} in {function}"
        return json.loads(found["result"]["value"])

    def press(self, key: str) -> None:
        strokes = [{"type": stroke, "value": KEYS[key]} for stroke in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": strokes}]
        self.ask("input.performActions", context=self.tab, actions=actions)

    def resize(self, width: int) -> None:
        self.ask("browsingContext.setViewport", context=self.tab, viewport={"width": width, "height": 800})


class WebKit:
    """The engine WebKit, driven by Selenium."""

    def __init__(self, driver: WebKitGTK) -> None:
        self.driver, self.framed = driver, False
        driver.set_script_timeout(PATIENCE)
        driver.set_window_rect(width=1280, height=800)
        wait(self, "() => innerWidth === 1280")

    def goto(self, address: str) -> None:
        self.driver.switch_to.default_content()
        self.framed = False
        self.driver.get(address)

    def heard(self) -> list[str]:
        return list(self.run(HEARD))

    def run(self, function: str) -> Any:
        return json.loads(self.driver.execute_script(f"return {_text(function)}"))

    def press(self, key: str) -> None:
        ActionChains(self.driver).send_keys(KEYS[key]).perform()

    def resize(self, width: int) -> None:
        if not self.framed:
            self.run(TWO_FRAMES)
            self.driver.switch_to.frame(0)
            self.framed = True
        self.run(f"() => {{ frameElement.style.width = '{width}px'; }}")


def _host(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/"


def _text(function: str) -> str:
    """Return JavaScript that calls the function and promises its value as JSON."""
    return f"(async () => JSON.stringify(await ({function})() ?? null))()"


@contextmanager
def chromium(book: Book) -> Iterator[Engine]:
    """Yield Chromium, with a new page in the browser of the book."""
    with book.browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield Chromium(context.new_page())


@contextmanager
def firefox() -> Iterator[Engine]:
    """Yield Firefox, started without a window and with a temporary profile."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        not_here("Firefox is not on this machine: on Debian, apt-get install firefox-esr")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        with _running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            said = Path(profile) / "WebDriverBiDiServer.json"  # where it listens

            def address() -> str | None:
                assert process.poll() is None, f"Firefox ended with status {process.returncode}"
                found = re.search(r'"ws_port": (\d+)', said.read_text() if said.is_file() else "")
                return f"ws://127.0.0.1:{found[1]}/session" if found else None

            engine = Firefox(until(address, "Firefox does not listen"))
            yield engine
            engine.ask("browser.close")
            process.wait(PATIENCE)


@contextmanager
def webkit() -> Iterator[Engine]:
    """Yield WebKit, started on a virtual display."""
    driver, display = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    if not driver or not display:
        not_here("WebKit is not on this machine: on Debian, apt-get install webkit2gtk-driver xvfb")
    reading, writing = os.pipe()
    command = [display, "-displayfd", str(writing), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    with _running(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        os.close(writing)
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        service = Service(driver, env={**os.environ, "DISPLAY": f":{number}", "NO_AT_BRIDGE": "1"})
        browser = WebKitGTK(Options(), service)
        try:
            yield WebKit(browser)
        finally:
            browser.quit()


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process, and end it with the block."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def listening(html: Path, folder: Path) -> Path:
    """Return a copy of the book whose pages record what goes wrong in them."""
    copied = shutil.copytree(html, folder / "html")
    for page in page_files(copied):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("<head>", f"<head>{LISTENER}", 1), encoding="utf-8")
    return copied
