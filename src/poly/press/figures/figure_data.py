"""Store the numbers behind a figure, and write them for download.

A figure declares the rule by which another run must reproduce its series (``levels``). A series may have a rule of its
own. A series ``x`` of means over networks is stored with its standard errors ``x_se`` and all networks' numbers,
``x_networks``. If something else is plotted, such as a mean with an interval, ``x`` holds that.
"""

import base64
import binascii
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from poly.press.figures import levels
from poly.press.figures.levels import TOLERANCE, Rule, Series

Array = NDArray[Any]
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, zlib.error)
# Files and labels have the figure's name: it must not be a path, or a device of Windows.
_NAME = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)$)[a-z][a-z0-9_-]{0,63}", re.IGNORECASE | re.ASCII)
# Zip archives hold times. A fixed one gives the same bytes for the same arrays.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
# The endings of the names of a statistical series' networks and standard errors.
NETWORKS, ERROR = "_networks", "_se"


class FigureData(NamedTuple):
    """The series of a figure by name, their common rule, and the rules of series that have their own."""

    series: dict[str, Array]
    rule: Rule
    own: dict[str, Rule]

    def rule_of(self, name: str) -> Rule:
        """Return the rule of one series."""
        return self.own.get(name, self.rule)


def statistical(networks: ArrayLike, shown: ArrayLike | None = None) -> Series:
    """Declare a series that is a mean over networks; rounding may change the outcome of each network.

    Args:
        networks: the number of every network, (networks, *points), of at least two networks; NaN: it has none.
        shown: what is plotted instead of the mean, (*points,) or (*points, k), such as a mean with its interval. It
            must be as before if all networks are as before; else it may move by twice what the mean may.

    Raises:
        ValueError: there are fewer than two networks, or ``shown`` has another shape.
    """
    values = np.asarray(networks)
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"networks: has shape {values.shape}, must have two or more networks on the first axis")
    if shown is None:
        return Series(values, Rule("statistical"))
    points, there = values.shape[1:], np.shape(shown)
    if there[: len(points)] != points or len(there) > len(points) + 1:
        raise ValueError(f"shown: has shape {there}, must be {points}, or that and one more axis")
    return Series(values, Rule("statistical", shown=True), shown)


def check_name(name: Any) -> None:
    """Check that a figure's name is safe as the name of a file.

    Raises:
        ValueError: the name is a device of Windows, or not made of letters, digits, "-" and "_". It must have at most
            64 characters, a letter first.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = f"{name!r:.80}"
        raise ValueError(f"figure {shown}: its name must be letters, digits, '-' and '_', at most 64, a letter first")


def pack(data: Mapping[str, ArrayLike | Series], level: str, tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Pack plotted numbers and their rules for the metadata of an output.

    Raises:
        ValueError: there is no series; a series is not made of numbers, or holds infinity; the level is unknown; the
            tolerance is outside (0, 1); or the level of the figure is "statistical", which each series must declare
            with its networks.
    """
    rule = Rule(level, tolerance)  # type: ignore[arg-type]
    levels.check(rule)
    if level == "statistical":
        raise ValueError("level='statistical', must be said of each series: figures.statistical(networks)")
    if not isinstance(data, Mapping) or not data:
        raise ValueError(f"data={data!r}, must map names to the plotted numbers")
    series: dict[str, Array] = {}
    own: dict[str, dict[str, Any]] = {}
    for name, given in data.items():
        values = np.asarray(given.values if isinstance(given, Series) else given)
        if isinstance(given, Series):
            levels.check(given.rule)
            own[str(name)] = {key: value for key, value in given.rule._asdict().items() if value}
        if isinstance(given, Series) and given.rule.level == "statistical":
            series[f"{name}{NETWORKS}"] = values
            series[str(name)], series[f"{name}{ERROR}"] = levels.mean(values)
            if given.shown is not None:
                series[str(name)] = np.asarray(given.shown)
        else:
            series[str(name)] = values
    for name, values in series.items():
        if values.dtype.kind not in "biuf" or not values.size:
            raise ValueError(f"data: series {name!r} has type {values.dtype} and shape {values.shape}, must be numbers")
        if np.isinf(values).any():
            raise ValueError(f"data: series {name!r} holds infinity, which no plot shows; NaN leaves a gap")
    common = {"level": rule.level, "tolerance": rule.tolerance, "absolute": rule.absolute}
    packed = {"npz": base64.b64encode(npz(series)).decode(), **common}
    return packed | ({"own": own} if own else {})


def unpack(packed: Any) -> FigureData:
    """Unpack what ``pack`` has packed.

    Raises:
        ValueError: the packed numbers are missing or damaged.
    """
    if not isinstance(packed, dict) or not packed.get("npz"):
        raise ValueError("has no plotted numbers")
    rule = Rule(packed.get("level"), packed.get("tolerance"), packed.get("absolute", 0.0))  # type: ignore[arg-type]
    levels.check(rule._replace(tolerance=TOLERANCE, absolute=0.0))
    try:
        levels.check(rule)
        own = {str(name): Rule(**given) for name, given in packed.get("own", {}).items()}
        for each in own.values():
            levels.check(each)
        with np.load(io.BytesIO(base64.b64decode(packed["npz"], validate=True)), allow_pickle=False) as archive:
            series = dict(archive.items())
        for name, each in own.items():
            if each.level == "statistical" and not {name, f"{name}{NETWORKS}", f"{name}{ERROR}"} <= series.keys():
                raise ValueError(f"series {name!r} lacks its networks")
        return FigureData(series, rule, own)
    except (KeyError, TypeError, AttributeError, ValueError, OSError, EOFError, binascii.Error, *_DAMAGE) as error:
        raise ValueError(f"its plotted numbers are damaged: {error}") from None


def npz(series: Mapping[str, Array]) -> bytes:
    """Write the series in numpy's archive format, bit for bit; equal series give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, values in series.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _NO_TIME), member.getvalue())
    return out.getvalue()


def csv(series: Mapping[str, Array]) -> str:
    """Write the series as a table: one column each if all are lists of one length, else one row for each number."""
    if len({values.shape for values in series.values()}) == 1 and next(iter(series.values())).ndim == 1:
        return str(pd.DataFrame(series).to_csv(index=False, lineterminator="\n"))
    most = max(values.ndim for values in series.values())
    parts = []
    for name, values in series.items():
        places = np.indices(values.shape).reshape(values.ndim, values.size)
        columns = {f"index_{axis}": places[axis] for axis in range(values.ndim)}
        parts.append(pd.DataFrame({"series": name, **columns, "value": values.ravel().astype(object)}))
    order = ["series", *(f"index_{axis}" for axis in range(most)), "value"]
    table = pd.concat(parts).reindex(columns=order)
    for axis in range(most):
        table[f"index_{axis}"] = table[f"index_{axis}"].astype("Int64")
    return str(table.to_csv(index=False, lineterminator="\n"))
