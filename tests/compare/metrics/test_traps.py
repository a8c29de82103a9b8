"""Thirteen statistics of the post that cannot come out otherwise, each beside ours on the very same input.

The published one fires, or says the same whatever it is given; ours finds nothing there, or does not move.
"""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import linprog

import compare
from compare.analyses.value_spectrum import spectrum
from compare.judging.evidence import Claim, weigh
from compare.metrics.calibrated.attention import attention_follow
from compare.metrics.calibrated.energy import descent_share, energy_noise, pair_energy
from compare.metrics.calibrated.plateaus import adjusted_rand, together
from compare.metrics.published.attention import attention_clusters
from compare.metrics.published.clusters import distances, hdbscan_labels
from compare.metrics.published.neighbours import nearest_neighbours, pair_agreement
from compare.metrics.published.persistence import TOLERANCES, plateaus
from compare.theory import hemisphere_probability
from probe.spectra import spectra
from sim import Attention, Trajectory
from tests.helpers.vectors import unit

RUNS, DEPTHS, TOKENS, DIM = 6, 7, 40, 48


def random(*seed):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def noise():
    """Runs of fresh Gaussian points at each depth: no clusters, no dynamics."""
    return [
        Trajectory(
            unit(random(1, run).standard_normal((DEPTHS, TOKENS, DIM))),
            np.arange(DEPTHS, dtype=float),
            axis="layer",
            provenance={"beta": 1.0, "label": str(run)},
        )
        for run in range(RUNS)
    ]


@pytest.fixture(scope="module")
def verdicts(noise):
    """What the judge says of them."""
    return compare.judge({"noise": noise}, draws=19)


def nothing_found(verdicts):
    """Nothing is confirmed, and only that there are clusters is refuted."""
    said = {(row.hypothesis, row.verdict) for row in verdicts.rows} - {("P20", "REFUTED")}
    return {verdict for _, verdict in said} <= {"NOT APPLICABLE", "UNDECIDED"}


def violations(points, beta=1.0):
    """Steps at which the published energy falls by more than 1e-6."""
    cosines = points @ np.swapaxes(points, -1, -2)
    energy = np.exp(beta * cosines).mean(axis=(1, 2)) / (2 * beta)
    return np.sum(np.diff(energy) < -1e-6)


def is_inside(value, null):
    """Within the middle 95 % of the null."""
    return np.quantile(null, 0.025) <= value <= np.quantile(null, 0.975)


def value_field(seed, width=32, inner=32):
    """A random value path."""
    output, value = random(2, seed).standard_normal((2, width, inner)) / np.sqrt(width)
    return Attention(1.0, value=value.T, output=output)


def test_1_rotations_keep_the_energy_of_anything(noise, verdicts):
    """'Rotation neutral': frames e^(-A), A antisymmetric, are orthogonal and remove nothing."""
    for run in noise:
        antisymmetric = random(3).standard_normal((DIM, DIM))
        turns = [expm(-depth * (antisymmetric - antisymmetric.T)) for depth in range(DEPTHS)]
        turned = np.einsum("ldk,lnk->lnd", turns, run.points)
        assert violations(run.points) == violations(turned) > 0
        masses = run.masses
        np.testing.assert_allclose(
            pair_energy(turned, 1.0, masses), pair_energy(run.points, 1.0, masses), rtol=1e-9
        )
    assert verdicts.row("H4", "noise").verdict == "NOT APPLICABLE"


def test_2_growing_frames_remove_what_they_cut_off(noise, verdicts):
    """'Rescaled frame': e^(-OV) blows up along one direction; what is left of noise has no violations."""
    removed = []
    for run in noise:
        symmetric = random(4).standard_normal((DIM, DIM)) / np.sqrt(DIM)
        symmetric = 10 * (symmetric + symmetric.T) / np.linalg.norm(symmetric + symmetric.T, 2)
        frames = [expm(-depth * symmetric) for depth in range(DEPTHS)]
        frames = [frame for frame in frames if np.abs(frame).max() < 1e15]
        left = unit(np.einsum("ldk,lnk->lnd", frames, run.points[: len(frames)]))
        before, after = violations(run.points), violations(left[[_rank(x) >= 3 for x in left]])
        removed.append(1 - after / before)
    assert np.mean(removed) > 0.8
    assert nothing_found(verdicts)


