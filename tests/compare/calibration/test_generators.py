"""The generators of known truth: what they make is what they say, by closed forms and by independent integration."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist

import sim
from compare.calibration import GENERATORS
from compare.calibration.clouds import directions
from compare.calibration.flow import flow
from compare.calibration.generator import Shape, group, moments, rounded
from compare.calibration.mixtures import churn
from compare.calibration.negatives import frozen, rotating, walk
from compare.calibration.oracle import clustered_share, descent_share, plateau_share
from compare.calibration.planted import PLANTED
from compare.calibration.positives import FIRST, of_the_theory
from compare.calibration.sweeps import CLUSTERS, caps_sweep, power_sweep, scalefree_sweep

SHAPE = (6, 40, 9)


@pytest.fixture(scope="module")
def made():
    """The runs of one group of each generator, made once."""

    def make(name, number=0, shape=SHAPE):
        return group(GENERATORS[name], 5, number, Shape(*shape))

    kept = {}

    def once(name, number=0):
        if (name, number) not in kept:
            kept[name, number] = make(name, number)
        return kept[name, number]

    return once


OWN_TESTS = {"caps_sweep", "fall_0", "fall_0.005", "fall_0.02", "fall_0.05", "fall_0.3"}.union(
    one.name for one in PLANTED
)
NAMES = (
    *("sa", "usa", "sa_mid", "causal", "caps", "fuzzy"),
    *("gpt2_sa", "bert_sa", "albert_sa"),
    *(
        "iid",
        "frozen",
        "mean",
        "drift",
        "smallbeta",
        "rw",
        "vneg",
        "vneg_caps",
        "ring",
        "lowd",
        "heavy",
        "artok",
    ),
    *("student", "classes", "gains", "rotating", "curve", "repeats", "sink", "star"),
    *("iidclus", "frozenclus", "churn", "sharpen", "cdrift", "scalefree", "scalefree_sweep", "power_sweep"),
    "fall_0.1",
    *("following", "blind", "distracted", "local", "learned", "unlearned", "words"),
    *("cone", "slow_cone", "trapped", "leaving", "over_beta", "one_beta", "unmasked"),
)


def _energies(run):
    """Off-diagonal interaction energy at each depth, by an explicit list of pairs."""
    squares = [pdist(points) ** 2 for points in run.points]
    return np.array([np.exp(-run.provenance["beta"] * each / 2).mean() for each in squares])


def test_every_generator_is_here_or_has_its_own_test():
    assert set(NAMES) | OWN_TESTS == set(GENERATORS)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_is_what_the_judge_reads(made, name):
    runs = made(name)
    times = 3 if name in ("learned", "unlearned", "words") else 2 if name.endswith("_sweep") else 1
    assert len(runs) == times * SHAPE[0]
    assert len({run.points.shape for run in runs}) == 1
    assert len({run.provenance["label"] for run in runs}) == len(runs)
    for run in runs:
        facts = run.provenance
        assert facts["generator"] == name
        assert facts["dtype"] == ("float64" if "cone" in name else "bfloat16")
        assert facts["beta"] > 0
        assert 0 <= facts["oracle_plateau"] <= 1
    first, second = runs[0].points, runs[1].points
    assert np.abs(first - second).max() > 0.05  # the data of each run are its own


@pytest.mark.parametrize("name", ["sa", "fuzzy", "scalefree"])
def test_the_same_seed_gives_the_same_points_and_another_group_gives_others(made, name):
    again = group(GENERATORS[name], 5, 0, Shape(*SHAPE))
    for one, other in zip(made(name), again):
        assert np.array_equal(one.points, other.points)
    # two clouds of other sizes share the tokens and coordinates that both have
    one, other = (made(name, place)[0].points for place in (0, 1))
    tokens, width = np.minimum(one.shape, other.shape)[1:]
    assert np.abs(one[:, :tokens, :width] - other[:, :tokens, :width]).max() > 0.05


def test_points_are_rounded_to_eight_bits_of_significand():
    points = np.random.default_rng(0).standard_normal((200, 5))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    moved = np.abs(rounded(points) - points) / np.abs(points).max(axis=1, keepdims=True)
    # half a unit of the eighth bit is 2^-9 of a coordinate; to make the row unit again moves it by as much at most
    assert moved.max() <= 2 * 2**-9
    assert moved.max() > 2**-11


def test_the_flow_is_that_of_simulate():
    starts = np.stack([sim.uniform(12, 3, seed) for seed in range(2)])
    times, betas = np.array([0.0, 0.5, 3.0, 20.0]), np.array([4.0, 9.0])
    ours = flow(starts, times, betas, causal=True)
    for run, beta in enumerate(betas):
        theirs = sim.simulate(sim.Attention(beta, causal=True), starts[run], times).points
        # a local error of 1e-6 of a step, grown by instabilities that part tokens of one cluster from another
        assert np.abs(ours[run] - theirs).max() < 2e-4


@pytest.mark.parametrize(("kind", "causal"), [("SA", False), ("SA", True), ("USA", False)])
def test_the_flow_starts_along_the_vector_field(kind, causal):
    start, step = sim.uniform(12, 3, 0), 1e-3
    there, back = (
        flow(start[None], np.array([0.0, step]), 9.0, kind, causal, value)[0, -1] for value in (1.0, -1.0)
    )
    expected = np.asarray(sim.Attention(9.0, kind, causal).velocity(start))
    # the odd part of the displacement: an error of order step^2, beta^2 times a constant before it
    assert (there - back) / (2 * step) == pytest.approx(expected, abs=2e-4)


def test_the_flow_of_a_pair_that_repels_is_the_closed_form():
    """Two tokens under SA with V = -I: the angle grows as theta' = 2 sin(theta) w, w the weight of the other."""
    beta, start, end = 3.0, 0.4, 2.0

    def speed(angle):
        weight = np.exp(beta * (np.cos(angle) - 1))
        return 2 * np.sin(angle) * weight / (1 + weight)

    time = quad(lambda angle: 1 / speed(angle), start, end, epsabs=1e-12)[0]
    pair = np.array([[[1.0, 0.0], [np.cos(start), np.sin(start)]]])
    first, second = flow(pair, np.array([0.0, time]), beta, value=-1.0)[0, -1]
    assert np.arccos(first @ second) == pytest.approx(end, abs=1e-5)  # ten steps of a local error of 1e-6


