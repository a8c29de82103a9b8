"""The table as a record: its JSON schema, its LaTeX, and the registry behind it."""

import csv
import io
import json
from pathlib import Path

import pytest

from compare.judging import hypotheses
from compare.judging.registry import HYPOTHESES, Threshold, describe
from compare.judging.verdicts import Verdict, Verdicts
from tests.helpers.written_verdicts import table, verdict

FIELDS = """agreement beta ci claimed effect group hypothesis labels null p q reach robustness runs smallest_effect
source statement statistic treatment unit values verdict why"""


def test_json_has_the_documented_fields_and_no_numbers_that_json_lacks(tmp_path):
    text = table(verdict()).to_json(tmp_path / "verdicts.json")
    read = json.loads(text)
    assert sorted(read) == ["draws", "rows", "schema", "seed", "thresholds"]
    assert read["schema"] == "metasphere/verdicts/3"
    (row,) = read["rows"]
    assert list(row) == sorted(row) == FIELDS.split()
    assert row["beta"] is None
    assert row["ci"] == [0.4, None]
    assert row["robustness"] == [{"agreement": 1.0, "high": None, "low": 0.1, "threshold": "delta"}]
    assert (tmp_path / "verdicts.json").read_text(encoding="utf-8") == text
    assert sorted(Verdict.__dataclass_fields__) == FIELDS.split()
    assert all(f"``{name}``" in str(Verdicts.__doc__) for name in FIELDS.split())


def test_rows_are_found_by_hypothesis_and_group():
    found = table(verdict(), verdict(group="other"))
    assert found.row("H1", "other") is found.rows[1]
    with pytest.raises(
        ValueError, match="no verdict on H2 for 'other': the groups are gpt2_small & co, other"
    ):
        found.row("H2", "other")


def test_a_table_prints_as_one_line():
    assert repr(table(verdict(), verdict(group="other", verdict="REFUTED"), verdict(hypothesis="H2"))) == (
        "<Verdicts: 3 rows on 2 groups: 2 CONFIRMED, 1 REFUTED>"
    )
    assert repr(table()) == "<Verdicts: 0 rows on 0 groups>"


def test_csv_has_a_line_a_row_and_nothing_where_a_number_does_not_exist(tmp_path):
    reach = {"sought": "5 clusters", "limit": 0.65, "matters": 0.65, "rungs": []}
    rows = (verdict(), verdict(group='a, "b"', verdict="REFUTED", effect=float("nan"), reach=reach))
    text = table(*rows).to_csv(tmp_path / "verdicts.csv")
    assert (tmp_path / "verdicts.csv").read_text(encoding="utf-8") == text
    read = list(csv.DictReader(io.StringIO(text)))
    assert [one["group"] for one in read] == [row.group for row in rows]
    assert [float(one["low"]) for one in read] == [row.ci[0] for row in rows]
    assert [one["high"] for one in read] == ["", ""]  # infinite
    assert [one["effect"] for one in read] == [repr(rows[0].effect), ""]
    assert [one["detection_limit"] for one in read] == ["", "0.65"]
    assert [float(one["q"]) for one in read] == [row.q for row in rows]
    assert [one["why"] for one in read] == [row.why for row in rows]


def test_latex_escapes_and_leaves_out_what_does_not_apply():
    text = table(verdict(), verdict(verdict="NOT APPLICABLE", group="gone")).to_latex()
    assert (
        r"H1 & gpt2\_small \& co & CONFIRMED & 0.5 & 0.4 to $\infty$ & 0.25 & $3.2\cdot 10^{-9}$ & 1 \\"
        in text
    )
    assert "gone" not in text
    assert text.startswith(r"\begin{tabular}")
    assert text.count("&") - text.count(r"\&") == 2 * 7
    special = table(verdict(group="\\{}^~%$#")).to_latex()
    assert r"\textbackslash{}\{\}\^{}\~{}\%\$\#" in special


def test_the_registry_says_everything_of_every_hypothesis():
    modules = {path.stem for path in Path(str(hypotheses.__file__)).parent.glob("[!_]*.py")}
    assert {one.evidence.__module__.rpartition(".")[2] for one in HYPOTHESES.values()} == modules
    assert len(HYPOTHESES) == len(modules)
    assert list(HYPOTHESES) == sorted(HYPOTHESES, key=lambda name: (name[0], int(name[1:])))
    assert next(iter(HYPOTHESES)) == "H1"
    text = describe()
    for name, hypothesis in HYPOTHESES.items():
        assert hypothesis.id == name
        for field in ("statement", "source", "applies_to", "statistic", "unit", "null", "rule", "refuted_by"):
            assert getattr(hypothesis, field)
        names = [threshold.name for threshold in hypothesis.thresholds]
        assert len(names) == len(set(names))
        assert f"{name}  {hypothesis.statement}" in text
        for threshold in hypothesis.thresholds:
            assert threshold.low <= threshold.value <= threshold.high
            assert threshold.meaning
    assert max(map(len, text.splitlines())) <= 120


def test_sweeps_cover_their_range():
    assert Threshold("x", 0.25, 0.1, 0.5, "").sweep() == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5))
    assert Threshold("x", 3, 2, 5, "").sweep() == (2, 3, 4, 5)
    assert Threshold("x", 6, 6, 6, "").sweep() == ()
