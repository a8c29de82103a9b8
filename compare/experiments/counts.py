"""The number of clusters: from the first instability of the uniform law to the last slow mergers, and under a mask."""

from functools import cache
from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.polynomial.legendre import Legendre, leggauss
from scipy.optimize import root_scalar
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from compare import theory
from compare.experiments.experiment import Experiment
from compare.plotting import COLOURS
from sim import Attention, simulate, uniform
from sim.mergers.solver import coalesce
from sim.sphere import normalise

DIMS = (2, 3)
TIMES = (0.0, 10.0, 30.0)
DEGREES, JUMPS = (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5)
NUDGE = 1e-6
C = np.linspace(1.0, 6.0, 26)
_NAMES = {2: "circle", 3: "S^2"}
_MEANINGS = {
    "rate": "growth rate of a harmonic of the uniform law, of the vector field",
    "predicted_rate": "growth rate, closed form",
    "jump": "beta at which a degree is overtaken by the next, of the vector field",
    "predicted_jump": "beta at which a degree is overtaken by the next, closed form",
    "clusters": "clusters: groups linked by chords below beta^(-1/2)",
    "remaining": "clusters left on the circle, no mask",
    "predicted_remaining": "0.7 * 2 pi/D(t), D the gap that closes at time t",
    "match": "tokens that are both first of a cluster and Renyi centre, over those that are either",
    "earliest": "the same for as many first tokens of all in place of the centres",
    "centres": "Renyi centres at separation c beta^(-1/2)",
    "moved": "distance that nine in ten first tokens of clusters have moved at most, times beta^(1/2)",
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """SA from uniform tokens on the circle and on S^2; `quick` takes fewer tokens, beta and starts.

    In the table: ``rate`` (d, rate_beta, degree), the growth of a harmonic of the uniform law that the vector field
    has, against ``predicted_rate``; ``jump`` (d, jump_from), the beta where the next
    degree overtakes this one, against
    ``predicted_jump``; ``clusters`` (d, mask, beta, start, time), groups of tokens with links below beta^(-1/2);
    ``remaining`` (late_beta, late_start, log_time), clusters left on the circle, against ``predicted_remaining``;
    with the causal mask at the last time, ``match`` (d, beta, start, c), the overlap of the first tokens of the
    clusters with the Renyi centres at separation c beta^(-1/2), ``earliest`` (d, beta, start), that with as many first
    tokens of all, ``centres`` (d, beta, start, c), the number of those centres, and ``moved`` (d, beta, start), how
    far in units of beta^(-1/2) nine in ten of these first tokens have moved at most.
    """
    n, starts = (128, 2) if quick else (512, 6)
    betas = np.array([12.5, 50.0] if quick else [12.5, 25.0, 50.0, 100.0, 200.0])
    over = ("d", "mask", "beta", "start")
    shape = (len(DIMS), 2, len(betas), starts)
    counts = np.empty((*shape, len(TIMES) - 1))
    causal = {name: np.empty((len(DIMS), len(betas), starts)) for name in ("earliest", "moved")}
    scanned = {name: np.empty((len(DIMS), len(betas), starts, len(C))) for name in ("match", "centres")}
    for (i, d), (m, mask), (b, beta), s in product(
        enumerate(DIMS), enumerate((False, True)), enumerate(betas), range(starts)
    ):
        x = uniform(n, d, seed * starts + s)
        points = _settled(x, beta, mask)
        groups = [linked_groups(each, 1 / np.sqrt(beta)) for each in points[1:]]
        counts[i, m, b, s] = [group.max() + 1 for group in groups]
        if mask:
            leaders = np.unique(groups[-1], return_index=True)[1]
            causal["earliest"][i, b, s] = _overlap(leaders, np.arange(len(leaders)))
            far = np.linalg.norm(points[-1] - x, axis=1)[leaders]
            causal["moved"][i, b, s] = np.quantile(far, 0.9) * np.sqrt(beta)
            for k, c in enumerate(C):
                centres = renyi_centres(x, c / np.sqrt(beta))
                scanned["centres"][i, b, s, k] = len(centres)
                scanned["match"][i, b, s, k] = _overlap(leaders, centres)
    first = ("d", "beta", "start")
    table = xr.Dataset(
        {
            "clusters": ((*over, "time"), counts),
            **{name: (first, values) for name, values in causal.items()},
            **{name: ((*first, "c"), values) for name, values in scanned.items()},
        },
        coords={
            "d": list(DIMS),
            "mask": ["none", "causal"],
            "beta": betas,
            "time": list(TIMES[1:]),
            "c": C,
        },
        attrs={"n": n},
    )
    table = table.merge(_linear(quick)).merge(_late(seed, quick))
    for name, meaning in _MEANINGS.items():
        table[name].attrs.update(long_name=meaning, units="1")
    return table.assign_attrs(finding=finding(table), n=n)


def finding(table: xr.Dataset) -> str:
    """The sentence, from the table alone."""
    rates = np.abs(table["rate"] / table["predicted_rate"] - 1).max().item()
    jumps = np.abs(table["jump"] / table["predicted_jump"] - 1).max().item()
    early, final = (table["clusters"].sel(time=time) for time in TIMES[1:])
    free, masked = _slopes(early.sel(mask="none")), _slopes(final.sel(mask="causal"))
    share = (early.sel(mask="none", d=2) / np.sqrt(2 * table["beta"])).mean("start")
    settled = table["remaining"] / (table["predicted_remaining"] / 0.7)
    match = table["match"].mean(("beta", "start"))
    best = match.idxmax("c")
    overlap, earliest = match.max("c"), table["earliest"].mean(("beta", "start"))
    both = [int(d) for d in table["d"].values]
    law = "; ".join(
        f"{_NAMES[d]}: {free[d][0]:.2f} +- {free[d][1]:.2f}, causal {masked[d][0]:.2f} +- "
        f"{masked[d][1]:.2f}, against {(d - 1) / 2:g}"
        for d in both
    )
    centres = "; ".join(
        f"{_NAMES[d]} c = {best.sel(d=d).item():.1f}, overlap {overlap.sel(d=d).item():.2f}, "
        f"of the earliest tokens {earliest.sel(d=d).item():.2f}"
        for d in both
    )
    follow = "are" if bool((overlap > earliest + 0.1).all()) else "are NOT clearly"
    kept, moved = settled.mean("late_start"), table["moved"].median().item()
    return (
        f"The vector field's growth rates equal the closed form within {rates:.1g}, its jumps k -> k+1 within "
        f"{jumps:.1g} (relative). At t = {TIMES[1]:g} the circle holds {share.min().item():.2f} to "
        f"{share.max().item():.2f} of sqrt(2 beta) clusters. Slope of log count in log beta ({law}). Later the circle "
        f"keeps {kept.min().item():.2f} to {kept.max().item():.2f} of the 2 pi/D(t) clusters that could just hold, "
        f"where 0.7 is expected. With the mask the first tokens of the clusters {follow} Renyi centres ({centres}); "
        f"nine in ten of them have moved less than {moved:.2f} beta^(-1/2) by t = {TIMES[2]:g}."
    )


def draw(table: xr.Dataset) -> Figure:
    """Growth rates, first clusters, late clusters, and the causal mask's clusters and centres."""
    figure = Figure(figsize=(11, 7))
    panels = figure.subplots(2, 3)
    fine = np.linspace(0.3, table["rate_beta"].values[-1], 200)
    for axes, d in zip(panels[0], DIMS):
        for degree, colour in zip(DEGREES, COLOURS):
            axes.plot(fine, theory.growth_rate(degree, fine, d), "k--", linewidth=0.8)
            chosen = table["rate"].sel(d=d, degree=degree)
            axes.plot(table["rate_beta"], chosen, "o", color=colour, markersize=4, label=f"{degree}")
        for jump in table["predicted_jump"].sel(d=d).values:
            axes.axvline(jump, color="black", linestyle=":", linewidth=0.8)
        axes.set(
            xlabel="inverse temperature beta",
            ylabel="growth rate (1/t)",
            title=f"Harmonics: {_NAMES[d]}",
        )
        axes.set_xlim(0, fine[-1] * 1.02)
    panels[0, 1].legend(title="degree", loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axes, mask, time in ((panels[0, 2], "none", TIMES[1]), (panels[1, 1], "causal", TIMES[2])):
        _draw_counts(axes, table["clusters"].sel(mask=mask, time=time))
        axes.set_title(f"{'No' if mask == 'none' else 'Causal'} mask, t = {time:g}")
    late = panels[1, 0]
    for late_beta, colour in zip(table["late_beta"].values, COLOURS):
        chosen = table.sel(late_beta=late_beta)
        decade = table["log_time"] / np.log(10)
        late.plot(
            decade, chosen["remaining"].mean("late_start"), ".", color=colour, label=f"beta {late_beta:g}"
        )
        late.plot(decade, chosen["predicted_remaining"], "k--", linewidth=0.8)
    late.set(xlabel="log10 t", ylabel="clusters on the circle", title="Slow mergers and 0.7 * 2 pi/D(t)")
    late.set_ylim(bottom=0)
    late.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    overlap = panels[1, 2]
    for d, colour in zip(DIMS, COLOURS):
        lines = table["match"].sel(d=d).mean("start").transpose("c", "beta")
        overlap.plot(table["c"], lines, "-", color=colour, linewidth=0.8, alpha=0.6)
        overlap.plot(table["c"], lines.mean("beta"), "o", color=colour, markersize=3, label=f"{_NAMES[d]}")
        overlap.axhline(table["earliest"].sel(d=d).mean().item(), color=colour, linestyle=":")
    overlap.set(xlabel="c: separation in units of beta^(-1/2)", ylabel="overlap of tokens")
    overlap.set_title("First of a cluster, and Renyi centre")
    overlap.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, title="dotted: earliest tokens")
    return figure


def _draw_counts(axes: Axes, counts: xr.DataArray) -> None:
    """Every count against beta, and the power law through the mean of the logs."""
    beta = counts["beta"].values
    for d, colour in zip(DIMS, COLOURS):
        dots = counts.sel(d=d).transpose("beta", "start").values
        axes.loglog(np.repeat(beta, dots.shape[1]), dots.ravel(), "o", color=colour, markersize=4, alpha=0.6)
        power = beta ** ((d - 1) / 2)
        level = np.exp(np.mean(np.log(dots / power[:, None])))
        axes.loglog(beta, level * power, "k--", linewidth=1)
        axes.plot([], [], "o--", color=colour, markersize=4, label=f"{_NAMES[d]}, slope {(d - 1) / 2:g}")
    axes.loglog(beta, np.sqrt(2 * beta), "k:", linewidth=1, label="sqrt(2 beta)")
    axes.set_xticks(beta, [f"{each:g}" for each in beta], minor=False)
    axes.set_yticks([3, 10, 30, 100], ["3", "10", "30", "100"], minor=False)
    axes.tick_params(which="minor", labelbottom=False, labelleft=False)
    axes.set(xlabel="inverse temperature beta", ylabel="clusters")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, columnspacing=1.0, handlelength=1.2)


