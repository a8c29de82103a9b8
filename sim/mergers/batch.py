"""Groups of clusters handed to the compiled flow, several at once, and what comes back as one record a group."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sim.mergers import pair, stepper

_LANES = (1, 16, 64, 256)
_SMALLEST = 8


class Start(NamedTuple):
    """A group of clusters to follow: from log time `log_begin`, until so many mergers, below the log rate `floor`, or
    for e^limit units of time."""

    x: Float[np.ndarray, "s d"]
    mass: Float[np.ndarray, " s"]
    log_begin: float
    events: int
    floor: float = -np.inf
    limit: float = np.inf


class Merge(NamedTuple):
    """Slot `gone` went into slot `kept`, seen from row `row` of the record on."""

    row: int
    kept: int
    gone: int
    log_elapsed: float
    position: Float[np.ndarray, " d"]


@dataclass(frozen=True, eq=False)
class Run:
    """What a group did: its accepted states, row 0 the start, with their log elapsed times; and its mergers."""

    start: Start
    log_elapsed: Float[np.ndarray, " rows"]
    x: Float[np.ndarray, "rows s d"]
    mergers: tuple[Merge, ...]
    status: int
    steps: int
    evaluations: int
    pairs: pair.Pairs | None = None
    number: int = 0

    def masses_at(self, row: int) -> Float[np.ndarray, " s"]:
        """Mass in each slot at a row; 0 where the cluster has gone into another slot."""
        mass = self.start.mass.copy()
        for merge in self.mergers:
            if merge.row <= row:
                mass[merge.kept] += mass[merge.gone]
                mass[merge.gone] = 0
        return mass

    def until(self, row: int) -> "Run":
        """The record up to a row."""
        mergers = tuple(merge for merge in self.mergers if merge.row <= row)
        return replace(self, log_elapsed=self.log_elapsed[: row + 1], x=self.x[: row + 1], mergers=mergers)

    def extended(
        self, log_elapsed: Float[np.ndarray, " rows"], x: Float[np.ndarray, "rows s d"], mergers
    ) -> "Run":
        """The record with more rows, and mergers in them."""
        return replace(
            self,
            log_elapsed=np.concatenate([self.log_elapsed, log_elapsed]),
            x=np.concatenate([self.x, x]),
            mergers=self.mergers + mergers,
        )

    def followed_by(self, rest: "Run") -> "Run":
        """The record, and then that of a run from its last row."""
        row, shift = len(self.x) - 1, self.log_elapsed[-1]
        mergers = tuple(
            merge._replace(row=merge.row + row, log_elapsed=float(np.logaddexp(shift, merge.log_elapsed)))
            for merge in rest.mergers
        )
        return self.extended(np.logaddexp(shift, rest.log_elapsed[1:]), rest.x[1:], mergers)


def rules(beta: float, usa: bool, tolerance: float, chord: float) -> stepper.Rules:
    """What all lanes share, on the device."""
    return stepper.Rules(
        jnp.asarray(beta, float), jnp.asarray(usa), jnp.asarray(tolerance, float), jnp.asarray(chord, float)
    )


def follow(starts: list[Start], shared: stepper.Rules, max_steps: int) -> list[Run]:
    """Follow all groups: pairs with no limit by quadrature, the others by the flow, those of one size side by side.

    Buffers hold a power of two of slots, at least 8, or three quarters of one above 256; and 1, 16, 64 or 256 lanes.
    Each pair of sizes compiles once.
    """
    runs: list[Run | None] = [None] * len(starts)
    sizes = [_slots_for(len(start.mass)) for start in starts]
    alone = [k for k, start in enumerate(starts) if len(start.mass) == 2 and start.limit == np.inf]
    for k, run in zip(alone, _follow_pairs([starts[k] for k in alone], shared)):
        runs[k], sizes[k] = run, 0
    for size in set(sizes) - {0}:
        chosen = [k for k, s in enumerate(sizes) if s == size]
        for first in range(0, len(chosen), _LANES[-1]):
            block = chosen[first : first + _LANES[-1]]
            for k, run in zip(block, _follow([starts[k] for k in block], size, shared, max_steps)):
                runs[k] = run
    return [run for run in runs if run is not None]


def _follow_pairs(starts: list[Start], shared: stepper.Rules) -> list[Run]:
    """Isolated pairs to their mergers, all at once; one at exact antipodes stays where it is."""
    if not starts:
        return []
    x, mass = np.stack([start.x for start in starts]), np.stack([start.mass for start in starts])
    pairs = pair.follow(x, mass, float(shared.chord), float(shared.beta), bool(shared.usa))
    saddles = pair.opposed(x)
    last = pairs.y.shape[1] - 1
    runs = []
    for k, start in enumerate(starts):
        if saddles[k]:
            runs.append(
                Run(start, np.array([-np.inf]), start.x[None], (), stepper.SADDLE, 0, pairs.evaluations)
            )
            continue
        path = pair.place(pairs, k, pairs.turned[k], pairs.closed[k])
        path[-1] = pair.merger(pairs, k)
        merge = Merge(last, 0, 1, float(pairs.log_elapsed[k, -1]), path[-1, 0])
        runs.append(
            Run(start, pairs.log_elapsed[k], path, (merge,), stepper.MERGED, 0, pairs.evaluations, pairs, k)
        )
    return runs


def _follow(starts: list[Start], size: int, shared: stepper.Rules, max_steps: int) -> list[Run]:
    """Groups in buffers of one size, side by side; lanes that have ended are dropped once the rest fits in fewer."""
    lanes, bounds = _pack(starts, size, shared)
    runs: dict[int, Run] = {}
    held = dict(enumerate(range(len(starts))))
    logs: list[list[np.ndarray]] = [[np.array([-np.inf])] for _ in starts]
    states: list[list[np.ndarray]] = [[start.x[None]] for start in starts]
    tried = 0
    while held:
        before = np.asarray(lanes.accepted)
        lanes, rows, tries = stepper.run_lanes(lanes, bounds, shared, jnp.asarray(max_steps - tried))
        tried += int(tries)
        now, row_logs, row_x = jax.tree.map(np.asarray, (lanes, rows.log_elapsed, rows.x))
        for lane, k in list(held.items()):
            new = now.accepted[lane] - before[lane]
            logs[k].append(row_logs[lane, :new].copy())
            states[k].append(row_x[lane, :new, : len(starts[k].x)].copy())
            if now.status[lane] != stepper.RUNNING or tried >= max_steps:
                runs[k] = _unpack(starts[k], np.concatenate(logs[k]), np.concatenate(states[k]), now, lane)
                del held[lane]
        fewer = _lanes_for(len(held))
        if held and fewer < now.status.size:
            idle = next(lane for lane in range(now.status.size) if lane not in held)
            pick = [*held, *[idle] * (fewer - len(held))]
            lanes, bounds = stepper.take_lanes((lanes, bounds), jnp.asarray(pick))
            held = dict(enumerate(held.values()))
    return [runs[k] for k in range(len(starts))]


def _slots_for(clusters: int) -> int:
    size = max(_SMALLEST, 1 << (clusters - 1).bit_length())
    return 3 * size // 4 if size > 256 and clusters <= 3 * size // 4 else size


def _lanes_for(groups: int) -> int:
    return next(lanes for lanes in _LANES if lanes >= groups)


def _pack(starts: list[Start], size: int, shared: stepper.Rules) -> tuple[stepper.Lane, stepper.Bounds]:
    """Buffers of `size` slots; empty slots and idle lanes have mass 0."""
    count, d = _lanes_for(len(starts)), starts[0].x.shape[1]
    x, mass, log_begin = np.zeros((count, size, d)), np.zeros((count, size)), np.zeros(count)
    x[..., 0] = 1
    for k, start in enumerate(starts):
        x[k, : len(start.x)], mass[k, : len(start.x)] = start.x, start.mass
        log_begin[k] = start.log_begin
    idle = [0] * (count - len(starts))
    bounds = stepper.Bounds(
        jnp.asarray([start.events for start in starts] + idle, int),
        jnp.asarray([start.floor for start in starts] + idle, float),
        jnp.asarray([start.limit for start in starts] + idle, float),
    )
    return stepper.start_lanes(jnp.asarray(x), jnp.asarray(mass), jnp.asarray(log_begin), shared), bounds


def _unpack(
    start: Start,
    log_elapsed: Float[np.ndarray, " rows"],
    x: Float[np.ndarray, "rows s d"],
    ended: stepper.Lane,
    lane: int,
) -> Run:
    mergers = tuple(
        Merge(
            int(ended.row[lane, e]) + 1,
            int(ended.kept[lane, e]),
            int(ended.gone[lane, e]),
            float(ended.event_log[lane, e]),
            np.array(ended.event_x[lane, e]),
        )
        for e in range(int(ended.events[lane]))
    )
    status = int(ended.status[lane])
    return Run(
        start,
        log_elapsed,
        x,
        mergers,
        stepper.EXHAUSTED if status == stepper.RUNNING else status,
        int(ended.accepted[lane]),
        int(ended.evaluations[lane]),
    )
