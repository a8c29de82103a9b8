"""What is left out before anything is measured, and what must not be."""

import json

import numpy as np

from compare.metrics.exclusions import apply, exclude, record, rogue_coordinates, sentence
from sim.trajectory import Trajectory
from tests.helpers.vectors import unit


def of_a_model(points, **facts):
    names = facts.pop("tokens", None)
    special = facts.pop("special", None)
    return Trajectory(
        points,
        np.arange(float(len(points))),
        axis="layer",
        tokens=names,
        special=special,
        provenance={"model": "any", **facts},
    )


def cloud(dim, depths=4, tokens=12, seed=0):
    return np.random.default_rng(seed).standard_normal((depths, tokens, dim))


def test_each_token_is_left_out_for_its_first_reason():
    points = unit(cloud(8, tokens=7))
    trajectory = of_a_model(
        points,
        tokens=["[CLS]", "the", "cat", "the", "cat", "sat", "[SEP]"],
        special=[True, False, False, False, False, False, True],
        sinks=[0, 1],
    )
    made = exclude(trajectory)
    assert made.kept.tolist() == [
        False,
        False,
        True,
        True,
        False,
        True,
        False,
    ]  # the second "the" stands for both
    assert made.special.tolist() == [0, 6]
    assert made.sinks.tolist() == [1]
    assert made.duplicates.tolist() == [4]
    assert made.rogue.size == 0
    np.testing.assert_array_equal(apply(trajectory, made), points[:, [2, 3, 5]])
    assert sentence(made) == "3 of 7 tokens kept; left out: 2 special tokens, 1 sink, 1 duplicate"
    assert json.loads(json.dumps(record(made)))["kept"] == 3
    assert not trajectory.special[1]  # the trajectory is as before


def test_ids_decide_over_names():
    trajectory = of_a_model(unit(cloud(8, tokens=4)), tokens=["a", "a", "b", "c"], token_ids=[5, 6, 7, 7])
    assert exclude(trajectory).kept.tolist() == [True, True, True, False]


def test_rogue_coordinates_of_a_model_are_dropped():
    raw = cloud(64, tokens=30)
    raw[..., 3] += 40  # a large mean
    raw[..., 9] *= 12  # a large variance
    trajectory = of_a_model(unit(raw))
    made = exclude(trajectory)
    assert made.rogue.tolist() == [3, 9]
    np.testing.assert_allclose(apply(trajectory, made), unit(np.delete(raw, [3, 9], axis=2)), atol=1e-12)
    assert sentence(made).endswith("left out: 2 rogue coordinates")


def test_one_set_for_all_runs_of_a_model():
    """Coordinate 3 is large in all runs, 9 in one of four, so little that it is not so on average."""
    clouds = [cloud(64, tokens=30, seed=seed) for seed in range(4)]
    for raw in clouds:
        raw[..., 3] += 40
    clouds[0][..., 9] *= 8
    runs = [of_a_model(unit(np.delete(raw, 3, axis=2))) for raw in clouds]
    assert [exclude(run).rogue.tolist() for run in runs] == [[8], [], [], []]
    assert rogue_coordinates(runs) == []
    assert rogue_coordinates(runs[:1]) == [8]
    runs = [of_a_model(unit(raw)) for raw in clouds]
    assert rogue_coordinates(runs) == [3]
    assert rogue_coordinates([]) == []
    for stated in ([], [5, 7]):
        made = exclude(of_a_model(unit(clouds[0]), rogue=stated))
        assert made.rogue.tolist() == stated
    simulated = Trajectory(unit(clouds[0]), np.arange(4.0), provenance={"rogue": [5]})
    assert exclude(simulated).rogue.size == 0


def test_a_coordinate_that_is_large_at_most_depths_is_dropped_at_all():
    raw = cloud(64, depths=5, tokens=30)
    raw[1:, :, 3] += 40
    made = exclude(of_a_model(unit(raw)))
    assert made.rogue.tolist() == [3]
    assert apply(of_a_model(unit(raw)), made).shape == (5, 30, 63)


def test_a_simulation_loses_no_coordinate():
    """Points that gathered on one axis of S^2, or of S^63, have one squared mean far above the median."""
    for dim in (3, 64):
        gathered = unit(np.eye(dim)[1] + 1e-3 * cloud(dim))
        trajectory = Trajectory(gathered, np.arange(4.0), provenance={"beta": 4.0})
        assert exclude(trajectory).rogue.size == 0
        assert exclude(trajectory).kept.all()


def test_few_coordinates_of_a_model_have_no_rogues():
    raw = cloud(31)
    raw[..., 3] += 40
    assert exclude(of_a_model(unit(raw))).rogue.size == 0


def test_ordinary_clouds_of_a_model_keep_nearly_all_coordinates():
    """Of Gaussian coordinates none has 20 times the median variance; a squared mean has it with probability .003."""
    raw = cloud(400, depths=1, tokens=40) + cloud(400, depths=1, tokens=1, seed=1)
    assert exclude(of_a_model(unit(raw))).rogue.size <= 8


def test_a_text_of_one_repeated_token_keeps_one():
    trajectory = of_a_model(unit(cloud(8, tokens=5)), tokens=["a"] * 5)
    assert exclude(trajectory).kept.tolist() == [True, False, False, False, False]