@pytest.mark.parametrize(
    ("name", "lowest", "highest"), [("sa", 0, 0), ("usa", 0, 0), ("caps", 0, 0), ("vneg", 1, 1)]
)
def test_the_energy_has_the_sign_of_the_dynamics(made, name, lowest, highest):
    for run in made(name):
        steps = np.diff(_energies(run))
        steps = steps[np.abs(steps) > 2e-3]  # above what bfloat16 moves the energy of 40 tokens at beta 30
        assert len(steps)
        assert lowest <= np.mean(steps < 0) <= highest
        # by the oracle too, which sees the points before rounding; 1e-4 for the tolerance of the flow
        assert run.provenance["oracle_descent"] == pytest.approx(lowest, abs=1e-4)


def test_fresh_clouds_are_exchangeable_over_depth(made):
    """Differences of the Gram matrix between neighbouring depths are like those between any two."""
    for name in ("iid", "iidclus"):
        near, far = [], []
        for run in made(name):
            gram = np.einsum("lid,ljd->lij", run.points, run.points)
            apart = ((gram[:, None] - gram[None]) ** 2).mean(axis=(2, 3))
            steps = np.abs(np.subtract.outer(range(len(gram)), range(len(gram))))
            near.append(apart[steps == 1].mean())
            far.append(apart[steps > 1].mean())
        ratio = np.mean(near) / np.mean(far)
        assert 0.85 < ratio < 1.15, name  # 6 runs of 8 neighbouring pairs: the spread of the ratio is 3 %


def test_drifts_are_not_exchangeable_over_depth(made):
    for name in ("mean", "smallbeta", "sa", "lowd"):
        run = made(name)[0]
        gram = np.einsum("lid,ljd->lij", run.points, run.points)
        assert np.mean((gram[0] - gram[1]) ** 2) < np.mean((gram[0] - gram[-1]) ** 2) / 2


def test_caps_have_a_plateau_and_collapse_has_none(made):
    assert all(run.provenance["oracle_plateau"] >= 0.25 for run in made("caps"))
    assert np.mean([run.provenance["oracle_plateau"] for run in made("trapped")]) > 0.9
    assert np.mean([run.provenance["oracle_plateau"] for run in made("cone")]) < 0.1


