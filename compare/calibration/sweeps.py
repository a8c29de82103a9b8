"""Sweeps of beta, two runs at each: where plateaus last exponentially long in beta, and where they do not."""

import numpy as np
from jaxtyping import Float, Int

from compare.calibration.clouds import directions, one_of
from compare.calibration.flow import flow
from compare.calibration.generator import Clouds, Generator, Shape
from sim.attention import Attention
from sim.mergers.record import Coalescence
from sim.mergers.solver import coalesce
from sim.sphere import caps, normalise

DEPTHS = 41
COLDEST, WARMEST = 10.0, 30.0
APART = 0.6
MET = 15.0
CLUSTERS = 8
RUNS_AT_EACH = 2
FEW = 3
LAST = np.log(1e9)


def caps_sweep(random: np.random.Generator, shape: Shape) -> Clouds:
    """SA from three caps whose nearest two are a right angle apart or less, at beta from 10 to 30, till they meet.

    All runs have the same centres, tokens of their own, and the same 41 times, evenly spaced in log t from t = 0.1 to
    past the first meeting of two caps in all of them. The plateau before it lasts e^(beta (1 - cos)), so that the slope
    of the log of its length is the 1 - cos of the nearest two caps, ``slope`` in the provenance. Until t = 15 every
    token is followed; by then each cap is one point to 1e-6, and `sim.coalesce` follows the three.
    """
    centres = _spread(random, FEW, 3)
    betas = _betas(shape)
    height = random.uniform(0.005, 0.02)
    per_cap = -(-shape.tokens // FEW)
    order = np.argsort(random.random((len(betas), FEW * per_cap)), axis=1)[:, : shape.tokens]
    seeds = random.integers(2**31, size=len(betas))
    starts = np.stack([caps(centres, per_cap, height, int(seed))[row] for seed, row in zip(seeds, order)])
    members = order // per_cap
    formed = flow(starts, np.array([0.0, MET]), betas)[:, -1]
    later = [_as_points(x, own, float(beta)) for x, own, beta in zip(formed, members, betas)]
    log_times = np.linspace(np.log(0.1), max(run.log_times[0] for run in later) + 1, DEPTHS)
    early = np.exp(log_times) < MET
    followed = flow(starts, np.concatenate([[0.0], np.exp(log_times[early])]), betas)[:, 1:]
    since = np.log(np.exp(log_times[~early]) - MET)
    merged = [run.trajectory(since).points[:, own] for run, own in zip(later, members)]
    points = np.concatenate([followed, np.stack(merged)], axis=1)
    nearest = float(1 - np.sort((centres @ centres.T)[np.triu_indices(FEW, 1)])[-1])
    facts = {"kind": "SA", "start": "caps", "depth": "log t", "slope": nearest}
    return Clouds(points, log_times, betas, axis="time", facts=facts)


def scalefree(random: np.random.Generator, shape: Shape) -> Clouds:
    """Eight clusters that merge at times uniform in log t: there is no second time scale."""
    return _scalefree(random, shape, shape.depths, np.full(shape.runs, random.uniform(COLDEST, WARMEST)))


def scalefree_sweep(random: np.random.Generator, shape: Shape) -> Clouds:
    """The same, said to be over a range of beta, on which nothing depends."""
    return _scalefree(random, shape, DEPTHS, _betas(shape))


def power_sweep(random: np.random.Generator, shape: Shape) -> Clouds:
    """Three clusters of which two merge at a time that grows as beta to the power of 5 to 12, within half a nat."""
    d, power = one_of(random, (3, 8, 16)), random.uniform(5, 12)
    betas, log_times = _betas(shape), np.linspace(np.log(0.1), LAST, DEPTHS)
    mergers = 3 + power * np.log(betas / COLDEST) + random.normal(0, 0.5, len(betas))
    points = np.stack(
        [
            _merging(random, _spread(random, FEW, d), shape.tokens, log_times, merger)
            for merger in mergers[:, None]
        ]
    )
    return Clouds(points, log_times, betas, axis="time", facts={"kind": "SA", "depth": "log t"})


def _betas(shape: Shape) -> Float[np.ndarray, " run"]:
    """As many values as a group has runs, two runs at each: a sweep costs a simulation more runs, and no more texts."""
    return np.repeat(np.linspace(COLDEST, WARMEST, shape.runs), RUNS_AT_EACH)


def _scalefree(
    random: np.random.Generator, shape: Shape, depths: int, betas: Float[np.ndarray, " run"]
) -> Clouds:
    d = one_of(random, (3, 8, 16))
    log_times = np.linspace(np.log(0.1), np.log(1e4), depths)
    mergers = np.sort(random.uniform(0, log_times[-1], (len(betas), CLUSTERS - 1)))
    points = np.stack(
        [_merging(random, directions(random, CLUSTERS, d), shape.tokens, log_times, each) for each in mergers]
    )
    return Clouds(points, log_times, betas, axis="time", facts={"kind": "SA", "depth": "log t"})


def _as_points(
    x: Float[np.ndarray, "token d"], members: Int[np.ndarray, " token"], beta: float
) -> Coalescence:
    """What becomes of clusters of one point each, of the masses of their members."""
    sizes = np.bincount(members)
    places = normalise(np.stack([x[members == cap].mean(axis=0) for cap in range(len(sizes))]))
    found = coalesce(Attention(beta), places, masses=sizes / sizes.sum())
    assert isinstance(found, Coalescence)
    return found


def _merging(
    random: np.random.Generator,
    centres: Float[np.ndarray, "cluster d"],
    tokens: int,
    log_times: Float[np.ndarray, " depth"],
    mergers: Float[np.ndarray, " merger"],
) -> Float[np.ndarray, "depth token d"]:
    """Tokens that gather round the centres by t = 1; at each log time of a merger a random pair of clusters meets."""
    clusters, d = centres.shape
    members = random.permutation(np.arange(tokens) % clusters)
    own = random.standard_normal((tokens, d)) / np.sqrt(d)
    centres, owner = centres.copy(), np.arange(clusters)
    states = []
    for log_time in log_times:
        while mergers.size and mergers[0] <= log_time:
            kept, gone = random.choice(np.unique(owner), 2, replace=False)
            centres[kept] = normalise(centres[kept] + centres[gone])
            owner[owner == gone] = kept
            mergers = mergers[1:]
        width = 1.5 * np.exp(-np.exp(log_time)) + 0.01
        states.append(centres[owner[members]] + width * own)
    return np.stack(states)


def _spread(random: np.random.Generator, clusters: int, d: int) -> Float[np.ndarray, "cluster d"]:
    """Centres of which the nearest two have 1 - cos from 0.6 to 1: the first draw that does."""
    while True:
        centres = directions(random, clusters, d)
        nearest = 1 - np.max((centres @ centres.T)[np.triu_indices(clusters, 1)])
        if APART <= nearest <= 1:
            return centres


SWEEPS = (
    Generator(
        "caps_sweep",
        "SA from caps over a range of beta",
        {"H3": True, "H4": "oracle", "P7": True},
        caps_sweep,
    ),
    Generator("scalefree", "mergers without a time scale", {"H3": False, "P7": False}, scalefree),
    Generator(
        "scalefree_sweep",
        "the same, said to be over a range of beta",
        {"H3": False, "P7": False},
        scalefree_sweep,
    ),
    Generator(
        "power_sweep",
        "plateaus whose length is a power of beta",
        {"H3": False},
        power_sweep,
    ),
)