def _rank(points):
    sizes = np.linalg.svd(points, compute_uv=False)
    shares = sizes / sizes.sum()
    return np.exp(-np.sum(shares * np.log(shares)))


def test_3_displacements_fill_a_subspace_by_its_dimension():
    """'Displacement test': any step lies in the repulsive subspace by dim/d, above 1/2 where that has 57 % of it."""
    steps = random(5).standard_normal((DEPTHS, 400, DIM))
    repulsive = round(0.57 * DIM)
    share = np.sum(steps[..., :repulsive] ** 2, axis=-1) / np.sum(steps**2, axis=-1)
    assert np.all(share.mean(axis=1) > 0.5)
    found = spectra([value_field(seed) for seed in range(4)], draws=40)
    inside = [
        is_inside(float(found["repulsive_share"][layer, 0]), found["repulsive_share_null"][layer, 0])
        for layer in range(4)
    ]
    assert np.mean(inside) >= 0.75


def test_4_random_matrices_have_complex_eigenvalues():
    """'Imaginary': nine in ten eigenvalues of a random product are complex, and that is what its null says."""
    assert spectrum(random(6).standard_normal((128, 128)))["complex_share"] > 0.85
    found = spectra([value_field(seed) for seed in range(4)], draws=40)
    inside = [
        is_inside(float(found["complex_share"][layer, 0]), found["complex_share_null"][layer, 0])
        for layer in range(4)
    ]
    assert np.mean(inside) >= 0.75


def test_5_a_mask_alone_is_no_routing():
    """'CLUSTER heads': the Fiedler value of random causal attention is small; it does not follow planted clusters."""
    seen, excess = np.tri(TOKENS), []
    for run in range(RUNS):
        weights = np.exp(random(7, run).standard_normal((4, 2, TOKENS, TOKENS))) * seen
        attention = weights / weights.sum(axis=-1, keepdims=True)
        assert np.all(attention_clusters(attention)["sinkhorn_fiedler"] < 0.3)
        labels = np.tile(random(8, run).permutation(np.arange(TOKENS) % 3), (4, 1))
        own, null, _ = attention_follow(attention, labels, True, True, 19, run)
        excess.append(np.nanmean(own) - np.nanmean(null))
    found = weigh(Claim("", "", np.array(excess), low=0.1))
    assert found.p_fails < 0.025 < found.p_holds


def test_6_density_clusters_of_size_two_are_in_any_noise(noise, verdicts):
    """'30 to 60 clusters': HDBSCAN with clusters of two finds many in noise; none outlives the null."""
    for points, least in ((unit(random(9).standard_normal((120, 768))), 20), (noise[0].points[-1], 2)):
        assert hdbscan_labels(distances(points @ points.T), 2).max() + 1 >= least
    assert verdicts.row("H1", "noise").verdict == "NOT APPLICABLE"
    assert late_excess(noise) < 0.1


def late_excess(runs):
    return np.mean([compare.measure(run, draws=19)["late_excess"][0] for run in runs[:3]])


def test_7_plateaus_are_in_white_noise_and_in_nothing(verdicts):
    """'Universal plateaus': of whole numbers drawn at random, of a walk and of zeros; H2 finds none in noise."""
    counts = random(10).integers(30, 45, (20, 49)).astype(float)
    walks = 10 + np.cumsum(random(11).normal(0, 0.02, (20, 49)), axis=1)
    for signals, tolerance in (
        (counts, TOLERANCES["hdbscan_clusters"]),
        (walks, TOLERANCES["cka"]),
        (np.zeros((1, 49)), TOLERANCES["mass_near_one"]),
    ):
        assert all(len(plateaus(signal, tolerance)) >= 1 for signal in signals)
    assert verdicts.row("H2", "noise").verdict == "NOT APPLICABLE"


