"""Starts on one level of E1, and how long each of them lives: whether the energy alone decides metastability."""

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.optimize import root_scalar
from scipy.special import ive

from compare.experiments.experiment import Experiment
from compare.plotting import COLOURS
from compare.theory import log_merge_time
from sim import Attention
from sim.mergers.record import Coalescence
from sim.mergers.solver import Stack, coalesce

FAMILIES = {"clusters": "separated clusters", "arc": "tokens on an arc", "walk": "random walk on the level"}
RISE, CONSENSUS = 1e-3, 0.999
EXPONENT = 0.02
LEAST_GAP = 0.35
EARLIEST = -12.0
_LOOKS = 16


def run(seed: int, quick: bool) -> xr.Dataset:
    """SA on the circle from starts with E1 = E, through every merger; `quick` takes fewer tokens, levels and starts.

    The starts: clusters at least 0.35 rad apart with sum m_k^2 = E, the same at every beta; tokens uniform on an arc of
    the length, about sqrt(2 pi/beta)/E, that gives E1 = E, the same up to this scale at every beta; and states of a
    random walk (Metropolis steps of one token, near where it was, near another or anywhere, in a band around the
    level, moved onto it along the gradient at the end).

    In the table, over (level, family, start, beta): ``log_lifetime``, log of the time at which E1 has grown by 1e-3 of
    its value; ``log_consensus``, log of the time at which E1 is 0.999; ``angles``, the starts. ``predicted`` is the
    closed form of the first for the clusters, ``path`` E1 over log time at the middle level and the largest beta.
    """
    n, levels, starts, sweeps = (8, (0.25,), 3, 200) if quick else (40, (0.1, 0.2, 0.4), 6, 300)
    betas = np.geomspace(512.0 if quick else 128.0, 2.0**15, 3 if quick else 5)
    random = np.random.default_rng(seed)
    shape = (len(levels), len(FAMILIES), starts, len(betas))
    angles, lives = np.empty((*shape, n)), np.empty((*shape, 2))
    shown: tuple[Coalescence, ...] = ()
    for i, level in enumerate(levels):
        clusters = np.stack([_clusters(level, n, random) for _ in range(starts)])
        places = random.uniform(-0.5, 0.5, (starts, n))
        for b, beta in enumerate(betas):
            arcs = np.stack([_arc(place, level, beta) for place in places])
            batch = np.stack([clusters, arcs, _walk(arcs, level, beta, sweeps, random)])
            angles[i, :, :, b] = batch
            records = _coalesced(batch, beta)
            lives[i, :, :, b] = np.reshape([_log_lives(each) for each in records], (*batch.shape[:2], 2))
            if i == len(levels) // 2:
                shown = records
    looks = 32 if quick else 96
    latest = max(each.log_times[-1] for each in shown)
    log_time = np.concatenate(
        [np.linspace(EARLIEST, 8, looks), np.geomspace(8, 1.01 * latest, 2 * looks)[1:]]
    )
    paths = np.stack([_path(each, log_time) for each in shown]).reshape(len(FAMILIES), starts, -1)
    over = ("level", "family", "start", "beta")
    law = [
        [[_law(angles[i, 0, s, b], beta) for b, beta in enumerate(betas)] for s in range(starts)]
        for i in range(len(levels))
    ]
    gap = [[_closest(angles[i, 0, s, 0]) for s in range(starts)] for i in range(len(levels))]
    table = xr.Dataset(
        {
            "log_lifetime": (
                over,
                lives[..., 0],
                {"long_name": "log time at which E1 has grown by 1e-3 of itself"},
            ),
            "log_consensus": (over, lives[..., 1], {"long_name": "log time at which E1 is 0.999"}),
            "predicted": (
                ("level", "start", "beta"),
                law,
                {"long_name": "closed form of the clusters' log_lifetime"},
            ),
            "closest": (("level", "start"), gap, {"long_name": "smallest 1 - cos between clusters"}),
            "angles": (
                (*over, "token"),
                angles,
                {"long_name": "angle of a token at the start", "units": "radian"},
            ),
            "path": (
                ("family", "start", "log_time"),
                paths,
                {"long_name": "E1, middle level and largest beta"},
            ),
        },
        coords={
            "level": ("level", list(levels), {"long_name": "energy E1 of the start"}),
            "family": list(FAMILIES),
            "beta": ("beta", betas, {"long_name": "inverse temperature"}),
            "log_time": ("log_time", log_time, {"long_name": "natural log of the time t of SA"}),
        },
        attrs={"n": n, "rise": RISE, "consensus": CONSENSUS},
    )
    return table.assign_attrs(finding=finding(table))


