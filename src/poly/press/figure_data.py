"""The numbers behind a figure: kept in its output, offered for download, and compared with those of another run.

A figure declares how well they must be met again. ``exact``: the same numbers. ``rounding``: each within ``tolerance``
times its own size, plus ``absolute``, plus 1e-12 of the largest number of the series. ``statistical``: a series ``x``
beside ``x_low`` and ``x_high`` lies in that interval as it is stored; series without one are compared as at
``rounding``. Whole numbers and truth values are always exact.
"""

import base64
import binascii
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Level = Literal["exact", "rounding", "statistical"]
Array = NDArray[Any]
TOLERANCE = 1e-6
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, zlib.error)
# Of a series' largest number: what rounding leaves where terms cancel.
_FLOOR = 1e-12
# Files and labels are called by the figure's name: it is no path, and no device of Windows.
_NAME = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)$)[a-z][a-z0-9_-]{0,63}", re.IGNORECASE | re.ASCII)
# Zip archives hold times; the same arrays must give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class FigureData(NamedTuple):
    """Series by name, and the level at which another run must meet them."""

    series: dict[str, Array]
    level: Level
    tolerance: float
    absolute: float = 0.0


def check_name(name: Any) -> None:
    """Refuse a figure's name that could lead a file elsewhere.

    Raises:
        ValueError: another name than letters, digits, "-" and "_", at most 64, a letter first.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = f"{name!r:.80}"
        raise ValueError(f"figure {shown}: its name must be letters, digits, '-' and '_', at most 64, a letter first")


def pack(
    data: Mapping[str, ArrayLike], level: str, tolerance: float = TOLERANCE, absolute: float = 0.0
) -> dict[str, Any]:
    """What an output's metadata keeps of plotted numbers.

    Raises:
        ValueError: no series, one that is not made of numbers or holds infinity, an unknown level, a tolerance
            outside (0, 1), or an absolute one that is negative.
    """
    if level not in get_args(Level):
        raise ValueError(f"level={level!r}, must be one of {', '.join(get_args(Level))}")
    _check_tolerances(tolerance, absolute)
    if not isinstance(data, Mapping) or not data:
        raise ValueError(f"data={data!r}, must map names to the plotted numbers")
    series = {str(name): np.asarray(values) for name, values in data.items()}
    for name, values in series.items():
        if values.dtype.kind not in "biuf" or not values.size:
            raise ValueError(f"data: series {name!r} has type {values.dtype} and shape {values.shape}, must be numbers")
        if np.isinf(values).any():
            raise ValueError(f"data: series {name!r} holds infinity, which no plot shows; NaN leaves a gap")
    text = base64.b64encode(npz(series)).decode()
    return {"npz": text, "level": level, "tolerance": tolerance, "absolute": absolute}


def _check_tolerances(tolerance: Any, absolute: Any) -> None:
    if not (isinstance(tolerance, int | float) and 0 < tolerance < 1):
        raise ValueError(f"tolerance={tolerance!r}, must be a number > 0 and < 1")
    if not (isinstance(absolute, int | float) and 0 <= absolute < np.inf):
        raise ValueError(f"absolute={absolute!r}, must be a finite number ≥ 0")


def unpack(packed: Any) -> FigureData:
    """The reverse of ``pack``.

    Raises:
        ValueError: what was packed is missing or damaged.
    """
    if not isinstance(packed, dict) or not packed.get("npz"):
        raise ValueError("has no plotted numbers")
    if packed.get("level") not in get_args(Level):
        raise ValueError(f"level={packed.get('level')!r}, must be one of {', '.join(get_args(Level))}")
    try:
        with np.load(io.BytesIO(base64.b64decode(packed["npz"], validate=True)), allow_pickle=False) as archive:
            tolerances = float(packed["tolerance"]), float(packed.get("absolute", 0.0))
            _check_tolerances(*tolerances)
            return FigureData(dict(archive.items()), packed["level"], *tolerances)
    except (KeyError, TypeError, ValueError, OSError, EOFError, binascii.Error, *_DAMAGE) as error:
        raise ValueError(f"its plotted numbers are damaged: {error}") from None


def npz(series: Mapping[str, Array]) -> bytes:
    """The series in numpy's archive format, bit for bit; equal series give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, values in series.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _NO_TIME), member.getvalue())
    return out.getvalue()


def csv(series: Mapping[str, Array]) -> str:
    """The series as a table: a column each where all are lists of one length, else one row for each number."""
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


def differences(stored: FigureData, new: FigureData) -> list[str]:
    """What in ``new`` is not as stored, at the stored level: for each series where and by how much; empty if all is."""
    lost, added = stored.series.keys() - new.series.keys(), new.series.keys() - stored.series.keys()
    found = [f"series {name!r} is gone" for name in sorted(lost)]
    found += [f"series {name!r} is new" for name in sorted(added)]
    for field in ("level", "tolerance", "absolute"):
        if getattr(stored, field) != getattr(new, field):
            found.append(f"{field} was {getattr(stored, field)}, is {getattr(new, field)}")
    for name in stored.series.keys() & new.series.keys():
        before, after = stored.series[name], new.series[name]
        if before.shape != after.shape or before.dtype.kind != after.dtype.kind:
            was, now = f"{before.dtype.kind}{list(before.shape)}", f"{after.dtype.kind}{list(after.shape)}"
            found.append(f"series {name!r} had type and shape {was}, has {now}")
            continue
        excess, allowed = _excess(stored, name, after)
        if excess.any():
            worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
            place = "".join(f"[{int(k)}]" for k in worst)
            found.append(
                f"series {name!r}{place}: stored {before[worst]:.10g}, now {after[worst]:.10g}, {allowed}; "
                f"{np.count_nonzero(excess)} of {excess.size} numbers differ"
            )
    return sorted(found)


def _excess(stored: FigureData, name: str, after: Array) -> tuple[Array, str]:
    """By how much each number lies beyond what the stored level allows, 0 where it does not; and the rule in words."""
    before = stored.series[name]
    if before.dtype.kind != "f":
        off = np.abs(before.astype(float) - after.astype(float))
        return np.where(before == after, 0.0, np.maximum(off, 1.0)), "must be the same (whole number)"
    gaps = np.isnan(before) & np.isnan(after)
    low, high = stored.series.get(f"{name}_low"), stored.series.get(f"{name}_high")
    if (
        stored.level == "statistical"
        and low is not None
        and high is not None
        and low.shape == high.shape == after.shape
    ):
        excess, rule = np.maximum(np.maximum(low - after, after - high), 0.0), "must be inside the stored interval"
    elif stored.level == "exact":
        excess, rule = np.abs(after - before), "must be the same (exact)"
    else:
        floor = stored.absolute + _FLOOR * np.nanmax(np.abs(before), initial=0.0)
        band = np.asarray(stored.tolerance * np.abs(before) + floor)
        excess = np.abs(after - before)
        excess[excess <= band] = 0.0
        besides = f" ± {stored.absolute:g}" if stored.absolute else ""
        rule = f"allowed are ±{stored.tolerance:g} of it{besides} (rounding)"
    return np.where(gaps, 0.0, np.where(np.isnan(excess), np.inf, excess)), rule
