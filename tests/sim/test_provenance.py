"""Provenance that can be saved is taken, whatever its numbers are made of; the rest is refused by name."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import sim
from sim import Trajectory
from sim.provenance import json_values
from tests.helpers.four_tokens import START

TAKEN = {
    "seed": np.int64(3),
    "scale": np.float32(0.5),
    "on": np.bool_(True),
    "beta": jnp.asarray(2.0),
    "file": Path("a") / "b",
    "many": (np.int64(1), [np.float64(0.25)], {"inner": np.uint8(7)}),
    "none": None,
}
KEPT = {
    "seed": 3,
    "scale": 0.5,
    "on": True,
    "beta": 2.0,
    "file": str(Path("a") / "b"),
    "many": [1, [0.25], {"inner": 7}],
    "none": None,
}


def test_numbers_and_paths_are_kept_as_json_values(tmp_path):
    record = Trajectory(START[None], [0.0], provenance=TAKEN)
    assert record.provenance == KEPT
    record.save(tmp_path / "record.nc")
    assert Trajectory.load(tmp_path / "record.nc").provenance == KEPT
    run = sim.simulate(sim.Attention(1.0), START, [0, 1], provenance=TAKEN)
    assert {name: run.provenance[name] for name in KEPT} == KEPT


@pytest.mark.parametrize(
    ("provenance", "named"),
    [
        ({"fit": np.zeros(2)}, r"provenance\['fit'\] must be a JSON value, got ndarray"),
        ({"when": {"then": object()}}, r"provenance\['when'\]\['then'\]"),
        ({"all": [1, {2}]}, r"provenance\['all'\]\[1\].*got set"),
    ],
)
def test_the_rest_is_refused_before_the_run(provenance, named, monkeypatch):
    with pytest.raises(ValueError, match=named):
        Trajectory(START[None], [0.0], provenance=provenance)

    monkeypatch.setattr("sim.integration.integrate", lambda *_: pytest.fail("the run began"))
    with pytest.raises(ValueError, match=named):
        sim.simulate(sim.Attention(1.0), START, [0, 1], provenance=provenance)


def test_a_name_that_is_no_string_is_refused():
    with pytest.raises(ValueError, match="got 3: write '3'"):
        json_values({3: "three"})