def test_the_oracle_reads_a_plateau_off_planted_clusters():
    random = np.random.default_rng(1)
    centres = np.eye(3)[np.arange(30) % 3]
    other = np.eye(3)[np.arange(30) // 10]
    spread = random.standard_normal((30, 3))

    def depth(placed, width):
        points = placed + width * spread
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    clustered, loose, changed = depth(centres, 0.01), depth(0 * centres, 1.0), depth(other, 0.01)
    assert plateau_share(np.stack([loose] * 2 + [clustered] * 5 + [changed] * 2), 16.0) == 4 / 8
    assert plateau_share(np.stack([loose] * 5 + [clustered] * 2 + [changed] * 2), 16.0) == 0
    assert plateau_share(np.stack([depth(np.ones((30, 3)), 0.01)] * 9), 16.0) == 0  # one cluster is none


def test_the_oracle_counts_the_tokens_that_end_in_clusters():
    near = np.linspace(0, 0.02, 3)
    angles = np.concatenate([near, 2 + near, [3.0, 4.0]])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    loose = np.roll(circle, 1, axis=0) + 0.3 * np.random.default_rng(0).standard_normal((8, 2))
    assert clustered_share(np.stack([loose, circle]), 16.0) == 6 / 8
    assert clustered_share(circle[None, :3], 16.0) == 0  # one cluster is none
    assert clustered_share(circle[None, 5:], 16.0) == 0


def test_the_oracle_counts_falls_as_a_share_of_all_changes():
    def pair(cosine):
        return np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])

    def levels(*energies):  # of one pair at beta = 1: E = e^(cos - 1)
        return np.stack([pair(1 + np.log(level)) for level in energies])

    assert descent_share(levels(0.2, 0.5, 0.4, 0.7), 1.0) == pytest.approx(0.1 / 0.7, rel=1e-12)
    assert descent_share(levels(0.2, 0.5), 1.0) == 0
    assert np.isnan(descent_share(levels(0.5, 0.5), 1.0))


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_a_planted_fall_has_the_size_it_says(share):
    for run in group(GENERATORS[f"fall_{share:g}"], 5, 0, Shape(2, 40, 9)):
        # the fall is made good again: share / (1 + 2 share) of all changes; 1e-3 for what the flow rises by rounding
        assert run.provenance["oracle_descent"] == pytest.approx(share / (1 + 2 * share), abs=1e-3)
        energies = _energies(run)
        step = run.provenance["fall_after"]
        rise = energies[-1] - energies[0]
        # 0.01 for the rounding to bfloat16 of all that enters
        assert (energies[step] - energies[step + 1]) / rise == pytest.approx(share, abs=0.01)


def test_churn_moves_a_quarter_of_the_tokens_at_each_layer():
    clouds = churn(np.random.default_rng(3), Shape(6, 200, 13))
    late = clouds.points[
        :, 6:
    ]  # tight by then: a token that stays moves by nothing, one that goes by a centre's distance
    moved = np.linalg.norm(np.diff(late, axis=1), axis=-1) > 0.1
    assert moved.mean() == pytest.approx(0.25, abs=0.015)  # 7,200 tokens: three standard deviations


def test_repeated_words_have_one_name_and_start_together(made):
    for run in made("repeats"):
        names = np.array(run.tokens)
        assert len(set(names)) == SHAPE[1]
        assert len(names) > SHAPE[1]
        word = next(name for name in names if np.sum(names == name) > 1)
        first, second = np.flatnonzero(names == word)[:2]
        others = np.median(pdist(run.points[0]))
        assert np.linalg.norm(run.points[0, first] - run.points[0, second]) < others / 3


def test_a_turning_frame_changes_no_distance():
    still = frozen(np.random.default_rng(8), Shape(3, 30, 7)).points
    turned = rotating(np.random.default_rng(8), Shape(3, 30, 7)).points
    for one, other in zip(still[2], turned[2]):
        assert pdist(one) == pytest.approx(pdist(other), rel=1e-12)
    assert np.abs(still[:, -1] - turned[:, -1]).max() > 0.1


def test_the_walk_steps_as_far_as_attention_does():
    random = np.random.default_rng(4)
    times, beta = moments(FIRST, random.uniform(60, 150), 9), random.uniform(9, 30)
    theirs = of_the_theory(directions(random, 2, 40, 3), times, beta).points
    ours = walk(np.random.default_rng(4), Shape(2, 40, 9)).points
    steps = [np.linalg.norm(np.diff(points, axis=1), axis=-1) for points in (theirs, ours)]
    assert np.abs(steps[0] - steps[1]).max() < 1e-7  # the arc cosine of a short step loses half the digits
    assert np.abs(theirs[:, 1:] - ours[:, 1:]).max() > 0.1


