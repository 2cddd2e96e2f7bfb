"""Compare the numbers behind a figure with those of another run, by the rules of its series (``levels``)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from poly.press.figures import levels
from poly.press.figures.figure_data import ERROR, NETWORKS, Array, FigureData
from poly.press.figures.levels import Rule

# The largest reported share of what is allowed, and the largest reported move: JSON cannot hold infinity.
_FAR, _MOST = 1e3, 1e300
# Networks whose numbers differ by a smaller share ended in the same way.
_SAME = 1e-5


def moves(stored: FigureData, new: FigureData) -> dict[str, list[float]]:
    """Measure each plotted series' largest move, and the largest share of what its level allows.

    An exact number that moved counts as a thousand times what is allowed, and so does NaN on one side only. Series that
    are not comparable, because of their shapes or their networks, are left out.
    """
    found = {}
    for name in stored.series.keys() & new.series.keys():
        if _of_networks(name, stored) is not None or not _comparable(name, stored, new):
            continue
        off, allowed, _ = _compared(name, stored, new)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(off > 0, np.minimum(off / allowed, _FAR), 0.0)
        share[np.isinf(off)] = _FAR
        found[name] = [float(np.max(np.minimum(each, _MOST), initial=0.0)) for each in (off, share)]
    return found


class _Compared(NamedTuple):
    """The comparison of a series: how far each number moved, how far it may, and how its networks agree, if any."""

    off: Array
    allowed: Array
    agreed: levels.Agreement | None


def _compared(name: str, stored: FigureData, new: FigureData) -> _Compared:
    """Compare a series for which ``_comparable`` holds."""
    before, rule = stored.series[name], stored.rule_of(name)
    off = _off(before, new.series[name])
    if rule.level != "statistical":
        return _Compared(off, _band(before, rule, stored, new), None)
    networks = [data.series[f"{name}{NETWORKS}"] for data in (stored, new)]
    agreed = levels.agreement(*networks)
    allowed = _of_shown(before, agreed.allowed, *networks) if rule.shown else agreed.allowed
    return _Compared(off, allowed, agreed)


def _comparable(name: str, stored: FigureData, new: FigureData) -> bool:
    """Return whether a series, and its networks if it is statistical, have the same shapes on both sides."""
    names = [name, f"{name}{NETWORKS}"] if stored.rule_of(name).level == "statistical" else [name]
    one, other = stored.series, new.series
    return all(each in one and each in other and one[each].shape == other[each].shape for each in names)


def _off(before: Array, after: Array) -> Array:
    """Compute how far each number moved; infinity if it is NaN on one side only."""
    if before.dtype.kind != "f" and after.dtype.kind != "f":  # a float may not hold large whole numbers exactly
        return np.where(before == after, 0.0, np.fmax(np.abs(after.astype(float) - before.astype(float)), 1.0))
    before, after = before.astype(float), after.astype(float)
    off = np.where(np.isnan(before) != np.isnan(after), np.inf, np.abs(after - before))
    return np.where(np.isnan(off), 0.0, off)


def _band(before: Array, rule: Rule, stored: FigureData, new: FigureData) -> Array:
    """Compute how far each number of an exact or rounding series may move."""
    if rule.level == "exact" or before.dtype.kind != "f":
        return np.zeros(before.shape)
    if rule.redrawn and not _same_networks(stored, new):
        rule = rule._replace(absolute=max(rule.absolute, rule.redrawn))
    return levels.band(before, rule)


def _of_shown(shown: Array, allowed: Array, before: Array, after: Array) -> Array:
    """Compute how far each number that is shown of networks may move.

    If a network of its point came out differently, it may move by twice what the mean may. Else its limit is a
    rounding error plus twice the largest move, absolute or relative, of a network of its point.
    """
    here = shown.astype(float).reshape(*allowed.shape, -1)
    same = np.asarray(~_networks_moved(before, after).any(0))
    moved = np.max(_off(before, after), axis=0, initial=0.0)
    size = np.max(np.abs(before.astype(float)), axis=0, initial=0.0, where=np.isfinite(before))
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(moved > 0, moved / size, 0.0) * np.nanmax(np.abs(here), axis=-1, initial=0.0)
        moved = np.where(moved > 0, 2 * np.fmax(moved, relative), 0.0)
    band = levels.band(here, Rule("rounding")) + moved[..., None]
    return np.where(same[..., None], band, 2 * allowed[..., None]).reshape(shown.shape)


def _networks_moved(before: Array, after: Array) -> Array:
    """Mark the numbers of networks that moved further than rounding alone can move them."""
    return levels.excess(before.astype(float), after.astype(float), Rule("rounding", _SAME)) > 0


def _same_networks(stored: FigureData, new: FigureData) -> bool:
    """Return whether every network of every statistical series of a figure has the same numbers, up to rounding."""
    for name in [each for each in stored.series if stored.rule_of(each).level == "statistical"]:
        before, after = (data.series.get(f"{name}{NETWORKS}") for data in (stored, new))
        if before is None or after is None or before.shape != after.shape or _networks_moved(before, after).any():
            return False
    return True


def differences(stored: FigureData, new: FigureData, perturbed: Mapping[str, float] | None = None) -> list[str]:
    """List what in ``new`` differs from ``stored`` by more than the stored level allows.

    Each line names a series, and says where and by how much it differs. The list is empty if all series agree.

    Args:
        stored, new: two runs of one figure.
        perturbed: by series, how far perturbations moved it, as far as known. Each line says whether that explains it.
    """
    lost, added = stored.series.keys() - new.series.keys(), new.series.keys() - stored.series.keys()
    found = [f"series {name!r} is gone" for name in sorted(lost)]
    found += [f"series {name!r} is new" for name in sorted(added)]
    for field in Rule._fields:
        if getattr(stored.rule, field) != getattr(new.rule, field):
            found.append(f"{field} was {getattr(stored.rule, field)}, is {getattr(new.rule, field)}")
    for name in stored.own.keys() | new.own.keys():
        if stored.rule_of(name) != new.rule_of(name):
            found.append(f"series {name!r} was declared otherwise: {stored.rule_of(name)}; is: {new.rule_of(name)}")
    for name in stored.series.keys() & new.series.keys():
        before, after = stored.series[name], new.series[name]
        if before.shape != after.shape or before.dtype.kind != after.dtype.kind:
            was, now = f"{before.dtype.kind}{list(before.shape)}", f"{after.dtype.kind}{list(after.shape)}"
            found.append(f"series {name!r} had type and shape {was}, has {now}")
        elif _of_networks(name, stored) is None and _comparable(name, stored, new):
            compared = _compared(name, stored, new)
            lines = _of_their_networks(name, stored, new) if compared.agreed else []
            lines = lines or _beyond(name, stored, new, compared) or _means_beyond(name, stored, compared)
            lines = lines or _pooled(name, stored, new, compared)
            moved = float(np.max(compared.off, initial=0.0))
            found += [line + _explained(moved, (perturbed or {}).get(name)) for line in lines]
    return sorted(found)


def _explained(moved: float, perturbed: float | None) -> str:
    if perturbed is None:
        return ""
    if moved <= 2 * perturbed:
        return f"; perturbation explains it: it moved the series by up to {perturbed:.2g}"
    return f"; perturbation does not explain it: it moved the series by at most {perturbed:.2g}"


def _of_networks(name: str, data: FigureData) -> str | None:
    """Find the statistical series that was computed from this series of networks or errors; None if none was."""
    for ending in (NETWORKS, ERROR):
        base = name.removesuffix(ending)
        if base != name and base in data.series and data.rule_of(base).level == "statistical":
            return base
    return None


def _beyond(name: str, stored: FigureData, new: FigureData, compared: _Compared) -> list[str]:
    """Describe in one line the worst of the plotted numbers that moved by more than they may, if any did."""
    before, after, rule = stored.series[name], new.series[name], stored.rule_of(name)
    off, allowed, _ = compared
    excess = np.where(off > allowed, off, 0.0)
    excess[np.isinf(off)] = np.inf
    if not excess.any():
        return []
    worst = _place(excess)
    says = str(rule)
    if rule.level == "statistical":
        networks = len(stored.series[f"{name}{NETWORKS}"])
        says = f"allowed are ±{allowed[worst]:.2g} by what rounding does to its {networks} networks (statistical)"
        if rule.shown and compared.agreed and not compared.agreed.shift[worst[: compared.agreed.shift.ndim]]:
            says = f"{Rule('rounding')}, as its networks are as before"
    elif before.dtype.kind != "f":
        says = "must be the same (whole number)"
    return [
        f"series {name!r}{_index(worst)}: stored {before[worst]:.10g}, now {after[worst]:.10g}, {says}; "
        f"{np.count_nonzero(excess)} of {excess.size} numbers differ"
    ]


def _means_beyond(name: str, stored: FigureData, compared: _Compared) -> list[str]:
    """Describe in one line the worst mean of networks that moved by more than it may, where the mean is not shown."""
    agreed = compared.agreed
    if agreed is None or not stored.rule_of(name).shown:
        return []
    excess = np.where(np.abs(agreed.shift) > agreed.allowed, np.abs(agreed.shift), 0.0)
    if not excess.any():
        return []
    worst = _place(excess)
    networks = len(stored.series[f"{name}{NETWORKS}"])
    return [
        f"series {name!r}{_index(worst)}: the mean of its networks moved by {agreed.shift[worst]:+.2g}, allowed are "
        f"±{agreed.allowed[worst]:.2g} by what rounding does to its {networks} networks (statistical); "
        f"{np.count_nonzero(excess)} of {excess.size} means differ"
    ]


def _of_their_networks(name: str, stored: FigureData, new: FigureData) -> list[str]:
    """List means and standard errors that are not those of their networks."""
    found = []
    for data, when in ((stored, "stored"), (new, "new")):
        for part, values in zip((name, f"{name}{ERROR}"), levels.mean(data.series[f"{name}{NETWORKS}"]), strict=True):
            shown = part == name and stored.rule_of(name).shown
            if not shown and (part not in data.series or (_off(values, data.series[part]) > _own_band(values)).any()):
                found.append(f"series {part!r}, {when}: is not that of its networks")
    return found


def _own_band(values: Array) -> Array:
    return levels.band(values, Rule("rounding", 1e-9))


def _pooled(name: str, stored: FigureData, new: FigureData, compared: _Compared) -> list[str]:
    """Describe a statistical series whose moves are too large in the mean or in the root mean square."""
    agreed = compared.agreed
    if agreed is None:
        return []
    pooled, allowed = agreed.pooled, agreed.pooled_allowed
    how = "on average its numbers moved by"
    if stored.rule_of(name).shown and abs(pooled) <= allowed:
        pooled, allowed = _pooled_shown(name, stored, new), 2 * allowed
    if abs(pooled) <= allowed:
        pooled, allowed = agreed.scatter, agreed.scatter_allowed
        how = "the root mean square of its moves is"
    if abs(pooled) <= allowed:
        return []
    networks = len(stored.series[f"{name}{NETWORKS}"])
    return [
        f"series {name!r}: {how} {pooled:+.2g} standard errors, allowed are "
        f"±{allowed:.2g} by what rounding does to its {networks} networks (statistical)"
    ]


def _pooled_shown(name: str, stored: FigureData, new: FigureData) -> float:
    """Compute the mean move of what is shown, in standard errors of the means; 0 if no point has such an error."""
    error = stored.series[f"{name}{ERROR}"]
    off = new.series[name].astype(float) - stored.series[name].astype(float)
    scale = np.broadcast_to(error.reshape(error.shape + (1,) * (off.ndim - error.ndim)), off.shape)
    there = np.isfinite(off) & (scale > 0)
    return float(np.mean(off[there] / scale[there])) if there.any() else 0.0


def _place(excess: Array) -> tuple[Any, ...]:
    return np.unravel_index(int(np.argmax(excess)), excess.shape)


def _index(place: tuple[Any, ...]) -> str:
    return "".join(f"[{int(k)}]" for k in place)
