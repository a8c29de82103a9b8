"""The post's criteria: each rule met, not met and undefined, on trajectories made for it."""

import dataclasses

import numpy as np
import pytest

from compare.metrics.measurement import measure
from compare.published.criteria import published_criteria
from sim.trajectory import Trajectory
from tests.helpers.vectors import unit


def noise(depths=5, tokens=40, dim=64, seed=0, pull=0.0, attention=None):
    """Gaussian points, pulled to one direction by `pull` times the depth."""
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((tokens, dim)) + pull * np.arange(depths)[:, None, None] * rng.standard_normal(
        dim
    )
    return Trajectory(points=unit(raw), depth=np.arange(depths) * 1.0, axis="layer", attention=attention)


def decided(trajectory):
    return {each.statement: each for each in published_criteria(measure(trajectory, "published"))}


@pytest.fixture(scope="module")
def pulled():
    return decided(noise(pull=2.0))


@pytest.fixture(scope="module")
def pushed():
    """The same layers in the opposite order: every drift and every step is turned round."""
    return decided(Trajectory(points=noise(pull=2.0).points[::-1], depth=np.arange(5.0), axis="layer"))


def test_every_criterion_is_complete(pulled):
    for each in pulled.values():
        assert each.hypothesis in ("H1", "H2", "H4", "H6")
        assert all((each.source.startswith("post, Group"), each.threshold, each.caveat))
        assert (each.met is None) == bool(each.reason)
        with pytest.raises(dataclasses.FrozenInstanceError):
            each.met = True
    assert {each.hypothesis for each in pulled.values()} == {"H1", "H2", "H4", "H6"}


def test_a_common_mean_alone_meets_the_criteria_of_h1(pulled):
    """The trap: no cluster anywhere, yet cosines drift, mass passes 0.9, the rank falls and HDBSCAN finds clusters."""
    for statement in (
        "the mean cosine drifts toward 1",
        "the tokens collapse",
        "the effective rank falls",
        "HDBSCAN finds clusters",
    ):
        assert pulled[statement].met is True


def test_the_opposite_drift_does_not(pushed):
    assert pushed["the mean cosine drifts toward 1"].met is False
    assert pushed["the mean cosine drifts toward 1"].value < -0.5
    assert pushed["the effective rank falls"].met is False


def test_noise_alone_does_not_collapse():
    found = decided(noise())
    assert found["the tokens collapse"].met is False
    assert found["the tokens collapse"].value == 0
    assert found["the effective rank collapses"].met is False
    assert found["HDBSCAN finds clusters"].met is True


def test_what_is_known_against_a_count_says_how_arbitrary_it_is(pulled):
    """Ties of the noise make its count a matter of token order; clusters that are apart have one count."""
    told = "by the order of the tokens alone"
    assert told in pulled["HDBSCAN finds clusters"].caveat
    centres = np.repeat(np.eye(4), 10, axis=0) + 0.01 * np.random.default_rng(0).standard_normal((40, 4))
    apart = decided(Trajectory(points=unit(centres)[None], depth=np.zeros(1), axis="layer"))
    assert told not in apart["HDBSCAN finds clusters"].caveat


def test_all_zero_mass_has_a_plateau():
    """The trap: a mass that is zero at every depth counts as a plateau."""
    found = decided(noise())
    assert found["mass_near_one has a plateau"].value == 1
    assert found["mass_near_one has a plateau"].met is True
    # Points that never move: every signal is flat everywhere, which is too much for the shared plateau.
    assert found["several signals share a plateau"].met is False


def test_energy_rises_and_falls(pulled, pushed):
    names = [name for name in pulled if name.startswith(("EnergyOK", "the energy"))]
    assert len(names) == 5
    assert all(pulled[name].met is True for name in names)
    assert all(pushed[name].met is False for name in names)
    assert pushed["the energy at beta = 5 never falls"].value == 4
    assert pushed["EnergyOK: the energy at beta = 1 never falls"].value < -1e-4


def test_a_small_fall_counts_but_leaves_energy_ok():
    angle = np.array([0.5, 0.5 + 5e-5])
    points = np.stack([np.ones(2), np.zeros(2), np.cos(angle), np.sin(angle)], axis=1).reshape(2, 2, 2)
    found = decided(Trajectory(points=points, depth=np.arange(2.0)))
    assert found["EnergyOK: the energy at beta = 1 never falls"].met is True
    assert found["the energy at beta = 1 never falls"].met is False
    assert found["the energy at beta = 1 never falls"].value == 1


@pytest.mark.parametrize("causal", [True, False])
def test_causal_heads_route_by_cluster_whatever_they_attend_to(causal):
    weights = np.exp(np.random.default_rng(1).standard_normal((3, 4, 40, 40)))
    if causal:
        weights = np.tril(weights)
    attention = weights / weights.sum(axis=-1, keepdims=True)
    found = decided(noise(depths=3, attention=attention))["attention heads route by cluster"]
    assert found.met is causal
    assert found.value == float(causal)


def test_undefined_where_the_rule_means_nothing(pulled):
    assert pulled["attention heads route by cluster"].reason == "no attention was recorded"
    assert np.isnan(pulled["attention heads route by cluster"].value)
    single = decided(noise(depths=1))
    for statement in (
        "the mean cosine drifts toward 1",
        "the effective rank falls",
        "mass_near_one has a plateau",
    ):
        assert single[statement].met is None
    assert all(each.met is None for each in single.values() if each.hypothesis in ("H2", "H4"))
    low = decided(noise(dim=3))["the effective rank collapses"]
    assert low.met is None
    assert low.reason == "the rank cannot exceed min(tokens, dim) = 3"
    alone = decided(noise(tokens=1))
    assert alone["HDBSCAN finds clusters"].met is None
    assert alone["the tokens collapse"].met is None


def test_criteria_of_another_preset():
    other = measure(noise(depths=1), "published").assign_attrs(preset="calibrated")
    with pytest.raises(ValueError, match=r'need measurements with preset "published", got \'calibrated\''):
        published_criteria(other)
