"""The coalescing solver against closed forms, against direct integration of all points, and its invariants."""

import numpy as np
import pytest
from mpmath import cos, exp, mp, quad, sin
from scipy.cluster.hierarchy import dendrogram, is_valid_linkage
from scipy.integrate import solve_ivp

import sim
from sim.mergers import batch

CASES = [(4, np.pi / 2, 0.01), (1, 2.0, 0.001), (20, 1.0, 0.001), (9, np.pi / 2, 1e-3), (100, 0.5, 1e-3)]
USA_TIMES = [
    19.362223215852126722,
    10.046581953083459124,
    774.48545069554196021,
    933.42631488580766212,
    9868.7984825979410981,
]
SA_TIMES = {
    0.5: [
        12.330266124509109307,
        9.0452535267045629374,
        390.74088531290455641,
        470.51360863100820314,
        4937.517116604849761,
    ],
    0.25: [
        9.647739012427431835,
        8.7236763584955442484,
        237.40578552512111871,
        285.53335297985280897,
        2965.1741495111438045,
    ],
    0.1: [
        6.943397527297038711,
        8.3293034579959787977,
        91.356860575184077545,
        109.35582084787303309,
        1088.8408325963580119,
    ],
}
CIRCLE = [0.0, 0.9, 2.2, 3.9, 5.1]


def on_circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def dense(x, beta, kind, masses=None, tolerance=1e-8):
    """All points in one group, none ever followed apart: the flow alone."""
    masses = np.full(len(x), 1 / len(x)) if masses is None else masses
    start = batch.Start(x, masses, -np.inf, len(x))
    rules = batch.rules(beta, kind == "USA", tolerance, 1e-5 / max(beta, 1))
    (run,) = batch.follow([start], rules, 10**6)
    return np.array([m.log_elapsed for m in run.mergers]), np.array([m.position for m in run.mergers])


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("mass", [0.5, 0.25, 0.1])
def test_two_clusters_merge_at_the_closed_form(case, mass):
    beta, start, end = CASES[case]
    x, chord = on_circle([0.0, start]), 2 * np.sin(end / 2)
    for kind, time in (("USA", USA_TIMES[case]), ("SA", SA_TIMES[mass][case])):
        result = sim.coalesce(sim.Attention(float(beta), kind), x, [mass, 1 - mass], merge_chord=chord)
        # Quadrature: rounding only; 1e-13 leaves room for other libms.
        assert result.log_times[0] == pytest.approx(np.log(time), abs=1e-13)
        assert result.masses[0] == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("beta", "moved"),
    [(10, 0.22277520300918756), (100, 0.176330920280882954), (1000, 0.161854202669114886)],
)
def test_merge_position_of_unequal_masses(beta, moved):
    result = sim.coalesce(sim.Attention(float(beta)), on_circle([0.0, 1.0]), [0.7, 0.3], merge_chord=1e-9)
    angle = np.arctan2(*result.positions[0][::-1])
    # The displacement counts the centroid of the last 1e-9 too.
    assert angle == pytest.approx(moved, abs=1e-9)


@pytest.mark.parametrize(
    ("beta", "gap", "time"),
    [
        (2, 1e-2, 132.454608275947924),
        (2, 1e-6, 388.492417939682658),
        (5, 1e-2, 43127.4941553803014),
        (5, 1e-6, 144566.438114340219),
    ],
)
def test_escape_from_near_antipodes(beta, gap, time):
    x = on_circle([0.0, np.pi - gap])
    result = sim.coalesce(sim.Attention(float(beta)), x, merge_chord=2 * np.sin(0.5e-3))
    # The angle itself is known to eps / gap = 1e-10 relative.
    assert result.log_times[0] == pytest.approx(np.log(time), abs=1e-10)


def test_consensus_at_beta_zero_follows_tanh():
    x = on_circle([0.0, 2.0])
    result = sim.coalesce(sim.Attention(0.0), x, merge_chord=1e-3)
    closed = np.log((2 - 5e-7) / 5e-7) / 2 - np.arctanh(np.cos(2.0))
    assert result.log_times[0] == pytest.approx(np.log(closed), abs=1e-12)


@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_mass_ratio_of_1e8(kind):
    mp.dps, beta, light = 30, 1000, 1e-8
    result = sim.coalesce(sim.Attention(float(beta), kind), on_circle([0.0, 0.2]), [light, 1 - light])

    def slowness(theta):
        q = exp(-beta * (1 - cos(theta)))
        if kind == "USA":
            return 1 / (q * sin(theta))
        return 1 / (
            q * sin(theta) * ((1 - light) / (light + (1 - light) * q) + light / (1 - light + light * q))
        )

    end = 2 * np.arcsin(0.5e-8)
    cuts = [end, 1e-6, 1e-4, 1e-2, 0.05, 0.1, 0.15, 0.19, 0.2]
    assert result.log_times[0] == pytest.approx(float(mp.log(quad(slowness, cuts))), abs=1e-11)