def _slopes(counts: xr.DataArray) -> dict[int, tuple[float, float]]:
    """Slope of log count in log beta by dimension: mean over the starts and twice its standard error."""
    fits = {}
    for d in counts["d"].values:
        values = np.log(counts.sel(d=d).transpose("beta", "start").values)
        slope = np.polyfit(np.log(counts["beta"].values), values, 1)[0]
        fits[int(d)] = (float(slope.mean()), float(2 * slope.std(ddof=1) / np.sqrt(len(slope))))
    return fits


def _settled(x: Float[np.ndarray, "n d"], beta: float, causal: bool) -> Float[np.ndarray, "time n d"]:
    """The states at all times. The circle is run as a great circle of S^2, which it never leaves: one compilation."""
    d = x.shape[1]
    padded = np.pad(x, ((0, 0), (0, max(DIMS) - d)))
    return simulate(Attention(beta, "SA", causal), padded, TIMES, rtol=1e-6, atol=1e-9).points[..., :d]


def linked_groups(points: Float[np.ndarray, "n d"], reach: float) -> Int[np.ndarray, " n"]:
    """The number of each token's group: tokens linked by chords below `reach`."""
    links = KDTree(points).sparse_distance_matrix(KDTree(points), reach, output_type="coo_matrix")
    links.data[:] = 1
    return connected_components(links, directed=False)[1].astype(int)


