"""Turn an executed notebook into the one that its page shows: figures numbered, with captions, numbers and sliders."""

import copy
import math
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode, from_dict

from poly.press.chapters import KERNELSPEC, PressError, poly_metadata
from poly.press.figures import figure_data, levels, sliders
from poly.press.render import chapter_page

NUMBERS = "numbers"  # the folder of the figures' downloads, beside the staged chapters
WIDGET = "application/vnd.jupyter.widget-view+json"


def for_the_page(notebook: NotebookNode, name: str) -> NotebookNode:
    """Copy the notebook as its page shows it; `name` is the chapter's, for errors.

    A figure's output says its name, alt text and caption; here they become what myst-nb reads, so that the figure is
    numbered and can be referred to. Its caption in the live notebook is dropped. Traces of the execution, such as
    times, are dropped too: two builds give the same page.

    Raises:
        PressError: a picture has no alt text.
    """
    page = copy.deepcopy(notebook)
    page.metadata.update(kernelspec=dict(KERNELSPEC), language_info={"name": "python"})
    for trace in ("papermill", "poly", "widgets"):  # the last makes myst-nb load scripts from other hosts
        page.metadata.pop(trace, None)
    page.cells = [part for cell in chapter_page.fold_cells(page.cells) for part in _cell_parts(cell, name)]
    return page


def _cell_parts(cell: NotebookNode, name: str) -> list[NotebookNode]:
    """Split a cell where a figure stands beside other outputs.

    myst-nb makes a figure of every output of a cell with figure settings. So each figure gets a cell of its own.
    """
    for trace in ("papermill", "execution", "ExecuteTime"):
        cell.metadata.pop(trace, None)
    if cell.cell_type != "code":
        return [cell]
    for output in cell.outputs:
        output.get("data", {}).pop(WIDGET, None)  # it needs a kernel
    shown = [output for output in cell.outputs if "caption" not in poly_metadata(output) and output.get("data") != {}]
    groups: list[list[NotebookNode]] = [[]]
    for output in shown:
        figure = "figure" in poly_metadata(output)
        if groups[-1] and (figure or "figure" in poly_metadata(groups[-1][-1])):
            groups.append([])
        groups[-1].append(output)
    parts = [cell, *(_outputs_cell(cell, number) for number in range(1, len(groups)))]
    for part, outputs in zip(parts, groups, strict=True):
        part.outputs = outputs
        _mark_figure(part, name)
    return [each for part in parts for each in (part, *_sliders(part))]


def _sliders(cell: NotebookNode) -> list[NotebookNode]:
    """Make a cell of the slider of the cell's figure, if it has one."""
    shown = [poly_metadata(output).get("figure", {}) for output in cell.get("outputs", [])]
    return [from_dict(_slider(figure)) for figure in shown if "explore" in figure]  # type: ignore[no-untyped-call]


def _slider(figure: dict[str, Any]) -> dict[str, Any]:
    text = sliders.html(figure["explore"], figure_data.unpack(figure["data"]).series, figure["name"])
    return {"cell_type": "markdown", "id": f"explore-{figure['name']}"[:64], "metadata": {}, "source": text}


def _outputs_cell(cell: NotebookNode, number: int) -> NotebookNode:
    """Make a cell for further outputs of `cell`, without its source."""
    further = copy.deepcopy(cell)
    further.source = ""
    if "id" in further:
        further.id = f"{cell.id[:60]}-{number}"
    tags = set(cell.metadata.get("tags", [])) & {"hide-output", "remove-output", "remove-cell"}
    further.metadata["tags"] = sorted({*tags, "remove-input"})
    return further


def _mark_figure(cell: NotebookNode, name: str) -> None:
    for output in cell.outputs:
        if "figure" in poly_metadata(output):
            figure = poly_metadata(output)["figure"]
            figure.pop("narrow", None)  # becomes a file
            image = {"alt": figure["alt"]}
            if "width" in figure:
                image["width"] = f"{figure['width']}px"
            if figure.get("theme") == "keep":  # colors that mean something are not inverted in the dark theme
                image["classes"] = "no-invert"
            settings = cell.metadata.setdefault("mystnb", {})
            settings["image"] = {**image, **settings.get("image", {})}
            caption = f"{figure['caption']} {_downloads(figure)}"
            settings["figure"] = {"name": figure["name"], "caption": caption, **settings.get("figure", {})}
        elif any(kind.startswith("image/") for kind in output.get("data", {})) and not _alt(cell):
            first = (cell.source.splitlines() or ["…"])[0]
            raise PressError(
                f"{name}: the cell that begins {first!r} shows a picture without alt text: figures.show it"
            )


def _downloads(figure: dict[str, Any]) -> str:
    """Write links to the figure's numbers, for the end of its caption."""
    data = figure_data.unpack(figure["data"])
    alike: dict[str, list[str]] = {}
    for name, rule in data.own.items():
        alike.setdefault(_reproducible(rule), []).append(name)
    networks = {f"{name}{ending}" for name in data.own for ending in ("_networks", "_se")}
    rest = bool(data.series.keys() - data.own.keys() - networks) | bool(alike.pop(_reproducible(data.rule), []))
    parts = [_reproducible(data.rule)] * rest + [f"{_named(names)}: {level}" for level, names in alike.items()]
    says = "; ".join(parts)
    links = ", ".join(f"{{download}}`{kind} <{NUMBERS}/{figure['name']}.{kind}>`" for kind in ("csv", "npz"))
    return f"[Numbers: {links}; reproducible: {says}.]{{.numbers}}"


def _named(series: Sequence[str]) -> str:
    """List a few names; of more, say how many there are."""
    return ", ".join(series) if len(series) <= 2 else f"{len(series)} series"


def _reproducible(rule: levels.Rule) -> str:
    """Say the rule of a series in words, with TeX."""
    if rule.level != "rounding":
        return "statistical, over networks" if rule.level == "statistical" else rule.level
    size = rule.absolute or rule.tolerance
    exponent = math.log10(size)
    within = f"$10^{{{exponent:.0f}}}$" if size < 1e-3 and exponent == round(exponent) else f"{size:g}"
    redrawn = f", or {rule.redrawn:g} where a network ends otherwise" if rule.redrawn else ""
    near = f", {rule.near_zero:g} near zero" if rule.near_zero else ""
    return f"up to rounding, within {within}{'' if rule.absolute else ' of each'}{near}{redrawn}"


def _alt(cell: NotebookNode) -> object:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
