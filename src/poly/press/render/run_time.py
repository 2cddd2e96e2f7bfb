"""Write the tables of the run-time page: time and memory of the chapters, and results of `make bench`."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from poly.press import markup
from poly.press.chapters import Page, PressError, code_cells
from poly.press.execute import provenance
from poly.press.execute.progress import duration

Record = dict[str, Any]
# For each benchmark, its description, and a function that writes its result in words.
ROWS: dict[str, tuple[str, Callable[[Record], str]]] = {
    "f2": (
        "Gradient flow to the end for figure F2 (256 features, up to 4,096 neurons, 16 networks at every width), "
        "against 7,500 AdamW steps of the textbook, extrapolated from some of them",
        lambda r: f"**{r['ratio']:.0f}×**: {duration(r['our_s'])} against {duration(r['textbook_s'])}",
    ),
    "f5": (
        "Figure F5: 30 small networks, 100,000 noisy steps each, against the textbook, extrapolated too",
        lambda r: f"**{r['ratio']:.0f}×**: {r['our_s']:.1f} s against {r['textbook_s']:.0f} s",
    ),
    "adamw": (
        "An AdamW step, the same on both sides, in single precision: 256 features, 1,024 neurons, 16 networks",
        lambda r: (
            f"**{r['ratio']:.1f}×**: {1e3 * r['our_step_s']:.0f} ms against {1e3 * r['textbook_step_s']:.0f} ms, "
            f"{r['share_of_peak_float32']:.0%} of the peak"
        ),
    ),
    "dense_flow": (
        "The flow while most weights are left: its share of the processor's peak, in double precision",
        lambda r: f"{r['share_of_peak_float64']:.0%} at best, {r['median_share']:.0%} in the middle of the repetitions",
    ),
    "row": (
        "One row of 100,000 weights until one is left, against a loop in numpy",
        lambda r: f"**{r['ratio']:.0f}×**: {1e3 * r['our_s']:.0f} ms against {r['loop_s']:.1f} s",
    ),
    "memory": (
        "The most memory that a flow takes, over the size of its weights",
        lambda r: f"{r['ratio']:.1f}",
    ),
    "exponents": (
        "How the time of an AdamW step grows with the features n and the neurons m; its operations grow like n²m",
        lambda r: f"n to the {r['n']:.2f}, m to the {r['m']:.2f}",
    ),
    "fit": (
        "A step of small networks on minibatches, against `torch.nn` one network after another; 8 and 128 hidden units",
        lambda r: (
            f"**{r['ratio_8']:.0f}×** and **{r['ratio_128']:.0f}×**; with 128 units the matrix products alone, batched "
            f"by torch, take {r['share_of_products_128']:.0%} of our time"
        ),
    ),
    "meetings": (
        "A step of a network of 32 features and neurons on inputs in which features meet, against a loop in torch",
        lambda r: f"**{r['ratio']:.0f}×**: {1e6 * r['our_step_s']:.0f} µs",
    ),
    "audit_layer": (
        "An audit of a layer of 512 units, by 10 groups and 10,000 examples",
        lambda r: f"{r['our_s']:.1f} s and {r['memory_gb']:.2f} GB",
    ),
    "cuda": (
        "Figure F2 with AdamW on a CUDA device: 256 networks, 7,500 steps each",
        lambda r: (
            markup.plain(r.get("skipped") or "")
            or f"{duration(r['our_s'])}, {min(r['shares_of_peak']):.0%} of the peak or more"
        ),
    ),
}


def tables(root: Path, notebooks: Mapping[Page, NotebookNode]) -> dict[str, str]:
    """Write the tables of the run-time page, by the names of their places."""
    return {"chapters": _chapters(notebooks), "benchmarks": _benchmarks(root)}


def _chapters(notebooks: Mapping[Page, NotebookNode]) -> str:
    runs = {page: provenance.stamp(notebook) for page, notebook in notebooks.items()}
    if not all(runs.values()) or not runs:
        return "Not measured for this copy.\n"
    rows = "".join(
        f"| {{doc}}`/{page.docname}` | {duration(run['seconds'])} | {run['peak_memory_gib']:.1f} GiB |\n"
        for page, run in runs.items()
    )
    machines = sorted(
        {markup.plain(f"{run['processor']}, {run['cores']} cores, Python {run['python']}") for run in runs.values()}
    )
    cells = "".join(_cells(page, notebooks[page], run["cells"]) for page, run in runs.items())
    return f"On {'; '.join(machines)}:\n\n| chapter | time | peak memory |\n|---|---:|---:|\n{rows}\n{cells}"


def _cells(page: Page, notebook: NotebookNode, seconds: Sequence[float]) -> str:
    """List the cells of a chapter that take a second or more, folded away."""
    numbered = zip(range(1, len(seconds) + 1), code_cells(notebook), seconds, strict=True)
    slow = [(number, cell, spent) for number, cell, spent in numbered if spent >= 1]
    rows = "".join(
        f"<tr><td>{number}</td><td><code>{html.escape(_gist(cell.source))}</code></td><td>{duration(spent)}</td></tr>"
        for number, cell, spent in slow
    )
    rest = duration(sum(seconds) - sum(spent for _, _, spent in slow))
    head = "<tr><th>cell</th><th>begins with</th><th>time</th></tr>"
    return (
        f"<details><summary>{page.name}: cells of a second or more</summary><table>{head}{rows}"
        f"<tr><td></td><td>the other {len(seconds) - len(slow)}</td><td>{rest}</td></tr></table></details>\n"
    )


def _gist(source: str) -> str:
    line = source.strip().splitlines()[0]
    return line if len(line) <= 48 else f"{line[:47]}…"


def _benchmarks(root: Path) -> str:
    """Write the table of this machine's results if there are any, else of those in `book/data`."""
    here, kept = root / "_build" / "bench.json", root / "book" / "data" / "bench.json"
    path = here if here.is_file() else kept
    if not path.is_file():
        return "Not measured yet.\n"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        machine, shown = found["machine"], {name: row for name, row in ROWS.items() if name in found}
        rows = "".join(f"| {work} | {says(found[name])} |\n" for name, (work, says) in shown.items())
        if not shown:
            return "Not measured yet.\n"
        where = "here" if path == here else "on the machine that recorded this book's outputs"
        few = ", partly in quick runs with few repetitions" if any(found[name].get("quick") for name in shown) else ""
        return (
            f"Measured {where}{few}: {machine['cores']:d} cores, {markup.plain(machine['processor'])}, where products "
            f"of matrices reach {machine['peak_gflops_float64']:.0f} billion operations a second in double "
            f"precision and {machine['peak_gflops_float32']:.0f} billion in single precision, the *peak* below.\n\n"
            f"| work | result |\n|---|---|\n{rows}"
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        name = path.relative_to(root).as_posix()
        raise PressError(
            f"{name}: not a result of this project's benchmarks ({error!r}); `make bench` makes a new one"
        ) from None
