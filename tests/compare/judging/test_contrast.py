"""Groups on the same texts are subtracted text by text, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

import compare
from compare.judging.contrast import Contrast
from tests.helpers.written_verdicts import table, verdict


def row(group, values, texts="abcd", **changed):
    labels = tuple(f"{group}, {text}" for text in texts)
    return verdict(
        group=group, labels=labels, values=tuple(values), **{"effect": np.nanmean(values), **changed}
    )


def test_texts_are_paired_whatever_their_order():
    """Differences 1, 2, 3: mean 2, sd 1, and Student's 97.5 % quantile at two degrees of freedom is 4.303."""
    late = row("net@2", (11.0, 22.0, 33.0), "abc")
    early = row("net@1", (30.0, 10.0, 20.0, 7.0), "cabd")
    (found,) = compare.contrast(table(late, early), "net@2", "net@1")
    assert replace(found, ci=(0.0, 0.0)) == Contrast("H1", "excess", "nat", 2.0, (0.0, 0.0), 3)
    assert found.ci == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    (back,) = compare.contrast(table(late, early), "net@1", "net@2")
    assert back.difference == -2.0


def test_only_what_both_measured_is_subtracted():
    rows = [
        row("a", (1.0, 2.0, np.nan), "xyz"),
        row("b", (0.0, 1.5, 9.0), "xyz"),
        row("a", (1.0, 2.0), "xy", hypothesis="H4", statistic="falls"),
        row("b", (1.0, 2.0), "xy", hypothesis="H4", statistic="rises"),
        row("a", (1.0, 2.0), "xy", hypothesis="P20"),
        row("b", (1.0, 2.0), "yz", hypothesis="P20"),
        verdict("H5", "b", "NOT APPLICABLE", labels=(), values=()),
    ]
    (found,) = compare.contrast(table(*rows), "a", "b")
    assert (found.hypothesis, found.difference, found.runs) == ("H1", 0.75, 2)


def test_a_slope_over_runs_is_not_the_mean_of_what_they_measured():
    rows = [
        row(group, (1.0, 2.0), "xy", effect=4.0, statistic="growth of log plateau length") for group in "ab"
    ]
    with pytest.raises(ValueError, match="no two texts with the same measurement"):
        compare.contrast(table(*rows), "a", "b")


def test_what_cannot_be_paired_is_refused():
    rows = table(row("a", (1.0, 2.0), "xy"), row("b", (1.0, 2.0), "vw"))
    with pytest.raises(ValueError, match="'a' and 'b' have no two texts with the same measurement"):
        compare.contrast(rows, "a", "b")
    with pytest.raises(ValueError, match="no verdicts on 'c': the groups are 'a', 'b'"):
        compare.contrast(rows, "a", "c")
    twice = table(row("a", (1.0, 2.0, 3.0), "xyx"), row("b", (1.0, 2.0), "xy"))
    with pytest.raises(ValueError, match="two runs of 'a' have one label, 'a, x'"):
        compare.contrast(twice, "a", "b")
