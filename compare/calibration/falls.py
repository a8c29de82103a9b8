"""One fall of the energy of a known size, planted in runs of SA that otherwise rise."""

from functools import partial

import numpy as np
from jaxtyping import Float

from compare.calibration.clouds import directions
from compare.calibration.generator import Clouds, Generator, Shape, moments
from compare.calibration.positives import FIRST, of_the_theory
from compare.metrics.lowered import lowered
from compare.metrics.pairwise import pair_energy

SHARES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.3)


def planted(random: np.random.Generator, shape: Shape, share: float) -> Clouds:
    """SA on S^2 with one state put in after two thirds of the rise, lower in energy by `share` of the whole rise.

    The state lies on the great circles from the tokens then to the tokens at the start. Off by `share` down and up
    again, the falls make share / (1 + 2 share) of all changes.
    """
    beta = random.uniform(9, 30)
    times = moments(FIRST, random.uniform(60, 150), shape.depths - 1)
    whole = of_the_theory(directions(random, shape.runs, shape.tokens, 3), times, beta)
    put_in, after = zip(*(_with_fall(points, beta, share) for points in whole.points))
    facts = {**whole.facts, "planted_fall": share}
    depth = np.concatenate([times, [2 * times[-1] - times[-2]]])
    own = tuple({"fall_after": int(step)} for step in after)
    return Clouds(np.stack(put_in), depth, whole.beta, axis="time", facts=facts, own=own)


def _with_fall(
    points: Float[np.ndarray, "depth token d"], beta: float, share: float
) -> tuple[Float[np.ndarray, "longer token d"], int]:
    """The states with the lower one put in, and the depth that it follows."""
    levels = pair_energy(points, beta)
    rise = levels[-1] - levels[0]
    after = int(np.searchsorted(levels, levels[0] + 2 / 3 * rise))
    state = lowered(points[after], points[0], float(levels[after] - share * rise), beta)
    return np.insert(points, after + 1, state, axis=0), after


FALLS = tuple(
    Generator(
        f"fall_{share:g}",
        f"SA with a fall of {share:g} of the rise",
        {"H4": "oracle"},
        partial(planted, share=share),
    )
    for share in SHARES
)
