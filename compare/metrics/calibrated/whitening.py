"""Held-out margins of several runs together: each whitened by the covariance of the others."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from compare.metrics.calibrated.held_out import CLUSTERS, HeldOut, blurred, held_out, read_depths

POWERS = (0.5, 1.0)
"""Powers p of the inverse covariance: 1 whitens, 1/2 goes half of the way, and 0 is `held_out_of_run`."""

SHRINKAGE = 0.1


def held_out_of_group(runs: Sequence[Float[np.ndarray, "_ _ dim"]], seed: int = 0) -> HeldOut:
    """`held_out` of every run, whitened by the others: clusters that a wide spread inside of them hides come out.

    With S the pooled covariance of the *other* runs at the same of the `read_depths`, each about its own mean, e its
    eigenvalues and E its eigenvectors, clusters are sought in

        y = (x - mean x) E (0.9 e + 0.1 mean e)^(-p/2),    p in `POWERS`,

    and the share of the variance is that of x. A run's own covariance cannot serve: where tokens are fewer than
    dimensions it makes all of them equally far apart.

    Arguments: runs, two or more of (depth, token, dim) unit points in the same coordinates, each of its own depths and
    tokens. seed: of the noise of `blurred`.
    Returns arrays (run, p, held_out_depth, clusters). Raises ValueError for a single run.
    Cost: that of `held_out` for each run, p and depth, and an eigenvalue problem O(dim^3) for each run and depth.

    Source: derived for this project.
    """
    if len(runs) < 2:
        raise ValueError(f"a run is whitened by the others, got {len(runs)} of them: give two or more")
    places = [read_depths(len(points)) for points in runs]
    found = [
        held_out_of_clouds([blurred(points[depth], seed, depth) for points, depth in zip(runs, at)], POWERS)
        for at in zip(*places)
    ]
    return HeldOut(*(np.stack(part, axis=2) for part in zip(*found)))


def held_out_of_clouds(clouds: Sequence[Float[np.ndarray, "_ dim"]], powers: Sequence[float]) -> HeldOut:
    """`held_out` of each cloud, whitened by the others to each power, as arrays (run, p, clusters)."""
    found = HeldOut(*np.empty((3, len(clouds), len(powers), len(CLUSTERS))))
    for run, each in enumerate(whitened(clouds, powers)):
        for power, cloud in enumerate(each):
            for whole, part in zip(found, held_out(cloud, clouds[run])):
                whole[run, power] = part
    return found


def whitened(
    clouds: Sequence[Float[np.ndarray, "_ dim"]], powers: Sequence[float]
) -> Iterator[list[Float[np.ndarray, "token dim"]]]:
    """Each cloud to each power, as in `held_out_of_group`; as it is where all others are single points."""
    centred = [cloud - cloud.mean(axis=0) for cloud in clouds]
    scatters = [each.T @ each for each in centred]
    together, tokens = sum(scatters), sum(map(len, clouds))
    for each, scatter in zip(centred, scatters):
        size, axes = np.linalg.eigh((together - scatter) / (tokens - len(each)))
        shrunk = (1 - SHRINKAGE) * size + SHRINKAGE * size.mean() if size.mean() > 0 else np.ones_like(size)
        along = each @ axes
        yield [along * shrunk ** (-power / 2) for power in powers]
