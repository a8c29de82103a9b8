"""Group C of the post against plain loops, closed forms, and its trap on causal attention."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.sparse import csgraph

from compare.metrics.published.attention import (
    CLUSTER_BELOW,
    attention_clusters,
    eigenvalues_above_half,
    fiedler_value,
    head_classes,
    sinkhorn,
)

# Sums of at most a few thousand terms of order 1 in float64, in another order.
ROUNDING = 1e-10


def softmax_attention(seed, heads=3, n=9, sharpness=1.5, causal=False):
    weights = np.exp(sharpness * np.random.default_rng(seed).standard_normal((heads, n, n)))
    if causal:
        weights = np.tril(weights)
    return weights / weights.sum(axis=-1, keepdims=True)


def sinkhorn_oracle(matrix):
    current = [[max(float(entry), 1e-12) for entry in row] for row in matrix]
    n = len(current)
    for step in range(1, 101):
        before = [row[:] for row in current]
        current = [[entry / sum(row) for entry in row] for row in current]
        columns = [sum(current[i][j] for i in range(n)) for j in range(n)]
        current = [[current[i][j] / columns[j] for j in range(n)] for i in range(n)]
        if max(abs(current[i][j] - before[i][j]) for i in range(n) for j in range(n)) < 1e-6:
            return np.array(current), step
    return np.array(current), 100


def normalised_in_turn(attention):
    """The plain formula, matrix by matrix: rows, then columns, until no entry moves by 1e-6."""
    found = []
    for before in np.clip(attention, 1e-12, None):
        step, change = 0, 1.0
        while step < 100 and change >= 1e-6:
            step += 1
            after = before / before.sum(axis=1, keepdims=True)
            after /= after.sum(axis=0, keepdims=True)
            change, before = np.abs(after - before).max(), after
        found.append((before, step))
    return found


def fiedler_oracle(matrix):
    return eigh(csgraph.laplacian((matrix + matrix.T) / 2, normed=True), eigvals_only=True)[1]


def test_every_quantity_matches_a_loop():
    attention = np.stack(
        [softmax_attention(0), softmax_attention(1, sharpness=4), softmax_attention(2, causal=True)]
    )
    found = attention_clusters(attention)
    rounds = set()
    for depth, layer in enumerate(attention):
        for head, matrix in enumerate(layer):
            entropy = -sum(a * np.log(a + 1e-12) for row in matrix for a in row) / 9
            assert found["attention_entropy"][depth, head] == pytest.approx(entropy, abs=ROUNDING)
            balanced, steps = sinkhorn_oracle(matrix)
            rounds.add(steps)
            assert found["sinkhorn_iterations"][depth, head] == steps
            assert found["sinkhorn_fiedler"][depth, head] == pytest.approx(
                fiedler_oracle(balanced), abs=ROUNDING
            )
            count = sum(value.real > 0.5 for value in np.linalg.eigvals(balanced))
            assert found["sinkhorn_clusters"][depth, head] == count
            columns = [sum(matrix[i][j] for i in range(9)) for j in range(9)]
            spread = (sum((column - 1) ** 2 for column in columns) / 9) ** 0.5
            assert found["row_column_balance"][depth, head] == pytest.approx(spread, abs=ROUNDING)
    assert 100 in rounds
    assert min(rounds) < 100


def kinds_of_attention():
    """Loose and sharp, open and causal, hard (one key a query), in blocks, and near the identity."""
    for seed, (sharpness, causal) in enumerate(
        [(0.3, False), (3.0, False), (9.0, False), (0.3, True), (6.0, True)]
    ):
        yield softmax_attention(seed, heads=3, n=60, sharpness=sharpness, causal=causal)
    random = np.random.default_rng(9)
    yield np.eye(60)[random.integers(0, 60, (2, 60))]
    yield np.kron(np.eye(5), softmax_attention(7, heads=2, n=12))
    yield (8 * np.eye(60) + softmax_attention(8, heads=2, n=60)) / 9


@pytest.mark.parametrize("attention", list(kinds_of_attention()))
def test_factors_of_rows_and_columns_are_the_matrices_normalised_in_turn(attention):
    balanced, rounds = sinkhorn(attention)
    for head, (matrix, steps) in enumerate(normalised_in_turn(attention)):
        assert rounds[head] == steps
        np.testing.assert_allclose(balanced[head], matrix, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("attention", list(kinds_of_attention()))
def test_eigenvalues_are_counted_as_if_all_were_computed(attention):
    for matrix in sinkhorn(attention)[0]:
        assert eigenvalues_above_half(matrix) == np.sum(np.linalg.eigvals(matrix).real > 0.5)


@pytest.mark.parametrize("second", [0.1, 0.4, 0.49, 0.499999, 0.500001, 0.51, 0.9])
def test_a_second_eigenvalue_near_the_cut_is_seen(second):
    """With eigenvalues s and 0 beside 1, alone or n - 1 times, or s times the roots of 1 in a cyclic shift."""
    n = 9
    wave = np.cos(2 * np.pi * np.arange(n) / n) * np.sqrt(2 / n)
    assert eigenvalues_above_half(np.full((n, n), 1 / n) + second * np.outer(wave, wave)) == 1 + (
        second > 0.5
    )
    uniform = np.full((n, n), (1 - second) / n)
    assert eigenvalues_above_half(uniform + second * np.eye(n)) == (n if second > 0.5 else 1)
    roots = second * np.cos(2 * np.pi * np.arange(1, n) / n)
    assert eigenvalues_above_half(uniform + second * np.roll(np.eye(n), 1, axis=0)) == 1 + np.sum(roots > 0.5)


def test_most_heads_need_no_eigenvalues(monkeypatch):
    asked = []
    eigvals = np.linalg.eigvals
    monkeypatch.setattr(np.linalg, "eigvals", lambda matrix: asked.append(1) or eigvals(matrix))
    loose = attention_clusters(softmax_attention(0, heads=8, n=60)[None])
    assert (loose["sinkhorn_clusters"] == 1).all()
    assert not asked
    attention_clusters(softmax_attention(0, heads=2, n=60, sharpness=9.0)[None])
    assert len(asked) == 2


def test_heads_that_look_at_their_own_token_need_no_eigenvalues(monkeypatch):
    n = 40
    towards = np.random.default_rng(0).dirichlet(np.full(n, 0.3), n).T  # columns that sum to 1
    cyclic = np.roll(np.eye(n), 1, axis=0)
    cases = [0.8 * np.eye(n) + 0.2 * towards, 0.75 * np.eye(n) + 0.05 * cyclic + 0.2 * towards]
    for matrix in cases:
        assert np.sum(np.linalg.eigvals(matrix).real > 0.5) == n
    monkeypatch.setattr(np.linalg, "eigvals", None)
    assert [eigenvalues_above_half(matrix) for matrix in cases] == [n, n]


@pytest.mark.parametrize("gap", [-1e-6, 1e-6])
def test_a_bound_at_the_line_does_not_decide_wrongly(gap):
    """The symmetric part of the pairs ends there, and their eigenvalues too."""
    pairs = np.kron(np.eye(5), [[0.75, 0.25], [0.25, 0.75]])
    moved = pairs + gap * np.kron(np.eye(5), [[1, -1], [-1, 1]]) / 2
    assert eigenvalues_above_half(moved) == (10 if gap > 0 else 5)


def test_what_rounding_may_have_moved_over_the_line_is_computed(monkeypatch):
    asked, eigvals = [], np.linalg.eigvals
    monkeypatch.setattr(np.linalg, "eigvals", lambda matrix: asked.append(1) or eigvals(matrix))
    for gap, number in ((5e-10, 1), (2e-9, 1)):
        eigenvalues_above_half(np.eye(3) * (0.5 + gap))
        assert len(asked) == number
    missing = 0.9 * np.eye(3)
    missing[2, 0] = np.nan
    with pytest.raises(np.linalg.LinAlgError):
        eigenvalues_above_half(missing)


def test_uniform_attention_has_closed_forms():
    n = 12
    found = attention_clusters(np.full((1, 2, n, n), 1 / n))
    np.testing.assert_allclose(
        found["attention_entropy"], np.log(n), atol=1e-9
    )  # ln(a + 1e-12) is off by 1e-12 / a
    np.testing.assert_allclose(found["sinkhorn_fiedler"], n / (n - 1), atol=ROUNDING)
    assert (found["sinkhorn_clusters"] == 1).all()
    np.testing.assert_allclose(found["row_column_balance"], 0, atol=1e-15)


def test_blocks_are_counted_and_cut_the_graph():
    blocks = np.kron(np.eye(3), np.full((4, 4), 0.25))
    found = attention_clusters(blocks[None, None])
    assert found["sinkhorn_clusters"].item() == 3
    # The clip at 1e-12 leaves weights of that size between the blocks.
    assert 0 <= found["sinkhorn_fiedler"].item() < 1e-10


def test_each_head_stops_on_its_own():
    pair = np.stack([np.full((8, 8), 1 / 8), softmax_attention(3, heads=1, n=8, causal=True)[0]])
    together, rounds = sinkhorn(pair)
    for head in range(2):
        alone, single = sinkhorn(pair[head : head + 1])
        assert rounds[head] == single[0]
        np.testing.assert_array_equal(together[head], alone[0])
    assert rounds.tolist() == [1, 100]


@pytest.mark.parametrize(("n", "value"), [(20, 0.1089), (242, 0.0640)])
def test_uniform_causal_attention_is_below_the_cluster_cut(n, value):
    """The trap, and the published baseline to its last digit: the mask alone gives a value below 0.3."""
    causal = np.tril(np.ones((n, n))) / np.arange(1, n + 1)[:, None]
    balanced, rounds = sinkhorn(causal[None])
    found = fiedler_value(balanced)[0]
    assert found == pytest.approx(value, abs=5e-5)
    assert found < CLUSTER_BELOW
    assert rounds[0] == 100


@pytest.mark.parametrize("seed", range(3))
def test_random_causal_heads_are_cluster_and_random_open_heads_are_not(seed):
    for causal, expected in ((True, {"CLUSTER"}), (False, {"MIXED", "MIXING"})):
        attention = softmax_attention(seed, heads=4, n=60, sharpness=1.0, causal=causal)[None]
        fiedler = attention_clusters(attention)["sinkhorn_fiedler"]
        assert set(head_classes(fiedler, np.array([30.0]))["head_class"]) <= expected


def test_missing_attention_is_nan():
    attention = np.stack([softmax_attention(0), np.full((3, 9, 9), np.nan)])
    attention[0, 1, 4, 2] = np.nan
    for values in attention_clusters(attention).values():
        assert np.isfinite(values[0, [0, 2]]).all()
        assert np.isnan(values[0, 1])
        assert np.isnan(values[1]).all()


def test_a_single_token_has_no_fiedler_value():
    found = attention_clusters(np.ones((1, 2, 1, 1)))
    assert np.isnan(found["sinkhorn_fiedler"]).all()
    np.testing.assert_allclose(found["attention_entropy"], 0, atol=1e-11)


def test_single_precision_attention_is_measured_in_double():
    single = softmax_attention(4)[None].astype(np.float32)
    for name, values in attention_clusters(single).items():
        np.testing.assert_array_equal(values, attention_clusters(single.astype(np.float64))[name])


def test_head_classes_average_the_active_depths():
    fiedler = np.array([[0.1, 0.3, 0.8, 0.9], [0.4, 0.3, 0.8, 0.7], [0.9, 0.9, 0.0, 0.0], [np.nan] * 4])
    found = head_classes(fiedler, np.array([10.0, 30, 9.9, 30]))
    np.testing.assert_allclose(found["head_fiedler"], [0.25, 0.3, 0.8, 0.8], atol=1e-15)
    assert found["head_class"].tolist() == ["CLUSTER", "MIXED", "MIXING", "MIXING"]
    everywhere = head_classes(fiedler, np.full(4, 5.0))
    np.testing.assert_allclose(everywhere["head_fiedler"], [1.4 / 3, 0.5, 1.6 / 3, 1.6 / 3], atol=1e-15)
    assert head_classes(np.full((2, 1), np.nan), np.full(2, 20.0))["head_class"].tolist() == [""]
