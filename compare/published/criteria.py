"""The criteria of the post for Groups A to D, as rules on one run, each with what is known against it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.metrics.published.attention import CLUSTER_BELOW
from compare.metrics.published.clusters import LEAST_RANK as COLLAPSED_RANK
from compare.metrics.published.cosines import NEAR_ONE
from compare.metrics.published.energy import FALL, FALL_OK
from compare.metrics.published.persistence import LEAST_LENGTH, TOLERANCES

ROUNDING = 1e-12


@dataclass(frozen=True)
class Criterion:
    """One published criterion on one trajectory.

    hypothesis: "H1", "H2", "H4" or "H6". statement: what the post takes as evidence. source: group of the post.
    value: the number that decides; NaN where there is none. threshold: the rule, in words. met: True, False, or None
    where the rule has no meaning for this trajectory, and then `reason` says why. caveat: why being met proves little.
    rule_by: "post" where the post states the rule; "metasphere" where it names the evidence only, and the rule is the
    weakest that can be meant; "theory" where a theorem does.
    """

    hypothesis: str
    statement: str
    source: str
    value: float
    threshold: str
    met: bool | None
    reason: str
    caveat: str
    rule_by: str


def published_criteria(measured: xr.Dataset) -> tuple[Criterion, ...]:
    """Every criterion of the post that one trajectory can decide: H1 (clusters form), H2 (they persist), H4 (the energy
    rises) and H6 (attention routes by cluster).

    Two timescales (H3), collapse speed (H5) and the untrained control (H7) need other runs. Met or not met is the
    post's rule applied, and no verdict: none of these rules has a null.

    Arguments: measured, what ``compare.measure(trajectory, preset="published")`` returns. Where it also has
    ``own_energy`` (depth,), E1 at the beta of a simulation, the theorem that it never falls is checked as well.
    Raises ValueError for the measurements of another preset.

    >>> import compare
    >>> import sim
    >>> run = sim.simulate(sim.Attention(9.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> first = compare.published_criteria(compare.measure(run, preset="published"))[0]
    >>> first.hypothesis, first.statement, first.met
    ('H1', 'the mean cosine drifts toward 1', True)
    """
    if measured.attrs.get("preset") != "published":
        raise ValueError(
            f'the post\'s criteria need measurements with preset "published", got {measured.attrs.get("preset")!r}: '
            'call measure(trajectory, preset="published")'
        )
    groups = (_clusters_form, _clusters_persist, _energy_rises, _attention_routes)
    return tuple(criterion for group in groups for criterion in group(measured))


def _clusters_form(measured: xr.Dataset) -> list[Criterion]:
    tokens, depths = measured.sizes["token"], measured.sizes["depth"]
    rank = measured["effective_rank"].values
    mass = measured["mass_near_one"].values
    room = min(tokens, measured.attrs["dim"])
    few = "a single token has no pairs" if tokens < 2 else ""
    short = "a single depth has no drift" if depths < 2 else ""
    return [
        _decide(
            "H1",
            "the mean cosine drifts toward 1",
            "post, Group A1",
            _drift(measured["mean_cosine"].values),
            "last depth minus first > 0",
            lambda value: value > 0,
            few or short,
            "a common mean that grows, with no cluster in it, does the same",
            rule_by="metasphere",
        ),
        _decide(
            "H1",
            "the tokens collapse",
            "post, Group A1",
            _largest(mass),
            f"largest mass_near_one > {NEAR_ONE}",
            lambda value: value > NEAR_ONE,
            few,
            "a common mean of 3.5 standard deviations gives mass 1 with no cluster in it; repeated words set a floor",
            rule_by="metasphere",
        ),
        _decide(
            "H1",
            "the effective rank falls",
            "post, Group A2",
            _drift(rank),
            "last depth minus first < 0",
            lambda value: value < 0,
            short,
            "one long raw vector lowers it: of 283 for independent vectors, one token 30 times as long leaves 225, "
            "100 times as long 115",
            rule_by="metasphere",
        ),
        _decide(
            "H1",
            "the effective rank collapses",
            "post, Group A2",
            _smallest(rank),
            f"smallest effective_rank < {COLLAPSED_RANK}",
            lambda value: value < COLLAPSED_RANK,
            f"the rank cannot exceed min(tokens, dim) = {room}" if room < COLLAPSED_RANK else "",
            "a few long tokens, such as an attention sink, do the same",
        ),
        _decide(
            "H1",
            "HDBSCAN finds clusters",
            "post, Group A3",
            float(measured["hdbscan_clusters"].max()),
            "largest hdbscan_clusters >= 2",
            lambda value: value >= 2,
            few,
            "fires on noise: 26 to 32 clusters on 120 independent Gaussian points, 2 to 17 with min_samples read as "
            f"the hdbscan package does{_by_order(measured)}; one collapsed cluster reads 0",
            rule_by="metasphere",
        ),
        _decide(
            "H1",
            "the cosine histogram is multimodal",
            "post, Group A1",
            float(measured["histogram_peaks"].max()),
            "largest histogram_peaks > 2",
            lambda value: value > 2,
            few,
            "few pairs make a ragged histogram with many peaks; a spike at 1 is never counted",
        ),
    ]


def _clusters_persist(measured: xr.Dataset) -> list[Criterion]:
    depths = measured.sizes["depth"]
    short = f"fewer than {LEAST_LENGTH} depths" if depths < LEAST_LENGTH else ""
    caveat = (
        "fires without structure: a signal that is zero throughout, white integer noise and random walks all have "
        "plateaus; on a time axis the answer depends on how the times were chosen"
    )
    criteria = []
    for signal in ("mass_near_one", "cka", "nn_stability"):
        defined = int(np.isfinite(measured[signal]).sum())
        missing = f"{signal} is defined at {defined} depths, fewer than {LEAST_LENGTH}"
        criteria.append(
            _decide(
                "H2",
                f"{signal} has a plateau",
                "post, Group B3",
                float(measured["plateau"].sel(signal=signal).max()),
                f"at least one run of {LEAST_LENGTH} depths within {TOLERANCES[signal]:.2f} of its mean",
                lambda value: value >= 1,
                short or (missing if defined < LEAST_LENGTH else ""),
                caveat,
            )
        )
    criteria.append(
        _decide(
            "H2",
            "several signals share a plateau",
            "post, Group B3",
            float((measured["plateau_votes"] >= 2).sum()),
            f"depths with at least 2 signals on a plateau: at least {LEAST_LENGTH} and fewer than half of {depths}",
            lambda _: bool(measured["multi_signal_plateau"]),
            short,
            caveat,
        )
    )
    return criteria


def _energy_rises(measured: xr.Dataset) -> list[Criterion]:
    short = "a single depth has no increment" if measured.sizes["depth"] < 2 else ""
    caveat = (
        "even with Q = K = V = I only the energy at the dynamics' own beta must rise, and with learned operators none "
        "must; rounding to bfloat16 alone moves it by up to 3.5e-4 at beta = 5"
    )
    criteria = [
        _decide(
            "H4",
            "EnergyOK: the energy at beta = 1 never falls",
            "post, Group D1",
            _smallest(measured["energy_increment"].sel(beta=1.0).values),
            f"no step below -{FALL_OK:g}",
            lambda _: bool(measured["energy_ok"]),
            short,
            caveat,
        )
    ]
    if "own_energy" in measured and not short:
        steps = np.diff(measured["own_energy"].values)
        criteria.append(
            _decide(
                "H4",
                "the energy at the run's own beta never falls",
                "2312.10794, Section 3.4",
                float(steps.min()),
                f"no step of E1 below -{ROUNDING:g}",
                lambda value: value >= -ROUNDING,
                "",
                "any flow toward one point does the same, attention or not",
                rule_by="theory",
            )
        )
    for beta in measured["beta"].values:
        criteria.append(
            _decide(
                "H4",
                f"the energy at beta = {beta:g} never falls",
                "post, Group D1",
                float(measured["energy_violation"].sel(beta=beta).sum()),
                f"no step below -{FALL:g}; the value counts them",
                lambda value: value == 0,
                short,
                caveat,
            )
        )
    return criteria


def _attention_routes(measured: xr.Dataset) -> list[Criterion]:
    classes = measured["head_class"].values if "head_class" in measured else np.array([])
    decided = classes[classes != ""]
    return [
        _decide(
            "H6",
            "attention heads route by cluster",
            "post, Group C3",
            float(np.mean(decided == "CLUSTER")) if len(decided) else np.nan,
            f"share of head indices with head_fiedler < {CLUSTER_BELOW} (CLUSTER) over 0.5; the post names no share",
            lambda value: value > 0.5,
            "" if len(decided) else "no attention was recorded",
            "every causal head is CLUSTER, random or not: the mask alone holds the value below 0.3",
            rule_by="metasphere",
        )
    ]


def _decide(
    hypothesis: str,
    statement: str,
    source: str,
    value: float,
    threshold: str,
    rule: Callable[[float], bool],
    reason: str,
    caveat: str,
    rule_by: str = "post",
) -> Criterion:
    met = None if reason else bool(rule(value))
    return Criterion(hypothesis, statement, source, value, threshold, met, reason, caveat, rule_by)


def _by_order(measured: xr.Dataset) -> str:
    """What the order of the tokens alone makes of the package's largest count."""
    fewest, most = (int(measured[f"hdbscan_package_{end}"]) for end in ("fewest", "most"))
    return "" if fewest == most else f", here {fewest} to {most} by the order of the tokens alone"


def _drift(values: np.ndarray) -> float:
    return float(values[-1] - values[0])


def _largest(values: np.ndarray) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else np.nan


def _smallest(values: np.ndarray) -> float:
    return float(np.nanmin(values)) if np.isfinite(values).any() else np.nan
