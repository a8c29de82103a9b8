"""A run as the explorer's page holds it: tokens on the sphere, and the chords of all pairs, in 16 bits a number."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, UInt16
from scipy.spatial.distance import pdist

from compare.plot.tokens import projected
from sim import Trajectory

LEAST_CHORD = 1e-6
CODES = 65534
LARGEST_CODE = 32767
ROUNDING = float(np.log(2 / LEAST_CHORD)) / CODES / 2
"""Relative rounding of a chord by `coded_chords`."""
MOST_TOKENS = 160
MOST_CHORDS = 400_000


def embedded(trajectory: Trajectory, label: str, kind: str) -> dict[str, Any]:
    """The fields of one run, as JSON values; the page's scripts decode them.

    trajectory: of which at most 160 tokens are taken, and as many depths as 400,000 chords are, both evenly.
    label: its name on the page. kind: under which of the page's kinds it stands.

    Returns ``label``, ``kind``, ``facts`` (a line on the run), ``unit`` of the depths ("layer", "t" or "log t"),
    ``depths``, ``tokens``, ``masses`` (None where uniform), ``beta`` (None where unknown), and in base64
    ``points``, int16 (depth, token, 3), and ``chords``, as of `coded_chords`. Cost: O(depth token^2 d).
    """
    depths, tokens, _ = trajectory.points.shape
    shown = _evenly(tokens, MOST_TOKENS)
    at = _evenly(depths, max(2, MOST_CHORDS // max(1, len(shown) * (len(shown) - 1) // 2)))
    points, share = projected(trajectory.points)
    masses = trajectory.masses[shown] / trajectory.masses[shown].sum()
    return {
        "label": label,
        "kind": kind,
        "facts": _facts(trajectory, share, len(at), len(shown)),
        "unit": _unit(trajectory),
        "depths": [float(f"{depth:.9g}") for depth in trajectory.depth[at]],
        "tokens": [
            trajectory.tokens[token] + (" (special)" if trajectory.special[token] else "") for token in shown
        ],
        "masses": None if np.ptp(masses) < 1e-12 else masses.tolist(),
        "beta": _beta(trajectory),
        "points": _base64(np.round(LARGEST_CODE * points[np.ix_(at, shown)]).astype("<i2")),
        "chords": _base64(coded_chords(trajectory.points[np.ix_(at, shown)])),
    }


def coded_chords(points: Float[np.ndarray, "depth token d"]) -> UInt16[np.ndarray, "depth pair"]:
    """The chords |x_i - x_j| of all pairs i < j, row by row, in 16 bits.

    0 is a chord below 1e-6; 1 to 65535 lie evenly in log chord from 1e-6 to 2, so that a chord is rounded by at most
    0.012 % of itself and a cosine by at most 0.0005.
    """
    chords = np.stack([pdist(each) for each in points])
    steps = np.log(np.maximum(chords, LEAST_CHORD) / LEAST_CHORD) / np.log(2 / LEAST_CHORD)
    codes = 1 + np.round(CODES * np.minimum(steps, 1.0))
    return np.where(chords < LEAST_CHORD, 0, codes).astype("<u2")


def _base64(array: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _evenly(count: int, most: int) -> np.ndarray:
    """Indices from first to last, at most so many."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _unit(trajectory: Trajectory) -> str:
    if trajectory.axis == "layer":
        return "layer"
    return "log t" if trajectory.provenance.get("depth") == "log t" else "t"


def _beta(trajectory: Trajectory) -> float | None:
    """The run's own, where it is known and a number."""
    beta = trajectory.provenance.get("beta")
    return float(beta) if isinstance(beta, int | float) and np.isfinite(beta) else None


def _facts(trajectory: Trajectory, share: float, depths: int, tokens: int) -> str:
    """What the run is, how much of it is drawn, and how much of it three axes show."""
    facts: Mapping[str, Any] = trajectory.provenance
    all_depths, all_tokens, dimension = trajectory.points.shape
    words = [
        str(facts.get("model") or facts.get("kind") or "unknown"),
        "" if (beta := _beta(trajectory)) is None else f"beta {beta:.6g}",
        "causal" if facts.get("causal") else "",
        str(facts.get("change") or ""),
        f"{all_tokens} tokens on S^{dimension - 1}"
        + (f", {tokens} of them here" if tokens < all_tokens else ""),
        f"{depths} of {all_depths} depths" if depths < all_depths else "",
        f"three axes carry {100 * share:.0f} % of the squared length" if share < 1 - 1e-9 else "",
    ]
    return "; ".join(filter(None, words))
