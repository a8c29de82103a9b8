"""Escapes after the first merger: their law, the order of the closest pairs, and ties."""

from itertools import product
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from compare.experiments.experiment import Experiment
from compare.experiments.shared.records import tabulate
from compare.plotting import COLOURS
from compare.theory import closest_pair_log_time, log_merge_time, merge_displacement
from sim.attention import Attention
from sim.mergers.record import Coalescence, State
from sim.mergers.solver import coalesce
from sim.sphere import uniform

CLUSTERS = 8
GAP = 0.5
PREDICTORS = ("single linkage", "closest pair, mass mean", "escape law")
CLEAR = 10.0


LABELS = {
    "beta": ("inverse temperature beta", ""),
    "log_time": ("ln t of the merger, measured by coalesce", "nat"),
    "log_time_theory": (
        "ln t by the two-cluster time of the first pair, from the state after the last merger",
        "nat",
    ),
    "log_time_asymptotic": ("the same by the law for large beta; NaN outside its domain", "nat"),
    "lead": ("ln of the time of the runner-up pair over that of the first pair", "nat"),
    "pair_as_predicted": ("1 where the pair of that law is the one that merged", ""),
    "same_order": ("1 where a greedy rule gives all mergers in the right order", ""),
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """Eight random clusters through every merger, and three in a row whose gaps differ by next to nothing."""
    kinds = ("SA",) if quick else ("SA", "USA")
    dims = (3,) if quick else (3, 8)
    betas = np.logspace(1.5, 4.5, 4 if quick else 7).round(1)
    keys = ("kind", "d", "beta", "seed")
    records, orders = [], []
    for kind, d, beta, repeat in product(kinds, dims, betas, range(4 if quick else 30)):
        random = np.random.default_rng([seed, d, repeat])
        points, masses = (
            uniform(CLUSTERS, d, int(random.integers(2**31))),
            random.dirichlet(np.full(CLUSTERS, 4.0)),
        )
        found = _followed(Attention(beta, kind), points, masses)
        run_of = dict(zip(keys, (kind, d, beta, repeat)))
        seen = members_of_pairs(found.pairs)
        foretold = [
            seen == members_of_pairs(greedy_mergers(points, masses, beta, kind, each)) for each in PREDICTORS
        ]
        records.append(run_of | _stages(found, beta, kind))
        orders.append(run_of | {"same_order": foretold})
    stages = tabulate(records, keys, {k: v for k, v in LABELS.items() if k != "same_order"}, ("merger",))
    order = tabulate(orders, keys, {"same_order": LABELS["same_order"]}, ("predictor",))
    rows = _rows(kinds, np.arange(60.0, 141.0, 40.0 if quick else 20.0), 2.0 if quick else 1.0)
    names = {"merger": np.arange(1, CLUSTERS), "predictor": list(PREDICTORS)}
    table = xr.merge([stages, order, rows]).assign_coords(names)
    table.attrs["finding"] = finding(table)
    return table


def _followed(
    field: Attention, points: Float[np.ndarray, "n d"], masses: Float[np.ndarray, " n"] | None = None
) -> Coalescence:
    return coalesce(field, points, masses, throw=False)


class _Pair(NamedTuple):
    """The pair that the law sends first: rows of a state, its log times, and how far the runner-up is behind."""

    first: int
    second: int
    log_time: float
    asymptotic: float
    lead: float


def _first_escape(state: State, beta: float, kind: str, chord: float) -> _Pair:
    rows, columns = np.triu_indices(len(state.masses), 1)
    apart = np.linalg.norm(state.points[rows] - state.points[columns], axis=1)
    angles = np.clip(2 * np.arcsin(np.minimum(apart / 2, 1)), chord, np.pi * (1 - 1e-9))
    masses = state.masses[rows], state.masses[columns]
    log_times = np.asarray(log_merge_time(beta, angles, chord, masses, kind))
    order = np.argsort(log_times)
    best = int(order[0])
    law = np.nan
    if beta * np.sin(angles[best]) ** 2 + 2 * np.cos(angles[best]) > 0:
        law = float(closest_pair_log_time(beta, angles[best], masses[0][best], masses[1][best], kind))
    lead = float(log_times[order[1]] - log_times[best]) if len(order) > 1 else np.inf
    return _Pair(int(rows[best]), int(columns[best]), float(log_times[best]), law, lead)


def _stages(found: Coalescence, beta: float, kind: str) -> dict[str, list[float]]:
    """Each merger of a run, and what the law says from the state just after the one before."""
    before, now = State(found.initial, found.weights, np.arange(CLUSTERS)), -np.inf
    rows = []
    for merger, log_time in enumerate(found.log_times):
        pair = _first_escape(before, beta, kind, found.merge_chord)
        predicted = {int(before.clusters[pair.first]), int(before.clusters[pair.second])}
        with np.errstate(invalid="ignore"):
            laws = [float(np.logaddexp(now, law)) for law in (pair.log_time, pair.asymptotic)]
        rows.append((log_time, *laws, pair.lead, predicted == set(found.pairs[merger].tolist())))
        before, now = _after(found, merger, before), log_time
    names = ("log_time", "log_time_theory", "log_time_asymptotic", "lead", "pair_as_predicted")
    return {name: list(column) for name, column in zip(names, zip(*rows))}


def _after(found: Coalescence, merger: int, before: State) -> State:
    """The state just after a merger; made from the one before where the next merger has the same ln t to rounding."""
    state = found.at(found.log_times[merger])
    if len(state.masses) == len(before.masses) - 1:
        return state
    stay = ~np.isin(before.clusters, found.pairs[merger])
    return State(
        np.vstack([before.points[stay], found.positions[merger]]),
        np.append(before.masses[stay], found.masses[merger]),
        np.append(before.clusters[stay], len(found.initial) + merger),
    )


def greedy_mergers(
    points: Float[np.ndarray, "n d"], masses: Float[np.ndarray, " n"], beta: float, kind: str, predictor: str
) -> Int[np.ndarray, "mergers 2"]:
    """Mergers in linkage numbering when only one pair moves at a time.

    Single linkage leaves all points where they are; the others put the merged cluster where its pair meets: at the
    mass mean, or, with the escape law, where `merge_displacement` says. The law also lets masses choose the pair.
    """
    x, mass, number = points.copy(), masses.copy(), np.arange(len(masses))
    members = [[row] for row in range(len(masses))]
    pairs = []
    while len(x) > 1:
        if predictor == "single linkage":
            apart = [
                [
                    np.min(np.linalg.norm(points[a][:, None] - points[b], axis=-1)) if a is not b else np.inf
                    for b in members
                ]
                for a in members
            ]
            first, second = sorted(np.unravel_index(np.argmin(apart), (len(x), len(x))))
        elif predictor == "escape law":
            chosen = _first_escape(State(x, mass, number), beta, kind, 1e-5 / beta)
            first, second = chosen.first, chosen.second
        else:
            apart = np.linalg.norm(x - x[:, None], axis=-1) + np.diag(np.full(len(x), np.inf))
            first, second = sorted(np.unravel_index(np.argmin(apart), apart.shape))
        pairs.append((number[first], number[second]))
        share = mass[second] / (mass[first] + mass[second])
        if predictor == "escape law":
            angle = 2 * np.arcsin(np.linalg.norm(x[first] - x[second]) / 2)
            share = float(merge_displacement(beta, angle, (mass[first], mass[second]), kind)) / angle
        x[first] = _between(x[first], x[second], share)
        mass[first] += mass[second]
        members[first] = members[first] + members[second]
        number[first] = len(points) + len(pairs) - 1
        x, mass, number = np.delete(x, second, axis=0), np.delete(mass, second), np.delete(number, second)
        del members[second]
    return np.array(pairs)


def _between(
    start: Float[np.ndarray, " d"], end: Float[np.ndarray, " d"], share: float
) -> Float[np.ndarray, " d"]:
    """The point at that share of the great circle's arc."""
    angle = 2 * np.arcsin(np.linalg.norm(start - end) / 2)
    return (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


def members_of_pairs(pairs: Int[np.ndarray, "mergers 2"]) -> list[set[frozenset[int]]]:
    """Mergers in order, each as the two sets of first points that it joins."""
    sets = [frozenset({row}) for row in range(len(pairs) + 1)]
    tree = []
    for one, other in pairs:
        tree.append({sets[one], sets[other]})
        sets.append(sets[one] | sets[other])
    return tree


def _rows(kinds: tuple[str, ...], betas: Float[np.ndarray, " beta"], step: float) -> xr.Dataset:
    """Three equal clusters at angles -g, 0 and g + delta: how much later the second merger is than the first.

    With h the pull between neighbours, the mean gap falls as g' = -c h and the difference grows as delta' = -3 c h'
    delta, so delta grows by e^(3 beta (cos g - cos g_0)) until it is as large as the gap, at some g. The outer cluster
    that loses then stands 3 g/2 from the merged pair, and merges with no plateau in between where 3 g/2 < g_0. Hence
    no plateau where delta < delta_c, with -ln delta_c growing as 3 beta (cos(2 g_0/3) - cos g_0): derived here.
    """
    logs = np.arange(-2.0, -32.0, -step)
    late = np.empty((len(kinds), len(betas), len(logs)))
    apart = np.empty_like(late)
    law = np.empty_like(late)
    for place in product(*map(range, late.shape)):
        kind, beta, delta = kinds[place[0]], float(betas[place[1]]), float(np.exp(logs[place[2]]))
        field = Attention(beta, kind)
        late[place] = np.diff(_followed(field, _row(GAP, GAP + delta)).log_times)[0]
        found = _followed(field, _two_pairs(GAP, GAP + delta))
        apart[place] = found.log_times[1] - found.log_times[0]
        gaps = np.array([GAP, GAP + delta])
        law[place] = np.diff(log_merge_time(beta, gaps, found.merge_chord, (0.25, 0.25), kind))[0]
    threshold = np.array([[_fall_to(row, logs, 1.0) for row in rows] for rows in late])
    dims = ("kind", "beta_row", "log_delta")
    nat = {"units": "nat"}
    return xr.Dataset(
        {
            "row_delay": (
                dims,
                late,
                nat | {"long_name": "ln of the second merger's time over the first's, a row of 3"},
            ),
            "pairs_delay": (dims, apart, nat | {"long_name": "the same for two pairs far from each other"}),
            "pairs_delay_theory": (dims, law, nat | {"long_name": "two-cluster times of those pairs"}),
            "log_delta_critical": (
                dims[:2],
                threshold,
                nat | {"long_name": "ln of the difference where the delay is 1"},
            ),
            "slope_theory": (
                (),
                3 * float(np.cos(2 * GAP / 3) - np.cos(GAP)),
                {"long_name": "-d ln delta_c/d beta"},
            ),
        },
        coords={
            "kind": list(kinds),
            "beta_row": betas,
            "log_delta": ("log_delta", logs, nat | {"long_name": "ln of the difference of the two gaps"}),
        },
    )


def _row(left: float, right: float) -> Float[np.ndarray, "3 3"]:
    angles = np.array([-left, 0.0, right])
    return np.stack([np.cos(angles), np.sin(angles), np.zeros(3)], axis=1)


def _two_pairs(one: float, other: float) -> Float[np.ndarray, "4 3"]:
    """Two pairs at right angles to each other."""
    return np.array(
        [[1, 0, 0], [np.cos(one), np.sin(one), 0], [0, 0, 1], [0, -np.sin(other), np.cos(other)]], float
    )


def _fall_to(values: Float[np.ndarray, " k"], at: Float[np.ndarray, " k"], level: float) -> float:
    """Where values first fall to the level, between two entries; NaN where they never do."""
    below = np.flatnonzero(values < level)
    if not below.size or below[0] == 0:
        return np.nan
    k = below[0]
    return float(at[k] - (level - values[k]) / (values[k - 1] - values[k]) * (at[k] - at[k - 1]))


def finding(table: xr.Dataset) -> str:
    first, last = table["beta"].values[[0, -1]]
    later = table.isel(merger=slice(1, None))
    off = abs(later["log_time"] - later["log_time_theory"])
    clear = later["lead"] > CLEAR
    worst = float(off.where(clear).max())
    wrong = int(((later["pair_as_predicted"] == 0) & clear).sum())
    medians = off.median(("kind", "d", "seed", "merger")).values
    order = 100 * table["same_order"].mean(("d", "seed")).sel(beta=last)
    ranks = [
        f"{name} "
        + " and ".join(
            f"{float(order.sel(predictor=name, kind=kind)):.0f} % ({kind})" for kind in order["kind"].values
        )
        for name in PREDICTORS
    ]
    quickly = table["log_time"].diff("merger") < np.log(2)
    cascades = 100 * quickly.mean(("kind", "d", "seed", "merger")).values
    pace = float(table["beta_row"][-1] - table["beta_row"][-2])
    slopes = -table["log_delta_critical"].diff("beta_row").isel(beta_row=-1) / pace
    rows = ", ".join(f"{float(slope):.3f} ({kind})" for kind, slope in zip(table["kind"].values, slopes))
    tied = float(abs(table["pairs_delay"] - table["pairs_delay_theory"]).max())
    follow = worst < 1e-2 and wrong == 0
    return (
        f"Mergers after the first {'follow' if follow else 'do not follow'} the law with updated masses and places: "
        f"where the runner-up is behind by over {CLEAR:g} in ln t ({int(clear.sum())} of {clear.size}), ln t is off "
        f"by at most {worst:.1e} and another pair merges {wrong} times; over all, the error is {medians[0]:.1e} at "
        f"beta = {first:g} and {medians[-1]:.1e} at {last:g} in the median, {float(off.max()):.2g} at worst. All "
        f"seven mergers are foretold in order at beta = {last:g} by {', '.join(ranks)} of the runs. "
        f"{cascades[0]:.0f} % and {cascades[-1]:.0f} % of the mergers follow the one before within a factor 2 of t. "
        "Three in a row merge without a plateau where their gaps differ by less than delta_c, whose logarithm "
        f"falls in beta with slope {rows}, law {float(table['slope_theory']):.3f}; ties of pairs far apart change "
        f"ln t by {tied:.1e}."
    )


def draw(table: xr.Dataset) -> Figure:
    """Measured against predicted times, errors against the lead, order of mergers, and rows of three."""
    figure = Figure(figsize=(10, 7.8))
    (times, errors), (order, rows) = figure.subplots(2, 2)
    betas = table["beta"].values
    shown = betas[:: -(-len(betas) // 4)]
    later = table.isel(merger=slice(1, None))
    off = abs(later["log_time"] - later["log_time_theory"])
    for order_below, (beta, colour) in enumerate(zip(shown, COLOURS)):
        chosen = later.sel(beta=beta)
        times.plot(
            chosen["log_time_theory"].values.ravel() / beta,
            chosen["log_time"].values.ravel() / beta,
            ".",
            color=colour,
            markersize=3 + 2 * (len(shown) - order_below),
            zorder=2 + order_below,
            label=f"beta = {beta:.3g}",
        )
        lead, error = chosen["lead"].values.ravel(), off.sel(beta=beta).values.ravel()
        some = np.isfinite(lead)
        errors.plot(lead[some], np.maximum(error[some], 1e-12), ".", color=colour, markersize=3)
    scaled = later["log_time"] / later["beta"]
    span = [float(scaled.min()), float(scaled.max())]
    times.plot(span, span, color=COLOURS[6], linestyle="--", label="equal")
    times.set(title="Mergers after the first", xlabel="predicted ln t / beta", ylabel="measured ln t / beta")
    lead = np.linspace(0, 30, 200)
    errors.plot(lead, np.exp(-lead), color=COLOURS[6], linestyle="--", label="e^(-lead)")
    errors.set(
        title="Error of ln t against the lead",
        xlabel="ln of the runner-up's time over the first pair's",
        ylabel="|error of ln t| (at least 1e-12)",
        yscale="log",
        xlim=(1e-2, None),
        xscale="log",
    )
    for predictor, colour in zip(PREDICTORS, COLOURS):
        share = 100 * table["same_order"].sel(predictor=predictor).mean(("d", "seed"))
        for kind, line in zip(table["kind"].values, ("-", ":")):
            order.plot(
                betas, share.sel(kind=kind), "o", linestyle=line, color=colour, label=f"{predictor}, {kind}"
            )
    order.set(title="Whole order of mergers, foretold from the start", xlabel="beta", xscale="log")
    order.set(ylabel="runs in the right order (%)", ylim=(0, 103))
    for kind, colour in zip(table["kind"].values, COLOURS):
        rows.plot(
            table["beta_row"],
            -table["log_delta_critical"].sel(kind=kind),
            "o",
            color=colour,
            label=f"measured, {kind}",
        )
    slope = float(table["slope_theory"])
    last = -table["log_delta_critical"].isel(beta_row=-1).mean("kind")
    line = float(last) + slope * (table["beta_row"] - table["beta_row"][-1])
    rows.plot(
        table["beta_row"],
        line,
        color=COLOURS[6],
        linestyle="--",
        label=f"slope {slope:.3f}, through the last",
    )
    rows.set(title="Three in a row: no plateau below delta_c", xlabel="beta", ylabel="-ln(delta_c / rad)")
    for axes, columns in ((times, 3), (errors, 1), (order, 2), (rows, 3)):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns)
    return figure


EXPERIMENT = Experiment(
    name="escapes",
    place=4,
    question="Do later mergers follow the law of the first, in the order of closest pairs, and what do ties do?",
    source="2410.06833, open question 2 (several escapes)",
    run=run,
    draw=draw,
)