def test_attention_follows_the_clusters_where_it_says_so(made):
    """Attention to tokens nearby in space, over what the same number of tokens gets that a causal mask lets through."""
    ratios = {}
    for name in ("following", "blind", "distracted", "local"):
        found = []
        for run in made(name):
            rows, points = run.attention[-1, 0], run.points[-1]
            assert np.all(np.triu(rows, 1) == 0)
            assert np.abs(rows.sum(axis=1) - 1).max() < 1e-12
            seen = np.tri(len(rows), k=-1, dtype=bool)
            near = seen & (points @ points.T > 0.6)
            found.append((rows * near).sum() / (rows * seen).sum() * seen.sum() / near.sum())
        ratios[name] = np.mean(found)
    assert ratios["following"] > 1.5
    assert ratios["blind"] == pytest.approx(1, abs=0.2)  # six runs with favoured keys at random
    assert ratios["distracted"] == pytest.approx(1, abs=0.2)
    assert ratios["local"] > 1.2  # by position alone: what the judge must not be taken in by


@pytest.mark.slow
def test_a_sweep_over_beta_lasts_as_long_as_its_slope_says():
    """The first meeting of two caps comes at a log time that grows by 1 - cos for each unit of beta."""
    clouds = caps_sweep(np.random.default_rng(2), Shape(4, 60, 7))
    assert np.all(np.diff(clouds.depth) > 0)
    meets = []
    for points in clouds.points:
        different = np.array([len(np.unique(np.round(each, 4), axis=0)) for each in points])
        assert different[0] == 60
        assert different[-1] <= 2
        three = np.flatnonzero(different == 3)
        assert np.all(np.diff(three) == 1)  # no gap where one solver takes over from the other
        meets.append(clouds.depth[three[-1]])
    # beside the slope the log time falls by log beta; four points on a grid of 0.6, caps of 20 tokens each
    fitted = np.polyfit(clouds.beta, meets + np.log(clouds.beta), 1)[0]
    assert fitted == pytest.approx(clouds.facts["slope"], abs=0.1)


def test_scale_free_mergers_are_uniform_in_log_time():
    clouds = scalefree_sweep(np.random.default_rng(6), Shape(40, 24, 7))
    counts = []
    for points in clouds.points:
        unit = points / np.linalg.norm(points, axis=-1, keepdims=True)
        counts.append([_components(each) for each in unit])
    later = clouds.depth > 1
    expected = 1 + (CLUSTERS - 1) * (1 - clouds.depth[later] / clouds.depth[-1])
    # the mean of 40 runs: standard error 0.2; two of eight random centres may be near each other from the start
    assert np.abs(np.mean(counts, axis=0)[later] - expected).max() < 1.0


def test_a_power_sweep_is_a_power_of_beta():
    """One merger a run; its log time is linear in log beta, within the half nat of its scatter and a grid of 0.6."""
    clouds = power_sweep(np.random.default_rng(4), Shape(40, 24, 7))
    merged = []
    for points in clouds.points:
        counts = np.array(
            [_components(each / np.linalg.norm(each, axis=-1, keepdims=True)) for each in points]
        )
        later = clouds.depth > 1.5
        assert set(counts[later]) == {2, 3}
        merged.append(clouds.depth[later][np.argmax(counts[later] == 2)])
    power, _ = np.polyfit(np.log(clouds.beta / 10), merged, 1)
    rest = merged - np.polyval(np.polyfit(np.log(clouds.beta / 10), merged, 1), np.log(clouds.beta / 10))
    assert 4.5 < power < 12.5
    assert rest.std() < 0.8
    assert np.unique(clouds.beta).size == 40
    assert clouds.beta.size == 80


def _components(points):
    return connected_components(points @ points.T > 1 - 0.15**2 / 2, directed=False)[0]


@pytest.mark.parametrize("number", [9, 31, 37])
def test_no_fall_at_all_is_put_in_where_one_state_reads_another_last_digit_than_all_together(number):
    found = group(GENERATORS["fall_0"], 2027, number, Shape(9, 36, 7))
    assert all(run.provenance["planted_fall"] == 0 for run in found)
