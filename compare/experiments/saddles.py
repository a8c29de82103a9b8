"""The staircase of the energy beyond the circle: random clusters on spheres of any dimension."""

from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

from compare.experiments.experiment import Experiment
from compare.experiments.shared.records import tabulate
from compare.experiments.shared.rescaled import Climb, climb, plateau_length
from compare.plotting import COLOURS
from compare.theory import collision_radius, plateau_limit
from sim.attention import Attention
from sim.mergers.record import Coalescence
from sim.mergers.solver import coalesce
from sim.sphere import uniform

KINDS = ("SA", "USA")
MARKERS = ("o", "s", "^")
SHOWN = 8
FLAT = 0.05
CHECKED_BETA = 1e6


LABELS = {
    "length": (
        "plateau, from merger to merger, on the clock tau' = ln(beta) min e^(beta (1 - cos))",
        "rescaled time",
    ),
    "length_theory": ("plateau of that pair, finite-beta formula", "rescaled time"),
    "length_limit": ("plateau of that pair, 1/(2c)", "rescaled time"),
    "flat_length": (f"part of the plateau before E1 has done {FLAT:.0%} of its next step", "rescaled time"),
    "printed_length": ("plateau on the clock as printed, with max for min", "rescaled time"),
    "rescaled_time": ("moments at which the energy is recorded", "rescaled time"),
    "angle": ("of the merging pair as its plateau begins", "rad"),
    "height": ("sum of squared masses after the merger", ""),
    "closest_merges": ("1 where the pair closest as the plateau begins ends it", ""),
    "same_tree": ("1 where coalesce gives the same mergers in the same order; NaN where not asked", ""),
    "energy": ("energy E1", ""),
    "beta": ("inverse temperature beta", ""),
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """K clusters, uniform on S^(d-1) with random masses, through all their mergers in rescaled time."""
    dims = (3, 16) if quick else (3, 4, 8, 16, 32, 64)
    counts = (4, 8) if quick else (4, 8, 16)
    betas = (1e3, 1e6) if quick else (1e3, 1e6, 1e12)
    repeats = range(2 if quick else 5)
    width = max(counts) - 1
    records = []
    for kind, d, count, repeat, beta in product(KINDS, dims, counts, repeats, betas):
        points, masses = _start(count, d, [seed, d, count, repeat])
        climbed = climb(points, masses, beta, kind)
        keys = {"kind": kind, "d": d, "clusters": count, "seed": repeat, "beta": beta}
        same = _same_tree(climbed, points, masses, beta, kind) if beta == CHECKED_BETA else np.nan
        records.append(keys | _plateaus(climbed, masses, beta, kind, width) | {"same_tree": same})
    keys = ("kind", "d", "clusters", "seed", "beta")
    table = tabulate(records, keys, LABELS, ("merger", "sample"))
    table = table.assign_coords(merger=np.arange(1, width + 1))
    table.attrs["finding"] = finding(table)
    return table


def _start(
    count: int, d: int, seed: list[int]
) -> tuple[Float[np.ndarray, "clusters d"], Float[np.ndarray, " clusters"]]:
    random = np.random.default_rng(seed)
    return uniform(count, d, int(random.integers(2**31))), random.dirichlet(np.full(count, 4.0))


def _plateaus(
    climbed: Climb, masses: Float[np.ndarray, " clusters"], beta: float, kind: str, width: int
) -> dict[str, Float[np.ndarray, "width ..."]]:
    """What is recorded of each plateau of a run; NaN beyond the last of them."""
    first, second = climbed.pair_masses.T
    steps = 2 * first * second
    heights = np.sum(masses**2) + np.cumsum(steps)
    risen = climbed.energies - (heights - steps)[:, None]
    begins = np.append(0.0, np.cumsum(climbed.lengths)[:-1])
    columns = {
        "length": climbed.lengths,
        "length_theory": plateau_length(beta, climbed.angles, (first, second), kind),
        "length_limit": plateau_limit(first, second, kind),
        "flat_length": [
            np.interp(FLAT * step, rise, at) for step, rise, at in zip(steps, risen, climbed.moments)
        ],
        "printed_length": climbed.printed_lengths,
        "angle": climbed.angles,
        "height": heights,
        "closest_merges": np.all(np.sort(climbed.pairs, axis=1) == climbed.closest, axis=1),
        "rescaled_time": begins[:, None] + climbed.moments,
        "energy": climbed.energies,
    }
    padded = {}
    for name, values in columns.items():
        padded[name] = np.full((width, *np.shape(values)[1:]), np.nan)
        padded[name][: len(steps)] = values
    return padded


def _same_tree(
    climbed: Climb,
    points: Float[np.ndarray, "clusters d"],
    masses: Float[np.ndarray, " clusters"],
    beta: float,
    kind: str,
) -> bool:
    """Whether `coalesce` with the same radius merges the same clusters in the same order."""
    chord = 2 * np.sin(float(collision_radius(beta)) / 2)
    found = coalesce(Attention(beta, kind), points, masses, merge_chord=chord)
    return _tree_of_slots(climbed, len(masses)) == _tree_of_linkage(found, len(masses))


def _tree_of_slots(climbed: Climb, count: int) -> list[set[frozenset[int]]]:
    """Mergers in order, each as the two sets of first clusters that it joins."""
    members = [frozenset({slot}) for slot in range(count)]
    tree = []
    for gone, kept in climbed.pairs:
        tree.append({members[gone], members[kept]})
        members[kept] |= members[gone]
    return tree


def _tree_of_linkage(found: Coalescence, count: int) -> list[set[frozenset[int]]]:
    members = [frozenset({slot}) for slot in range(count)]
    tree = []
    for one, other in found.pairs:
        tree.append({members[one], members[other]})
        members.append(members[one] | members[other])
    return tree


def plateaus(table: xr.Dataset) -> xr.DataArray:
    """Number of plateaus of each run whose flat part lasts at least half of 1/(2c)."""
    return (table["flat_length"] >= table["length_limit"] / 2).sum("merger")


def finding(table: xr.Dataset) -> str:
    first, last = table["beta"].values[[0, -1]]
    few, many = table["clusters"].values[[0, -1]]
    runs = ("kind", "d", "clusters", "seed", "merger")
    off = abs(table["length"] / table["length_theory"] - 1)
    number, missed = int(off.notnull().sum()), int((off > 0.01).sum())
    from_limit = abs(table["length"] / table["length_limit"] - 1).median(runs)
    seen = plateaus(table).sum(("kind", "d", "clusters", "seed")) / off.notnull().sum(runs)
    later = table["angle"].diff("merger").sel(beta=last)
    closer = float((later < 0).sum() / later.notnull().sum())
    mean = table["length"].sel(beta=last).mean(("d", "seed", "merger"))
    usa, sa = (
        [float(mean.sel(kind=kind, clusters=count)) for count in (few, many)] for kind in ("USA", "SA")
    )
    trees = table["same_tree"].sel(beta=CHECKED_BETA)
    holds = missed <= 0.01 * number and float(seen.sel(beta=last)) > 0.9
    return (
        f"The energy {'is' if holds else 'is not'} a staircase for random clusters on S^(d-1), d = "
        f"{table['d'].values.min()} to {table['d'].values.max()}: {missed} of {number} plateaus miss the "
        f"finite-beta law by over 1 %, the worst by {float(off.max()):.1e}; they are off 1/(2c) by "
        f"{from_limit.values[0]:.0%} at beta = {first:.0e} and {from_limit.values[-1]:.0%} at {last:.0e} (medians), "
        f"and {seen.values[0]:.0%} and {seen.values[-1]:.0%} of the K - 1 plateaus are flat for half of it. From "
        f"{few} to {many} clusters the mean plateau goes from {usa[0]:.2f} to {usa[1]:.2f} (USA) and from "
        f"{sa[0]:.2f} to {sa[1]:.2f} (SA). After {closer:.0%} of the mergers the closest pair is closer than the "
        f"last one was. coalesce finds the same mergers in the same order in {int(trees.sum())} of "
        f"{int(trees.notnull().sum())} runs at {CHECKED_BETA:.0e}."
    )


def _by_clusters_left(table: xr.Dataset) -> xr.DataArray:
    """Mean length of a plateau on which so many clusters are left, over all starts, at the largest beta."""
    lengths = table["length"].isel(beta=-1).stack(run=("d", "clusters", "seed", "merger"))
    left = lengths["clusters"] - lengths["merger"] + 1
    return lengths.assign_coords(left=("run", left.values)).groupby("left").mean()


def draw(table: xr.Dataset) -> Figure:
    """The stairs in several dimensions, lengths against the law, and numbers and lengths by the number of clusters."""
    figure = Figure(figsize=(10, 7.8))
    (stairs, lengths), (numbers, by_left) = figure.subplots(2, 2)
    last, betas, dims = table["beta"].values[-1], table["beta"].values, table["d"].values
    for d, colour in zip(dims[[0, len(dims) // 2, -1]] if len(dims) > 2 else dims, COLOURS):
        one = table.sel(kind="USA", d=d, clusters=SHOWN, seed=0, beta=last).isel(
            merger=slice(None, SHOWN - 1)
        )
        end = float(one["length"].sum())
        stairs.plot(
            np.append(one["rescaled_time"].values.ravel(), [end, end + 1]),
            np.append(one["energy"].values.ravel(), [1, 1]),
            color=colour,
            label=f"d = {d}",
        )
        ends = np.append(0.0, np.cumsum(one["length_theory"].values))
        levels = np.append(one["energy"].values[0, 0], one["height"].values)
        stairs.step(ends, levels, where="post", color=COLOURS[6], linestyle="--", linewidth=0.9)
    stairs.plot([], [], color=COLOURS[6], linestyle="--", label="finite-beta law")
    stairs.set(
        title=f"{SHOWN} random clusters, USA, beta = {last:.0e}", xlabel="rescaled time", ylabel="energy E1"
    )
    for beta, colour in zip(betas, COLOURS):
        for kind, marker in zip(KINDS, MARKERS):
            chosen = table.sel(beta=beta, kind=kind)
            lengths.plot(
                chosen["length_limit"].values.ravel(),
                chosen["length"].values.ravel(),
                marker,
                color=colour,
                markersize=2.5,
                alpha=0.5,
            )
            lengths.plot([], [], marker, color=colour, label=f"{kind}, beta = {beta:.0e}")
    span = [float(table["length_limit"].min()), float(table["length_limit"].max())]
    lengths.plot(span, span, color=COLOURS[6], linestyle="--", label="length = 1/(2c)")
    lengths.set(title="Every plateau against its limit", xlabel="1/(2c)", ylabel="length of a plateau")
    lengths.set(xscale="log", yscale="log", ylim=(span[0] / 3, span[1] * 2))
    seen = plateaus(table).where(table["height"].notnull().any("merger"))
    for row, (beta, marker) in enumerate(zip(betas[[0, -1]], MARKERS)):
        for column, (d, colour) in enumerate(zip(dims, COLOURS)):
            each = seen.sel(beta=beta, d=d).mean(("kind", "seed"))
            shift = 1 + 0.02 * (column - len(dims) / 2)
            numbers.plot(
                each["clusters"] * shift, each, marker, color=colour, fillstyle=("none", "full")[row]
            )
    for d, colour in zip(dims, COLOURS):
        numbers.plot([], [], marker="s", linestyle="", color=colour, label=f"d = {d}")
    counts = table["clusters"].values
    numbers.plot(counts, counts - 1, color=COLOURS[6], linestyle="--", label="K - 1")
    numbers.set_xticks(counts)
    numbers.set(
        title=f"Plateaus seen (hollow: beta = {betas[0]:.0e}, full: {last:.0e})",
        xlabel="number of clusters K",
        ylabel="plateaus seen, mean of runs",
    )
    means = _by_clusters_left(table)
    means = means.where(means["left"] > 1, drop=True)
    for kind, marker, colour in zip(KINDS, MARKERS, COLOURS):
        by_left.plot(means["left"], means.sel(kind=kind), marker, color=colour, label=f"{kind}, measured")
    left = means["left"].values
    by_left.plot(left, left / 4, color=COLOURS[6], linestyle="--", label="1/(2c), equal masses")
    by_left.plot(left, np.full(len(left), 0.25), color=COLOURS[6], linestyle="--")
    by_left.set(
        title=f"Mean plateau, beta = {last:.0e}", xlabel="clusters left", ylabel="length of a plateau"
    )
    by_left.set(xscale="log", yscale="log")
    by_left.set_xticks(counts, [str(count) for count in counts])
    by_left.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    by_left.minorticks_off()
    for axes, columns in ((stairs, 4), (lengths, 3), (numbers, 4), (by_left, 3)):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns)
    return figure


EXPERIMENT = Experiment(
    name="saddles",
    place=3,
    question="Is the energy a staircase for random clusters on spheres of any dimension, with plateaus 1/(2c)?",
    source="2410.06833, open question 3 (the staircase beyond the circle)",
    run=run,
    draw=draw,
)
