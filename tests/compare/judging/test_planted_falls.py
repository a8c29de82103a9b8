"""Falls planted in runs: they have the size that is said, and a rise is confirmed only where they are seen."""

from dataclasses import replace

import numpy as np
import pytest

import compare
from compare.calibration.generator import Shape, group
from compare.calibration.registry import GENERATORS
from compare.judging.groups import groups_of
from compare.judging.planted_falls import energies, fallen
from compare.judging.reach import COARSE, counted
from compare.judging.registry import HYPOTHESES
from compare.metrics.calibrated.energy import descent_share
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE

FEW_DRAWS = 9
SHAPE = Shape(7, 40, 9)


def measured(runs):
    return [calibrated(run, FEW_DRAWS, 0, {"base": BASE}) for run in runs]


def made(runs):
    (found,) = groups_of({"runs": runs}, {"runs": measured(runs)}, {}, 0, FEW_DRAWS, list)
    return found


@pytest.fixture(scope="module")
def rising():
    """Runs of SA, some with a small fall of their own: they differ."""
    names = ("fall_0", "fall_0.02", "fall_0.005", "fall_0.02", "fall_0", "fall_0.005", "fall_0.02")
    return [group(GENERATORS[name], 5, place, replace(SHAPE, runs=1))[0] for place, name in enumerate(names)]


@pytest.mark.parametrize("share", [0.06, 0.1, 0.2])
def test_falls_have_the_share_that_is_said_and_scatter_as_the_runs_do(rising, share):
    found = made(rising)
    own = np.array([descent_share(*energies(run), z=0.0)[0] for run in found.runs])
    means = []
    for draw in range(40):
        planted = fallen(found, found.runs, share, draw)
        got = np.array([descent_share(*one.energies, z=0.0)[0] for one in planted])
        means.append(got.mean())
        off = np.abs(got[:, None] - (share + own - own.mean()))
        assert off.min(axis=1).max() < 1e-9  # each takes the deviation of one of the runs
        for run, (one, is_planted) in zip(found.runs, planted):
            assert is_planted
            assert len(one.energy) == len(run["energy"]) + 1
            assert set(run["energy"]) < set(one.energy)
            assert (one.noise > 0).all()
    # The mean of a draw scatters as a mean of seven does.
    expected = own.std() / np.sqrt(len(own))
    assert 0.6 * expected < np.std(means) < 1.6 * expected
    assert abs(np.mean(means) - share) < 4 * expected / np.sqrt(40)
    places = [
        [int(np.argmin(np.diff(one.energies.energy))) for one in fallen(found, found.runs, share, k)]
        for k in (0, 1)
    ]
    assert places[0] != places[1]
    assert fallen(found, found.runs, share, 1) is fallen(found, found.runs, share, 1)


def test_a_share_that_no_fall_has_is_refused(rising):
    found = made(rising)
    with pytest.raises(ValueError, match=r"less than half of all changes, got 0\.5"):
        fallen(found, found.runs, 0.5, 0)


def test_a_run_with_no_way_back_stays_as_it_is():
    """With V = -I the energy falls throughout."""
    found = made(group(GENERATORS["leaving"], 5, 0, SHAPE))
    for run, one in zip(found.runs, fallen(found, found.runs, 0.2, 0)):
        assert not one.is_planted
        np.testing.assert_array_equal(one.energies.energy, run["energy"])


def judged(runs, tables):
    found = compare.judge({"runs": runs}, draws=FEW_DRAWS, measured={"runs": tables}, hypotheses="H4")
    return found.row("H4", "runs")


def test_a_rise_is_confirmed_as_far_as_falls_would_have_been_seen(rising):
    row = judged(rising, measured(rising))
    assert row.verdict == "CONFIRMED"
    assert row.reach is not None
    assert (row.reach["limit"], row.reach["matters"]) == (0.08, 0.1)
    assert (
        "falls of 8 % of all changes of the energy, on average over runs, or more would have been seen"
        in row.why
    )


def test_a_full_limit_is_exact_to_a_tenth_of_the_largest_fall_that_is_still_a_rise(rising):
    """Of 31 draws, for the time that 100 take."""
    searched = replace(made(rising), search=replace(COARSE, power=counted, shares=(0.5,)))
    h4 = HYPOTHESES["H4"]
    reach = h4.evidence(searched, h4.at).reach
    assert reach is not None
    unseen, limit, *seen = reach.rungs
    assert limit.share == reach.limit == pytest.approx(unseen.share + 0.005)
    assert 0.06 <= limit.share <= 0.08  # coarsely 0.08, of 0.06, 0.08 and 0.1
    assert unseen.confirmed < unseen.draws
    assert {each.confirmed for each in (limit, *seen)} == {31}
    assert f"{100 * limit.share:.3g} % in 31 of 31 draws" in reach.sentence()
    assert f"falls of {100 * limit.share:.3g} % of all changes" in reach.sentence()


def test_where_falls_would_not_be_seen_no_rise_is_confirmed(rising):
    """The energy rises in one last step to which nothing leads: no state before it has risen, to fall from."""
    tables = [
        table.assign(
            energy=("depth", np.where(np.arange(table.sizes["depth"]) == table.sizes["depth"] - 1, 0.9, 0.1))
        )
        for table in measured(rising)
    ]
    row = judged(rising, tables)
    assert row.verdict == "UNDECIDED"
    assert "all of it below 0.05, which confirms nothing" in row.why
    assert "falls of 10 % of all changes could be put into 0 of 7 runs only" in row.why
