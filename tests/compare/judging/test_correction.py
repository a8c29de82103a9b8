"""How much was asked: a row is corrected for the whole table and for its family, and must pass both."""

import numpy as np
from scipy import stats

from tests.helpers.judged_runs import around, group, judged, model_run, model_tables


def test_the_correction_takes_back_what_one_question_among_many_found():
    """An interval that is barely clear of its bound, alone and among groups that are not."""
    barely = group(late=around(0.29, 0.075), gain=1.0)
    unclear = {
        f"unclear {place}": group(late=around(0.25, 0.3), gain=around(0.25, 0.3)) for place in range(8)
    }
    alone = judged({"barely": barely}).row("H1", "barely")
    among = judged({"barely": barely} | unclear).row("H1", "barely")
    assert alone.p == among.p < 0.025
    assert (alone.verdict, among.verdict) == ("CONFIRMED", "UNDECIDED")
    assert alone.ci == among.ci
    assert "once corrected" in among.why


def of_models(late, name, init="trained"):
    return [model_run(f"text {place}", own, init, model=name) for place, own in enumerate(late)]


FAMILIES = {
    "simulations": "theory",
    "trained models": "net",
    "controls": "random",
    "all models": "all models",
}


def test_q_is_the_larger_of_the_two_corrections():
    """Against SciPy's, over each family of rows and over all of them, where each family is unsure in its own way."""
    unsure = around(0.3, 0.2)
    groups = {f"theory {place}": group(late=around(2), gain=2.0, share=0.5, stage=2.0) for place in range(4)}
    groups |= {"theory 4": group(late=unsure, gain=1.0)}
    groups |= {f"net {place}": of_models(unsure - 0.01 * place, f"net {place}") for place in range(3)}
    groups |= {f"net {place}": of_models([1.0], f"net {place}") for place in range(3, 9)}
    groups |= {f"random {place}": of_models(unsure + 0.05 * place, "twin", "random") for place in range(2)}
    rows = [row for row in judged(groups, models=model_tables(9, 1)).rows if np.isfinite(row.p)]
    twice = np.minimum(1, [2 * row.p for row in rows])
    q = stats.false_discovery_control(twice)
    limited = {}
    for family, name in FAMILIES.items():
        members = np.array([row.group.startswith(name) for row in rows])
        own = stats.false_discovery_control(twice[members])
        limited[family] = np.any(own > q[members])
        q[members] = np.maximum(q[members], own)
    # a product of the same p, up to the order of its two factors
    np.testing.assert_allclose([row.q for row in rows], q, rtol=1e-12)
    assert limited == {"simulations": False, "trained models": True, "controls": True, "all models": False}


def test_what_is_sure_of_simulations_lends_models_nothing():
    """The whole table alone would confirm it: there it is one of many discoveries."""
    trained = {"net": of_models(around(0.29, 0.07), "net")}
    trained |= {f"net {place}": of_models(around(0.25, 0.3), f"net {place}") for place in range(8)}
    sure = {f"theory {place}": group(late=around(2), gain=2.0, share=0.5, stage=2.0) for place in range(8)}
    alone, among = judged(trained), judged(trained | sure)
    row = among.row("H1", "net")
    assert row.q == alone.row("H1", "net").q
    assert row.verdict == "UNDECIDED"
    table = stats.false_discovery_control([min(1, 2 * one.p) for one in among.rows if np.isfinite(one.p)])
    place = [one for one in among.rows if np.isfinite(one.p)].index(row)
    assert table[place] < 0.05 < row.q
