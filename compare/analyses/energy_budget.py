"""The change of the interaction energy over a block, split into attention, feed-forward part and norm."""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from compare.metrics.pairwise import kept, pair_energy
from sim.sphere import normalise
from sim.trajectory import Trajectory

ATTENTION, FEED_FORWARD, NORM = "attention", "feed_forward", "norm"


def decomposition(
    trajectory: Trajectory,
    beta: float,
    other: Trajectory | None = None,
    keep: Bool[np.ndarray, " token"] | None = None,
) -> xr.Dataset:
    """The change of the energy E over each block, as a sum of what attention, feed-forward part and norms change.

    E is the mean over pairs i < j of e^(beta (<theta_i, theta_j> - 1)) (`compare.metrics.pairwise.pair_energy`, which
    is E1 of `sim.energy` up to its diagonal). A block leads theta_l to theta_(l+1) through states at which E is known,
    and each part is given the change of E over its own steps, so that the parts add up to the whole by construction.

    Pre-LN: x -> x + a -> x + a + f. Norms touch only what is read, so their part is 0. Increments add up, so the
    other order exists too, x -> x + f -> x + a + f with the same a and f, and ``shapley`` is the mean over both. The
    difference between the two says how much of the credit is a matter of order.

    Post-LN: with C the centring (mean of the entries taken off) and N, N' the two norms' gain and bias,

        x -> C x -> C (x + a) -> N C (x + a) = h -> C h -> C (h + f) -> N' C (h + f).

    Steps to C (x + a) and to C (h + f) are attention's and the feed-forward part's, all others the norms'. Norms
    divide by a length too, which turns nothing. ``norm_gain`` and ``norm_centring`` divide the norms' part further.
    C (x + a) and C (h + f) are the points of the frame ``"layernorm"``, x and h those of ``"raw"``, so this takes the
    run in both; in ``"layernorm"`` a block starts and ends one step earlier on the same path. With one frame alone
    the parts are two, attention and feed-forward, each with the norms' steps that the frame does not tell from it.
    These steps have no other order.

    Arguments
    ---------
    trajectory: of ``probe.extract(..., sublayers=True)``, in either frame.
    beta: inverse temperature of E, >= 0.
    other: of a post-LN model, the same run in the other frame. A pre-LN model needs none.
    keep: (token,) bool, the tokens between which E is taken; those that `compare.metrics.exclusions` keeps where None,
        which are neither special nor sinks nor duplicates. No coordinate is left out.

    Returns
    -------
    An `xarray.Dataset`; what compares two depths stands at the later one, so ``depth`` is 1 to L:

    - ``change`` (depth, part): part of the change of E, any sign; the sum over ``part`` is ``total`` to rounding.
    - ``total`` (depth): E(l) - E(l - 1). ``energy`` (state): E at depths 0 to L, in (0, 1].
    - ``shapley`` (depth, part): pre-LN only, the mean over both orders; the same sum.
    - ``norm_gain``, ``norm_centring`` (depth): post-LN with `other` only; their sum is the norms' part.

    Raises ValueError for a trajectory without sublayers or scheme, a negative beta, fewer than 2 tokens to keep, or an
    `other` that is not the same run in the other frame.
    Cost: O(L n^2 d), five energies a block.

    Source: the post's second part, which leaves a cross term, and whose parts of a post-LN block do not add up.
    """
    if not (np.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta must be finite and at least 0, got {beta}")
    halves = np.arange(len(trajectory.depth)) / 2
    if trajectory.axis != "layer" or len(halves) % 2 == 0 or not np.array_equal(trajectory.depth, halves):
        raise ValueError(
            "the decomposition needs the states between attention and feed-forward part: make the trajectory with "
            "extract(..., sublayers=True)"
        )
    chosen = kept(trajectory, keep)
    scheme, part_of = trajectory.provenance.get("scheme"), ("depth", "part")
    energies = pair_energy(trajectory.points[:, chosen], beta)
    made: dict[str, object] = {"energy": ("state", energies[::2]), "total": ("depth", np.diff(energies[::2]))}
    if scheme == "pre":
        states = trajectory.points[:, chosen] * trajectory.norms[:, chosen, None]
        parts, averaged = _of_increments(states, beta)
        made["shapley"] = (part_of, np.stack(list(averaged.values()), axis=1))
    elif scheme == "post" and other is not None:
        _check_same_run(trajectory, other)
        starts_inside = trajectory.provenance["frame"] == "layernorm"
        raw, inside = (other, trajectory) if starts_inside else (trajectory, other)
        parts, gain, centring = _of_both_frames(
            raw.points[:, chosen], inside.points[:, chosen], beta, starts_inside
        )
        made |= {"norm_gain": ("depth", gain), "norm_centring": ("depth", centring)}
    elif scheme == "post":
        steps = np.diff(energies)
        parts = {ATTENTION: steps[::2], FEED_FORWARD: steps[1::2]}
    else:
        raise ValueError(
            f'the decomposition needs provenance["scheme"] "post" or "pre", got {scheme!r}: say where the norm stands'
        )
    made["change"] = (part_of, np.stack(list(parts.values()), axis=1))
    return xr.Dataset(
        made,
        coords={"depth": trajectory.depth[2::2], "state": trajectory.depth[::2], "part": list(parts)},
        attrs={"beta": beta, "scheme": scheme, "frame": trajectory.provenance.get("frame", "")},
    )


def _of_increments(
    states: Float[np.ndarray, "state token d"], beta: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The parts of a pre-LN block on the path x, x + a, x + a + f, and their means over both orders."""
    before, between, after = states[:-2:2], states[1::2], states[2::2]
    first, second, last, swapped = (
        pair_energy(normalise(at), beta) for at in (before, between, after, before + after - between)
    )
    in_order = {ATTENTION: second - first, FEED_FORWARD: last - second}
    averaged = {
        ATTENTION: (second - first + last - swapped) / 2,
        FEED_FORWARD: (last - second + swapped - first) / 2,
    }
    none = {NORM: np.zeros_like(first)}
    return in_order | none, averaged | none


def _of_both_frames(
    raw: Float[np.ndarray, "state token d"],
    inside: Float[np.ndarray, "state token d"],
    beta: float,
    starts_inside: bool,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The parts of a post-LN block, and what gain and bias, and centring, have in the norms' part.

    raw: the states that norms made; inside: what enters those norms, centred. The path runs inside, raw, centred raw,
    inside, ...; a block starts at a raw state or, in the other frame, at the one before it on the path.
    """
    entering, made, centred = (
        pair_energy(normalise(at), beta) for at in (inside, raw, raw - raw.mean(axis=-1, keepdims=True))
    )
    gain, centring = made - entering, centred - made
    gains = gain[1::2] + (gain[:-2:2] if starts_inside else gain[2::2])
    centrings = centring[:-2:2] + centring[1::2]
    parts = {
        ATTENTION: entering[1::2] - centred[:-2:2],
        FEED_FORWARD: entering[2::2] - centred[1::2],
        NORM: gains + centrings,
    }
    return parts, gains, centrings


def _check_same_run(trajectory: Trajectory, other: Trajectory) -> None:
    frames = {trajectory.provenance.get("frame"), other.provenance.get("frame")}
    facts = ("model", "revision", "init", "seed", "token_ids", "control", "causal")
    same = all(trajectory.provenance.get(fact) == other.provenance.get(fact) for fact in facts)
    if frames != {"raw", "layernorm"} or not same or trajectory.points.shape != other.points.shape:
        raise ValueError(
            "other must be the same run in the other frame, raw or layernorm: make both with extract of one model "
            "and text, with sublayers=True"
        )
