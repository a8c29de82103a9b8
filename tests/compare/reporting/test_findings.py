"""The sentences of the report are made from the verdicts: other verdicts, other sentences."""

import json

import numpy as np
import pytest

from compare.judging.verdicts import Verdicts
from compare.reporting.findings import findings, why_nothing
from compare.reporting.verdict_table import Column
from tests.helpers.written_verdicts import REACH, table, verdict

MODELS = tuple(f"net {place}" for place in range(3))
GROUPS = (
    Column("SA", "theory", "", ""),
    *(Column(name, "trained", name, "") for name in MODELS),
    Column("net 0, random weights", "changed", "net 0", "random weights"),
)


def said(*rows):
    return findings(json.loads(table(*rows).to_json())["rows"], GROUPS)


def on_models(hypothesis, *verdicts, **changed):
    return [verdict(hypothesis, name, each, **changed) for name, each in zip(MODELS, verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (
            ["REFUTED"] * 3,
            "In trained models tokens do not gather in tight clusters (H1: refuted in all 3 models).",
        ),
        (
            ["CONFIRMED", "CONFIRMED", "REFUTED"],
            "In trained models tokens mostly gather in several tight clusters "
            "(H1: confirmed in 2 of 3 models, refuted in 1).",
        ),
        (
            ["CONFIRMED", "UNDECIDED", "REFUTED"],
            "In trained models tokens may or may not gather in several tight clusters "
            "(H1: confirmed in 1 of 3 models, refuted in 1, undecided in 1).",
        ),
    ],
)
def test_other_verdicts_make_other_sentences(verdicts, words):
    assert said(*on_models("H1", *verdicts))[0] == words


def test_the_theory_may_be_wrong_too():
    forms = said(verdict("H1", "SA"), verdict("H2", "SA", "REFUTED"), verdict("H3", "SA", "REFUTED"))[0]
    assert forms == (
        "In the theory tokens gather in several tight clusters (H1: confirmed in 1), do not stay in clusters for long "
        "(H2: refuted in 1), and these do not last far longer than they take to form "
        "(H3: refuted in 1; excess 0.50 [0.40, +])."
    )


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (("CONFIRMED", "UNDECIDED"), "where that can be told, in 1 of 2, these last far longer"),
        (("CONFIRMED", "CONFIRMED"), "tokens these last far longer"),
        (("REFUTED", "CONFIRMED"), "tokens these may or may not last far longer"),
    ],
)
def test_how_long_clusters_last_is_said_of_those_that_tell(verdicts, words):
    rows = [verdict("H3", "SA", each, statistic=str(place)) for place, each in enumerate(verdicts)]
    assert words in said(*rows)[0]


def test_a_confirmed_growth_is_one_of_length_in_beta():
    rows = [verdict("H3", "SA", statistic="growth of log plateau length in beta")]
    assert "these last exponentially long in beta (H3" in said(*rows)[0]


def test_intervals_that_stay_short_of_what_matters_are_named():
    refuted = on_models("H1", *["REFUTED"] * 3, effect=0.0, ci=(-0.1, 0.07))
    assert "refuted in all 3 models, intervals up to 0.07 where 0.25 matters" in said(*refuted)[0]
    without_end = on_models("H1", *["REFUTED"] * 3, ci=(-0.1, np.inf))
    assert "intervals" not in said(*without_end)[0]


def seen_from(limit, confirmed=6, draws=6, low=0.97):
    rung = {"share": limit, "confirmed": confirmed, "draws": draws, "is_seen": True, "low": low, "high": 1.0}
    return {**REACH, "limit": limit, "rungs": [rung]}


def test_how_far_a_refutation_reaches():
    rows = [
        verdict("H1", name, "REFUTED", reach=reach)
        for name, reach in zip(
            MODELS, (seen_from(0.5), seen_from(0.65, 72, 72, 0.95), {**REACH, "limit": None})
        )
    ]
    rows.append(verdict("P20", MODELS[0], "REFUTED", reach=seen_from(0.3)))
    (reach,) = (sentence for sentence in said(*rows) if sentence.startswith("How far that reaches"))
    assert (
        "in each of 6 to 72 draws (a power of 95 % or more, by the spread of few draws) where they hold 50 % to "
        "65 % (H1) or 30 % (P20) of the variance; larger" in reach
    )
    full = verdict("H1", MODELS[0], "REFUTED", reach=seen_from(0.5, 97, 100, 0.91))
    assert any(
        "seen in 97 or more of 100 draws (a power of 91 % or more) where they hold 50 %" in sentence
        for sentence in said(full)
    )
    assert not any(
        "How far that reaches" in sentence for sentence in said(*on_models("H1", *["CONFIRMED"] * 3))
    )


def test_all_that_applies_is_counted_and_what_does_not_is_not():
    rows = [*on_models("H4", "CONFIRMED", "REFUTED", "NOT APPLICABLE"), verdict("H1", "SA", "UNDECIDED")]
    last = said(*rows)[-1]
    assert "each corrected for all: 1 confirmed, 1 refuted, 1 undecided." in last
    assert last.endswith("on trained models: H4 confirmed in 1 of 2, refuted in 1.")


def test_why_nothing_is_the_reason_of_what_was_asked():
    row = verdict("H6", "SA", "NOT APPLICABLE", why="No attention was recorded.")
    rows = json.loads(table(row).to_json())["rows"]
    assert why_nothing(rows) == "No run of this folder can be judged: no attention was recorded."


def test_nothing_judged_nothing_said():
    assert findings((), ()) == ()
    assert findings(json.loads(Verdicts((), {}, 0, 99).to_json())["rows"], GROUPS) == ()


def test_two_are_both():
    two = on_models("H1", "REFUTED", "REFUTED")
    assert "(H1: refuted in both models" in said(*two)[0]
