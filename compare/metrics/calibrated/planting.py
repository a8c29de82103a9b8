"""Clusters planted in a cloud, to learn whether what would be there would be seen."""

import numpy as np
from jaxtyping import Float

from sim.sphere import normalise


def with_clusters(
    cloud: Float[np.ndarray, "token dim"], clusters: int, share: float, random: np.random.Generator
) -> Float[np.ndarray, "token dim"]:
    """The cloud with clusters in the place of a share s of its variance.

    Tokens are dealt at random into clusters of equal size, up to one token. With m the mean, C the deviations from it
    and A the centre of each token's cluster, a Gaussian mixture of the deviations, of mean 0 and the variance of C, a
    point becomes the direction of m + k (sqrt(1 - s) C + sqrt(s) A), where k keeps the variance. So mean, anisotropy
    and each token's own noise stay, up to the projection to the sphere.

    Arguments: cloud, unit points; clusters, from 2 to the number of tokens; share in [0, 1].
    Returns unit points, the same where all coincide.
    Cost: O(token dim clusters). `compare.calibration.plants` does so over all depths of a run.
    """
    mean = cloud.mean(axis=0)
    own = cloud - mean
    label = random.permutation(np.arange(len(cloud)) % clusters)
    centres = (random.standard_normal((clusters, len(cloud))) @ own)[label]
    centres = _of_size(centres - centres.mean(axis=0), own)
    return normalise(mean + _of_size(np.sqrt(1 - share) * own + np.sqrt(share) * centres, own))


def _of_size(
    deviations: Float[np.ndarray, "token dim"], model: Float[np.ndarray, "token dim"]
) -> Float[np.ndarray, "token dim"]:
    """Deviations scaled to the variance of others; none stay none."""
    found = np.linalg.norm(deviations)
    return deviations * (np.linalg.norm(model) / found) if found > 0 else deviations
