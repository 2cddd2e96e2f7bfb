"""The result of an audit: numbers, nulls, a table of units, a summary in words, a picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from poly import metrics
from poly.audit.gains import MOST_NEGATIVE, in_words, interval, total, withheld
from poly.inference import Estimate

Array = NDArray[Any]
_PERMUTATIONS = 200


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an audit has found.

    Attributes:
        layer: its name.
        impurity: Π and its 95 % interval; NaN where it is withheld.
        withheld: why Π is withheld, or "".
        total: the sum of all gains and its 95 % interval.
        negative: the share of negative gains, Σ max(−g, 0) / Σ |g|.
        squares: Π from squares of gains, which do not cancel.
        squares_nulls: Π from squares if gains were dealt at random, "permuted", the mean of 200 deals; and that of
            random directions, "rotated".
        gains: mean ablation, (units, groups).
        live: which units vary, (units,).
        axis: of the units in the layer's output.
        nulls: "permuted": Π if the gains of each group were dealt to the live units at random, the mean and the range
            of 95 % of 200 deals. "rotated": Π of 64 random directions, in which every unit is measured in its standard
            deviation, and its interval. NaN where Π or the null itself is withheld.
        examples, folds, seed: what was used.
    """

    layer: str
    axis: int
    impurity: Estimate
    withheld: str
    total: Estimate
    negative: float
    squares: float
    squares_nulls: dict[str, float]
    gains: Float[Array, "units groups"]
    live: Bool[Array, " units"]
    nulls: dict[str, Estimate]
    examples: int
    folds: int
    seed: int

    @property
    def table(self) -> pd.DataFrame:
        """List every unit: whether it is live, the group it serves most, and how its gains are spread."""
        size = np.abs(self.gains).sum(axis=1)
        best = self.gains.argmax(axis=1)
        most = self.gains[np.arange(len(best)), best]
        return pd.DataFrame(
            {
                "unit": np.arange(len(best)),
                "live": self.live,
                "serves": np.where(size > 0, best, -1),
                "gain": self.gains.sum(axis=1),
                "share": np.divide(most, size, out=np.full(len(size), np.nan), where=size > 0),
                "groups": metrics.participation_ratio(self.gains),
            }
        )

    @property
    def summary(self) -> str:
        """Say in a few lines what was measured and found."""
        units, groups = self.gains.shape
        lines = [
            f"{self.layer}: {units} units on axis {self.axis}, {int(self.live.sum())} of them live; {groups} groups; "
            f"{self.examples:,} examples in {self.folds} folds, seed {self.seed}"
        ]
        if self.withheld:
            lines.append(f"impurity withheld: {self.withheld}")
        else:
            lines.append(
                f"impurity {in_words(self.impurity)}: this share of what units do for the loss goes to other groups "
                "than the one that each unit serves most"
            )
        told = {"permuted": "gains dealt to units at random", "rotated": "random directions"}
        lines += [f"{told[name]}: {in_words(null)}" for name, null in self.nulls.items() if np.isfinite(null.measured)]
        others = "".join(f", {told[name]} {value:.3f}" for name, value in self.squares_nulls.items())
        lines.append(f"negative gains: {100 * self.negative:.1f} % of all")
        if np.isfinite(self.squares):
            lines.append(f"impurity from squares {self.squares:.3f}{others}")
        return "\n".join(lines)

    def plot(self) -> Any:
        """Draw the gains of all live units, and Π beside its nulls; return matplotlib's figure.

        Raises:
            RuntimeError: matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure  # noqa: PLC0415  # the laboratory works without it
        except ImportError:
            raise RuntimeError("matplotlib is not installed; install the extra poly[plot]") from None
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[2, 1])
        shown = self.gains[self.live]
        order: Any = np.lexsort((-shown.max(axis=1, initial=0), shown.argmax(axis=1))) if len(shown) else []
        most = float(np.abs(shown).max(initial=0)) or 1.0
        image = left.imshow(
            shown[order].T, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest"
        )
        left.set(xlabel="live units, by the group they serve", ylabel="group", title=f"gains in {self.layer}")
        figure.colorbar(image, ax=left, label="rise of the loss")
        bars = {"measured": self.impurity, **self.nulls}
        for place, each in enumerate(bars.values()):
            right.plot([place, place], [each.low, each.high], color="black", lw=1)
            right.plot(place, each.measured, "o", color="black" if place == 0 else "gray")
        right.set_xticks(range(len(bars)), list(bars))
        right.set(ylim=(0, 1), xlim=(-0.5, len(bars) - 0.5), title="impurity")
        return figure


def build_report(
    layer: str,
    axis: int,
    gains: Float[Array, "folds living groups"],
    rotated: Float[Array, "folds directions groups"] | None,
    whole: Float[Array, "units groups"],
    *,
    live: Bool[Array, " units"],
    examples: int,
    seed: int,
) -> Report:
    """Turn gains by fold into a report.

    Args:
        layer, axis: as in ``Report``.
        gains: of live units, by fold.
        rotated: of random directions, by fold, or None.
        whole: of all units, over all folds.
        live, examples, seed: as in ``Report``.
    """
    if not live.any():
        gains = np.zeros((len(gains), 1, whole.shape[1]))
    found = metrics.impurity(gains)
    why = withheld(found) if live.any() else "no unit is live"
    unknown = Estimate(np.nan, np.nan, np.nan)
    nulls = dict.fromkeys(["permuted"] if rotated is None else ["permuted", "rotated"], unknown)
    rng = np.random.default_rng([seed, 2])
    dealt = []
    for _ in range(_PERMUTATIONS):
        deal = metrics.permuted(gains, generator=rng)
        dealt.append((metrics.impurity(deal).value, metrics.impurity_of_squares(deal)))
    values, of_squares = np.array(dealt).T
    squares = {"permuted": float(of_squares.mean())}
    if rotated is not None:
        squares["rotated"] = metrics.impurity_of_squares(rotated)
    if not why:
        nulls["permuted"] = Estimate(float(values.mean()), *map(float, np.quantile(values, [0.025, 0.975])))
        if rotated is not None and metrics.impurity(rotated).negative <= MOST_NEGATIVE:
            nulls["rotated"] = Estimate(*interval(rotated))
    return Report(
        layer=layer,
        axis=axis,
        impurity=unknown if why else Estimate(*interval(gains)),
        withheld=why,
        total=total(found),
        negative=found.negative,
        squares=metrics.impurity_of_squares(gains),
        squares_nulls=squares,
        gains=whole,
        live=live,
        nulls=nulls,
        examples=examples,
        folds=len(gains),
        seed=seed,
    )
