"""The judge: every hypothesis put to every group of runs, corrected for how much was asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import NamedTuple
from zlib import crc32

import numpy as np
import xarray as xr

from compare.judging.evidence import (
    NOT_APPLICABLE,
    UNDECIDED,
    Balance,
    Evidence,
    NotApplicable,
    Undecided,
    balance,
    decide,
)
from compare.judging.explain import explain
from compare.judging.group import Group
from compare.judging.groups import Progress, groups_of, together
from compare.judging.reach import SEARCHES
from compare.judging.registry import HYPOTHESES, Hypothesis, Threshold, chosen
from compare.judging.robustness import Varied, robustness, varied
from compare.judging.verdicts import Verdict, Verdicts
from compare.metrics.exclusions import sentence_of_runs
from compare.statistics import RATE, benjamini_hochberg
from sim.trajectory import Trajectory

THEOREM = "theorem"


class Answer(NamedTuple):
    """What the runs of a group say of a hypothesis, or the verdict and the reason why they say nothing.

    varied: what they say where its thresholds are others. All of it is data, which another process can send.
    """

    evidence: Evidence | None
    found: Balance | None
    varied: tuple[Varied, ...] = ()
    silence: tuple[str, str] = ("", "")


class Question(NamedTuple):
    """One hypothesis put to one group."""

    hypothesis: Hypothesis
    group: Group
    answer: Answer


class Level(NamedTuple):
    """What correction allows: the one-sided level of a row, and among how many rows its q is the larger."""

    cutoff: float
    asked: int


def judge(
    groups: Mapping[str, Sequence[Trajectory]],
    *,
    seed: int = 0,
    draws: int = 99,
    measured: Mapping[str, Sequence[xr.Dataset]] | None = None,
    models: Mapping[str, Mapping[str, xr.Dataset]] | None = None,
    limits: str = "coarse",
    hypotheses: str | Hypothesis | Iterable[str | Hypothesis] | None = None,
    progress: Progress = list,
) -> Verdicts:
    """Put every hypothesis of `compare.judging.registry` to every group of runs.

    A hypothesis gives each run of a group one number. Its 95 % interval is taken over the runs, which are prompts of a
    model or seeds of a simulation, never over the layers of one run: Student's t for means, Clopper and Pearson for
    shares, order statistics for medians. The bound that it must clear is the smallest effect that matters, not 0.
    Both one-sided p of each row enter a Benjamini-Hochberg correction over the whole table, and one over the rows of
    its family: simulations, trained models, controls, all models together. A row must pass both: what is sure of
    simulations lends models nothing. Theorems, which one run refutes, stay out of it. Then

    - CONFIRMED and REFUTED need q <= 0.05, which for a single row is an interval that is clear of the bound;
    - UNDECIDED is the rest;
    - NOT APPLICABLE says why the hypothesis does not speak of these runs: fewer than 6 of them, no dynamics (the
      order of depth carries no information), no attention, no control, not the theory's own dynamics.

    Then every threshold is varied over its range, at the same level, for the share that agrees with the verdict.

    Arguments
    ---------
    groups: runs by the name of their group: one model or one setting of a simulation, one run a prompt or seed; or,
        for a slope in beta, runs over a range of beta. Controls (random weights, shuffled tokens) may be in any
        group: each trained run finds its own by model, prompt and reading, and a group that mixes them is judged by
        its trained runs. beta is ``provenance["beta"]`` of a simulation, beta_eff of a model.
    seed: of all null draws and resamples: the same seed gives the same table, byte for byte.
    draws: null draws a run, for its mean and spread.
    measured: what ``measure(run, preset="calibrated")`` gave for each run, in the order of `groups`; measured here
        where None. Attention is not looked at then, and may be left out of the runs.
    models: by ``provenance["model"]``, the tables of a model that its runs cannot show: ``"speed"``, with the fields of
        `compare.analyses.collapse_speed.Collapse` as attributes (H5), ``"heads"`` (P11), ``"head_energy"`` (beside H4)
        and ``"random_weights"`` (P19), those of `compare.analyses.tables`. What needs them says so where they are
        missing.
    limits: how it is sought what would be seen where it is planted in the runs, before something is said not to be
        there: ``"coarse"``, 6 to 31 draws of a few sizes, the fewer the clearer they are, or ``"full"``, 100 draws,
        seen from 95 on, of clusters in steps of 5 % of the variance and of falls in steps of a tenth of the largest
        that is still a rise (`compare.judging.reach.SEARCHES`). Of attention (H6) there are the ``plantings`` of
        `measured`.
    hypotheses: those to ask, by id, or one's own, a `compare.judging.hypothesis.Hypothesis`, whose evidence may be any
        number that one's own code makes of a run's trajectory; all of the registry where None. What is asked is what
        is corrected for, so choose before looking at the verdicts.
    progress: wraps the list of runs that are measured, as `tqdm.tqdm` does.

    Returns `compare.judging.verdicts.Verdicts`: a row for each hypothesis and group, and one for all models together
    (H5). Raises ValueError where there are no groups, a group without runs or with one run twice (where they are
    measured here, one of the same content), as copies are no independent runs, a hypothesis that there is not, or
    measurements that do not match. Cost: that of ``measure``, and some milliseconds a row and threshold; planting
    takes 1 to 10 s a row that needs it, and with ``limits="full"`` 20 s.

    >>> import compare
    >>> import sim
    >>> run = sim.simulate(sim.Attention(9.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.judge({"eight tokens": [run]}, draws=9).row("H1", "eight tokens").why
    'Needs at least 6 prompts or seeds, got 1.'
    """
    if limits not in SEARCHES:
        raise ValueError(f"limits must be one of {', '.join(SEARCHES)}, got {limits!r}")
    asked = chosen(hypotheses)
    made = groups_of(groups, measured, models or {}, seed, draws, progress, SEARCHES[limits])
    return decided(made, (answers(group, asked) for group in made), seed, draws, asked)


def answers(
    group: Group, hypotheses: Sequence[Hypothesis] = tuple(HYPOTHESES.values())
) -> tuple[str, tuple[Answer, ...]]:
    """The name of a group, and what its runs say of each hypothesis that is not about all models together."""
    found = tuple(ask(hypothesis, group) for hypothesis in hypotheses if not hypothesis.across)
    group.let_go()
    return group.name, found


def ask(hypothesis: Hypothesis, group: Group) -> Answer:
    """What the runs of one group say of one hypothesis."""
    try:
        evidence = hypothesis.evidence(group, hypothesis.at)
    except NotApplicable as reason:
        return Answer(None, None, silence=(NOT_APPLICABLE, str(reason)))
    except Undecided as reason:
        return Answer(None, None, silence=(UNDECIDED, str(reason)))
    found = balance(evidence)
    ways = varied(hypothesis, group, evidence.reach)
    reach = None if evidence.reach is None else evidence.reach.settled()
    return Answer(replace(evidence, reach=reach), found, ways)


def decided(
    groups: Sequence[Group],
    said: Iterable[tuple[str, tuple[Answer, ...]]],
    seed: int,
    draws: int,
    hypotheses: Sequence[Hypothesis] = tuple(HYPOTHESES.values()),
) -> Verdicts:
    """The table of `judge`, from `answers` of every group, in any order."""
    by_name = {name: iter(own) for name, own in said}
    everyone = together(groups)
    questions = [
        Question(
            hypothesis, group, ask(hypothesis, group) if hypothesis.across else next(by_name[group.name])
        )
        for hypothesis in hypotheses
        for group in ((everyone,) if hypothesis.across else groups)
    ]
    rows = [_row(each, *how, seed) for each, how in zip(questions, _corrected(questions))]
    thresholds = {
        hypothesis.id: {one.name: _described(one) for one in hypothesis.thresholds}
        for hypothesis in hypotheses
    }
    return Verdicts(tuple(rows), thresholds, seed, draws)


def _corrected(questions: Sequence[Question]) -> list[tuple[float, Level]]:
    """q of each question, and the level that its p has to meet, where it has been corrected in both ways."""
    found = [question.answer.found for question in questions]
    q = np.minimum(1, [np.nan if each is None else 2 * each.p for each in found])
    families = np.array([_family(each) for each in questions])
    corrected = [(float(one), Level(RATE / 2, 1)) for one in q]
    together = [families == family for family in sorted(set(families) - {THEOREM})]
    for members in (*together, families != THEOREM):
        own = benjamini_hochberg(q[members])
        level = _level(own)
        for place, one in zip(np.flatnonzero(members), own):
            largest, known = corrected[place]
            asked = level.asked if one > largest else known.asked
            corrected[place] = (max(largest, float(one)), Level(min(known.cutoff, level.cutoff), asked))
    return corrected


def _family(question: Question) -> str:
    """Whose questions this one is corrected with; a theorem is on its own."""
    evidence = question.answer.evidence
    if evidence is not None and evidence.universal:
        return THEOREM
    if question.hypothesis.across:
        return "all models"
    runs = question.group.runs
    if all(run.is_control for run in runs):
        return "controls"
    return "trained models" if any(run.facts.get("model") for run in runs) else "simulations"


def _level(q: np.ndarray) -> Level:
    """With k of m rows kept, the one-sided level k RATE / (2 m); that of one row where none is kept."""
    asked, kept = int(np.isfinite(q).sum()), int(np.sum(q <= RATE))
    return Level(max(kept, 1) * RATE / (2 * max(asked, 1)), asked)


def _row(question: Question, q: float, level: Level, seed: int) -> Verdict:
    hypothesis, group, (evidence, found, ways, (verdict, reason)) = question
    common = {
        "hypothesis": hypothesis.id,
        "statement": hypothesis.statement,
        "group": group.name,
        "null": hypothesis.null,
        "treatment": sentence_of_runs([run.exclusions for run in group.runs], hypothesis.whole),
        "beta": _median_beta(group),
        "source": hypothesis.source,
    }
    if evidence is None or found is None:
        return Verdict(
            **common,
            verdict=verdict,
            why=reason[0].upper() + reason[1:] + ".",
            statistic=hypothesis.statistic,
            unit=hypothesis.unit,
            effect=np.nan,
            ci=(np.nan, np.nan),
            smallest_effect=hypothesis.smallest_effect,
            claimed=(np.nan, np.nan),
            p=np.nan,
            q=np.nan,
            runs=len(group.runs),
            labels=tuple(run.label for run in group.runs),
            values=(),
            robustness=(),
            agreement=np.nan,
        )
    verdict = decide(found, level.cutoff)
    own_seed = crc32(f"{seed} {hypothesis.id} {group.name}".encode())
    robust = robustness(ways, evidence, verdict, level.cutoff, own_seed)
    claim = found.claim
    return Verdict(
        **common,
        verdict=verdict,
        why=explain(verdict, evidence, found, q, level.asked),
        statistic=claim.statistic,
        unit=claim.unit,
        effect=found.weight.effect,
        ci=(found.weight.interval.low, found.weight.interval.high),
        smallest_effect=hypothesis.smallest_effect
        if claim.smallest_effect is None
        else claim.smallest_effect,
        claimed=(claim.low, claim.high),
        p=found.p,
        q=q,
        runs=len(evidence.labels),
        labels=evidence.labels,
        values=tuple(map(float, claim.values)),
        robustness=robust,
        agreement=float(np.mean([one["agreement"] for one in robust])),
        reach=None if evidence.reach is None else evidence.reach.as_record(),
    )


def _median_beta(group: Group) -> float:
    betas = np.array([run.beta for run in group.runs])
    return float(np.median(betas[np.isfinite(betas)])) if np.isfinite(betas).any() else np.nan


def _described(threshold: Threshold) -> dict[str, float | int | str]:
    return {name: value for name, value in asdict(threshold).items() if name != "name"}
