"""A state at a given energy on the way back: its energy is that one, and it lies where it says."""

import numpy as np
import pytest

import sim
from compare.metrics.lowered import lowered
from compare.metrics.pairwise import pair_energy

BETA = 4.0
MASSES = np.random.default_rng(0).uniform(0.5, 2, 20)


@pytest.fixture(scope="module")
def risen():
    return sim.simulate(sim.Attention(BETA), sim.uniform(20, 3, seed=1), [0.0, 5.0]).points


@pytest.mark.parametrize("masses", [None, MASSES])
@pytest.mark.parametrize("part", [-1e-15, 0.0, 0.3, 1.0, 1 + 1e-15])
def test_its_energy_is_the_one_asked_for_and_it_lies_on_the_way(risen, masses, part):
    before, now = pair_energy(risen, BETA, masses)
    wanted = now + part * (before - now)
    state = lowered(risen[1], risen[0], wanted, BETA, masses)
    np.testing.assert_allclose(pair_energy(state[None], BETA, masses)[0], wanted, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(state, axis=1), 1, rtol=1e-14)
    # On a great circle from one to the other: the three vectors lie in one plane, and both ends are nearer.
    for back, here, there in zip(risen[0], state, risen[1]):
        assert abs(np.linalg.det(np.stack([back, here, there]))) < 1e-12
        assert min(back @ here, here @ there) >= back @ there - 1e-12


def test_an_energy_that_is_not_between_is_refused(risen):
    before, now = pair_energy(risen, BETA)
    for energy in (before - 1e-6, now + 1e-6, np.nan):
        with pytest.raises(ValueError, match="energy must be between those of the two states"):
            lowered(risen[1], risen[0], energy, BETA)
