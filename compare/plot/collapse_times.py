"""Times of collapse over beta, dimension and number of tokens, with the closed forms and scales that speak of them."""

import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import rankdata

from compare import theory
from compare.plot.grid import opened
from compare.plotting import COLOURS, save_figure

COSINE = 0.999
WIDE = 128


def collapse_speed(store: str | os.PathLike[str] | xr.Dataset) -> Figure:
    """A panel for each kind and dimension of a sweep that recorded ``collapse_time``, from uniform starts.

    Medians over seeds with the range from the tenth to the ninetieth percentile against beta, a line for each n; a
    triangle at the top where a seed did not collapse in time. Over them: dashed, the closed form for tokens that are
    orthogonal at the start (`theory.gamma_time`, the high-dimensional limit); dotted, the beta above which the uniform
    law breaks into several clusters (`theory.critical_beta`); on the upper edge, the beta at which a token attends to
    itself alone (`theory.effective_context_beta`). Markers are full where the start lies in one hemisphere with a
    chance of at least one half (`theory.hemisphere_probability`): those are sure to collapse.

    store: path of a store or table of `sim.sweep`, or the data set. Returns the figure. Raises ValueError for a table
    without ``collapse_time``.

    >>> import sim
    >>> from compare import plot
    >>> table = sim.sweep({"beta": [1.0, 2.0], "d": 3, "n": 8}, [0.0, 30.0], "collapse_time")
    >>> [axes.get_title() for axes in plot.collapse_speed(table).axes]
    ['SA, d = 3']
    """
    table = opened(store)
    if "collapse_time" not in table:
        raise ValueError('the table has no collapse_time: sweep with observe = ["collapse_time"]')
    kinds, dims = table["kind"].values, table["d"].values
    figure = plt.figure(figsize=(2.3 * len(dims) + 1, 2.6 * len(kinds) + 0.9), layout="constrained")
    panels = figure.subplots(len(kinds), len(dims), sharex=True, sharey="row", squeeze=False)
    for kind, row in zip(kinds, panels):
        for d, axes in zip(dims, row):
            _panel(axes, table["collapse_time"].sel(kind=kind, d=d), table.sizes["seed"])
            axes.set_title(f"{kind}, d = {d}", pad=9)  # above the marks on the edge
        row[0].set_ylabel("time of collapse t")
    for axes in panels[-1]:
        axes.set_xlabel("inverse temperature beta")
    lines = [
        Line2D([], [], color=colour, marker=".", label=f"n = {n}")
        for n, colour in zip(table["n"].values, COLOURS)
    ]
    meanings: list[dict[str, Any]] = [
        {"ls": "--", "label": "closed form, orthogonal start"},
        {"ls": ":", "label": "uniform law breaks up"},
        {"ls": "", "marker": "v", "label": "N_eff = 1"},
        {"ls": "", "marker": "^", "label": "a seed did not collapse"},
        {"ls": "", "marker": "o", "mfc": "white", "label": "likely in no hemisphere"},
    ]
    lines += [Line2D([], [], color="0.3", **meaning) for meaning in meanings]
    figure.legend(handles=lines, loc="outside lower center", ncols=min(len(lines), 5))
    return figure


def draw(table: xr.Dataset, path: Path) -> Path:
    """Write `collapse_speed` as a PNG. Returns its path."""
    save_figure(path, lambda: collapse_speed(table))
    return path


def finding(table: xr.Dataset) -> str:
    """What the times say, from the table alone, for those kinds and dimensions that it holds."""
    times = table["collapse_time"].transpose("kind", "d", "beta", "n", "seed")
    kinds, dims, betas, sizes = (times[axis].values for axis in ("kind", "d", "beta", "n"))
    median = np.quantile(times.values, 0.5, axis=-1)
    shares = np.isfinite(times.values).mean(axis=(0, 2, 3, 4))
    each = ", ".join(f"{100 * share:.0f} % at d = {d}" for share, d in zip(shares, dims))
    said = [f"Collapsed by t = {table['time'].values[-1]:g}: {each}."]
    wide = dims >= WIDE
    for kind, found in zip(kinds, median):
        expected = theory.gamma_time(COSINE, sizes, betas[:, None], str(kind))
        ratio = (found / expected)[wide]
        if np.isfinite(ratio).any():
            said.append(
                f"{kind} from d = {WIDE} on takes {np.nanmin(ratio):.2f} to {np.nanmax(ratio):.2f} times the closed "
                "form for orthogonal tokens."
            )
    if "SA" in kinds:
        slowed = median[list(kinds).index("SA")] / theory.gamma_time(COSINE, sizes, 0.0)
        company = np.array([theory.effective_tokens(sizes, betas[:, None], int(d)) for d in dims])
        known = np.isfinite(slowed)
        ranks = [
            np.corrcoef(rankdata(slowed[known]), rankdata(np.broadcast_to(other, slowed.shape)[known]))[0, 1]
            for other in (company, betas[:, None])
        ]
        said.append(
            f"How much longer SA takes than at beta = 0 has rank correlation {ranks[0]:.2f} with N_eff and "
            f"{ranks[1]:.2f} with beta."
        )
    return " ".join(said)


def _panel(axes: Axes, times: xr.DataArray, seeds: int) -> None:
    betas, d = times["beta"].values, int(times["d"])
    for n, colour in zip(times["n"].values, COLOURS):
        values = times.sel(n=n).transpose("beta", "seed").values
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=1)
        full = theory.hemisphere_probability(int(n), d) >= 0.5
        axes.plot(betas, middle, color=colour, marker="o", markersize=3.5, mfc=colour if full else "white")
        axes.fill_between(betas, low, high, color=colour, alpha=0.2, linewidth=0)
        kind = str(times["kind"].item())
        dense = np.linspace(betas[0], betas[-1], 200)
        axes.plot(dense, theory.gamma_time(COSINE, int(n), dense, kind), "--", color=colour, linewidth=0.8)
        late = betas[np.isnan(values).any(axis=1)]
        place = axes.get_xaxis_transform()
        axes.plot(late, np.full(len(late), 0.9), "^", color=colour, markersize=3, transform=place, alpha=0.6)
        turn = float(theory.effective_context_beta(int(n), d))
        if turn <= betas[-1]:
            axes.plot(turn, 1.0, "v", color=colour, markersize=6, transform=place, clip_on=False)
    breaks_up = theory.critical_beta(d)
    if breaks_up <= betas[-1]:
        axes.axvline(breaks_up, color="0.3", linestyle=":")
    axes.set_yscale("log")
    axes.set_ylim(1, 1.5 * float(times.attrs.get("until", 300)))
