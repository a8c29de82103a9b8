"""Spectra of O V: closed forms, what must not move them, and the null that they are held against."""

import numpy as np
import pytest

import sim
from probe.spectra import (
    STATISTICS,
    Factors,
    eigenvalues,
    factors,
    numerical_range,
    random_factors,
    spectra,
    statistics,
)

WIDTH, INNER = 24, 6


def random(seed):
    return np.random.default_rng(seed)


def centred(matrix, axis):
    return matrix - matrix.mean(axis=axis, keepdims=True)


def head(seed):
    """O and V that read and write orthogonally to the all-ones vector."""
    output, value = (
        random(seed).standard_normal((WIDTH, INNER)),
        random(seed + 1).standard_normal((INNER, WIDTH)),
    )
    return centred(output, 0), centred(value, 1)


def named(output, value):
    return dict(zip(STATISTICS, statistics(factors(output, value))))


def test_rank_one_in_closed_form():
    """M = a b^T has the eigenvalue <a, b>; its symmetric part (<a, b> +- |a| |b|) / 2."""
    a, b = random(1).standard_normal((2, WIDTH))
    inner, size = a @ b, np.linalg.norm(a) * np.linalg.norm(b)
    np.testing.assert_allclose(eigenvalues(factors(a[:, None], b[None])), [inner], rtol=1e-12)
    found = named(a[:, None], b[None])
    np.testing.assert_allclose(found["frobenius_norm"], size, rtol=1e-12)
    np.testing.assert_allclose(found["numerical_lowest"], (inner - size) / 2, rtol=1e-12)
    np.testing.assert_allclose(found["numerical_highest"], (inner + size) / 2, rtol=1e-12)
    np.testing.assert_allclose(found["henrici"], 1 - inner**2 / size**2, rtol=1e-12)


def test_against_the_whole_matrix():
    """The d x d product as the post takes it: the same numbers, once its rounded zeros are dropped."""
    output, value = head(3)
    whole = output @ value
    values = np.linalg.eigvals(whole)
    values = values[np.argsort(-np.abs(values))][:INNER]
    found = eigenvalues(factors(output, value))
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(values), rtol=1e-9, atol=1e-9)
    symmetric = np.linalg.eigvalsh((whole + whole.T) / 2)
    numbers = named(output, value)
    np.testing.assert_allclose(numbers["numerical_lowest"], symmetric[0], rtol=1e-10)
    np.testing.assert_allclose(numbers["numerical_highest"], symmetric[-1], rtol=1e-10)
    squared = np.sum(whole**2)
    np.testing.assert_allclose(numbers["symmetric_share"], np.sum(symmetric**2) / squared, rtol=1e-10)
    np.testing.assert_allclose(numbers["henrici"], 1 - np.sum(np.abs(values) ** 2) / squared, rtol=1e-9)


def test_kinds_of_matrices():
    frame = np.linalg.qr(centred(random(7).standard_normal((WIDTH, INNER)), 0))[0]
    attractive = named(frame * np.arange(1, INNER + 1), frame.T)
    assert attractive["attractive_share"] == 1
    assert attractive["complex_share"] == 0
    np.testing.assert_allclose([attractive["numerical_lowest"], attractive["henrici"]], [1, 0], atol=1e-9)
    np.testing.assert_allclose(attractive["symmetric_share"], 1, rtol=1e-12)
    turn = np.kron(np.diag([1.0, 2, 3]), [[0, -1], [1, 0]])
    rotation = named(frame @ turn, frame.T)
    assert rotation["attractive_share"] == rotation["repulsive_share"] == 0
    assert rotation["complex_share"] == 1
    np.testing.assert_allclose([rotation["symmetric_share"], rotation["henrici"]], [0, 0], atol=1e-12)
    nilpotent = named(frame[:, :3], frame[:, 3:].T)
    np.testing.assert_allclose([nilpotent["spectral_radius"], nilpotent["henrici"]], [0, 1], atol=1e-9)


def test_basis_inside_the_head_does_not_move_them():
    output, value = head(11)
    turn = random(12).standard_normal((INNER, INNER))
    changed = named(output @ np.linalg.inv(turn), turn @ value)
    for name, number in named(output, value).items():
        np.testing.assert_allclose(changed[name], number, rtol=1e-8, atol=1e-8)
    # while the spectrum of V alone, on any d_head of its columns, does move
    alone = np.linalg.eigvals(value[:, :INNER])
    assert (
        np.abs(np.sort_complex(np.linalg.eigvals((turn @ value)[:, :INNER])) - np.sort_complex(alone)).max()
        > 0.1
    )


def test_rotated_frames_do_not_move_them():
    output, value = head(13)
    turn = np.linalg.qr(random(14).standard_normal((WIDTH, WIDTH)))[0]
    turned = named(turn @ output, value @ turn.T)
    for name, number in named(output, value).items():
        np.testing.assert_allclose(turned[name], number, rtol=1e-8, atol=1e-8)


