"""Compute what changes of the weights do, and store it: ``python -m poly.experiments.surgery_archive FOLDER``.

The small networks come first. With the same store, an interrupted run continues where it stopped.
"""

import argparse
from pathlib import Path
from typing import Any

from poly.experiments import schedules, surgery
from poly.sweep import archive

# The reported starts are drawn with the number that the commit which registered the claims begins with.
DRAW = 0x56EB6A
L1 = 1e-3
# Features, neurons, networks, planted pairs; of the largest networks only some changes are tried.
SIZES = ((32, 32, 768, 4), (64, 128, 256, 8))
LARGE = (256, 256, 16)
ON_THE_WAY = [0.001, 0.01, 0.1, 1.0]
PAIRED = ("l1", "method")


def sweeps() -> dict[str, dict[str, Any]]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    found: dict[str, dict[str, Any]] = {}
    for n, m, networks, pairs in SIZES:
        by_flow = {"n": [n], "m": [m], "l1": [L1], "method": ["flow"], "draw": [DRAW]}
        both = by_flow | {"method": list(surgery.METHODS)}
        changes: dict[str, Any] = {"run": surgery.compare, "seeds": networks, "paired": (*PAIRED, "when", "changes")}
        ends: dict[str, Any] = {"seeds": networks, "paired": PAIRED}
        found |= {
            f"changes-{n}": changes | {"grid": both | {"when": [0.0], "changes": ["every"]}},
            f"repair-{n}": ends | {"run": surgery.repair_end, "grid": both},
            f"dose-{n}": ends | {"run": surgery.dose, "grid": both | {"pairs": [pairs]}},
            f"schedules-{n}": {
                "run": schedules.compare,
                "grid": {"n": [n], "m": [m], "l1": [L1], "draw": [DRAW]},
                "seeds": networks,
                "paired": ("l1",),
            },
            f"way-{n}": changes | {"grid": by_flow | {"when": ON_THE_WAY, "changes": ["on the way"]}},
        }
    n, m, networks = LARGE
    both = {"n": [n], "m": [m], "l1": [L1], "method": list(surgery.METHODS), "draw": [DRAW]}
    return found | {
        f"changes-{n}": {
            "run": surgery.compare,
            "grid": both | {"when": [0.0], "changes": ["some"]},
            "seeds": networks,
            "paired": (*PAIRED, "when", "changes"),
        },
        f"repair-{n}": {"run": surgery.repair_end, "grid": both, "seeds": networks, "paired": PAIRED},
    }


def main() -> None:
    """Compute the files that do not exist yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files are kept, such as book/data/surgery-runs")
    parser.add_argument("--store", type=Path, help="where single cells are kept until a sweep is whole")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, asked in sweeps().items():
        archive.compute_missing(options.folder, name, **asked, store=options.store)


if __name__ == "__main__":
    main()
