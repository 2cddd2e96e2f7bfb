"""Compute what changes of the weights do, and store it: ``python -m poly.experiments.surgery_archive FOLDER``.

The small networks come first. With the same store, an interrupted run continues where it stopped.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, sweep
from poly.experiments import final_weights, optimizers, schedules, surgery
from poly.sweep import archive

Array = NDArray[Any]

# The reported starts are drawn with the number that the commit which registered their claims begins with: V1 to V13,
# V14 to V21, V22 and V23, V24 and V25, and V26 to V33.
DRAW, LATER, LAST, WIDER, TABLE = 0x56EB6A, 0x84C4F5, 0x7953FE, 0x74D854, 0x27E8C4
L1 = 1e-3
# Features, neurons, networks. All is measured on the first size, and some changes on the widest networks.
FIRST, SECOND, WIDE = (32, 32, 768), (64, 128, 128), (32, 128, 384)
LARGE = (256, 256, 16)
# More features on four times as many neurons, for positive weights alone.
FOUR_TIMES = ((64, 256, 64), (128, 512, 24))
# Changes that are tried on the largest networks beside those of "few".
MORE = ("orthogonal rows", "scores below 0.9", "code, noise 0.9")
# Optimizers that are tried on larger networks.
SOME = ("flow", "AdamW", "beta2 0.9", "row moments")
PAIRS = 4  # planted pairs of a network
ON_THE_WAY = (0.001, 0.01, 0.1, 0.3, 1.0)
# What is tried on the way, and other rates of AdamW, at the second size, and how many starts.
LATE, LATE_TIMES, LATE_NETWORKS = ("distinct favorites", "orthogonal rows", "same signs"), (0.1, 0.3, 1.0), 384
# Changes on the way with the second size, and with the largest networks.
LATE_LOOKS: tuple[dict[str, Any], ...] = ({}, {"names": LATE[:1], "times": LATE_TIMES[::2]})
RATES, RATES_NETWORKS = ("flow", "rate / 4", "4 rate"), 64
Asked = dict[str, Any]


def sweeps() -> dict[str, Asked]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    return {
        "changes-32": changes(*FIRST),
        "repair-32": repairs(*FIRST),
        "dose-32": arguments(surgery.dose, *FIRST, pairs=PAIRS),
        "schedules-32": courses(*FIRST),
        "way-32": changes(*FIRST, methods=("flow",), when=ON_THE_WAY, names="on the way"),
        "changes-64": changes(*SECOND),
        "repair-64": repairs(*SECOND),
        "changes-wide": changes(*WIDE, names="some"),
        "repair-wide": repairs(*WIDE),
        "optimizers-32": trained(32, 32, 256),
        "optimizers-64": trained(64, 128, 64, names=SOME),
        "optimizers-256": trained(*LARGE, names=SOME),
        "changes-256": changes(*LARGE, names="few"),
        "changes-256-more": changes(*LARGE, names=MORE, draw=LAST),
        "repair-256": repairs(*LARGE, draw=LAST),
        **{f"positive-{size[0]}": positive(*size) for size in FOUR_TIMES},
        **{f"back-{size[0]}": returns(*size) for size in (FIRST, SECOND)},
        "way-64": late(*SECOND[:2], LATE_NETWORKS, **LATE_LOOKS[0]),
        "way-256": late(*LARGE, **LATE_LOOKS[1]),
        "schedules-64": courses(*SECOND[:2], LATE_NETWORKS, draw=TABLE),
        "schedules-256": courses(*LARGE, draw=TABLE),
        "optimizers-64-rates": trained(*SECOND[:2], RATES_NETWORKS, names=RATES, draw=TABLE),
    }


def arguments(
    run: Callable[..., Any],
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    methods: Sequence[str] = final_weights.METHODS,
    draw: int | None = None,
    **more: Any,
) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for a run of ``surgery`` at one size.

    Without a draw it is that of the first claims at this size.
    """
    if draw is None:
        draw = LATER if (n, m) == LARGE[:2] else DRAW
    grid = {"n": [n], "m": [m], "l1": [l1], "method": list(methods), "draw": [draw]}
    return {
        "run": run,
        "grid": grid | {name: [value] for name, value in more.items()},
        "seeds": networks,
        "paired": ("l1", "method"),
    }


