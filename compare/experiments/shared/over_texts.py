"""Means over the texts of an experiment on trained models, with their 95 % intervals."""

import numpy as np
import xarray as xr

from compare.statistics import t_interval


def with_interval(values: xr.DataArray) -> xr.Dataset:
    """The mean over ``text``, and the ends ``low`` and ``high`` of its 95 % interval (`compare.statistics.t_interval`).

    Infinite ends for one text; NaN wherever a text is NaN.
    """
    rows = values.transpose(..., "text")
    flat = rows.values.reshape(-1, rows.sizes["text"])
    ends = [t_interval(row) if np.isfinite(row).all() else (np.nan, np.nan) for row in flat]
    mean = rows.mean("text", skipna=False)
    low, high = np.reshape(ends, (*mean.shape, 2)).transpose(-1, *range(mean.ndim))
    return xr.Dataset({"mean": mean, "low": mean.copy(data=low), "high": mean.copy(data=high)})


def stated(values: xr.DataArray, digits: int = 2) -> str:
    """The mean of one number a text and its 95 % interval, in words; what rounds to zero has no sign."""
    found = with_interval(values)
    mean, low, high = (f"{float(found[name]):z.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