@pytest.mark.parametrize(
    ("kind", "log_t", "angles"),
    [
        ("SA", 0.0, [0.0486790307825738832, 0.583687377852318293, 1.89844806715494009]),
        ("SA", np.log(5), [0.229671496115486208, 0.246202731194745577, 1.89773827260898516]),
        ("USA", 0.0, [0.0211415027108038009, 0.665039465305475634, 1.89958704526477705]),
        ("USA", np.log(5), [0.195780072468309405, 0.374364707508866417, 1.89900275756592686]),
    ],
)
def test_state_of_three_weighted_clusters(kind, log_t, angles):
    result = sim.coalesce(sim.Attention(10.0, kind), on_circle([0, 0.7, 1.9]), [0.5, 0.3, 0.2])
    state = result.at(log_t)
    # Steps of tolerance 1e-8; a few of them.
    np.testing.assert_allclose(state.points, on_circle(angles), atol=5e-8)
    np.testing.assert_allclose(state.masses, [0.5, 0.3, 0.2])


@pytest.mark.parametrize("beta", [1e4, 1e6])
@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_first_merger_of_many_clusters_at_the_sharp_law(beta, kind):
    points = sim.uniform(4, 3, seed=5)
    masses = np.array([0.4, 0.3, 0.2, 0.1])
    result = sim.coalesce(sim.Attention(beta, kind), points, masses)
    pair = result.pairs[0]
    u = points[pair[0]] @ points[pair[1]]
    sine = 1 - u**2
    both = masses[pair]
    factor = 1 / both.sum() if kind == "USA" else both.prod() / (both**2).sum()
    law = beta * (1 - u) - np.log(beta * sine) + np.log(factor) + np.log1p(2 * u / (beta * sine))
    # The law leaves out O((beta sin^2)^-2); the log time is of order beta and has 1e-16 of it as rounding.
    assert result.log_times[0] == pytest.approx(law, abs=20 / (beta * sine) ** 2 + 1e-14 * beta)


def centroid_mergers(x, beta, kind, chord, until):
    """Direct integration of all points by SciPy's DOP853, in difference form; clusters meet as their centroids do."""
    n, d = x.shape

    def velocity(_, flat):
        x = flat.reshape(n, d)
        gap = x[None] - x[:, None]
        weights = np.exp(-beta * np.sum(gap**2, axis=-1) / 2) / n
        if kind == "SA":
            weights /= weights.sum(axis=1, keepdims=True)
        pull = np.einsum("ij,ijd->id", weights, gap)
        return (pull - np.sum(pull * x, axis=1, keepdims=True) * x).ravel()

    def centroids(x):
        mean = np.array([x[group].mean(axis=0) for group in groups])
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def gaps(flat):
        c = centroids(flat.reshape(n, d))
        return np.array([np.linalg.norm(c[i] - c[j]) for i in range(len(c)) for j in range(i)])

    def crossing(_, flat):
        return np.log(np.min(gaps(flat)) / chord)

    crossing.__dict__["terminal"] = True
    groups, time, state, found = [[k] for k in range(n)], 0.0, x.ravel(), []
    while len(groups) > 1 and time < until:
        run = solve_ivp(
            velocity,
            (time, until),
            state,
            "DOP853",
            rtol=1e-11,
            atol=1e-15,
            events=crossing,
            max_step=until / 4,
        )
        time, state = run.t[-1], run.y[:, -1]
        if run.status != 1:
            break
        pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
        i, j = pairs[int(np.argmin(gaps(state)))]
        groups[j] += groups.pop(i)
        found.append(np.log(time))
    return np.array(found)


@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_all_particles_integrated_directly(kind):
    x, beta, until = sim.uniform(8, 3, seed=4), 8.0, 400.0
    direct = centroid_mergers(x, beta, kind, 1e-5 / beta, until)
    result = sim.coalesce(sim.Attention(beta, kind), x)
    assert len(direct) >= 5
    # The merge chord allows (beta chord)^2 / 8 = 1e-11 a merger, the tolerances 1e-8 relative of a log time near 5.
    np.testing.assert_allclose(result.log_times[: len(direct)], direct, rtol=0, atol=1e-6)


