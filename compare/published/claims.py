"""The table of the post beside ours: its verdict, that of its own definitions on our runs, and the calibrated one."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from compare.judging.evidence import CONFIRMED, REFUTED, UNDECIDED
from compare.judging.group import is_control
from compare.judging.verdicts import Verdict, Verdicts
from compare.published.criteria import Criterion, published_criteria
from compare.published.timescales import KEYS, two_timescales
from compare.statistics import clopper_pearson
from probe.registry import is_stage

STANDS, FALLS, OPEN, SETTLED = "stands", "falls", "stays open", "is settled"
DEEP_GPT2 = 36
NOT_CLAIMED, UNDEFINED = "not claimed", "NOT DEFINED"


class Claimed(NamedTuple):
    """A row of the post's table: its verdict, in its words, and whether it says that the hypothesis holds."""

    verdict: str
    words: str
    holds: bool | None


POST: Mapping[str, Claimed] = {
    "H1": Claimed("CONFIRMED", "tokens cluster over layers, in every model and on every real prompt", True),
    "H2": Claimed("CONFIRMED", "clusters persist: plateaus", True),
    "H3": Claimed("CONFIRMED", "two time scales, above a threshold in depth; magnitudes provisional", True),
    "H4": Claimed(
        "FALSIFIED",
        "the energy is monotone in no model; that asks in how many runs it falls, not how far",
        False,
    ),
    "H5": Claimed(
        "CLAIMED",
        "the spectral radius of V governs collapse; the other half, that dimension does not, stays open here",
        True,
    ),
    "H6": Claimed("SUSPENDED", "attention routes by cluster; for GPT-2 the mask decides the statistic", None),
    "H7": Claimed("CONFIRMED", "clustering is learned: random weights do not show it", True),
}


@dataclass(frozen=True)
class ClaimCheck:
    """One hypothesis of the post on one group of model runs.

    post, post_words: its verdict, "CLAIMED" for H5, and what it says. published: the verdict of its definitions on our
    runs, "CONFIRMED", "FALSIFIED", "MIXED" or "NOT DEFINED"; published_why: in how many runs. calibrated,
    calibrated_why: our verdict and its sentence. conclusion: whether what the post concludes "stands", "falls" or
    "stays open"; "is settled" where it left open what we can decide, "not claimed" of controls, of stages of a
    training, and for H3 of a GPT-2 of fewer than 36 blocks, of which it says nothing.
    """

    hypothesis: str
    group: str
    post: str
    post_words: str
    published: str
    published_why: str
    calibrated: str
    calibrated_why: str
    conclusion: str


def check_claims(
    verdicts: Verdicts, published: Mapping[str, Sequence[xr.Dataset]], everything: str = "all models"
) -> tuple[ClaimCheck, ...]:
    """The rows H1 to H7 of the post for each group of model runs.

    Its definitions are met by a run, for H1 and H2, where any of its criteria is (it states none that all must meet),
    for H4 by its flag EnergyOK, for H6 where most head indices are CLUSTER. They say CONFIRMED where all runs meet
    them, FALSIFIED where none does (for H4, where one does not). H3 is Group E1; H7 is H1 with trained weights and
    not with random ones; H5 has no rule.

    Arguments
    ---------
    verdicts: of `compare.judge`. published: for each group, what ``measure(run, preset="published")`` gave for its runs
        (own_energy is not looked at). Simulations are passed over, and what was not asked; groups without verdicts have
        no row, but the repeated token, by which H3 is measured, may be one of them.
    everything: the group that H5 is put to.

    "Monotone in no model" (H4) is held against the share of runs with any counted fall, by Clopper and Pearson, not
    against the size of the falls, which our H4 is about.
    """
    rows = []
    judged = {row.group for row in verdicts.rows}
    asked = {(row.hypothesis, row.group) for row in verdicts.rows}
    measured = {name: runs for name, runs in published.items() if runs and _facts(runs[0]).get("model")}
    models = {name: runs for name, runs in measured.items() if name in judged}
    for hypothesis, claimed in POST.items():
        groups = models if hypothesis != "H5" else {everything: ()}
        for group in sorted(judged & set(groups), key=list(groups).index):
            if (hypothesis, group) not in asked:
                continue
            ours = verdicts.row(hypothesis, group)
            found, why = _PUBLISHED[hypothesis](measured, group)
            unclaimed = bool(groups[group]) and all(_is_unclaimed(hypothesis, run) for run in groups[group])
            decided = _monotone(ours) if hypothesis == "H4" else ours.verdict
            rows.append(
                ClaimCheck(
                    hypothesis,
                    group,
                    claimed.verdict,
                    claimed.words,
                    found,
                    why,
                    ours.verdict,
                    ours.why,
                    NOT_CLAIMED if unclaimed else conclusion(claimed.holds, decided),
                )
            )
    return tuple(rows)


