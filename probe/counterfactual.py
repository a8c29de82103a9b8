"""What attention would do with other value matrices: the same weights of who attends to whom, another thing written."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from probe.spectra import factors, mean_free
from sim.attention import Attention

KINDS = (
    *("identity", "symmetric", "gradient"),
    *("sign flipped", "spectrum shuffled", "zero", "halved", "doubled"),
)
STRENGTHS = {"sign flipped": -1.0, "zero": 0.0, "halved": 0.5, "doubled": 2.0}

Matrices = Float[np.ndarray, "head _ _"]


def counterfactual(field: Attention, kind: str, seed: int | tuple[int, ...] = 0) -> Attention:
    """The field with another value matrix M_h = O_h V_h in each head, and all else as it is.

    | kind | M_h becomes | strength |
    |---|---|---|
    | ``"identity"`` | c I / H, the same in each of the H heads | norm of sum_h M_h kept |
    | ``"symmetric"`` | (M_h + M_h^T) / 2 | what is left of it |
    | ``"gradient"`` | a_h Q_h^T K_h, a_h >= 0 | norm of each M_h kept |
    | ``"sign flipped"`` | -M_h | kept, as is the size of every eigenvalue |
    | ``"spectrum shuffled"`` | the singular values of M_h, between random orthonormal vectors | kept |
    | ``"zero"`` | 0: biases alone are written | none |
    | ``"halved"``, ``"doubled"`` | M_h / 2, 2 M_h | half and twice that of M_h |

    Norms are Frobenius norms. In ``"gradient"`` attention climbs the energy sum_ij exp(beta <Q x_i, K x_j>) where
    Q_h^T K_h is symmetric and the same in all heads, without mask and biases; a flipped sign then descends it
    (2312.10794; elsewhere no sign is known). A head with Q^T K = 0 has no such matrix and gets 0.

    Where the heads never write along the all-ones vector, as in the fields of `probe.operators`, tokens live in the
    space orthogonal to it: I and Q^T K are then restricted to that space on both sides, and what M_h reads off it is
    left out, so that tokens stay there. Queries, keys and every bias stay, that of the values as the push O_h b_V.
    Such a push is the same for all tokens and by itself draws them together, so that a flipped sign need not drive
    them apart.

    Only products O_h V_h and Q_h^T K_h enter, so a change of basis inside a head moves nothing.

    Arguments
    ---------
    field: any `sim.Attention` with at least one operator, which says what d is.
    kind: one of the above.
    seed: of the random vectors of ``"spectrum shuffled"``; no effect elsewhere. A tuple of numbers is one seed.

    Returns a field with output (head, d, k) and value (head, k, d), where O_h V_h is the matrix above.
    Raises ValueError for an unknown kind, a field without operators, and ``"gradient"`` where more than Q, K and a bias
    makes the logits. Cost: O(d k^2) a head, k the size of a head;
    16 d^2 bytes a head for ``"identity"``.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    more = sorted({"query_gain", "key_gain", "softcap", "angles"}.intersection(field.operators))
    if kind == "gradient" and more:
        raise ValueError(
            f"Q^T K alone says what attention looks for only without {', '.join(more)}: take another kind"
        )
    query, key, value, output = _operators(field)
    push = None
    if field.value_bias is not None:
        push = output @ np.asarray(field.value_bias, np.float64)[..., None]
    if mean_free(output):
        query, key, value = (matrix - matrix.mean(axis=2, keepdims=True) for matrix in (query, key, value))
        space = np.eye(value.shape[2]) - 1 / value.shape[2]
    else:
        space = np.eye(value.shape[2])
    if kind == "identity":
        total = np.einsum("hdk,hke->de", output, value, optimize=True)
        strength = np.linalg.norm(total) / np.linalg.norm(space) / field.heads
        output, value = (
            np.broadcast_to(matrix, (field.heads, *space.shape)) for matrix in (strength * space, space)
        )
    elif kind == "symmetric":
        output, value = (
            np.concatenate([output / 2, value.transpose(0, 2, 1) / 2], axis=2),
            np.concatenate([value, output.transpose(0, 2, 1)], axis=1),
        )
    elif kind == "gradient":
        wanted, given = _norms(output, value), _norms(query.transpose(0, 2, 1), key)
        strength = np.divide(wanted, given, out=np.zeros_like(wanted), where=given > 0)
        output, value = strength[:, None, None] * query.transpose(0, 2, 1), key
    elif kind in STRENGTHS:
        output = STRENGTHS[kind] * output
    else:
        output, value = _shuffled(output, value, space, np.random.default_rng(seed))
    return _with(field, output, value, push)


def _operators(field: Attention) -> tuple[Matrices, Matrices, Matrices, Matrices]:
    """Query, key, value and output in float64, the identity where the field has none."""
    given = (field.query, field.key, field.value, field.output)
    widths = [matrix.shape[axis] for matrix, axis in zip(given, (2, 2, 2, 1)) if matrix is not None]
    if not widths:
        raise ValueError(
            "the field has no operator, so that its dimension is not known: give value=numpy.eye(d)"
        )
    eye = np.broadcast_to(np.eye(widths[0]), (field.heads, widths[0], widths[0]))
    query, key, value, output = (
        eye if matrix is None else np.asarray(matrix, np.float64) for matrix in given
    )
    return query, key, value, output


def _norms(left: Matrices, right: Matrices) -> Float[np.ndarray, " head"]:
    """Frobenius norms of the products, from Gram matrices of the size of a head."""
    return np.sqrt(np.einsum("hij,hij->h", left.transpose(0, 2, 1) @ left, right @ right.transpose(0, 2, 1)))


def _shuffled(
    output: Matrices, value: Matrices, space: Float[np.ndarray, "d d"], random: np.random.Generator
) -> tuple[Matrices, Matrices]:
    """The singular values of each product, between orthonormal vectors drawn from the space by its Haar measure."""
    writes, reads = np.zeros_like(output), np.zeros_like(value)
    for head in range(len(output)):
        singular = factors(output[head], value[head]).singular
        left, right = (_orthonormal(space, len(singular), random) for _ in range(2))
        writes[head, :, : len(singular)] = left * singular
        reads[head, : len(singular)] = right.T
    return writes, reads


def _orthonormal(
    space: Float[np.ndarray, "d d"], columns: int, random: np.random.Generator
) -> Float[np.ndarray, "d columns"]:
    """Orthonormal columns drawn from a space. The signs of QR, which depend on the axes, are taken off."""
    basis, triangle = np.linalg.qr(space @ random.standard_normal((len(space), columns)))
    return basis * np.sign(np.diagonal(triangle))


def _with(field: Attention, output: Matrices, value: Matrices, push: Matrices | None) -> Attention:
    """The field with these factors; the push of the value bias becomes one more column, read from a constant 1."""
    if push is None:
        return replace(field, output=output, value=value)
    heads, inner, width = value.shape
    return replace(
        field,
        output=np.concatenate([output, push], axis=2),
        value=np.concatenate([value, np.zeros((heads, 1, width))], axis=1),
        value_bias=np.broadcast_to(np.arange(inner + 1) == inner, (heads, inner + 1)).astype(float),
    )
