"""Cost of the two presets of `compare.measure` on a large run.

    python -m benchmarks.measure

13 depths of 450 tokens, width 384, 12 heads: shapes of albert-384 on its longest text, here random walks on the sphere
with attention that follows their cosines. Processor time of one thread, one call each after one on a small run.
"""

import os
import time

import jax
import numpy as np

from benchmarks.lines import FOLDER, Line, keep, line
from compare import measure
from sim import Trajectory

DEPTHS, TOKENS, WIDTH, HEADS = 13, 450, 384, 12
TARGETS = {"published": 8.0, "calibrated": 6.0}


def main() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    jax.config.update("jax_enable_x64", True)
    lines: list[Line] = []
    for causal in (False, True):
        large, small = walk(TOKENS, causal), walk(40, causal)
        for preset in ("published", "calibrated") if not causal else ("published",):
            measure(small, preset)
            begun = time.process_time()
            measure(large, preset)
            taken = time.process_time() - begun
            name = f"measure {preset}, 13 x 450 x 384, 12 {'causal ' if causal else ''}heads"
            lines.append(line(name, f"{taken:.1f} s", taken, most=TARGETS[preset]))
    keep(FOLDER / "measure.json", lines)


def walk(tokens: int, causal: bool) -> Trajectory:
    rng = np.random.default_rng(0)
    points = np.cumsum(rng.standard_normal((DEPTHS, tokens, WIDTH)) * [[[1.0]]] + 0.3, axis=0)
    points /= np.linalg.norm(points, axis=-1, keepdims=True)
    sharpness = rng.uniform(2, 40, (HEADS, 1, 1))
    rows = np.full((DEPTHS, HEADS, tokens, tokens), np.nan, np.float32)
    for depth, x in enumerate(points[:-1]):
        logits = sharpness * (x @ x.T)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights = np.tril(weights) if causal else weights
        rows[depth] = weights / weights.sum(axis=-1, keepdims=True)
    return Trajectory(
        points, np.arange(DEPTHS), axis="layer", attention=rows, tokens=[f"w{k}" for k in range(tokens)]
    )


if __name__ == "__main__":
    main()