def conclusion(holds: bool | None, verdict: str) -> str:
    """What becomes of a statement of the post, given whether it says that the hypothesis holds, and our verdict."""
    if verdict not in (CONFIRMED, REFUTED):
        return OPEN
    if holds is None:
        return SETTLED
    return STANDS if holds == (verdict == CONFIRMED) else FALLS


def _monotone(ours: Verdict) -> str:
    """Whether most runs have no counted fall of the energy, or most have one."""
    if not ours.values:
        return ours.verdict
    low, high = clopper_pearson(sum(value > 0 for value in ours.values), len(ours.values))
    return REFUTED if low > 0.5 else CONFIRMED if high < 0.5 else UNDECIDED


Groups = Mapping[str, Sequence[xr.Dataset]]
Published = Callable[[Groups, str], tuple[str, str]]


def _counted(hypothesis: str, chosen: Callable[[Criterion], bool], one_fails: bool = False) -> Published:
    """Runs that meet any of the chosen criteria of a hypothesis, of those for which one has a meaning."""

    def count(groups: Groups, group: str) -> tuple[str, str]:
        main = [run for run in groups[group] if not is_control(_facts(run))] or groups[group]
        met = [_meets(run, hypothesis, chosen) for run in main]
        known = [one for one in met if one is not None]
        if not known:
            return UNDEFINED, "no run has what the criteria need"
        why = f"met in {sum(known)} of {len(known)} runs"
        if all(known):
            return CONFIRMED, why
        return ("FALSIFIED" if one_fails or not any(known) else "MIXED"), why

    return count


def _meets(run: xr.Dataset, hypothesis: str, chosen: Callable[[Criterion], bool]) -> bool | None:
    criteria = [one for one in published_criteria(run) if one.hypothesis == hypothesis and chosen(one)]
    known = [one.met for one in criteria if one.met is not None]
    return any(known) if known else None


def _group_e(groups: Groups, group: str) -> tuple[str, str]:
    everything = [run for runs in groups.values() for run in runs]
    facts = _facts(groups[group][0])
    for row in two_timescales(everything):
        if all(getattr(row, key) == facts.get(key) for key in KEYS):
            if np.isnan(row.ratio):
                return UNDEFINED, "the repeated token never collapses, or was not run"
            verdict = {"CONFIRMED": CONFIRMED, "WEAK": "MIXED"}.get(row.verdict, "FALSIFIED")
            return verdict, f"ratio {row.ratio:.2g}, from {row.texts} texts"
    return UNDEFINED, "no text without a control"


def _learned(groups: Groups, group: str) -> tuple[str, str]:
    model = _facts(groups[group][0]).get("model")
    same = [run for runs in groups.values() for run in runs if _facts(run).get("model") == model]
    random = [run for run in same if _facts(run).get("init") == "random"]
    trained = [run for run in same if not is_control(_facts(run))]
    if not random or not trained:
        return UNDEFINED, "no runs with trained and with random weights"
    forms = [sum(_meets(run, "H1", _any) is True for run in runs) for runs in (trained, random)]
    why = f"H1 met in {forms[0]} of {len(trained)} trained and {forms[1]} of {len(random)} random runs"
    if forms[0] < len(trained):
        return "MIXED", why
    return (CONFIRMED if forms[1] == 0 else "FALSIFIED" if forms[1] == len(random) else "MIXED"), why


def _any(criterion: Criterion) -> bool:
    return True


_PUBLISHED: Mapping[str, Published] = {
    "H1": _counted("H1", _any),
    "H2": _counted("H2", _any),
    "H3": _group_e,
    "H4": _counted("H4", lambda one: one.statement.startswith("EnergyOK"), one_fails=True),
    "H5": lambda groups, group: (UNDEFINED, "two widths of ALBERT were compared, by no rule"),
    "H6": _counted("H6", _any),
    "H7": _learned,
}


def _facts(run: xr.Dataset) -> Mapping[str, Any]:
    return json.loads(run.attrs["provenance"])


def _is_unclaimed(hypothesis: str, run: xr.Dataset) -> bool:
    """A control, a stage of a training, or for H3 a GPT-2 of fewer blocks than the post finds two time scales in."""
    facts = _facts(run)
    shallow = facts.get("family") == "gpt2" and int(str(facts.get("blocks", DEEP_GPT2))) < DEEP_GPT2
    stage = facts.get("stage") or is_stage(str(facts.get("model")))
    return is_control(facts) or bool(stage) or (hypothesis == "H3" and shallow)