def test_a_deficient_head_has_no_rounded_zeros():
    """A head that only attracts, with half of its inner dimensions dead: of 24 x 24 numbers 21 would be rounded 0."""
    frame = centred(random(15).standard_normal((WIDTH, INNER)), 0)
    frame[:, 3:] = frame[:, :3] @ random(16).standard_normal((3, 3))
    found = named(frame, frame.T)
    assert len(factors(frame, frame.T).singular) == 3
    assert found["attractive_share"] == 1
    assert found["numerical_lowest"] > 0
    naive = np.linalg.eigvals(frame @ frame.T)
    assert np.mean(np.real(naive) > 0) < 0.9
    dead = named(np.zeros((WIDTH, INNER)), frame.T)
    assert np.isnan(list(dead.values())).all()


def test_numerical_range_of_a_two_by_two_is_an_ellipse():
    """The foci are the eigenvalues 0 and 2, the minor axis the off-diagonal entry 1 (elliptical range theorem)."""
    matrix = np.array([[0.0, 1], [0, 2]])
    boundary = numerical_range(factors(matrix, np.eye(2)), angles=32)
    half_minor, focal = 0.5, 1.0
    sums = np.abs(boundary) + np.abs(boundary - 2)
    np.testing.assert_allclose(sums, 2 * np.sqrt(half_minor**2 + focal**2), rtol=1e-10)
    np.testing.assert_allclose(np.imag(boundary).max(), half_minor, rtol=1e-10)


def field(seed, heads=4):
    output = random(seed).standard_normal((heads, WIDTH, INNER))
    value = random(seed + 1).standard_normal((heads, INNER, WIDTH))
    return sim.Attention(1.0, value=value, output=output)


def test_null_of_a_random_product_is_its_own_law():
    """Each statistic of Gaussian heads lies among its null: mean ranks within 4 standard errors of one half."""
    found = spectra([field(2 * seed + 100) for seed in range(8)], draws=20, seed=1)
    assert dict(found.sizes) == {"layer": 8, "head": 4, "draw": 20}
    assert (found["rank"] == INNER).all()
    for name in STATISTICS[1:]:
        below = found[f"{name}_null"] < found[name]
        ties = found[f"{name}_null"] == found[name]
        ranks = (below + 0.5 * ties).mean("draw")
        assert abs(float(ranks.mean()) - 0.5) < 4 * float(ranks.std()) / np.sqrt(ranks.size)
    np.testing.assert_allclose(
        found["frobenius_norm_null"], found["frobenius_norm"].expand_dims(draw=20, axis=2)
    )


def test_null_of_a_full_product_as_known():
    """Two square Gaussian matrices: sum abs(lambda)^2 is a third of the squared norm (d = 59 here, so to 0.03)."""
    value, output = (
        random(21).standard_normal((4, 15, 60)),
        centred(random(22).standard_normal((4, 60, 15)), 1),
    )
    found = spectra([sim.Attention(1.0, value=value, output=output)], together=True, draws=5)
    assert found["rank"].item() == 59
    assert abs(found["henrici"].item() - 2 / 3) < 0.03
    assert abs(found["henrici_null"].mean().item() - 2 / 3) < 0.03
    assert abs(found["symmetric_share"].item() - 0.5) < 0.03


def test_seed_and_shared_fields():
    shared, other = field(31), field(33)
    found = spectra([shared, other, shared], draws=2, seed=3)
    again = spectra([shared, other], draws=2, seed=3)
    np.testing.assert_array_equal(found["henrici_null"][0], found["henrici_null"][2])
    np.testing.assert_array_equal(found["henrici_null"][:2], again["henrici_null"])
    assert (spectra([shared], draws=2, seed=4)["henrici_null"] != found["henrici_null"][0]).any()
    assert spectra([shared], draws=0)["henrici_null"].shape == (1, 4, 0)


def test_a_field_without_weights_is_refused():
    with pytest.raises(ValueError, match="no value"):
        spectra([sim.Attention(1.0)])


def test_random_factors_are_independent():
    d, rank, draws = 24, 8, 400
    parts = Factors(np.zeros((d, rank)), np.ones(rank), np.zeros((d, rank)))
    random = np.random.default_rng(0)
    drawn = [random_factors(parts, d, random) for _ in range(draws)]
    traces = [np.sum(pair.left * pair.right) for pair in drawn]
    # the trace of two independent frames has mean 0 and variance rank / d; with LAPACK's signs the mean is 0.2
    assert abs(np.mean(traces)) < 4 * np.sqrt(rank / d / draws)


def test_a_head_that_writes_along_the_mean_is_taken_whole():
    """As behind an RMSNorm, which takes no mean off: the eigenvalue of a b^T along the all-ones vector counts."""
    ones = np.ones((1, WIDTH, 1))
    found = spectra([sim.Attention(1.0, value=ones.swapaxes(1, 2), output=ones)], draws=0)
    np.testing.assert_allclose(found["spectral_radius"], WIDTH, rtol=1e-12)
