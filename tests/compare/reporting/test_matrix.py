"""Verdicts folded: every one that applies is in one cell, by kind of its group, and nothing is drawn of the rest."""

import json

from compare.reporting.matrix import matrix
from compare.reporting.verdict_table import TOGETHER, Column
from tests.helpers.written_verdicts import table, verdict

GROUPS = (
    Column("SA", "theory", "", ""),
    Column("net", "trained", "net", ""),
    Column("other", "trained", "other", ""),
    TOGETHER,
)


def folded(*rows):
    return matrix(json.loads(table(*rows).to_json())["rows"], GROUPS)


def test_cells_count_what_applies():
    found = folded(
        verdict("H1", "SA"),
        verdict("H1", "net", "UNDECIDED"),
        verdict("H1", "other", "REFUTED"),
        verdict("H3", "net", "NOT APPLICABLE"),
        verdict("H5", "all models", "UNDECIDED"),
        verdict("H7", "SA", "NOT APPLICABLE"),
        verdict("H7", "net", "REFUTED"),
        verdict("H7", "other", "NOT APPLICABLE"),
    )
    assert found.kinds == {"theory": 1, "trained": 2}
    assert [line.hypothesis for line in found.lines] == ["H1", "H5", "H7"]
    assert found.silent == ("H3",)
    theory, trained = found.lines[0].cells
    assert theory is not None
    assert trained is not None
    assert theory.counts == {"CONFIRMED": 1}
    assert trained.counts == {"REFUTED": 1, "UNDECIDED": 1}
    assert [row["group"] for row in trained.rows] == ["other", "net"]
    nothing, learned = found.lines[2].cells
    assert nothing is None
    assert learned is not None
    assert learned.silent == 1


def test_nothing_judged_has_no_lines():
    assert folded().lines == ()
