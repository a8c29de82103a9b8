"""Two groups of runs on the same texts, text by text: by how much the effects of a hypothesis differ."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from compare.judging.verdicts import Verdict, Verdicts
from compare.statistics import t_interval


@dataclass(frozen=True)
class Contrast:
    """What one hypothesis measures, of one group less another.

    statistic, unit: what is subtracted. difference: its mean over the texts that both groups have. ci: its 95 %
    interval over them, by Student's t, corrected for nothing. runs: their number.
    """

    hypothesis: str
    statistic: str
    unit: str
    difference: float
    ci: tuple[float, float]
    runs: int


def contrast(verdicts: Verdicts, first: str, second: str) -> tuple[Contrast, ...]:
    """By how much two groups differ on the same texts: two checkpoints of a training, a model and a changed one.

    Texts differ more than checkpoints do, and their difference drops out where one is subtracted from the other text
    by text: intervals that overlap may well differ.

    Arguments
    ---------
    verdicts: what `compare.judge` said of both. first, second: their names. Runs belong together where their labels
        are the same but for the name of their group, as those of `metasphere compare` are and those that have none,
        which count the runs of each group in the order given.

    Returns first less second, of each hypothesis whose effect is a mean over runs and that measured the same of two
    common texts or more, in the order of the table: no slope, correlation or median. Raises ValueError for a group that
    is not in the table or has two runs of one label, and where there is no such hypothesis.

    >>> import compare
    >>> compare.contrast(compare.Verdicts((), {}, seed=0, draws=99), "late", "early")
    Traceback (most recent call last):
    ValueError: no verdicts on 'late': the table is empty
    """
    rows = {
        group: {(row.hypothesis, row.statistic): row for row in verdicts.rows if row.group == group}
        for group in (first, second)
    }
    for group, own in rows.items():
        if not own:
            there = ", ".join(map(repr, dict.fromkeys(row.group for row in verdicts.rows)))
            known = f"the groups are {there}" if there else "the table is empty"
            raise ValueError(f"no verdicts on {group!r}: {known}")
    pairs = [(row, rows[second][key]) for key, row in rows[first].items() if key in rows[second]]
    found = [one for row, other in pairs if (one := _contrast(row, other)) is not None]
    if not found:
        raise ValueError(
            f"{first!r} and {second!r} have no two texts with the same measurement: give groups on the same texts"
        )
    return tuple(found)


def _contrast(row: Verdict, other: Verdict) -> Contrast | None:
    if not all(np.isclose(each.effect, np.nanmean(each.values)) for each in (row, other) if each.values):
        return None
    own, others = _by_text(row), _by_text(other)
    differences = np.array([value - others[text] for text, value in own.items() if text in others])
    if len(differences) < 2:
        return None
    low, high = t_interval(differences)
    mean = float(differences.mean())
    return Contrast(row.hypothesis, row.statistic, row.unit, mean, (low, high), len(differences))


def _by_text(row: Verdict) -> dict[str, float]:
    """The effect of each run that has one, by its label less the name of the group, which leaves the text."""
    if len(set(row.labels)) < len(row.labels):
        raise ValueError(
            f"two runs of {row.group!r} have one label, {Counter(row.labels).most_common(1)[0][0]!r}"
        )
    return {
        label.removeprefix(row.group): value
        for label, value in zip(row.labels, row.values)
        if np.isfinite(value)
    }