def changes(
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    methods: Sequence[str] = final_weights.METHODS,
    when: Sequence[float] = (0.0,),
    names: str | tuple[str, ...] = "every",
    draw: int | None = None,
) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``surgery.compare`` at one size."""
    asked = arguments(surgery.compare, n, m, networks, l1=l1, methods=methods, draw=draw)
    grid = asked["grid"] | {"when": list(when), "changes": [names]}
    return asked | {"grid": grid, "paired": (*asked["paired"], "when", "changes")}


def positive(n: int, m: int, networks: int, *, l1: float = L1) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for positive weights alone, under gradient flow."""
    return changes(n, m, networks, l1=l1, methods=("flow",), names=("same signs",), draw=WIDER)


def late(
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    times: Sequence[float] = LATE_TIMES,
    names: tuple[str, ...] = LATE,
) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for changes on the way of the gradient flow at other sizes."""
    return changes(n, m, networks, l1=l1, methods=("flow",), when=times, names=names, draw=TABLE)


def returns(n: int, m: int, networks: int, *, l1: float = L1) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``surgery.come_back`` by AdamW, early and late."""
    asked = arguments(surgery.come_back, n, m, networks, l1=l1, methods=("adamw",), draw=TABLE)
    return asked | {"grid": asked["grid"] | {"rounds": [1, 2]}, "paired": (*asked["paired"], "rounds")}


def repairs(n: int, m: int, networks: int, *, l1: float = L1, draw: int | None = None) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``surgery.repair_end`` at one size, early and late."""
    asked = arguments(surgery.repair_end, n, m, networks, l1=l1, draw=draw)
    return asked | {"grid": asked["grid"] | {"rounds": [1, 2]}, "paired": (*asked["paired"], "rounds")}


def courses(n: int, m: int, networks: int, *, l1: float = L1, draw: int = DRAW) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``schedules.compare`` at one size."""
    grid = {"n": [n], "m": [m], "l1": [l1], "draw": [draw]}
    return {"run": schedules.compare, "grid": grid, "seeds": networks, "paired": ("l1",)}


def trained(
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    names: Sequence[str] = optimizers.OPTIMIZERS,
    draw: int = LATER,
) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``optimizers.compare`` at one size."""
    grid = {"n": [n], "m": [m], "l1": [l1], "optimizer": list(names), "draw": [draw]}
    return {"run": optimizers.compare, "grid": grid, "seeds": networks, "paired": ("l1", "optimizer")}


def pairs(
    table: sweep.Table, change: str, field: str = "shared", *, against: str = "control"
) -> Float[Array, "networks 2"]:
    """Select a number of each network after a change, and beside it that of its control or of the unchanged network.

    Args:
        table: of ``surgery.compare``, with one set of changes.
        change: one of the set.
        field: "shared", "features" or "loss".
        against: "control" or "default".

    Raises:
        ValueError: an unknown name, or a change that is not in the table.
    """
    checks.one_of("field", field, ("shared", "features", "loss"))
    checks.one_of("against", against, ("control", "default"))
    asked = table.changes.iloc[0]
    names = surgery.SETS[asked] if isinstance(asked, str) else tuple(asked)
    checks.one_of("change", change, names)
    place = names.index(change)
    changed = [row[place] for row in table["changed_" + field]]
    other = table[field] if against == "default" else [row[place] for row in table["control_" + field]]
    return np.array([changed, list(other)], float).T


def verdict(low: float, high: float) -> str:
    """Say in a word what a change does, by the interval of the ratio of shared neurons; "" if no word fits.

    Removes: at most 0.1. Halves: within 0.4 and 0.6. Does not: within 0.9 and 1.1.
    """
    if high <= 0.1:
        return "removes"
    if low >= 0.4 and high <= 0.6:
        return "halves"
    return "does not" if low >= 0.9 and high <= 1.1 else ""


def main() -> None:
    """Compute the files that do not exist yet."""
    options = archive.parser(__doc__, "book/data/surgery-runs").parse_args()
    archive.compute_all(options.folder, sweeps(), options.store)


if __name__ == "__main__":
    main()