def test_8_few_points_lie_in_a_cone(noise, verdicts):
    """'Cone collapse': fewer points than dimensions always lie in a hemisphere, and 100 in 64 nearly always."""
    for run in noise[:2]:
        points = run.points[0]
        margin = linprog(
            np.append(np.zeros(DIM), -1),
            A_ub=np.hstack([-points, np.ones((TOKENS, 1))]),
            b_ub=np.zeros(TOKENS),
            bounds=[(-1, 1)] * DIM + [(None, None)],
        )
        assert -margin.fun > 1e-4
    assert hemisphere_probability(TOKENS, DIM) == 1
    assert hemisphere_probability(100, 64) > 0.9976
    assert verdicts.row("P2", "noise").verdict == "NOT APPLICABLE"


def test_9_mutual_neighbours_share_their_cluster(noise):
    """'Artifact pairs below 3 %': two mutual neighbours are what a cluster of two is made of, in noise as well."""
    artifacts = pairs = 0
    for run in noise:
        cosines = run.points @ np.swapaxes(run.points, 1, 2)
        for here, neighbour in zip(cosines, nearest_neighbours(cosines)):
            labels = hdbscan_labels(distances(here), 2)
            same, different, _ = pair_agreement(neighbour, labels)
            artifacts, pairs = artifacts + different, pairs + same + different
    assert pairs > 50
    assert artifacts / pairs < 0.03
    assert late_excess(noise) < 0.1


def test_10_a_mean_hardly_exceeds_two_deviations_of_its_parts():
    """'No overshoot': a layer's mean step against mean and deviation over tokens; the energy sees it."""
    spread = np.array([1, 0.8, 0.6, 0.4, 0.2, 0.5, 0.2, 0.1])
    own = random(12).standard_normal((60, 8)) * np.exp(random(13).normal(0, 1, (60, 1)))
    points = unit(np.array([3.0, *[0] * 7]) + spread[:, None, None] * own)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=2)
    assert not np.any(steps.mean(axis=1) > steps.mean() + 2 * steps.std())
    masses = np.full(60, 1 / 60)
    share, _ = descent_share(pair_energy(points, 1.0, masses), energy_noise(points, 1.0, masses, 2.0**-24))
    assert share > 0.05


def test_11_zero_eigenvalues_have_signs_by_rounding():
    """'Repulsive heads': a head of rank 4 that only attracts has 44 rounded zeros, many of them negative."""
    factor = random(14).standard_normal((DIM, 4))
    factor -= factor.mean(axis=0)
    assert spectrum(factor @ factor.T)["repulsive_share"] > 0.2
    ours = spectra([Attention(1.0, value=factor.T, output=factor)], draws=0)
    assert float(ours["repulsive_share"][0, 0]) == 0
    assert float(ours["attractive_share"][0, 0]) == 1


def test_12_an_antisymmetric_part_spans_everything():
    """'The rotation plane': the columns of a random A - A^T of even size span the space; ours stays at its null."""
    matrix = random(15).standard_normal((DIM, DIM))
    left, sizes, _ = np.linalg.svd(matrix - matrix.T)
    projector = left[:, sizes > 1e-10] @ left[:, sizes > 1e-10].T
    np.testing.assert_allclose(projector, np.eye(DIM), atol=1e-12)
    found = spectra([value_field(seed) for seed in range(4)], draws=40)
    inside = [
        is_inside(float(found["symmetric_share"][layer, 0]), found["symmetric_share_null"][layer, 0])
        for layer in range(4)
    ]
    assert np.mean(inside) >= 0.75


def test_13_random_features_are_active_at_many_layers():
    """'Multilayer features': of features that fire at random most fire at several layers; agreement by chance is 0."""
    active = random(16).random((2000, 13)) < 0.2
    assert np.mean(active.sum(axis=1) >= 2) > 0.7
    partitions = random(17).integers(0, 4, (13, 200))
    found = adjusted_rand(*2 * [together(partitions)])
    agreement = np.diagonal(found, 1)
    assert abs(np.mean(agreement)) < 0.02  # its deviation for 200 tokens in 4 clusters is 0.006
