import json
from pathlib import Path

from notebooks import notebook
from poly.press.chapters import Page, notebook_text
from poly.press.check import snapshots
from poly.press.figures import figure_data


def test_figures_are_held_against_the_stored_ones(tmp_path: Path) -> None:
    page = Page("book/01-one", tmp_path / "01-one.ipynb")
    page.path.write_text(notebook_text(notebook()), encoding="utf-8")
    folder = tmp_path / "new"
    folder.mkdir()
    assert snapshots.figure_faults([page], folder) == (["01-one, fig-a, was not drawn"], 1)
    for value, faults in ((1.0, 0), (1.0005, 0), (1.01, 1)):
        packed = figure_data.pack({"y": [value]}, "rounding", 1e-3)
        (folder / "fig-a.json").write_text(json.dumps(packed), encoding="utf-8")
        assert len(snapshots.figure_faults([page], folder)[0]) == faults
