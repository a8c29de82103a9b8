"""The table as a record: its JSON schema, its LaTeX, the registry behind it, and the post's table tried again."""

import json

import numpy as np
import pytest
import xarray as xr

FIELDS = """agreement beta ci claimed effect group hypothesis labels null p q robustness runs smallest_effect source
statement statistic treatment unit values verdict why"""


def verdict(hypothesis="H1", group="gpt2_small & co", verdict="CONFIRMED", **changed):
    from compare.verdicts import Verdict

    return Verdict(
        **{
            "hypothesis": hypothesis,
            "statement": "Several clusters form",
            "group": group,
            "verdict": verdict,
            "why": "Because.",
            "statistic": "excess",
            "unit": "nat",
            "effect": 0.5,
            "ci": (0.4, np.inf),
            "smallest_effect": 0.25,
            "claimed": (0.25, np.inf),
            "null": "rotation",
            "p": 1e-9,
            "q": 3.2e-9,
            "runs": 2,
            "labels": ("a", "b"),
            "values": (0.4, 0.6),
            "robustness": ({"threshold": "delta", "low": 0.1, "high": np.nan, "agreement": 1.0},),
            "agreement": 1.0,
            "treatment": "all kept",
            "beta": np.nan,
            "source": "post",
            **changed,
        }
    )


def table(*rows):
    from compare.verdicts import Verdicts

    return Verdicts(
        rows, {"H1": {"delta": {"value": 0.25, "low": 0.1, "high": 0.5, "meaning": "least"}}}, 0, 99
    )


def test_json_has_the_documented_fields_and_no_numbers_that_json_lacks(tmp_path):
    from compare.verdicts import Verdict, Verdicts

    text = table(verdict()).to_json(tmp_path / "verdicts.json")
    read = json.loads(text)
    assert sorted(read) == ["draws", "rows", "schema", "seed", "thresholds"]
    assert read["schema"] == "metasphere/verdicts/2"
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
    from compare.hypotheses import HYPOTHESES, describe

    assert list(HYPOTHESES) == [
        "H1",
        "H2",
        "H3",
        "H4",
        "H5",
        "H6",
        "H7",
        "P2",
        "P5",
        "P7",
        "P9",
        "P10",
        "P11",
        "P12",
    ]
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
    from compare.hypotheses import Threshold

    assert Threshold("x", 0.25, 0.1, 0.5, "").sweep() == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5))
    assert Threshold("x", 3, 2, 5, "").sweep() == (2, 3, 4, 5)
    assert Threshold("x", 6, 6, 6, "").sweep() == ()


@pytest.mark.parametrize(
    ("holds", "ours", "then"),
    [
        (True, "CONFIRMED", "stands"),
        (True, "REFUTED", "falls"),
        (False, "REFUTED", "stands"),
        (False, "CONFIRMED", "falls"),
        (None, "REFUTED", "is settled"),
        (True, "UNDECIDED", "stays open"),
        (False, "NOT APPLICABLE", "stays open"),
    ],
)
def test_what_becomes_of_a_conclusion(holds, ours, then):
    from compare.retried import conclusion

    assert conclusion(holds, ours) == then


def published(init="trained", control=None, clustered=True):
    """What the published preset gives for a run that shows everything, or nothing."""
    import compare
    from sim import Trajectory

    random = np.random.default_rng(0)
    start = random.standard_normal((6, 14, 12))
    points = start + (np.arange(6)[:, None, None] if clustered else 0) * np.array([9.0, *[0] * 11])
    if not clustered:
        points = np.tile(np.eye(14)[:, :14], (6, 1, 1))
    run = Trajectory(
        points / np.linalg.norm(points, axis=-1, keepdims=True),
        np.arange(6.0),
        axis="layer",
        provenance={"model": "net", "init": init, "control": control},
    )
    return compare.measure(run, preset="published")


def test_the_post_tried_again():
    """One model whose trained runs meet the post's definitions, its random twin that does not, a repeated token."""
    from compare.retried import NOT_CLAIMED, POST, retried

    groups = {
        "net": [published()],
        "net, repeated token": [published(control="repeated")],
        "net, random": [published("random", clustered=False)],
        "theory": [xr.Dataset(attrs={"provenance": "{}"})],
    }
    rows = [verdict(name, group) for name in POST for group in groups if "repeated" not in group]
    rows += [verdict("H5", "all models", "UNDECIDED")]
    found = {(row.hypothesis, row.group): row for row in retried(table(*rows), groups)}
    assert {group for _, group in found} == {"net", "net, random", "all models"}
    assert found["H1", "net"].published == "CONFIRMED"
    assert found["H1", "net"].published_why == "met in 1 of 1 runs"
    assert found["H1", "net"].conclusion == "stands"
    assert found["H4", "net"].conclusion == "stays open"
    for value, then in ((0.0, "falls"), (0.01, "stands")):
        monotone = [verdict(name, "net", values=(value,) * 9) for name in POST if name != "H5"]
        again = retried(table(*monotone), {"net": groups["net"]})
        assert [row.conclusion for row in again if row.hypothesis == "H4"] == [then]
    assert found["H5", "all models"].conclusion == "stays open"
    assert found["H6", "net"].published == "NOT DEFINED"
    assert found["H7", "net"].published_why.startswith("H1 met in 1 of 1 trained and")
    assert {row.conclusion for row in found.values() if row.group == "net, random"} == {NOT_CLAIMED}
    assert found["H3", "net"].published in ("CONFIRMED", "MIXED", "FALSIFIED")
