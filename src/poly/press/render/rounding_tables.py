"""Write the tables of the page on reproducibility: where numbers were recomputed, what perturbation moves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nbformat import NotebookNode
from scipy import stats

from poly.press import markup, text_comparison
from poly.press.chapters import Page, PressError, code_cells, figures_of
from poly.press.check import reproduce, small_grids
from poly.press.execute.progress import duration
from poly.press.figures import figure_data

Row = dict[str, Any]
# Rows of the table of winners end at these m/n.
_RATIOS = (4, 10)
# Moves below this share of a series' largest number are the last digits of double precision.
_LAST_DIGITS = 1e-9
_METHODS = {"flow": "gradient flow", "adamw": "AdamW", "optimizers": "other optimizers"}
_HEAD_VARIANTS = (
    "| commit | processor | threads | instructions | chapters | cells | claims | figures | time | failed |\n"
    "|---|---|---:|---|---:|---:|---:|---:|---:|---|\n"
)


def tables(root: Path, notebooks: Mapping[Page, NotebookNode]) -> dict[str, str]:
    """Write the tables, by the names of their places."""
    rows = reproduce.rows(root / reproduce.KEPT)
    plain, perturbed = ([row for row in rows if (row["perturbed"] is not None) == moved] for moved in (False, True))
    return {
        "variants": variants(plain),
        "perturbations": variants(perturbed),
        "moved": moved(rows, notebooks),
        "winners": winners(root / reproduce.KEPT_RUNS),
        "winners-each": winners(root / reproduce.KEPT_RUNS, each=True),
        "texts": texts(perturbed, notebooks),
        "false-alarms": false_alarms(small_grids.kept(root), small_grids.changed_since(root)),
    }


def variants(rows: list[Row]) -> str:
    """List what held in each variant, a row each."""
    if not rows:
        return "No run of this version of the book is kept yet.\n"
    lines = ""
    for line in reproduce.summary(rows):
        shown = [
            line.commits,
            line.processor,
            line.threads,
            line.says,
            line.chapters,
            *line.held,
            duration(line.seconds),
            line.faults or "none",
        ]
        lines += f"| {' | '.join(markup.plain(str(text)) for text in shown)} |\n"
    return f"{_HEAD_VARIANTS}{lines}"


def moved(rows: list[Row], notebooks: Mapping[Page, NotebookNode]) -> str:
    """List, by figure, the series that some variant moved by more than a last digit, with their levels.

    Runs of earlier chapters count only where none is of the chapter as it is: their levels may have been others.
    """
    keys = {page.name: notebook.metadata.get("poly", {}).get("key") for page, notebook in notebooks.items()}
    new = [row for row in rows if row["key"] == keys.get(row["chapter"])]
    rows = [*new, *(row for row in rows if row["chapter"] not in {each["chapter"] for each in new})]
    stored = {
        figure["name"]: figure_data.unpack(figure["data"])
        for notebook in notebooks.values()
        for figure in figures_of(notebook)
    }
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        for figure, series in row.get("moved", {}).items():
            for name, (size, share) in series.items():
                found.setdefault((figure, name), []).append((size, share))
    lines, still = "", 0
    for (figure, name), seen in found.items():
        if figure not in stored or name not in stored[figure].series:
            continue
        largest = float(np.nanmax(np.abs(np.asarray(stored[figure].series[name], float)), initial=0.0))
        size, share = (max(each) for each in zip(*seen, strict=True))
        if size <= _LAST_DIGITS * largest:
            still += 1
            continue
        rule = stored[figure].rule_of(name)
        level = f"rounding, {rule.tolerance:g}" if rule.level == "rounding" else rule.level
        level += f" ± {rule.absolute:g}" if rule.absolute and rule.level == "rounding" else ""
        level += f", ± {rule.near_zero:g} near zero" if rule.near_zero else ""
        level += f", ± {rule.redrawn:g} where networks moved" if rule.redrawn else ""
        shown = [f"{{numref}}`{figure}`", markup.plain(name), f"{size / (largest or 1):.1g}", f"{share:.1g}", level]
        lines += f"| {' | '.join(shown)} |\n"
    if not found:
        return "No run of this version of the book is kept yet.\n"
    head = "| figure | series | moved by, of its largest | of what is allowed | level |\n|---|---|---:|---:|---|\n"
    return f"{head}{lines}\nThe other {still} series moved in their last digits at most.\n"


def false_alarms(seeds: list[small_grids.Perturbation], changed: tuple[int, int]) -> str:
    """Say how often perturbing the small grids reported anything, and how near it came.

    Args:
        seeds: what each did.
        changed: how many chapters have changed since, and how many there are.
    """
    if not seeds:
        return "No run of this version of the book is kept yet.\n"
    alarms = sum(bool(seed["faults"]) for seed in seeds)
    high = stats.beta.ppf(0.95, alarms + 1, len(seeds) - alarms) if alarms < len(seeds) else 1.0
    shares = sorted(seed["share"] for seed in seeds)
    return (
        f"Of {len(seeds)} perturbations of all small grids, {alarms or 'none'} reported anything "
        f"(exact 95 % upper bound of the chance: {100 * high:.2g} %). "
        "The number that came nearest to its bound moved by "
        f"{100 * shares[-1]:.0f} % of what is allowed; in half of the perturbations none moved by more than "
        f"{100 * shares[len(shares) // 2]:.0f} %. "
        f"Since then {changed[0] or 'none'} of the {changed[1]} chapters and appendices "
        f"{'has' if changed[0] < 2 else 'have'} changed.\n"
    )


def texts(rows: list[Row], notebooks: Mapping[Page, NotebookNode]) -> str:
    """Say how many texts of cells the latest perturbations changed, and whether all of them may change."""
    rows = [row for row in rows if "texts" in row]
    if not rows:
        return "No run of this version of the book is kept yet.\n"
    cells = {
        page.name: {cell.get("id", ""): cell for cell in code_cells(notebook)} for page, notebook in notebooks.items()
    }
    changed = {(row["chapter"], cell) for row in rows for cell in row["texts"] if cell in cells.get(row["chapter"], {})}
    declared = sum(text_comparison.rule(cells[page][cell].metadata) is not None for page, cell in changed)
    number = sum(len(cells.get(name, {})) for name in {row["chapter"] for row in rows})
    return (
        f"The latest perturbations changed the text of {len(changed) or 'none'} of the {number:,} cells. "
        f"Of these, {declared or 'none'} {'says' if declared == 1 else 'say'} by how much their numbers may move.\n"
    )


def winners(path: Path, *, each: bool = False) -> str:
    """Count winners and counts that stay where networks are run again, perturbed, by method, λ and size.

    Args:
        path: the results of ``poly.experiments.perturbed_archive``.
        each: whether every size has a row; else a row has all sizes of one range of m/n.

    Raises:
        PressError: the file is damaged.
    """
    if not path.is_file():
        return "No run of this version of the book is kept yet.\n"
    try:
        points = json.loads(path.read_text(encoding="utf-8"))["points"]
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for point in points:
            if "shared" in point:
                groups.setdefault(_place(point) if each else _group(point), []).append(point)
        lines = "".join(_winners(group) for group in groups.values())
    except (ValueError, KeyError, TypeError) as error:
        raise PressError(f"{path}: not what poly.experiments.perturbed_archive writes ({error!r})") from None
    head = (
        "| trained by | n | m | λ | networks | winners that stay, % (least) | shared neurons, before, after "
        "| networks with another count |\n"
        "|---|---:|---|---:|---:|---:|---:|---:|\n"
    )
    return f"{head}{lines}"


def _group(point: Row) -> tuple[Any, ...]:
    """Return the key of a table row: points with winners by method, size and λ, all others by their method."""
    if "share" not in point:
        return (point["method"],)
    wide = sum(point["m"] > ratio * point["n"] for ratio in _RATIOS)
    return point["method"], *_changed(point), point["n"], point["l1"], wide


def _place(point: Row) -> tuple[Any, ...]:
    """Return the key of a table row that holds one method, size and λ."""
    method = point["method"], "share" in point, *_changed(point)
    return *method, point["n"], point["m"], str(point.get("l1s", point.get("l1")))


def _changed(point: Row) -> tuple[bool, int]:
    """Return whether AdamW had each feature by itself, and how many times as fine its steps were.

    Older results have the names that these arguments have in the random stream.
    """
    isolated = point.get("isolated") or point.get("apart")
    return bool(isolated), int(point.get("step_refinement") or point.get("finer") or 1)


def _winners(group: list[Row]) -> str:
    method = _METHODS[group[0]["method"]]
    isolated, refinement = _changed(group[0])
    if isolated:
        method += ", features apart"
    if refinement > 1:
        method += f", {refinement} times finer"
    shares = np.concatenate([point.get("share", []) for point in group])
    stay = f"{100 * shares.mean():.2f} ({100 * shares.min():.1f})" if len(shares) else "not kept"
    weights = [point["networks"] for point in group]
    before, after = np.average([point["shared"] for point in group], axis=0, weights=weights)
    other = sum(point["other_count"] for point in group)
    penalties = [l1 for point in group for l1 in point.get("l1s", [point.get("l1")])]
    sizes = *(_span([point[name] for point in group]) for name in ("n", "m")), _span(penalties)
    shown = [method, *sizes, f"{sum(weights):,}", stay, f"{before:.2f}, {after:.2f}", f"{other}"]
    return f"| {' | '.join(shown)} |\n"


def _span(values: list[float]) -> str:
    ends = [f"{value:,}" for value in sorted({min(values), max(values)})]
    return " to ".join(ends)
