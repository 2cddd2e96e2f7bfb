"""Compute what changes of the weights do, and store it: ``python -m poly.experiments.surgery_archive FOLDER``.

The small networks come first. With the same store, an interrupted run continues where it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from poly.experiments import final_weights, optimizers, schedules, surgery
from poly.sweep import archive

# The reported starts are drawn with the number that the commit which registered their claims begins with: V1 to V13,
# V14 to V21, V22 and V23, V24 and V25, V26 to V33, V34 to V38, and V39 to V42.
DRAW_V1, DRAW_V14, DRAW_V22 = 0x56EB6A, 0x84C4F5, 0x7953FE
DRAW_V24, DRAW_V26, DRAW_V34, DRAW_V39 = 0x74D854, 0x27E8C4, 0xD65089, 0x9058AB
L1 = 1e-3
# Features, neurons, networks. All is measured on the first size, and some changes on the widest networks.
SIZE_32, SIZE_64, SIZE_32_WIDE = (32, 32, 768), (64, 128, 128), (32, 128, 384)
SIZE_256 = (256, 256, 16)
# More features on four times as many neurons, for positive weights alone.
SIZES_FOUR_TIMES = ((64, 256, 64), (128, 512, 24))
# Changes that are tried on the largest networks beside those of "few".
CHANGES_256_MORE = ("orthogonal rows", "scores below 0.9", "code, noise 0.9")
# Optimizers that are tried on larger networks.
OPTIMIZERS_LARGE = ("flow", "AdamW", "beta2 0.9", "row moments")
PLANTED_PAIRS = 4  # planted pairs of a network
ROUNDS = {"rounds": (1, 2)}  # how often a network is trained before a repair
CHANGE_TIMES = (0.001, 0.01, 0.1, 0.3, 1.0)
# What is tried on the way with 64 features, with how many starts, and with 256.
LATE_CHANGES = ("distinct favorites", "orthogonal rows", "same signs")
LATE_CHANGE_TIMES, LATE_NETWORKS = (0.1, 0.3, 1.0), 384
LATE_SETTINGS: tuple[dict[str, Any], ...] = ({}, {"names": LATE_CHANGES[:1], "times": LATE_CHANGE_TIMES[::2]})
# With 256 features noise and rest without a penalty take too long.
SCHEDULES_256 = ("constant", "up", "down")
# AdamW is changed after these parts of its steps; sizes of these networks, and of those with other courses.
ADAMW_TIMES = (0.1, 0.3, 0.9)
ADAMW_SIZES = ((32, 32, 512), (64, 128, 128), SIZE_256)
ADAMW_COURSE_SIZES = ((32, 32, 512), (64, 128, 192), SIZE_256)
# Changes of starts that AdamW trains to its end, and sizes; the largest networks have the first change alone.
CHANGES_TO_END = ("same signs", "scores below 0.9", "scores below 0.5", "scores below all")
SIZES_TO_END = ((32, 32, 256), (32, 128, 256), (64, 128, 128), SIZE_256)
# Other rates of AdamW with 64 features, and with how many starts.
OPTIMIZERS_RATES, RATES_NETWORKS = ("flow", "rate / 4", "4 rate"), 64
SweepArguments = dict[str, Any]


def sweeps() -> dict[str, SweepArguments]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    return {
        "changes-32": changes(*SIZE_32),
        "repair-32": repairs(*SIZE_32),
        "dose-32": sweep_of(surgery.dose, *SIZE_32, pairs=PLANTED_PAIRS),
        "schedules-32": penalty_schedules(*SIZE_32),
        "way-32": changes(*SIZE_32, methods=("flow",), when=CHANGE_TIMES, names="on the way"),
        "changes-64": changes(*SIZE_64),
        "repair-64": repairs(*SIZE_64),
        "changes-wide": changes(*SIZE_32_WIDE, names="some"),
        "repair-wide": repairs(*SIZE_32_WIDE),
        "optimizers-32": optimizer_runs(32, 32, 256),
        "optimizers-64": optimizer_runs(64, 128, 64, names=OPTIMIZERS_LARGE),
        "optimizers-256": optimizer_runs(*SIZE_256, names=OPTIMIZERS_LARGE),
        "changes-256": changes(*SIZE_256, names="few"),
        "changes-256-more": changes(*SIZE_256, names=CHANGES_256_MORE, draw=DRAW_V22),
        "repair-256": repairs(*SIZE_256, draw=DRAW_V22),
        **{f"positive-{size[0]}": positive_weights(*size) for size in SIZES_FOUR_TIMES},
        **{f"back-{size[0]}": returning_pairs(*size) for size in (SIZE_32, SIZE_64)},
        "way-64": late_changes(*SIZE_64[:2], LATE_NETWORKS, **LATE_SETTINGS[0]),
        "way-256": late_changes(*SIZE_256, **LATE_SETTINGS[1]),
        "schedules-64": penalty_schedules(*SIZE_64[:2], LATE_NETWORKS, draw=DRAW_V26),
        "schedules-256": penalty_schedules(*SIZE_256, draw=DRAW_V26, names=SCHEDULES_256),
        **{f"way-{asked['grid']['n'][0]}-adamw": asked for asked in adamw_changes(ADAMW_SIZES)},
        **{f"schedules-{asked['grid']['n'][0]}-adamw": asked for asked in adamw_schedules(ADAMW_COURSE_SIZES)},
        **{f"end-{asked['grid']['n'][0]}-{asked['grid']['m'][0]}": asked for asked in changes_to_end(SIZES_TO_END)},
        "optimizers-64-rates": optimizer_runs(*SIZE_64[:2], RATES_NETWORKS, names=OPTIMIZERS_RATES, draw=DRAW_V26),
    }


def sweep_of(
    run: Callable[..., Any],
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    methods: Sequence[str] = final_weights.METHODS,
    draw: int | None = None,
    paired: Mapping[str, Sequence[Any]] = MappingProxyType({}),
    **more: Any,
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for a run of ``surgery`` at one size.

    Args:
        run: the function; it has ``n``, ``m``, ``l1``, ``method`` and ``draw`` among its arguments.
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
        methods: names in ``final_weights.METHODS``.
        draw: number of the set of starts; None: the set of the first claims at this size.
        paired: values of further arguments; a network has the same start at all of them.
        more: further arguments with one value.
    """
    if draw is None:
        draw = DRAW_V14 if (n, m) == SIZE_256[:2] else DRAW_V1
    grid = {"n": [n], "m": [m], "l1": [l1], "method": list(methods), "draw": [draw]}
    return {
        "run": run,
        "grid": grid | {name: list(values) for name, values in paired.items()} | {k: [v] for k, v in more.items()},
        "seeds": networks,
        "paired": ("l1", "method", *paired),
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
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``surgery.apply_changes`` at one size.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
        methods: names in ``final_weights.METHODS``.
        when: of the change, one or several, as in ``surgery.apply_changes``; 0 changes the start.
        names: which changes, as in ``surgery.apply_changes``.
        draw: number of the set of starts; None: the set of the first claims at this size.
    """
    paired = {"when": when, "changes": [names]}
    return sweep_of(surgery.apply_changes, n, m, networks, l1=l1, methods=methods, draw=draw, paired=paired)


def positive_weights(n: int, m: int, networks: int, *, l1: float = L1) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for positive weights alone, under gradient flow.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
    """
    return changes(n, m, networks, l1=l1, methods=("flow",), names=("same signs",), draw=DRAW_V24)


def late_changes(
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    times: Sequence[float] = LATE_CHANGE_TIMES,
    names: tuple[str, ...] = LATE_CHANGES,
    method: str = "flow",
    draw: int = DRAW_V26,
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for changes of a network in training.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
        times: of the change: λt for the flow, parts of its steps for AdamW.
        names: which changes, as in ``surgery.apply_changes``.
        method: "flow" or "adamw".
        draw: number of the set of starts.
    """
    return changes(n, m, networks, l1=l1, methods=(method,), when=times, names=names, draw=draw)


def returning_pairs(n: int, m: int, networks: int, *, l1: float = L1) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``surgery.come_back`` by AdamW, after one and two trainings.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
    """
    return sweep_of(surgery.come_back, n, m, networks, l1=l1, methods=("adamw",), draw=DRAW_V26, paired=ROUNDS)


def repairs(n: int, m: int, networks: int, *, l1: float = L1, draw: int | None = None) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``surgery.repair_end``, after one and two trainings.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
        draw: number of the set of starts; None: the set of the first claims at this size.
    """
    return sweep_of(surgery.repair_end, n, m, networks, l1=l1, draw=draw, paired=ROUNDS)


def penalty_schedules(
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    draw: int = DRAW_V1,
    names: Sequence[str] = (),
    method: str = "flow",
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``schedules.train_by_schedule`` at one size.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
        draw: number of the set of starts.
        names: of schedules; none: all of them.
        method: "flow" or "adamw".
    """
    grid: dict[str, list[Any]] = {"n": [n], "m": [m], "l1": [l1], "draw": [draw]}
    asked: dict[str, list[Any]] = {"schedules": [tuple(names)]} if names else {}
    asked |= {} if method == "flow" else {"method": [method]}
    return {"run": schedules.train_by_schedule, "grid": grid | asked, "seeds": networks, "paired": ("l1", *asked)}


def adamw_changes(sizes: Sequence[Sequence[int]], *, l1: float = L1) -> list[SweepArguments]:
    """Return the arguments of ``archive.load_or_run`` for changes on the way of AdamW, at three sizes.

    At the last size only favorites are changed, and not in the middle: large networks take long.

    Args:
        sizes: features, neurons and networks, three times.
        l1: λ, in the units of ``model.loss``.
    """
    few = {"names": LATE_CHANGES[:1], "times": ADAMW_TIMES[::2]}
    tried: tuple[dict[str, Any], ...] = ({"times": ADAMW_TIMES}, {"times": ADAMW_TIMES}, few)
    return [
        late_changes(*size, l1=l1, method="adamw", draw=DRAW_V34, **some)
        for size, some in zip(sizes, tried, strict=True)
    ]


def adamw_schedules(sizes: Sequence[Sequence[int]], *, l1: float = L1) -> list[SweepArguments]:
    """Return the arguments of ``archive.load_or_run`` for other courses of AdamW's penalty, at three sizes.

    At the last size there are those of ``SCHEDULES_256`` only.

    Args:
        sizes: features, neurons and networks, three times.
        l1: λ, in the units of ``model.loss``.
    """
    names: tuple[tuple[str, ...], ...] = ((), (), SCHEDULES_256)
    return [
        penalty_schedules(*size, l1=l1, method="adamw", draw=DRAW_V34, names=some)
        for size, some in zip(sizes, names, strict=True)
    ]


def optimizer_runs(
    n: int,
    m: int,
    networks: int,
    *,
    l1: float = L1,
    names: Sequence[str] = optimizers.OPTIMIZERS,
    draw: int = DRAW_V14,
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``optimizers.train_by_optimizer`` at one size.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
        names: of ``optimizers.OPTIMIZERS``.
        draw: number of the set of starts.
    """
    grid = {"n": [n], "m": [m], "l1": [l1], "optimizer": list(names), "draw": [draw]}
    return {"run": optimizers.train_by_optimizer, "grid": grid, "seeds": networks, "paired": ("l1", "optimizer")}


def changes_to_end(sizes: Sequence[Sequence[int]], *, l1: float = L1) -> list[SweepArguments]:
    """Return the arguments of ``archive.load_or_run`` for ``optimizers.apply_changes_to_end``, one for each size.

    Args:
        sizes: features, neurons and networks; the last size has the first change alone, as large networks take long.
        l1: λ, in the units of ``model.loss``.
    """
    names = [CHANGES_TO_END] * (len(sizes) - 1) + [CHANGES_TO_END[:1]]
    return [
        {
            "run": optimizers.apply_changes_to_end,
            "grid": {"n": [n], "m": [m], "l1": [l1], "draw": [DRAW_V39], "changes": [some]},
            "seeds": networks,
            "paired": ("l1", "changes"),
        }
        for (n, m, networks), some in zip(sizes, names, strict=True)
    ]


def main() -> None:
    """Compute the files that do not exist yet."""
    options = archive.parser(__doc__, "book/data/surgery-runs").parse_args()
    archive.compute_all(options.folder, sweeps(), options.store)


if __name__ == "__main__":
    main()
