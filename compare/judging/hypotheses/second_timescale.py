"""H3, two time scales: plateaus whose length grows exponentially in beta, or outlasts their formation."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from compare.judging import curves
from compare.judging.chart import Behind, Chart
from compare.judging.evidence import Claim, Evidence, NotApplicable, Undecided, weigh
from compare.judging.group import (
    Group,
    MeasuredRun,
    Thresholds,
    labels,
    require_dynamics,
    require_runs,
    require_tokens,
)
from compare.judging.hypothesis import ABOVE, BELOW, DYNAMICS, Hypothesis, Threshold
from compare.statistics import RATE

MOST_TERMS = 3
GROWTH = "growth of log plateau length in beta"


def two_timescales(group: Group, at: Thresholds) -> Evidence:
    """H3: over a sweep of beta the growth of log plateau length with beta; elsewhere the ratio of life to formation."""
    require_dynamics(group, at)
    is_sweep = len(group.betas) >= at["betas"] and group.runs[0].axis == "time"
    return (_growth_with_beta if is_sweep else _life_over_formation)(group, at)


def _growth_with_beta(group: Group, at: Thresholds) -> Evidence:
    """The slope b of ln(length of the first plateau) = a + b beta.

    The theory says 1 - cos of the clusters that merge first, less 1/beta. With p ln(beta) fitted beside it, a power
    law leaves no slope. So growth is called exponential only where that partial slope is above 0, by Student's t,
    which rejects every power law at the level of the test, and is not clearly too small. Where a plateau outlasts its
    run the slope stays open: without the longest plateaus it would be that of the others.
    """
    found = [run for run in group.runs if _first(run) is not None]
    betas = np.array([run.facts["beta"] for run in found])
    needed = max(at["runs"], MOST_TERMS + 2)
    if len(np.unique(betas)) < at["betas"] or len(found) < needed:
        raise Undecided(
            f"{len(found)} of {len(group.runs)} runs have a plateau, at {len(np.unique(betas))} values of beta: needs "
            f"{needed} runs at {at['betas']} values or more; record other times or betas"
        )
    if outlasting := sum(_is_censored(run) for run in found):
        raise Undecided(
            f"in {outlasting} of {len(group.runs)} runs the first plateau lasts to the end of the run, so that its "
            "length is not known; record later times"
        )
    lengths = np.array([np.mean(np.log(_length_range(run))) for run in found])
    straight = np.stack([np.ones_like(betas), betas], axis=1)
    claim = Claim(
        GROWTH,
        "nat per unit of beta",
        lengths,
        low=at["slope"],
        kind="slope",
        terms=straight,
    )
    curved = weigh(replace(claim, terms=np.insert(straight, 1, np.log(betas), axis=1)))
    power_law = curved.interval.low <= 0 or curved.p_fails <= RATE / 2
    if power_law and weigh(claim).p_holds <= RATE / 2:
        raise Undecided(
            f"a power law fits as well: with a power of beta fitted beside it log plateau length grows by "
            f"{curved.effect:.3g} per unit of beta (95 % interval {curved.interval.low:.3g} to "
            f"{curved.interval.high:.3g}), which must be above 0 and not below {at['slope']:g}"
        )
    return Evidence(
        (claim,),
        labels(tuple(found)),
        note=f"over beta from {betas.min():g} to {betas.max():g}; {curved.effect:.2g} where a power of beta is fitted "
        f"beside it; {len(group.runs) - len(found)} of {len(group.runs)} runs have no plateau and are left out",
    )


def _life_over_formation(group: Group, at: Thresholds) -> Evidence:
    """Median over runs of (t_b - t_a)/(t_a - t_0) of the first plateau a..b, 0 where there is none."""
    runs = require_tokens(group, at)
    formed = [run for run in runs if (first := _first(run)) is not None and first[0] > 0]
    missing = [run for run in runs if _first(run) is None]
    at_start = len(runs) - len(formed) - len(missing)
    if not formed and not at_start:
        raise NotApplicable("no run has a plateau, so there is no second time scale to measure")
    if at_start > at["unseen"] * len(runs):
        raise NotApplicable(
            f"in {at_start} of {len(runs)} runs the clusters are there from the first depth, so that their formation "
            "was not seen"
        )
    if not formed:
        raise NotApplicable(
            f"{len(missing)} of {len(runs)} runs have no plateau, and the clusters of the others are not seen to form"
        )
    chosen = require_runs(tuple(run for run in runs if run in formed or run in missing), at)
    ranges = np.array([_ratio_range(run) for run in chosen])
    bound = max(at["ratio"], 3 * (_grid_ratio(chosen) ** 2 - 1))
    attainable = max((run.times[-1] - run.times[1]) / (run.times[1] - run.times[0]) for run in chosen)
    if attainable <= bound:
        raise Undecided(
            f"too few depths: the largest ratio that can be seen is {attainable:.3g}, and the least that matters is "
            f"{bound:.3g}"
        )
    ended = sum(_is_censored(run) for run in formed)
    return Evidence(
        (
            Claim(
                "median life of the first plateau over the time to form it",
                "ratio",
                ranges[:, 0],
                low=bound,
                kind="median",
                ceilings=ranges[:, 1],
                smallest_effect=at["ratio"],
            ),
        ),
        labels(chosen),
        note=f"{len(missing)} of {len(chosen)} runs have no plateau, and a ratio only known to be 0 or more, "
        f"{ended} end inside theirs, and {at_start} more are left out, whose clusters are there from the first depth",
    )


def _first(run: MeasuredRun) -> tuple[int, int] | None:
    """Indices of the depths at which the first plateau starts and ends."""
    start, end = int(run["first_plateau_start"]), int(run["first_plateau_end"])
    return None if start < 0 else (start, end)


def _is_censored(run: MeasuredRun) -> bool:
    first = _first(run)
    return first is not None and first[1] == len(run.times) - 1


def _length_range(run: MeasuredRun) -> Float[np.ndarray, " end"]:
    """Least and most time that the first plateau can have lasted, given the depths before and after it."""
    start, end = _first(run) or (0, 0)
    times = run.times
    return np.array([times[end] - times[start], times[end + 1] - times[max(start - 1, 0)]])


def _ratio_range(run: MeasuredRun) -> tuple[float, float]:
    """Least and most that life over formation can be; (0, infinity) where no plateau was seen by the end."""
    first = _first(run)
    if first is None:
        return 0.0, np.inf
    (start, end), times = first, run.times
    least = (times[end] - times[start]) / (times[start] - times[0])
    if end == len(times) - 1 or start == 1:
        return least, np.inf
    return least, (times[end + 1] - times[start - 1]) / (times[start - 1] - times[0])


def _grid_ratio(runs: tuple[MeasuredRun, ...]) -> float:
    """Typical ratio of consecutive times on a time axis, 1 on an axis of layers.

    On a grid of ratio rho a plateau of m steps has lasted rho^m - 1 times what came before, by construction.
    """
    if runs[0].axis == "layer":
        return 1.0
    return float(np.median([np.median(run.times[2:] / run.times[1:-1]) for run in runs]))


def _lengths(behind: Behind) -> Chart | None:
    runs = list(behind.runs.values())
    if len({run.attrs["beta"] for run in runs}) < 2:
        return None
    return curves.plateau_lengths(runs, f"{behind.group}: length of the first plateau")


HYPOTHESIS = Hypothesis(
    id="H3",
    statement="Two time scales: clusters last exponentially long in beta, far longer than they take to form",
    source="post, Group E; 2410.06833, Theorem 1.2",
    applies_to="simulations over 3 or more values of beta (slope); "
    "any other runs whose clusters are seen to form (ratio)",
    statistic="growth of log plateau length in beta, or median life of the first plateau over the time to form it",
    unit="nat per unit of beta, or ratio",
    null="a power law in beta, which an exponential fitted beside it must reject; "
    "for the ratio, max(20, 3 (rho^2 - 1)) on a grid of ratio rho, which mergers without a second scale stay below",
    smallest=Threshold("slope", 0.25, 0.1, 0.4, "least growth, that of clusters with 1 - cos = 0.25"),
    rule=ABOVE,
    refuted_by=BELOW,
    others=(
        Threshold("betas", 3, 3, 3, "values of beta that make a sweep"),
        Threshold("ratio", 20.0, 10.0, 30.0, "least ratio of life to formation"),
        Threshold("unseen", 0.25, 0.1, 0.5, "largest share of runs whose clusters are there from the start"),
        *DYNAMICS,
    ),
    evidence=two_timescales,
    chart=_lengths,
    fitted={GROWTH: "ln of the first plateau's length"},
)