def finding(table: xr.Dataset) -> str:
    """The sentence, from the table alone."""
    upper = table.isel(beta=slice(-3, None))
    rate = upper["log_lifetime"].polyfit("beta", 1)["polyfit_coefficients"].sel(degree=1)
    whole = upper["log_consensus"].polyfit("beta", 1)["polyfit_coefficients"].sel(degree=1)
    ratio = rate.sel(family="clusters") / table["closest"]
    error = np.abs(table["log_lifetime"].sel(family="clusters") - table["predicted"]).max().item()
    arcs = table["log_consensus"].sel(family="arc").isel(beta=-1).median("start").values
    spread = np.abs(whole.sel(family="arc")).max().item()
    trapped = rate.sel(family="clusters").min().item() > EXPONENT
    level_decides = not (trapped and spread < EXPONENT / 10)
    last = table.isel(beta=-1)
    share, share_whole = (
        (last[name].sel(family="walk") > EXPONENT * last["beta"]).mean("start").values
        for name in ("log_lifetime", "log_consensus")
    )
    listed = ", ".join(f"{level:g}" for level in table["level"].values)
    return (
        f"On each level E1 = {listed} separated clusters {'are' if trapped else 'are NOT all'} trapped for a time "
        f"exponential in beta (slope of log lifetime over smallest 1 - cos: {ratio.min().item():.3f} to "
        f"{ratio.max().item():.3f}; closed form within {error:.2g} in log t), while tokens on an arc reach consensus "
        f"at median log t = {', '.join(f'{a:.3g}' for a in arcs)}, with a slope in beta of at most {spread:.1g}: the "
        f"level {'may decide' if level_decides else 'does not decide'}, the predicted counterexample "
        f"{'is NOT' if level_decides else 'is'} there. Of states of a random walk on the level, at beta = "
        f"{last['beta'].item():g}, a share {', '.join(f'{s:.2g}' for s in share)} stays on it, and "
        f"{', '.join(f'{s:.2g}' for s in share_whole)} short of consensus, beyond e^({EXPONENT:g} beta)."
    )


