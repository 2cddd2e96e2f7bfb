"""A chapter of one cell that prints, draws and checks a claim, for tests that compare two runs."""

from typing import Any

from nbformat.v4 import new_code_cell, new_notebook, new_output

from poly.press.figures import figure_data


def notebook(text: str = "12", value: float = 1.0, verdict: str = "confirmed") -> Any:
    """Make a chapter of one cell that prints, draws and checks a claim."""
    figure = {
        "name": "fig-a",
        "alt": "seen",
        "caption": "C",
        "data": figure_data.pack({"y": [value]}, "rounding", 1e-3),
    }
    claim = {
        "id": "A",
        "statement": "s",
        "chapter": "01-one",
        "predicted": 1.0,
        "seeds": 3,
        "blind": True,
        "measured": value,
        "low": 0.5,
        "high": 2.5,
        "verdict": verdict,
    }
    outputs = [
        new_output("stream", text=f"first\n{text}\n<x at 0x7f00>"),  # type: ignore[no-untyped-call]
        new_output("display_data", data={"text/plain": "f"}, metadata={"poly": {"figure": figure}}),  # type: ignore[no-untyped-call]
        new_output("display_data", data={"text/plain": "c"}, metadata={"poly": {"claim": claim}}),  # type: ignore[no-untyped-call]
    ]
    about = {"tags": ["parameters"], "poly": {"small": {"n": 2}}}
    cell = new_code_cell("run()", id="one", outputs=outputs, metadata=about)  # type: ignore[no-untyped-call]
    return new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
