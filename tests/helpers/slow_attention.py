"""Attention written twice more: by differences of tokens in NumPy, all pairs at once, and in 60 digits."""

import mpmath
import numpy as np


def written_by_differences(x, beta, kind="SA", causal=False, masses=None, *, survey=False, **operators):
    """A_i - c_i x_i, c_i, and the weights (head, n, n): what `Attention` sums, from x_j - x_i where V = I.

    Operators have a head axis. The reference for speed was this form; it keeps all digits of the pull.
    """
    n = len(x)
    masses = np.full(n, 1 / n) if masses is None else masses
    differences = x[None] - x[:, None]
    learned = [operators.get(name) for name in ("query", "key", "query_bias", "key_bias")]
    if all(part is None for part in learned):
        logits = -np.sum(differences**2, axis=-1)[None] / 2
    else:
        queries, keys = (
            _image(operators.get(name), x, operators.get(f"{name}_bias")) for name in ("query", "key")
        )
        logits = queries @ np.swapaxes(keys, -1, -2) - 1
    logits = beta * logits
    if causal:
        logits = np.where(np.tri(n, dtype=bool), logits, -np.inf)
    if kind == "SA":
        weights = masses * np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights = weights / weights.sum(axis=-1, keepdims=True)
    else:
        weights = masses * np.exp(logits + (beta if survey else 0))
    total = weights.sum(axis=0)
    value, output = operators.get("value"), operators.get("output")
    if value is None and output is None:
        written, own = np.einsum("ij,ijd->id", total, differences), total.sum(axis=-1)
        if operators.get("value_bias") is not None:
            written = written + np.einsum("hij,hd->id", weights, operators["value_bias"])
    else:
        read = weights @ _image(value, x, operators.get("value_bias"))
        own = np.zeros(n)
        written = (read if output is None else read @ np.swapaxes(output, -1, -2)).sum(axis=0)
    return written + operators.get("output_bias", 0), own, weights


def velocity_by_differences(x, beta, *arguments, **keywords):
    """The part of what is written that is tangent to the sphere."""
    towards, _, _ = written_by_differences(x, beta, *arguments, **keywords)
    along = np.sum(x * towards, axis=-1) / np.sum(x**2, axis=-1)
    return towards - along[:, None] * x


def exact_velocity(x, beta, kind="SA"):
    """The velocity for Q = K = V = I as numbers of 60 digits, of the float64 tokens as they are: a list of rows."""
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(float(entry)) for entry in row] for row in x]
        velocity = []
        for own in rows:
            squares = [mpmath.fsum((p - q) ** 2 for p, q in zip(own, other)) for other in rows]
            weights = [mpmath.exp(-mpmath.mpf(float(beta)) * square / 2) / len(rows) for square in squares]
            norm = mpmath.fsum(weights) if kind == "SA" else 1
            pull = [
                mpmath.fsum(w * (other[c] - own[c]) for w, other in zip(weights, rows)) / norm
                for c in range(len(own))
            ]
            along = mpmath.fsum(p * q for p, q in zip(own, pull)) / mpmath.fsum(p * p for p in own)
            velocity.append([p - along * q for p, q in zip(pull, own)])
        return velocity


def relative_error(found, exact):
    """|found - exact| / |exact| for each row, against rows of 60 digits."""
    with mpmath.workdps(60):
        return np.array([float(_size(p - q for p, q in zip(a, b)) / _size(b)) for a, b in zip(found, exact)])


def means(rows, groups):
    """The mean of the rows of each group, in 60 digits."""
    with mpmath.workdps(60):
        members = [[row for row, group in zip(rows, groups) if group == k] for k in sorted(set(groups))]
        return [
            [mpmath.fsum(mpmath.mpf(p) for p in column) / len(group) for column in zip(*group)]
            for group in members
        ]


def _size(entries):
    return mpmath.sqrt(mpmath.fsum(entry * entry for entry in entries))


def _image(matrix, x, bias):
    image = x[None] if matrix is None else np.einsum("hod,nd->hno", matrix, x)
    return image if bias is None else image + bias[:, None]
