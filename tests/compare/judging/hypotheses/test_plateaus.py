"""H3: growth of plateau lengths in beta, or their life over their formation."""

import numpy as np
import pytest

from tests.helpers.judged_runs import RUNS, TOKENS, judged, measured, random, sweep, trajectory


def test_exponential_growth_is_told_from_power_laws_and_from_none():
    """Slope 0.8 is that of clusters at 78 degrees; lengths scatter by a tenth, and without growth by a third."""
    noise = random(3).normal(0, 0.1, 12)
    laws = {
        "exponential": lambda beta, place: 0.8 * beta - np.log(beta) + 2 + noise[place],
        "power": lambda beta, place: 10 * np.log(beta) - 12 + noise[place],
        "none": lambda beta, place: 8 + 3 * noise[place],
    }
    found = judged({name: sweep(law) for name, law in laws.items()})
    rows = {name: found.row("H3", name) for name in laws}
    assert rows["exponential"].verdict == "CONFIRMED"
    assert rows["exponential"].ci[0] < 0.8 - 1 / 17 < rows["exponential"].ci[1]
    scattered = random(5).normal(0, 1, 12)
    row = judged({"power": sweep(lambda beta, place: 8 * np.log(beta) - 8 + scattered[place])}).row(
        "H3", "power"
    )
    assert (row.verdict, row.why[:25]) == ("UNDECIDED", "A power law fits as well:")
    assert rows["power"].verdict == "UNDECIDED"
    assert "power law" in rows["power"].why
    assert rows["none"].verdict == "REFUTED"


@pytest.mark.parametrize("outlasting", [1, 12])
def test_a_plateau_that_outlasts_its_run_leaves_growth_undecided(outlasting):
    """Left out, the longest plateaus would make growth look too small."""

    def law(beta, place):
        return 40.0 if place >= 12 - outlasting else 0.8 * beta - np.log(beta) + 2

    row = judged({"runs": sweep(law)}).row("H3", "runs")
    assert row.verdict == "UNDECIDED"
    assert f"in {outlasting} of 12 runs the first plateau lasts to the end" in row.why.lower()


@pytest.mark.parametrize(
    ("start", "end", "verdict", "words"),
    [
        (2, 7, "UNDECIDED", "too few depths"),
        (0, 5, "NOT APPLICABLE", "formation"),
        (-1, -1, "NOT APPLICABLE", "no run has a plateau"),
        (4, 6, "UNDECIDED", "can be seen is 10"),
    ],
)
def test_life_over_formation_of_layers(start, end, verdict, words):
    """Of 12 layers no ratio can be above 10, whatever the plateau."""
    runs = []
    for place in range(RUNS):
        run = trajectory(random(0).standard_normal((12, TOKENS, 3)), label=str(place))
        last = 11 if (start, end) == (2, 7) else end
        runs.append((run, measured(run, first=(start, last))))
    row = judged({"runs": runs}).row("H3", "runs")
    assert row.verdict == verdict
    assert words in row.why.lower()
