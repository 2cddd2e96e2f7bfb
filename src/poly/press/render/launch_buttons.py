"""Find the address of this copy of the book, and offer to run its chapters from there.

The address is ``repository: url`` in ``_config.yml``, or that of the repository whose GitHub Actions build it. Without
an address, no page has a button that leads away. A downloaded chapter then says how to run it on one's own machine.
"""

import copy
import os
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from poly.press.chapters import HOW_TO_RUN, START, PressError, give_ids, read_yaml, without_added

# The publishing workflow puts the chapters, as they are downloaded, on this branch of the copy.
BRANCH = "launch"
BUTTONS = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}
_FOLDER = "book-of-polysemanticity"
_START = """{start} Elsewhere this cell does nothing.
import sys

if "google.colab" in sys.modules:
    !git clone --depth 1 {url} /content/{folder}
    %pip install -q "/content/{folder}[book]"
    %cd /content/{folder}/book"""


def home(root: Path) -> str | None:
    """Return the address of the copy's repository, or None.

    Raises:
        PressError: the address is malformed, or the settings are no mappings.
    """
    config = read_yaml(root / "_config.yml") if (root / "_config.yml").is_file() else {}
    if not isinstance(config or {}, dict):
        raise PressError("_config.yml: must be a mapping of settings")
    for name in ("repository", "html", "sphinx"):
        if not isinstance((config or {}).get(name) or {}, dict):
            raise PressError(f"_config.yml: {name}={config[name]!r}, must be a mapping of settings")
    url = str(((config or {}).get("repository") or {}).get("url") or "")
    if not url and os.environ.get("GITHUB_ACTIONS") and os.environ.get("GITHUB_REPOSITORY"):
        url = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{os.environ['GITHUB_REPOSITORY']}"
    return _normal(url.strip()) or None


def _normal(url: str) -> str:
    """Write the address as pages need it, without what only ``git clone`` takes, such as ``.git`` at its end."""
    parts = urlsplit(url)
    if url and not (url.startswith("https://") and parts.hostname and parts.path.strip("/")):
        raise PressError(f"_config.yml: repository url={url!r}, must be empty or begin with https://, host and path")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise PressError("_config.yml: repository url must have no user, password, ? or #: pages show it to everybody")
    return url.rstrip("/").removesuffix(".git").rstrip("/")


def configured(text: str, url: str | None) -> str:
    """Add buttons to the text of ``_config.yml`` if the copy has an address."""
    if url is None:
        return text
    config = yaml.safe_load(text)
    config["repository"] = {"url": url, "branch": BRANCH}
    config["launch_buttons"] = BUTTONS
    config["html"] = {**(config.get("html") or {}), "use_repository_button": True}
    return str(yaml.safe_dump(config, allow_unicode=True, sort_keys=False))


def to_run(notebook: NotebookNode, url: str | None) -> NotebookNode:
    """Make the notebook that readers download: the chapter below a text on how to run it."""
    if url:
        where = f"On your machine: `git clone {url}`, and in its folder `make notebook`. On Colab: run the cell below."
    else:
        where = "Put it into the folder `book` of the book's repository, and type `make notebook` there."
    text = (
        f"{HOW_TO_RUN} It needs the package `poly` and the folder `book/data` of the book it is from. "
        f"{where} Its settings stand in the first cell of code: change them, and run all cells."
    )
    whole = without_added(copy.deepcopy(notebook))
    cells = [new_markdown_cell(text, id="how-to-run")]  # type: ignore[no-untyped-call]
    if url:
        start = _START.format(start=START, url=url, folder=_FOLDER)
        cells.append(new_code_cell(start, id="colab-start"))  # type: ignore[no-untyped-call]
    whole.cells[:0] = cells
    give_ids(whole)
    return whole
