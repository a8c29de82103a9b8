"""The life of separated caps of tokens, against the bounds of 2410.06833 and the sharp laws."""

from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

from compare.experiments.experiment import Experiment
from compare.experiments.shared.lifetimes import Centres, Tokens, log_collapse_time, log_escape_time, widths
from compare.experiments.shared.records import tabulate
from compare.plotting import COLOURS
from compare.theory import (
    closest_pair_log_time,
    separation,
    separation_margin,
    sharp_trapping,
    trapping_bounds,
)
from sim.attention import Attention
from sim.integration import simulate
from sim.mergers.record import Coalescence
from sim.mergers.solver import coalesce
from sim.sphere import caps, normalise, uniform

PER_CAP = 2
SHRUNK = 0.01
EPS = 0.004
FAILING_BETA = 30.0
MARKERS = (("o", 3, "full"), ("s", 6, "none"))
LABELS = {
    "beta": ("inverse temperature beta", ""),
    "eps": ("height of the caps, 1 - cos of their angle", ""),
    "alpha": ("largest inner product between caps of height 2 eps", ""),
    "margin": ("gamma(beta) of 2410.06833; caps are separated where it is above 0", ""),
    "lambda": ("the lambda of 2410.06833, 0.9 of its limit; NaN where the hypotheses fail", ""),
    "log_collapse": (
        "ln T1, measured: all caps within sqrt(2) e^(-lambda beta/2); NaN without a lambda",
        "nat",
    ),
    "log_collapse_bound": ("ln of the proved upper bound on T1; NaN where its hypotheses fail", "nat"),
    "log_collapse_sharp": ("ln of the sharp value of T1 for tight caps", "nat"),
    "log_escape": ("ln T2, measured: the first token leaves its cap of height 2 eps", "nat"),
    "log_escape_bound": ("ln of the proved lower bound on T2; NaN where its hypotheses fail", "nat"),
    "log_escape_sharp": ("ln of the merging time of the closest collapsed caps", "nat"),
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """Caps over beta, k, eps and d; the beta at which trapping sets in; and caps too close to be separated."""
    kinds = ("SA",) if quick else ("SA", "USA")
    repeats = 1 if quick else 3
    betas = (30.0, 300.0) if quick else (20.0, 30.0, 50.0, 100.0, 300.0, 1000.0, 3000.0)
    places = ((2, 3), (3, 3)) if quick else ((2, 2), (3, 2), (2, 3), (3, 3), (4, 3), (2, 8), (3, 8), (4, 8))
    heights = (1e-4, 4e-3) if quick else (1e-4, 1e-3, 4e-3)
    records = []
    for (count, d), eps, repeat in product(places, heights, range(1 if quick else 2)):
        centres = _centres(count, d, [seed, count, d, repeat])
        tokens = caps(centres, PER_CAP, eps, seed + repeat)
        for kind, beta in product(kinds, betas):
            keys = {"kind": kind, "clusters": count, "d": d, "eps": eps, "seed": repeat, "beta": beta}
            records.append(keys | _life(tokens, centres, eps, beta, kind))
    lives = tabulate(records, ("kind", "clusters", "d", "eps", "seed", "beta"), LABELS)
    onset = _onset(kinds, np.linspace(2, 10, 5 if quick else 17), repeats, seed)
    failing = _failing(kinds, np.linspace(0.26, 1.5, 5 if quick else 20), repeats, seed)
    table = xr.merge([lives, onset, failing], join="outer", compat="no_conflicts")
    table.attrs["finding"] = finding(table)
    return table


def _life(tokens: Tokens, centres: Centres, eps: float, beta: float, kind: str) -> dict[str, float]:
    """Both times of one start, measured, bounded and by the sharp laws."""
    count = len(centres)
    alpha = separation(centres, eps)
    bounds = trapping_bounds(beta, eps, alpha, len(tokens))
    found = _followed(Attention(beta, kind), tokens)
    collapsed = normalise(found.at(found.log_times[len(tokens) - count - 1]).points)
    shares, width = np.full(count, 1 / count), float(widths(tokens, count).max())
    decay = float(bounds.lambda_) if bounds.holds else 0.5
    sharp = sharp_trapping(beta, collapsed, shares, width, decay, kind)
    with np.errstate(divide="ignore"):
        log_sharp = float(np.log(sharp.collapse_time))
    return {
        "alpha": alpha,
        "margin": float(bounds.margin),
        "lambda": float(bounds.lambda_),
        "log_collapse": log_collapse_time(found, count, np.log(2) / 2 - decay * beta / 2)
        if bounds.holds
        else np.nan,
        "log_collapse_bound": float(bounds.log_collapse_time),
        "log_collapse_sharp": log_sharp if bounds.holds else np.nan,
        "log_escape": log_escape_time(found, centres, eps),
        "log_escape_bound": float(bounds.log_escape_time),
        "log_escape_sharp": float(sharp.log_escape_time),
    }


def _followed(field: Attention, tokens: Tokens) -> Coalescence:
    return coalesce(field, tokens, throw=False)


def _centres(count: int, d: int, seed: list[int]) -> Centres:
    """Random unit rows; the closest two are 1.2 to 1.6 radians apart, and no two more than 2.6."""
    random = np.random.default_rng(seed)
    while True:
        centres = uniform(count, d, int(random.integers(2**31)))
        angles = np.arccos(np.clip(centres @ centres.T, -1, 1)[np.triu_indices(count, 1)])
        if 1.2 < angles.min() < 1.6 and angles.max() < 2.6:
            return centres


def _onset(kinds: tuple[str, ...], betas: Float[np.ndarray, " beta"], repeats: int, seed: int) -> xr.Dataset:
    """Three orthonormal caps at moderate beta, by `simulate` on all tokens: which comes first, collapse or escape?"""
    count = 3
    centres = np.eye(count)
    shape = (len(kinds), len(betas), repeats)
    shrink, escape, check = np.full((3, *shape), np.inf)
    for place in product(*map(range, shape)):
        field = Attention(float(betas[place[1]]), kinds[place[0]])
        tokens = caps(centres, PER_CAP, EPS, seed + place[2])
        check[place] = log_escape_time(_followed(field, tokens), centres, EPS)
        times = np.concatenate([[0.0], np.geomspace(1e-2, 20 + 1.2 * np.exp(check[place]), 255)])
        points = simulate(field, tokens, times).points
        widest = np.array([(widths(one, count) / widths(tokens, count)).max() for one in points])
        apart = np.sum((points - np.repeat(centres, PER_CAP, axis=0)) ** 2, axis=2).max(axis=1) / 2
        shrink[place] = _log_crossing(times, -np.log(np.maximum(widest, 1e-300)), -np.log(SHRUNK))
        escape[place] = _log_crossing(times, apart, 2 * EPS)
    alpha, n = separation(centres, EPS), count * PER_CAP
    grid = np.linspace(1.01, 100, 10_000)
    proved = grid[np.argmax(trapping_bounds(grid, EPS, alpha, n).holds)]
    ratio = (escape - shrink).mean(axis=2)
    found = [float(np.interp(0.0, row, betas)) if row[0] < 0 < row[-1] else np.nan for row in ratio]
    over = ("kind", "beta_onset", "seed_onset")
    nat = {"units": "nat"}
    return xr.Dataset(
        {
            "onset_log_shrink": (
                over,
                shrink,
                nat | {"long_name": f"ln t at which all caps are {SHRUNK:g} as wide"},
            ),
            "onset_log_escape": (over, escape, nat | {"long_name": "ln T2 by simulate on all tokens"}),
            "onset_log_escape_coalesce": (over, check, nat | {"long_name": "ln T2 by coalesce"}),
            "onset_beta": ("kind", found, {"long_name": "beta at which both come at the same time"}),
            "onset_beta_proved": ((), float(proved), {"long_name": "beta from which the theorem applies"}),
        },
        coords={"kind": list(kinds), "beta_onset": betas, "seed_onset": np.arange(repeats)},
    )


def _log_crossing(
    times: Float[np.ndarray, " depth"], values: Float[np.ndarray, " depth"], level: float
) -> float:
    """ln of the time at which values first pass the level, linear between saves; inf where they do not."""
    above = np.flatnonzero(values > level)
    if not above.size:
        return np.inf
    k = int(above[0])
    if k == 0:
        return -np.inf
    share = (level - values[k - 1]) / (values[k] - values[k - 1])
    return float(np.log(times[k - 1] + share * (times[k] - times[k - 1])))


def _failing(
    kinds: tuple[str, ...], angles: Float[np.ndarray, " angle"], repeats: int, seed: int
) -> xr.Dataset:
    """Three caps at one beta, two of them brought together until the theorem no longer applies, and beyond."""
    shape = (len(kinds), len(angles), repeats)
    escape, shrink = np.empty((2, *shape))
    bound, sharp, margin = np.full((3, len(kinds), len(angles)), np.nan)
    n = 3 * PER_CAP
    for column, angle in enumerate(angles):
        centres = np.array([[1, 0, 0], [np.cos(angle), np.sin(angle), 0], [0, 0, 1]])
        alpha = separation(centres, EPS)
        bounds = trapping_bounds(FAILING_BETA, EPS, alpha, n)
        for row, kind in enumerate(kinds):
            bound[row, column] = bounds.log_escape_time
            margin[row, column] = separation_margin(FAILING_BETA, EPS, alpha, n)
            sharp[row, column] = closest_pair_log_time(FAILING_BETA, angle, 1 / 3, 1 / 3, kind)
            for repeat in range(repeats):
                tokens = caps(centres, PER_CAP, EPS, seed + repeat)
                found = _followed(Attention(FAILING_BETA, kind), tokens)
                escape[row, column, repeat] = log_escape_time(found, centres, EPS)
                log_goal = float(np.log(SHRUNK * widths(tokens, 3).max()))
                shrink[row, column, repeat] = log_collapse_time(found, 3, log_goal)
    over = ("kind", "angle")
    nat = {"units": "nat"}
    return xr.Dataset(
        {
            "near_log_escape": ((*over, "seed_near"), escape, nat | {"long_name": "ln T2, measured"}),
            "near_log_shrink": (
                (*over, "seed_near"),
                shrink,
                nat | {"long_name": "ln t at which all caps are tight"},
            ),
            "near_log_escape_bound": (
                over,
                bound,
                nat | {"long_name": "ln of the proved bound, where it applies"},
            ),
            "near_log_escape_sharp": (
                over,
                sharp,
                nat | {"long_name": "ln of the merging time of the two centres"},
            ),
            "near_margin": (over, margin, {"long_name": "gamma(beta), above 0 where caps are separated"}),
        },
        coords={
            "kind": list(kinds),
            "angle": ("angle", angles, {"long_name": "angle between the closest centres", "units": "rad"}),
            "seed_near": np.arange(repeats),
        },
    )


def slopes(table: xr.Dataset) -> xr.DataArray:
    """Slope of ln T2 in beta between the two largest betas; the factor 1/beta of the law moves it by about 1/beta."""
    last = table["log_escape"].isel(beta=-1) - table["log_escape"].isel(beta=-2)
    return last / float(table["beta"][-1] - table["beta"][-2])


def violations(table: xr.Dataset) -> int:
    """Runs in which T1 comes after its bound, T2 before its own, or T1 after T2, among those where the bounds apply."""
    applies = table["log_collapse_bound"].notnull()
    broken = table["log_collapse"] > table["log_collapse_bound"]
    broken |= table["log_escape"] < table["log_escape_bound"]
    broken |= table["log_collapse"] > table["log_escape"]
    return int((broken & applies).sum())


def finding(table: xr.Dataset) -> str:
    applies = int(table["log_collapse_bound"].notnull().sum())
    slope, rate = slopes(table), 1 - table["alpha"].isel(beta=0)
    excess = slope - rate
    by_eps = ", ".join(
        f"{float(excess.sel(eps=eps).mean()):+.3f} at eps = {eps:g}" for eps in table["eps"].values
    )
    late = float((table["log_escape"] - table["log_escape_bound"]).median())
    early = float((table["log_collapse_bound"] - table["log_collapse"]).median())
    last = table["beta"].values[-1]
    sharp = float(abs(table["log_escape"] - table["log_escape_sharp"]).sel(beta=last).max())
    above = table["log_collapse"] - table["log_collapse_sharp"].where(table["log_collapse_sharp"] > 0)
    collapse = abs(xr.apply_ufunc(np.expm1, above))
    tight = collapse.where(table["eps"] * table["beta"] < 0.2)
    onset = ", ".join(
        f"{float(table['onset_beta'].sel(kind=kind)):.2f} ({kind})" for kind in table["kind"].values
    )
    both = float(abs(table["onset_log_escape"] - table["onset_log_escape_coalesce"]).max())
    angle = table["angle"]
    trapped = (table["near_log_escape"] > table["near_log_shrink"]).all("seed_near")
    lost = ", ".join(
        f"{float(angle.where(~trapped.sel(kind=kind)).max()):.2f} rad ({kind})"
        for kind in table["kind"].values
    )
    proved = float(angle.where(table["near_log_escape_bound"].notnull().any("kind")).min())
    return (
        f"The bounds are violated in {violations(table)} of {applies} runs to which they apply. The slope of ln T2 "
        f"in beta is {float(slope.mean()):.3f} on average against 1 - alpha = {float(rate.mean()):.3f}, never less "
        f"than {float(excess.min()):+.4f} from it and {by_eps} on average. T2 is e^{late:.1f} times its bound and "
        f"T1 e^-{early:.1f} times (medians); the sharp law of ln T2 is off by at most {sharp:.1e} at beta = "
        f"{last:g}, that of T1 for caps with eps beta < 0.2 by {float(tight.median()):.1%} in the median and "
        f"{float(tight.max()):.0%} at most. Trapping sets in at beta = {onset} where the theorem needs "
        f"{float(table['onset_beta_proved']):.1f}; simulate and coalesce agree to {both:.1e} of ln T2 there. At "
        f"beta = {FAILING_BETA:g} the theorem needs centres {proved:.2f} rad apart; the last angle at which a token "
        f"leaves before its caps are tight is {lost}."
    )


def draw(table: xr.Dataset) -> Figure:
    """Both times against beta, slopes against 1 - alpha, the onset in beta, and caps too close."""
    figure = Figure(figsize=(10, 8))
    (times, slope), (onset, near) = figure.subplots(2, 2)
    one = table.isel(kind=0, clusters=-1, eps=-1, seed=0).sel(d=3)
    for name, word, colour in (("log_escape", "T2", COLOURS[1]), ("log_collapse", "T1", COLOURS[0])):
        times.plot(one["beta"], one[name], "o", color=colour, label=f"{word} measured")
        times.plot(one["beta"], one[f"{name}_sharp"], "--", color=COLOURS[6], linewidth=1)
        marker = "^" if name == "log_escape" else "v"
        times.plot(
            one["beta"], one[f"{name}_bound"], marker, color=colour, fillstyle="none", label=f"{word} bound"
        )
    times.plot([], [], "--", color=COLOURS[6], label="sharp laws")
    chosen = f"k = {int(one['clusters'])}, d = 3, eps = {float(one['eps']):g}, {one['kind'].item()}"
    times.set(title=f"Life of caps: {chosen}", xlabel="beta", ylabel="ln of the time", xscale="log")
    times.set_yscale("symlog", linthresh=1)
    times.set_ylim(bottom=-1)
    measured, rate = slopes(table), 1 - table["alpha"].isel(beta=0)
    for eps, colour in zip(table["eps"].values, COLOURS):
        for kind, (marker, size, fill) in zip(table["kind"].values, MARKERS):
            across, values = rate.sel(eps=eps, kind=kind).values, measured.sel(eps=eps, kind=kind).values
            slope.plot(across.ravel(), values.ravel(), marker, color=colour, markersize=size, fillstyle=fill)
        slope.plot([], [], "o", color=colour, label=f"eps = {eps:g}")
    for kind, (marker, size, fill) in zip(table["kind"].values, MARKERS):
        slope.plot([], [], marker, color=COLOURS[6], markersize=size, fillstyle=fill, label=str(kind))
    span = [float(rate.min()), float(rate.max())]
    slope.plot(span, span, "--", color=COLOURS[6], label="slope = 1 - alpha")
    slope.set(title="Growth of T2 against the theorem's", xlabel="1 - alpha", ylabel="slope of ln T2 in beta")
    for kind, colour, (marker, size, fill) in zip(table["kind"].values, COLOURS, MARKERS):
        some = table.sel(kind=kind)
        ratio = some["onset_log_escape"] - some["onset_log_shrink"]
        look = {"color": colour, "markersize": size, "fillstyle": fill}
        onset.plot(table["beta_onset"], ratio, marker, **look)
        onset.plot([], [], marker, label=f"{kind}, from beta = {float(some['onset_beta']):.2f}", **look)
        near.plot(table["angle"], some["near_log_escape"], ".", color=colour)
        near.plot([], [], ".", color=colour, label=f"T2 measured, {kind}")
        near.plot(
            table["angle"], some["near_log_shrink"].mean("seed_near"), color=colour, linewidth=1, alpha=0.6
        )
        near.plot(table["angle"], some["near_log_escape_sharp"], "--", color=COLOURS[6], linewidth=1)
        near.plot(
            table["angle"],
            some["near_log_escape_bound"],
            "^",
            color=COLOURS[6],
            markersize=4,
            fillstyle="none",
        )
    onset.axhline(0, color=COLOURS[6], linewidth=1)
    proved = float(table["onset_beta_proved"])
    onset.axvline(proved, color=COLOURS[6], linestyle="--", label=f"proved from beta = {proved:.1f}")
    onset.set(
        title="Above 0, caps collapse before they are left",
        xlabel="beta",
        ylabel=f"ln(T2 / time to {SHRUNK:g} of the width)",
    )
    near.plot([], [], color=COLOURS[0], linewidth=1, alpha=0.6, label="caps tight, mean")
    near.plot([], [], "--", color=COLOURS[6], label="sharp law")
    near.plot([], [], "^", color=COLOURS[6], markersize=4, fillstyle="none", label="bound, where it applies")
    near.set(
        title=f"Two of three caps brought together, beta = {FAILING_BETA:g}",
        xlabel="angle between the two centres (rad)",
        ylabel="ln of the time",
    )
    for axes, columns in ((times, 3), (slope, 3), (onset, 2), (near, 3)):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns)
    return figure


EXPERIMENT = Experiment(
    name="trapping",
    place=1,
    question="How long do separated caps stay apart, against the proved bounds and the sharp laws?",
    source="2410.06833, Theorem 1.2",
    run=run,
    draw=draw,
)