@pytest.mark.parametrize("beta", [10.0, 1e3, 1e5])
@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_groups_followed_apart_agree_with_all_at_once(beta, kind):
    x = sim.uniform(32, 3, seed=2)
    result = sim.coalesce(sim.Attention(beta, kind), x)
    log_times, positions = dense(x, beta, kind)
    np.testing.assert_allclose(result.log_times, log_times, rtol=1e-6)
    order = np.argsort(log_times, kind="stable")
    np.testing.assert_allclose(result.positions, positions[order], atol=1e-6)


@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_invariants_and_tree(kind):
    beta, angles = 50.0, np.array([0.0, 0.4, 0.9, 1.5, 2.2])
    masses = np.array([0.1, 0.3, 0.2, 0.25, 0.15])
    result = sim.coalesce(sim.Attention(beta, kind), on_circle(angles), masses)
    assert result.ending == "complete"
    tree = result.linkage()
    assert is_valid_linkage(tree)
    assert len(dendrogram(tree, no_plot=True)["ivl"]) == 5
    np.testing.assert_allclose(result.masses[-1], 1, atol=1e-15)
    assert np.all(np.diff(result.log_times) >= 0)
    grid = np.concatenate([np.linspace(-3, result.log_times[-1] + 2, 60), result.log_times])
    energies = []
    for log_t in np.sort(grid):
        state = result.at(log_t)
        np.testing.assert_allclose(state.masses.sum(), 1, atol=1e-14)
        np.testing.assert_allclose(np.linalg.norm(state.points, axis=1), 1, atol=1e-14)
        energies.append(float(sim.energy(state.points, beta, state.masses)))
        if kind == "USA":
            turned = np.arctan2(state.points[:, 1], state.points[:, 0])
            assert state.masses @ turned == pytest.approx(masses @ angles, abs=2e-8)
    # E1 rises; a state is known to 1e-8.
    assert np.all(np.diff(energies) > -1e-8)
    assert np.all(np.diff(result.energies) > 0)
    assert np.all(result.energies_before <= result.energies)
    plateau = [sum(m**2 for m in result.at(t).masses) for t in result.log_times]
    assert result.energies[-1] == pytest.approx(1, abs=1e-12)
    # At the mergers other clusters are 10 or more e-folds apart.
    np.testing.assert_allclose(result.energies, plateau, atol=1e-2)


def test_trajectory_is_one_that_metrics_take():
    result = sim.coalesce(sim.Attention(100.0), on_circle(CIRCLE))
    log_times = np.linspace(-2, result.log_times[-1] + 5, 40)
    trajectory = result.trajectory(log_times)
    assert trajectory.points.shape == (40, 5, 2)
    assert trajectory.provenance["depth"] == "log t"
    assert trajectory.provenance["beta"] == 100
    np.testing.assert_allclose(trajectory.points[0], on_circle(CIRCLE), atol=1e-4)
    assert np.ptp(trajectory.points[-1], axis=0).max() == 0
    with pytest.raises(ValueError, match="strictly increasing"):
        result.trajectory([1.0, 1.0])


def test_batch_agrees_with_one_by_one():
    x = [sim.uniform(8, 3, seed=seed) for seed in range(6)]
    masses = np.random.default_rng(0).dirichlet(np.full(8, 2.0), 6)
    for beta in (100.0, 1e4):
        field = sim.Attention(beta)
        together = sim.coalesce(field, x, masses)
        for k, result in enumerate(together):
            alone = sim.coalesce(field, x[k], masses[k])
            np.testing.assert_array_equal(result.pairs, alone.pairs)
            # Only the order of summation differs.
            np.testing.assert_allclose(result.log_times, alone.log_times, rtol=1e-9)
            np.testing.assert_allclose(result.positions, alone.positions, atol=1e-7)


def test_evaluations_do_not_grow_with_beta():
    counts = {
        beta: sim.coalesce(sim.Attention(beta), on_circle(CIRCLE)).evaluations for beta in (1e2, 1e4, 1e6)
    }
    assert counts[1e6] <= counts[1e4] <= counts[1e2]


def test_survey_clock_is_faster_by_e_to_the_beta():
    x = on_circle(CIRCLE)
    slow = sim.coalesce(sim.Attention(20.0, "USA"), x)
    fast = sim.coalesce(sim.Attention(20.0, "USA", clock="survey"), x)
    np.testing.assert_allclose(slow.log_times - fast.log_times, 20, atol=1e-12)
    np.testing.assert_allclose(fast.at(-12.0).points, slow.at(8.0).points, atol=1e-12)
    assert is_valid_linkage(fast.linkage())
