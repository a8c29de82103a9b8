"""H5: what governs the speed of collapse across models; and P11, which is described only."""

import numpy as np
import pytest
import xarray as xr

from compare.judging.evidence import balance, decide
from compare.judging.group import Group, MeasuredRun
from compare.judging.registry import HYPOTHESES
from compare.statistics import RATE
from tests.helpers.judged_runs import judged, measured, model_tables, random, trajectory


@pytest.mark.parametrize(
    ("models", "sign", "verdict"), [(12, 1, "CONFIRMED"), (12, -1, "REFUTED"), (4, 1, "UNDECIDED")]
)
def test_what_governs_speed_needs_many_models(models, sign, verdict):
    runs = {
        f"net {place}": [(run := trajectory(model=f"net {place}"), measured(run))] for place in range(models)
    }
    found = judged(runs, models=model_tables(models, sign))
    row = found.row("H5", "all models")
    assert row.verdict == verdict
    if models == 4:
        assert "known of 4 of 4 models" in row.why
    assert found.row("P11", "net 0").verdict == "UNDECIDED"
    assert "described, not judged" in found.row("P11", "net 0").why.lower()
    assert "0 of" in judged(runs).row("H5", "all models").why


def speeds(seed, scatter=None):
    """8 to 12 models: speed within `scatter` of the spectral radius, in logarithms; of nothing at all where None."""
    drawn = random(14, seed)
    count = int(drawn.integers(8, 13))
    radius, own = np.exp(drawn.normal(0, 0.5, (2, count)))
    widths, blocks = drawn.choice([128, 256, 384, 768, 1024], count), drawn.choice([6, 12, 24, 36], count)
    speed = own if scatter is None else radius * np.exp(drawn.normal(0, scatter, count))
    return {
        f"net {place}": {
            "speed": xr.Dataset(
                attrs={
                    "per_layer": float(speed[place]),
                    "spectral_radius": float(radius[place]),
                    "width": int(widths[place]),
                    "blocks": int(blocks[place]),
                }
            )
        }
        for place in range(count)
    }


def verdict_on(tables):
    """The rule alone, at the level of a single row: a tenth of what `compare.judge` costs, without its robustness."""
    runs = tuple(MeasuredRun.of(name, trajectory(model=name), xr.Dataset()) for name in tables)
    evidence = HYPOTHESES["H5"].evidence(Group("all models", runs, tables=tables), HYPOTHESES["H5"].at)
    return decide(balance(evidence), RATE / 2)


def test_speeds_that_nothing_governs_are_not_said_to_be_governed():
    """None of 150 tables may be CONFIRMED: at a rate of 2 % that would happen in 0.98^150 = 4.8 % of cases."""
    found = [verdict_on(speeds(seed)) for seed in range(150)]
    assert found.count("CONFIRMED") == 0


def test_speeds_that_the_spectrum_governs_are_found():
    """95 of 100 tables, the share asked for; at a power of 90 % that would happen in 5.8 % of cases. 98 here."""
    found = [verdict_on(speeds(seed, scatter=0.02)) for seed in range(100)]
    assert found.count("CONFIRMED") >= 95


@pytest.mark.parametrize(("scatter", "seed"), [(None, 0), (0.02, 1)])
def test_the_rule_alone_is_what_the_judge_says(scatter, seed):
    models = speeds(seed, scatter)
    groups = {name: [(run := trajectory(model=name), measured(run))] for name in models}
    assert judged(groups, models=models).row("H5", "all models").verdict == verdict_on(models)
