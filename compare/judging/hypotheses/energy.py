"""H4, the interaction energy rises: falls as a share of its changes, at the run's own beta."""

from dataclasses import replace

import numpy as np
from scipy import stats

from compare.judging import curves
from compare.judging.evidence import CONFIRMED, Claim, Evidence, NotApplicable, balance
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_dynamics
from compare.judging.hypothesis import ABOVE, BELOW, DEPTHS, GATE, RUNS, Hypothesis, Threshold
from compare.judging.planted_falls import Energies, energies, fallen
from compare.judging.reach import Reach, percent, size_in_words
from compare.metrics.calibrated.energy import descent_share
from compare.statistics import RATE

FALLS = (1.2, 1.6, 2.0, 3.0, 4.0)
"""Planted falls, in multiples of the largest that is still a rise."""
ALL_FALLS = tuple(1 + step / 10 for step in range(1, 31))
"""Those of a full search."""

OF = "all changes of the energy, on average over runs,"
EXCLUDED = "{sought} of {size} of {of} or more would have been seen here ({tried})"


def energy_rises(group: Group, at: Thresholds) -> Evidence:
    """H4: falls as a share of all changes of the energy that stand out from rounding, below the largest allowed.

    A step counts beyond z standard deviations of the rounding noise, z = max(4, the Bonferroni bound over all steps
    of the group). Confirmed only where falls of `matters` times the largest allowed, planted in the same runs, are
    refuted.
    """
    runs = require_dynamics(group, at)
    known = tuple(run for run in runs if np.isfinite(run["energy"]).all())
    if not known:
        raise NotApplicable("beta is not known: a simulation without it, or a model run without attention")
    steps = sum(run.measured.sizes["depth"] - 1 for run in known)
    z = max(at["z"], float(stats.norm.isf(RATE / (2 * steps))))

    def descent(run: MeasuredRun) -> float:
        return _falls(energies(run), z)

    moving = sum(np.isfinite(descent(run)) for run in known)
    if moving < at["moving"] * len(runs):
        raise NotApplicable(
            f"only {moving} of {len(runs)} runs have a change of energy beyond {z:.2g} standard deviations of rounding"
        )
    chosen, share = finite(known, descent, at, " whose energy changes by more than rounding")
    any_fall = int(np.sum(share > 0))
    said = [f"{any_fall} of {len(chosen)} runs have a fall beyond {z:.2g} standard deviations of rounding"]
    found = Evidence(
        (_claim(share, at),), labels(chosen), note="; ".join([*said, *_of_heads(group)]), absence=CONFIRMED
    )
    if balance(found).p_confirmed > RATE / 2:
        return found

    def p_of(share: float, draw: int) -> float:
        fell = np.array([_falls(one.energies, z) for one in fallen(group, chosen, share, draw)])
        return balance(Evidence((_claim(fell, at),), labels(chosen))).p_refuted

    falls = FALLS if group.search.shares is None else ALL_FALLS
    ladder = tuple(round(at["share"] * times, 6) for times in falls)
    matters = round(at["share"] * at["matters"], 6)
    put_in = sum(one.is_planted for one in fallen(group, chosen, matters, 0))
    if put_in < len(chosen) / 2:
        said = f"falls of {size_in_words(matters)} of all changes could be put into {put_in} of {len(chosen)} runs only"
        return replace(found, doubt=f"{said}, so that it is not known whether they would be seen")
    reach = Reach("falls", "falls", matters, ladder, p_of, group.search, OF, True, EXCLUDED)
    return replace(found, reach=reach)


def _falls(of: Energies, z: float) -> float:
    return descent_share(*of, z)[0]


def _claim(share: np.ndarray, at: Thresholds) -> Claim:
    return Claim("share of falls in all changes of the energy", "share", share, high=at["share"])


def _of_heads(group: Group) -> list[str]:
    """How often the energies of single heads fall, each with its own Q and K, and their sum, where that is known."""
    facts = [run.facts for run in group.runs]
    models = {str(one.get("model")) for one in facts}
    table = group.tables.get(models.pop(), {}).get("head_energy") if len(models) == 1 else None
    as_read = {"instrument": "probe.extract", "init": "trained", "control": None}
    if table is None or any(one.get(name) != value for one in facts for name, value in as_read.items()):
        return []
    if any(bool(one.get("causal")) != bool(table.attrs["causal"]) for one in facts):
        return []
    falls = [
        percent(float((table[name].sel(step=step) < 0).mean()))
        for step in ("attention", "block")
        for name in ("change", "sum_change")
    ]
    return [
        "with each head's own Q and K the energy of single heads falls in {} of the blocks over their attention, and "
        "the sum over heads in {}; over whole blocks in {} and {}".format(*falls)
    ]


HYPOTHESIS = Hypothesis(
    id="H4",
    statement="The interaction energy rises, falls making up at most 5 % of its change, at the beta of the run itself",
    source="post, Group D; 2312.10794, Section 3.4",
    applies_to="any runs of 6 depths or more whose beta is known",
    statistic="falls as a share of all changes of the energy that stand out from rounding",
    unit="share",
    null="rounding of the recorded numbers: 6 re-roundings",
    smallest=Threshold("share", 0.05, 0.02, 0.1, "largest share of falls that is still a rise"),
    rule=f"{BELOW}, and falls `matters` times as large, planted in the same runs, would be refuted",
    refuted_by=ABOVE,
    others=(
        Threshold(
            "matters",
            2.0,
            2.0,
            2.0,
            "times `share`, from which on planted falls must be refuted to be excluded",
        ),
        Threshold("z", 4.0, 3.0, 6.0, "standard deviations of rounding beyond which a step counts"),
        Threshold("moving", 0.75, 0.5, 0.9, "share of runs that must have a step that counts"),
        RUNS,
        GATE,
        DEPTHS,
    ),
    evidence=energy_rises,
    chart=lambda behind: curves.energy(behind.own, behind.group),
)
