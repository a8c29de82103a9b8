"""The phase diagram of SA from uniform starts: the switch in the (t, beta) plane, and how it sharpens with d."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from compare.experiments.experiment import Experiment
from compare.plotting import COLOURS
from compare.theory import phase_curve
from sim.sweeps.sweep import sweep

N, DELTA = 32, 1e-3
PANELS = (8, 128, 1024)
SHARES = (0.1, 0.5, 0.9)
STEEP = 128
LONGEST = 30.0


def run(seed: int, quick: bool) -> xr.Dataset:
    """SA from uniform starts over beta, d and seeds; `quick` takes fewer of each.

    In the table: ``probability`` (d, beta, seed, time), the share of the pairs of one start with cosine >= 1 - delta;
    ``crossing`` (d, beta, seed, share), when that share reaches 0.1, 0.5 and 0.9, NaN beyond t = 30;
    ``curve`` (beta), the closed form; ``width`` (d, beta), the spread of merging times over all pairs of all starts.
    """
    dims = PANELS if quick else (8, 32, 128, 512, 1024, 8192)
    betas = np.linspace(0.25, 9.0, 8 if quick else 36)
    starts = 4 if quick else 16
    times = np.linspace(0.0, LONGEST, 61 if quick else 121)
    grid = {"beta": betas, "d": dims, "n": N, "seed": seed * starts + np.arange(starts)}
    swept = sweep(grid, times, _observe, rtol=1e-6, atol=1e-9)
    swept = swept.squeeze(("kind", "n"), drop=True)
    table = swept[["probability"]].assign(
        crossing=_crossings(swept),
        curve=("beta", phase_curve(betas, N, DELTA)),
    )
    middle, early, late = (table["crossing"].sel(share=share) for share in (0.5, 0.1, 0.9))
    whole = table["crossing"].notnull().all(("seed", "share"))
    within = (late - early).mean("seed")
    between = middle.std("seed", ddof=1)
    table["offset"] = (middle.mean("seed") / table["curve"] - 1).where(whole)
    table["width"] = ((within**2 + between**2) ** 0.5 / table["curve"]).where(whole)
    named = {
        "probability": "share of pairs with cosine >= 1 - delta",
        "curve": "closed-form time of the switch",
        "crossing": "time at which a share of the pairs has merged",
        "offset": "median merging time, mean of the starts, over the curve, less 1",
        "width": "width of the switch over the curve: 10 to 90 % within a start, with the deviation of the starts",
        "width_slope": "slope of log width in log d from d = 128 on",
    }
    table["width_slope"] = ("beta", _slopes(table))
    for name, meaning in named.items():
        table[name].attrs.update(long_name=meaning, units="1")
    table.attrs.update(n=N, delta=DELTA)
    return table.assign_attrs(finding=finding(table))


def finding(table: xr.Dataset) -> str:
    """The sentence, from the table alone."""
    low, high = PANELS[0], table["d"].max().item()
    slope = table["width_slope"].dropna("beta")
    reached = table["curve"] < LONGEST
    left = table["probability"].mean("seed").isel(time=-1).sel(d=low).where(reached, drop=True).min().item()
    far = np.abs(table["offset"].sel(d=high)).max().item()
    width = table["width"].dropna("beta").mean("beta")
    agrees = far < 0.1 and slope.max().item() < -0.25
    return (
        f"As d grows the switch {'falls on' if agrees else 'does NOT fall on'} the closed-form curve: at d = {high} "
        f"the median merging time is within {100 * far:.2g} % of it at every beta where all starts merge by "
        f"t = {LONGEST:g}. Its relative width, {width.sel(d=low).item():.2g} at d = {low} and "
        f"{width.sel(d=high).item():.2g} at d = {high}, goes as d^{slope.mean().item():.2f} from d = {STEEP} on "
        f"({slope.min().item():.2f} to {slope.max().item():.2f} over beta; the cosines of uniform tokens would give "
        f"-1/2). At d = {low} several clusters remain: at some beta where the curve is passed by t = {LONGEST:g}, only "
        f"{100 * left:.0f} % of the pairs have merged by then."
    )


def draw(table: xr.Dataset) -> Figure:
    """The three panels of the paper with the curve, and the width of the switch against d."""
    figure = Figure(figsize=(10.5, 6.4))
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    above, below = halves
    mean = table["probability"].mean("seed").transpose("d", "beta", "time")
    betas = np.linspace(float(table["beta"].min()), float(table["beta"].max()), 300)
    curve = phase_curve(betas, N, DELTA)
    planes = np.atleast_1d(above.subplots(1, len(PANELS), sharey=True))
    meshes = [
        axes.pcolormesh(
            table["time"].values,
            table["beta"].values,
            mean.sel(d=d).values,
            cmap="cividis",
            vmin=0,
            vmax=1,
            shading="nearest",
            rasterized=True,
        )
        for axes, d in zip(planes, PANELS)
    ]
    for axes, d in zip(planes, PANELS):
        axes.plot(curve, betas, color="white", linewidth=3)
        axes.plot(curve, betas, "--", color="black", label="closed form: gamma(t) = 1 - delta")
        axes.set(xlabel="time t of SA", title=f"d = {d}", xlim=(0, LONGEST))
        axes.set_ylim(float(table["beta"].min()), float(table["beta"].max()))
        axes.grid(visible=False)
    planes[0].set_ylabel("inverse temperature beta")
    above.colorbar(meshes[0], ax=planes, label=f"share of pairs with cosine > {1 - DELTA:g}")
    above.legend(*planes[0].get_legend_handles_labels(), loc="outside lower center")
    shown = table["width_slope"].dropna("beta")["beta"].values
    shown = shown[np.linspace(0, len(shown) - 1, min(5, len(shown))).astype(int)]
    width, offset = below.subplots(1, 2)
    style = {"marker": "o", "markersize": 4, "linewidth": 0.8}
    for beta, colour in zip(shown, COLOURS):
        chosen = table.sel(beta=beta)
        width.loglog(table["d"], chosen["width"], color=colour, label=f"beta {beta:.2g}", **style)
        offset.semilogx(table["d"], 100 * chosen["offset"], color=colour, **style)
    d = table["d"].values[table["d"].values >= STEEP].astype(float)
    scale = float(table["width"].sel(d=d[-1]).sel(beta=shown).mean())
    width.loglog(d, scale * np.sqrt(d[-1] / d), "k--", label="slope -1/2")
    width.set(
        xlabel="dimension d", ylabel="width / time of the curve", title="The switch sharpens as d grows ..."
    )
    offset.axhline(0, color="black", linestyle="--")
    offset.set(xlabel="dimension d", ylabel="median / curve - 1 (%)", title="... and moves onto the curve")
    below.legend(*width.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def _observe(x: Float[Array, "n d"], beta: Float[Array, ""]) -> dict[str, Float[Array, ""]]:
    """Share of pairs within delta of each other, and the log of the gap 1 - cos below which some shares lie."""
    del beta
    first, second = np.triu_indices(len(x), 1)
    gaps = jnp.sum((x[first] - x[second]) ** 2, axis=-1) / 2
    log_gaps = jnp.log(jnp.maximum(gaps, 1e-30))
    quantiles = {f"log_gap_{share:g}": jnp.quantile(log_gaps, share) for share in SHARES}
    return {"probability": jnp.mean(gaps <= DELTA), **quantiles}


def _crossings(swept: xr.Dataset) -> xr.DataArray:
    """When each quantile of the gaps falls to delta for the first time, between the times by a straight line in log."""
    each = [
        xr.apply_ufunc(
            lambda log_gap: _first_below(swept["time"].values, log_gap, np.log(DELTA)),
            swept[f"log_gap_{share:g}"],
            input_core_dims=[["time"]],
        )
        for share in SHARES
    ]
    return xr.DataArray(xr.concat(each, xr.DataArray(list(SHARES), dims="share", name="share")))


def _first_below(
    times: Float[np.ndarray, " time"], values: Float[np.ndarray, "*batch time"], level: float
) -> Float[np.ndarray, "*batch"]:
    below = values <= level
    after = np.clip(np.argmax(below, axis=-1), 1, None)[..., None]
    high, low = (np.take_along_axis(values, after - k, axis=-1)[..., 0] for k in (1, 0))
    end = times[after[..., 0]]
    begin = times[after[..., 0] - 1]
    return np.where(below.any(axis=-1), begin + (end - begin) * (high - level) / (high - low), np.nan)


def _slopes(table: xr.Dataset) -> Float[np.ndarray, " beta"]:
    """Slope of log width in log d at each beta, from d = 128 on; NaN where a width is missing."""
    chosen = table["width"].where(table["d"] >= STEEP, drop=True).transpose("d", "beta").values
    log_d = np.log(table["d"].values[table["d"].values >= STEEP])
    return np.where(
        np.isfinite(chosen).all(axis=0),
        np.polyfit(log_d, np.log(np.nan_to_num(chosen, nan=1.0)), 1)[0],
        np.nan,
    )


EXPERIMENT = Experiment(
    name="phases",
    place=6,
    question="Does the share of merged pairs switch across the closed-form curve in the (t, beta) plane?",
    source="2312.10794, phase diagram of SA from uniform starts (n = 32, delta = 1e-3)",
    run=run,
    draw=draw,
)