def renyi_centres(x: Float[np.ndarray, "n d"], separation: float) -> Int[np.ndarray, " centre"]:
    """Tokens farther than the separation from every centre before them (2411.04990)."""
    centres = [0]
    for k in range(1, len(x)):
        if np.min(np.sum((x[centres] - x[k]) ** 2, axis=1)) > separation**2:
            centres.append(k)
    return np.array(centres)


def _overlap(first: Int[np.ndarray, " a"], second: Int[np.ndarray, " b"]) -> float:
    return len(np.intersect1d(first, second)) / len(np.union1d(first, second))


@cache
def _harmonics(
    d: int,
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"], list[Float[np.ndarray, "n d"]]]:
    """The uniform law as nodes with masses, and the gradient field of a harmonic of each degree on them."""
    if d == 2:
        angles = 2 * np.pi * np.arange(256) / 256
        x, tangent = (
            np.stack(pair, axis=-1)
            for pair in ((np.cos(angles), np.sin(angles)), (-np.sin(angles), np.cos(angles)))
        )
        return x, np.full(256, 1 / 256), [np.sin(k * angles)[:, None] * tangent for k in DEGREES]
    height, weight = leggauss(20)
    angles = 2 * np.pi * np.arange(40) / 40
    z, around = (part.ravel() for part in np.meshgrid(height, angles, indexing="ij"))
    x = np.stack([np.sqrt(1 - z**2) * np.cos(around), np.sqrt(1 - z**2) * np.sin(around), z], axis=-1)
    up = np.array([0.0, 0.0, 1.0]) - z[:, None] * x
    slopes = [Legendre.basis(k).deriv()(z) for k in DEGREES]
    return x, np.repeat(weight, 40) / 80, [slope[:, None] * up for slope in slopes]


def measured_rate(beta: float, d: int, degree: int) -> float:
    """Growth rate of a small displacement along a harmonic's gradient, by a central difference of the vector field."""
    x, masses, fields = _harmonics(d)
    along, field = fields[degree - 1], Attention(beta, "SA")
    there, back = (field.velocity(normalise(x + nudge * along), masses) for nudge in (NUDGE, -NUDGE))
    gained = np.sum((np.asarray(there) - np.asarray(back)) * along, axis=1)
    return float(masses @ gained / (2 * NUDGE * masses @ np.sum(along**2, axis=1)))


def _jump(d: int, degree: int) -> float:
    """The beta at which the next degree grows as fast as this one."""
    near = theory.cluster_threshold(degree, d)
    found = root_scalar(
        lambda beta: measured_rate(beta, d, degree + 1) - measured_rate(beta, d, degree),
        bracket=(0.8 * near, 1.25 * near),
        xtol=1e-7,
    )
    return found.root


def _linear(quick: bool) -> xr.Dataset:
    """Growth rates and jumps, of the vector field and in closed form."""
    betas = np.linspace(1.0, 16.0, 4 if quick else 16)
    rates = [[[measured_rate(beta, d, degree) for degree in DEGREES] for beta in betas] for d in DIMS]
    laws = np.stack([theory.growth_rate(DEGREES, betas[:, None], d) for d in DIMS])
    thresholds = [[theory.cluster_threshold(degree, d) for degree in JUMPS] for d in DIMS]
    return xr.Dataset(
        {
            "rate": (("d", "rate_beta", "degree"), rates),
            "predicted_rate": (("d", "rate_beta", "degree"), laws),
            "jump": (("d", "jump_from"), [[_jump(d, degree) for degree in JUMPS] for d in DIMS]),
            "predicted_jump": (("d", "jump_from"), thresholds),
        },
        coords={"d": list(DIMS), "rate_beta": betas, "degree": list(DEGREES), "jump_from": list(JUMPS)},
    )


def _late(seed: int, quick: bool) -> xr.Dataset:
    """Clusters left on the circle at log times: n tokens to t = 30, and then the groups that they form, by mass."""
    betas, starts, n = ([25.0], 2, 128) if quick else ([50.0, 200.0, 800.0], 4, 512)
    log_time = np.linspace(np.log(TIMES[-1]), np.log(1e12), 60)
    remaining = np.empty((len(betas), starts, len(log_time)))
    for (b, beta), s in product(enumerate(betas), range(starts)):
        points = _settled(uniform(n, 2, seed * starts + s), beta, False)[-1]
        group = linked_groups(points, 0.05 / np.sqrt(beta))
        masses = np.bincount(group) / n
        centres = normalise(np.stack([np.bincount(group, each) for each in points.T], axis=-1))
        mergers = coalesce(Attention(beta, "SA"), centres, masses)
        log_times = np.logaddexp(np.log(TIMES[-1]), mergers.log_times)
        remaining[b, s] = len(masses) - np.searchsorted(log_times, log_time, side="right")
    predicted = theory.coarsening_count(log_time, np.array(betas)[:, None])
    return xr.Dataset(
        {
            "remaining": (("late_beta", "late_start", "log_time"), remaining),
            "predicted_remaining": (("late_beta", "log_time"), predicted),
        },
        coords={
            "late_beta": betas,
            "log_time": ("log_time", log_time, {"long_name": "natural log of the time t of SA"}),
        },
    )


EXPERIMENT = Experiment(
    name="counts",
    place=7,
    question="How many clusters form, how many are left later, and which tokens lead them under a causal mask?",
    source="2410.23228 (first clusters); 2411.04990 (Renyi centres); our law for the slow mergers",
    run=run,
    draw=draw,
)
