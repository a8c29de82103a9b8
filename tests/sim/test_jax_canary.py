"""A small program that some JAX releases compile wrongly on CPU (jax#39103): they must not be installed."""

import jax
import jax.numpy as jnp
import numpy as np


def program(x):
    """Softmax, matmul and projection, repeated in a scan as a solver does."""

    def step(x, _):
        weights = jax.nn.softmax(4.0 * (x @ x.T), axis=-1)
        pull = weights @ x
        x = x + 0.1 * (pull - jnp.sum(pull * x, axis=-1, keepdims=True) * x)
        return x / jnp.linalg.norm(x, axis=-1, keepdims=True), jnp.sum(weights**2, axis=-1)

    return jax.lax.scan(step, x, length=7)


def in_numpy(x):
    entropies = []
    for _ in range(7):
        weights = np.exp(4.0 * (x @ x.T))
        weights /= weights.sum(axis=-1, keepdims=True)
        pull = weights @ x
        x = x + 0.1 * (pull - np.sum(pull * x, axis=-1, keepdims=True) * x)
        x /= np.linalg.norm(x, axis=-1, keepdims=True)
        entropies.append(np.sum(weights**2, axis=-1))
    return x, np.array(entropies)


def test_jit_eager_and_numpy_agree():
    x = np.random.default_rng(0).standard_normal((17, 5))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    expected = in_numpy(x)
    compiled = jax.jit(program)(jnp.asarray(x))
    with jax.disable_jit():
        eager = program(jnp.asarray(x))
    for got in (compiled, eager):
        for ours, theirs in zip(got, expected):
            # Seven steps of sums of 17 terms in float64.
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
