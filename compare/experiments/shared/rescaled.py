"""Clusters on the clock of the staircase, on which a plateau of the energy lasts a time of order one at any beta."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.integrate import solve_ivp

from compare.theory import collision_radius
from compare.theory.domain import Numbers, Reals
from compare.theory.quadrature import gauss_panels

SAMPLES = 40


class Climb(NamedTuple):
    """Mergers in order. Times are rescaled, from the metastability clock (USA) or SA's own; a plateau's start is 0."""

    lengths: Float[np.ndarray, " mergers"]
    printed_lengths: Float[np.ndarray, " mergers"]  # on the clock as printed, with max for min
    angles: Float[np.ndarray, " mergers"]  # of the pair that merges, when its plateau begins
    pair_masses: Float[np.ndarray, "mergers 2"]
    pairs: Int[np.ndarray, "mergers 2"]  # slots; the first one is empty from then on
    closest: Int[np.ndarray, "mergers 2"]  # slots of the closest pair when the plateau begins
    moments: Float[np.ndarray, "mergers samples"]  # of rescaled time, from the start of each plateau
    energies: Float[np.ndarray, "mergers samples"]  # E1 at those moments
    paths: Float[
        np.ndarray, "mergers samples"
    ]  # length of the way since the plateau began, tokens weighed by mass


def climb(
    points: Float[np.ndarray, "n d"],
    masses: Float[np.ndarray, " n"],
    beta: float,
    kind: str = "USA",
    keep_masses: bool = True,
    radius: float | None = None,
) -> Climb:
    """Follow clusters through all their mergers in rescaled time, every pair pulling on every other one.

        x_i' = ln(beta) sum_j (m_j/z_i) e^(-beta (v_ij - min v)) P_i (x_j - x_i),    v_ij = 1 - <x_i, x_j>,

    with z_i = 1 (USA) or sum_j m_j e^(-beta v_ij) (SA): the flow on the clock tau' = ln(beta) min e^(beta v) of
    2410.06833, Theorem 6.4 (whose print has max, which its proof does not use). When the angle of a pair falls to
    `radius`, the theorem's `collision_radius` where None, it is glued: with `keep_masses` to its mass mean, else by
    the paper's rule: the first of the pair vanishes, the second stays, and the survivors have equal masses. No closed
    form is used.

    Arguments: points (n, d) unit rows, n >= 2; masses (n,) with sum 1; beta above 1, tried to 1e12.
    Returns `Climb` with n - 1 mergers. Raises RuntimeError where nothing moves, as at a saddle.
    Cost: about 500 evaluations of O(n^2 d) a merger. Accuracy of a length about 1e-7.
    """
    chord = 2 * np.sin((float(collision_radius(beta)) if radius is None else radius) / 2)
    x, mass = points.copy(), masses.copy()
    slots = np.arange(len(x))
    rows = []
    while len(x) > 1:
        chords = _chords(x)
        closest = np.unravel_index(np.argmin(chords), chords.shape)
        moments, printed, path = _plateau(x, mass, beta, kind, chord)
        energies = [float(mass @ np.exp(-beta * _chords(y, 0.0) ** 2 / 2) @ mass) for y in path]
        steps = np.sqrt(np.sum(mass[:, None] * np.diff(path, axis=0) ** 2, axis=(1, 2)))
        merged = _chords(path[-1])
        first, second = sorted(np.unravel_index(np.argmin(merged), merged.shape))
        angle = 2 * np.arcsin(min(1.0, chords[first, second] / 2))
        rows.append(
            (
                moments[-1],
                printed,
                angle,
                mass[[first, second]],
                slots[[first, second]],
                np.sort(slots[list(closest)]),
                moments,
                energies,
                np.append(0.0, np.cumsum(steps)),
            )
        )
        x = path[-1].copy()
        if keep_masses:
            x[second] = mass[[first, second]] @ x[[first, second]]
            mass[second] += mass[first]
        x, slots = np.delete(x, first, axis=0), np.delete(slots, first)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        mass = np.delete(mass, first) if keep_masses else np.full(len(x), 1 / len(x))
    return Climb(*(np.array(column) for column in zip(*rows)))


def plateau_length(
    beta: Numbers, angle: Numbers, masses: tuple[Numbers, Numbers], kind: str = "USA"
) -> Reals:
    """How long two clusters take in rescaled time from `angle` to the collision radius, when nothing else moves.

    (1/ln beta) int d theta/(g sin theta) with g = m_k + m_l (USA) or m_l/(m_k + m_l q) + m_k/(m_l + m_k q) (SA),
    q = e^(-beta (1 - cos theta)). It tends to `compare.theory.plateau_limit` as beta grows, like ln(ln beta)/ln(beta).
    Arguments broadcast: beta above 1, angle in (0, pi), masses positive. Returns 0 for a pair within the radius.
    """
    beta, angle, first, second = np.broadcast_arrays(beta, angle, *masses)
    far = np.log(np.tan(angle / 2))
    near = np.minimum(far, np.log(np.tan(collision_radius(beta) / 2)))
    if kind == "USA":
        return (far - near) / ((first + second) * np.log(beta))
    at, weights = gauss_panels(near, far, max(1, int(np.ceil(np.max(far - near)))))
    theta = 2 * np.arctan(np.exp(at))
    first, second, strong = first[..., None], second[..., None], beta[..., None]
    pull = np.exp(-2 * strong * np.sin(theta / 2) ** 2)
    closing = second / (first + second * pull) + first / (second + first * pull)
    return np.sum(weights / closing, axis=-1) / np.log(beta)


def _plateau(
    x: Float[np.ndarray, "n d"], mass: Float[np.ndarray, " n"], beta: float, kind: str, chord: float
) -> tuple[Float[np.ndarray, " samples"], float, Float[np.ndarray, "samples n d"]]:
    """Moments, the printed clock's share, and states, from now until a pair is within `chord`.

    A term that is 0 on the sphere draws lengths back to 1: the bare projection drives them away beyond a right angle.
    """
    n, d = x.shape
    if np.min(_chords(x)) <= chord:
        return np.zeros(SAMPLES), 0.0, np.repeat(x[None], SAMPLES, axis=0)

    def flow(_: float, state: Float[np.ndarray, " size"]) -> Float[np.ndarray, " size"]:
        y = state[:-1].reshape(n, d)
        apart = y - y[:, None]
        half = np.sum(apart**2, axis=-1) / 2
        others = half + np.diag(np.full(n, np.inf))
        least = np.min(others)
        weights = mass * np.exp(-beta * (others - least))
        if kind == "SA":
            weights = weights / (mass + weights.sum(axis=1) * np.exp(-beta * least))[:, None]
        pull = np.einsum("ij,ijd->id", weights, apart)
        outward = np.sum(pull * y, axis=1) - 3 * weights.sum(axis=1) * (1 - np.sum(y**2, axis=1))
        pull -= outward[:, None] * y
        slower = np.exp(-beta * (np.max(half) - least))
        return np.log(beta) * np.append(pull, slower / np.log(beta))

    def gap(_: float, state: Float[np.ndarray, " size"]) -> float:
        return float(np.log(np.min(_chords(state[:-1].reshape(n, d))) / chord))

    gap.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    start = np.append(x.ravel(), 0.0)
    horizon = 100 / float(np.min(mass))
    solved: Any = solve_ivp(
        flow, (0, horizon), start, "DOP853", rtol=1e-11, atol=1e-13, events=gap, dense_output=True
    )
    if solved.status != 1:
        raise RuntimeError(f"no pair of {n} clusters met within {horizon:.3g} units of rescaled time")
    moments = np.linspace(0, solved.t_events[0][0], SAMPLES)
    states = solved.sol(moments).T
    states[-1] = solved.y_events[0][0]
    return moments, float(states[-1, -1]), states[:, :-1].reshape(SAMPLES, n, d)


def _chords(x: Float[np.ndarray, "n d"], own: float = np.inf) -> Float[np.ndarray, "n n"]:
    """Distances between rows; `own` on the diagonal."""
    chords = np.linalg.norm(x - x[:, None], axis=-1)
    np.fill_diagonal(chords, own)
    return chords