def draw(table: xr.Dataset) -> Figure:
    """E1 over log time for each kind of start, and both lifetimes against beta."""
    figure = Figure(figsize=(11, 4.3))
    path, first, last = figure.subplots(1, 3)
    middle = table["level"].values[table.sizes["level"] // 2]
    for family, colour in zip(FAMILIES, COLOURS):
        lines = table["path"].sel(family=family).transpose("log_time", "start")
        path.plot(table["log_time"], lines, color=colour, linewidth=0.9, alpha=0.8)
    path.set_xscale("symlog", linthresh=10)
    path.set(xlabel="log t (linear up to 10)", ylabel="energy E1", ylim=(0, 1.05))
    path.set_title(f"One level, E1 = {middle:g}, beta = {table['beta'].values[-1]:g}", fontsize=9)
    sides = 0.1 * (np.arange(table.sizes["level"]) - (table.sizes["level"] - 1) / 2)
    for axes, name in ((first, "log_lifetime"), (last, "log_consensus")):
        for family, colour in zip(FAMILIES, COLOURS):
            for level, side, mark in zip(table["level"].values, sides, "ovs"):
                dots = table[name].sel(family=family, level=level).transpose("beta", "start")
                places = np.repeat(table["beta"].values * np.exp(side), dots.sizes["start"])
                axes.plot(places, dots.values.ravel(), mark, color=colour, markersize=3.5, alpha=0.7)
        axes.set_xscale("log", base=2)
        axes.set_yscale("symlog", linthresh=10)
        axes.set(xlabel="inverse temperature beta", ylabel="log t (linear up to 10)")
        axes.plot(table["beta"], EXPONENT * table["beta"], "k:", linewidth=1)
    for level, side in zip(table["level"].values, sides):
        law = table["predicted"].sel(level=level).median("start")
        first.plot(table["beta"] * np.exp(side), law, "k--", linewidth=0.8)
    first.set_title("Lifetime: E1 grows by a thousandth", fontsize=9)
    last.set_title("Consensus: E1 = 0.999", fontsize=9)
    for family, colour in zip(FAMILIES, COLOURS):
        path.plot([], [], color=colour, label=FAMILIES[family])
    for level, mark in zip(table["level"].values, "ovs"):
        path.plot([], [], mark, color="grey", markersize=4, label=f"E1 = {level:g}")
    path.plot([], [], "k--", label="closed form, median of the clusters")
    path.plot([], [], "k:", label=f"log t = {EXPONENT:g} beta")
    figure.legend(*path.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _e1(angles: Float[np.ndarray, "*batch n"], beta: float) -> Float[np.ndarray, "*batch"] | np.float64:
    return np.mean(_kernel(angles[..., :, None] - angles[..., None, :], beta), axis=(-2, -1))


def _kernel(angles: Float[np.ndarray, "*any"], beta: float) -> Float[np.ndarray, "*any"]:
    return np.exp(-2 * beta * np.sin(angles / 2) ** 2)


def _clusters(level: float, n: int, random: np.random.Generator) -> Float[np.ndarray, " n"]:
    """Clusters of whole numbers of tokens with squares that sum to E n^2, at random angles with no gap below 0.35."""
    squares = round(level * n**2)
    least = int(np.ceil(1 / level))
    found = [sizes for count in range(least, least + 4) for sizes in partitions(n, squares, count, n)]
    sizes = random.permutation(found[random.integers(len(found))])
    free = 2 * np.pi - LEAST_GAP * len(sizes)
    gaps = LEAST_GAP + free * random.dirichlet(np.ones(len(sizes)))
    return np.repeat(np.cumsum(gaps), sizes)


def partitions(total: int, squares: int, count: int, largest: int) -> list[tuple[int, ...]]:
    """All falling lists of `count` whole numbers up to `largest` with this sum and this sum of squares."""
    if count == 0:
        return [()] if total == squares == 0 else []
    if not count <= total <= squares or total**2 > count * squares:
        return []
    return [
        (size, *rest)
        for size in range(min(largest, total), 0, -1)
        if size**2 <= squares
        for rest in partitions(total - size, squares - size**2, count - 1, size)
    ]


def _arc(place: Float[np.ndarray, " n"], level: float, beta: float) -> Float[np.ndarray, " n"]:
    """Places in [-1/2, 1/2] stretched to the arc on which E1 is the level."""
    longest = min(2 * np.pi, 60 / np.sqrt(beta))
    length = root_scalar(
        lambda each: float(_e1(each * place, beta)) - level, bracket=(0.0, longest), xtol=1e-12
    ).root
    return length * place


def _walk(
    start: Float[np.ndarray, "chain n"], level: float, beta: float, sweeps: int, random: np.random.Generator
) -> Float[np.ndarray, "chain n"]:
    """States of random walks in a band around the level, moved onto it; a walk goes on until that can be done."""
    x = start.copy()
    for width in np.repeat([0.05, 0.005], [sweeps, sweeps // 4]):
        _sweep(x, level, beta, width, random)
    found: dict[int, Float[np.ndarray, " n"]] = {}
    while len(found) < len(x):
        for chain in set(range(len(x))) - set(found):
            there = _onto_level(x[chain], level, beta)
            if there is not None:
                found[chain] = there
        _sweep(x, level, beta, 0.005, random)
    return np.stack([found[chain] for chain in range(len(x))])


def _sweep(
    x: Float[np.ndarray, "chain n"], level: float, beta: float, width: float, random: np.random.Generator
) -> None:
    """n Metropolis steps in place, each of one token, with weight exp(-(log(E1/level)/width)^2/2).

    Half of them are normal; the others are anywhere, or from the von Mises law around another token, and corrected
    for that.
    """
    chains, n = x.shape
    each, now = np.arange(chains), _e1(x, beta)
    unit = 2 * np.pi * ive(0, beta) * (n - 1)
    for _ in range(n):
        token, other = random.integers(n, size=chains), random.integers(1, n, size=chains)
        old = x[each, token]
        step = random.normal(old, 1 / np.sqrt(beta))
        joined = random.vonmises(x[each, (token + other) % n], beta)
        alone = random.uniform(0, 2 * np.pi, chains)
        jump = random.random(chains) < 0.5
        new = np.where(jump, np.where(random.random(chains) < 0.5, joined, alone), step)
        others = np.ones_like(x)
        others[each, token] = 0
        before, after = (np.sum(others * _kernel(x - place[:, None], beta), axis=1) for place in (old, new))
        then = now + 2 * (after - before) / n**2
        gain = (np.log(now / level) ** 2 - np.log(then / level) ** 2) / (2 * width**2)
        proposed = np.log((1 / (2 * np.pi) + before / unit) / (1 / (2 * np.pi) + after / unit))
        accepted = np.log(random.random(chains)) < gain + np.where(jump, proposed, 0.0)
        x[each, token] = np.where(accepted, new, old)
        now = np.where(accepted, then, now)


def _onto_level(angles: Float[np.ndarray, " n"], level: float, beta: float) -> Float[np.ndarray, " n"] | None:
    """The nearest point of the level up or down the gradient of E1; None where there is none within beta^(-1/2)."""
    apart = angles[:, None] - angles
    slope = -np.sum(np.sin(apart) * _kernel(apart, beta), axis=1)
    step = slope / np.abs(slope).max() / np.sqrt(beta)
    grid = np.linspace(-1, 1, 201)
    excess = np.asarray(_e1(angles + grid[:, None] * step, beta)) - level
    changes = np.flatnonzero(np.sign(excess[:-1]) != np.sign(excess[1:]))
    if not changes.size:
        return None
    k = changes[np.argmin(np.abs(grid[changes]))]
    ends = (grid[k], grid[k + 1])
    share = root_scalar(lambda s: float(_e1(angles + s * step, beta)) - level, bracket=ends, xtol=1e-14).root
    return angles + share * step


def _coalesced(angles: Float[np.ndarray, "family start n"], beta: float) -> tuple[Coalescence, ...]:
    """Every start through all mergers: the clusters, of which there are few, by their masses, the others as tokens."""
    field, (clusters, *others) = Attention(beta, "SA"), angles
    records = []
    for start in clusters:
        centres, sizes = np.unique(start, return_counts=True)
        records.append(coalesce(field, _points(centres), sizes / len(start)))
    alike: Float[Stack, "batch n 2"] = _points(np.concatenate(others))
    return (*records, *coalesce(field, alike))


def _points(angles: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n 2"]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def _path(record: Coalescence, log_times: Float[np.ndarray, " moment"]) -> Float[np.ndarray, " moment"]:
    """E1 at these log times, looked at a few at once: more would compile another size of the solver."""
    parts = np.array_split(log_times, -(-len(log_times) // _LOOKS))
    points = np.concatenate([record.trajectory(part).points for part in parts])
    squares = np.sum((points[:, :, None] - points[:, None]) ** 2, axis=-1)
    return np.exp(-record.beta * squares / 2) @ record.weights @ record.weights


def _log_lives(record: Coalescence) -> tuple[float, float]:
    """Log of the times at which E1 has grown by a thousandth of itself, and at which it is 0.999."""
    begin = float(_path(record, np.array([EARLIEST]))[0])
    return _log_passage(record, (1 + RISE) * begin), _log_passage(record, CONSENSUS)


def _log_passage(record: Coalescence, target: float) -> float:
    """Log time at which E1, which never falls, reaches a value: between two mergers, where a closer and closer look
    at the end of the stage finds it. EARLIEST where it is there by then."""
    merger = int(np.searchsorted(record.energies, target))
    end = record.log_times[merger]
    begin = max(EARLIEST, record.log_times[merger - 1]) if merger else EARLIEST
    moments = (
        end - np.geomspace(end - begin, 1e-4, _LOOKS)
        if end > begin + 1e-3
        else np.array([begin, begin + 1e-3])
    )
    for _ in range(2):
        values = _path(record, moments)
        after = int(np.searchsorted(values, target))
        if after in (0, len(values)):
            return float(moments[max(after - 1, 0)])
        moments = np.linspace(moments[after - 1], moments[after], _LOOKS)
    return float(np.interp(target, _path(record, moments), moments))


def _pairs(angles: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " pair"], Float[np.ndarray, "2 pair"]]:
    """Angle between every two clusters of coinciding tokens, in (0, pi], and their masses."""
    centres, sizes = np.unique(angles, return_counts=True)
    first, second = np.triu_indices(len(centres), 1)
    masses = sizes / len(angles)
    return np.arccos(np.cos(centres[first] - centres[second])), np.stack([masses[first], masses[second]])


def _closest(angles: Float[np.ndarray, " n"]) -> float:
    return float(1 - np.cos(_pairs(angles)[0].min()))


def _law(angles: Float[np.ndarray, " n"], beta: float) -> float:
    """Log time at which the first pair of clusters, as if alone, has raised E1 by a thousandth of itself."""
    gap, masses = _pairs(angles)
    near = gap < np.pi * (1 - 1e-6)
    gap, masses = gap[near], masses[:, near]
    raised = _kernel(gap, beta) + RISE * float(_e1(angles, beta)) / (2 * masses[0] * masses[1])
    stop = np.arccos(1 + np.log(raised) / beta)
    return float(np.min(log_merge_time(beta, gap, stop, (masses[0], masses[1]))))


EXPERIMENT = Experiment(
    name="levels",
    place=5,
    question="Does the energy E1 of a start decide whether it is metastable?",
    source="2410.06833, Section 4 and its Problem 1 (energy levels)",
    run=run,
    draw=draw,
)
