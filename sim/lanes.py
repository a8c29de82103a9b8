"""Groups of clusters handed to the compiled flow, several at once, and what comes back as one record a group."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sim import flow, pair

_LANES = (1, 16, 256)
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


def rules(beta: float, tolerance: float, chord: float) -> flow.Rules:
    """The numbers that all lanes share, on the device."""
    return flow.Rules(jnp.asarray(beta, float), jnp.asarray(tolerance, float), jnp.asarray(chord, float))


def follow(starts: list[Start], shared: flow.Rules, usa: bool, max_steps: int) -> list[Run]:
    """Follow all groups: pairs with no limit by quadrature, the others by the flow, those of one size side by side.

    Buffers hold a power of two of slots, at least 8, and 1, 16 or 256 lanes: each pair of sizes compiles once.
    """
    runs: list[Run | None] = [None] * len(starts)
    sizes = [max(_SMALLEST, 1 << (len(start.mass) - 1).bit_length()) for start in starts]
    alone = [k for k, start in enumerate(starts) if len(start.mass) == 2 and start.limit == np.inf]
    for k, run in zip(alone, _follow_pairs([starts[k] for k in alone], shared, usa)):
        runs[k], sizes[k] = run, 0
    for size in set(sizes) - {0}:
        chosen = [k for k, s in enumerate(sizes) if s == size]
        for first in range(0, len(chosen), _LANES[-1]):
            block = chosen[first : first + _LANES[-1]]
            for k, run in zip(block, _follow([starts[k] for k in block], size, shared, usa, max_steps)):
                runs[k] = run
    return [run for run in runs if run is not None]


def _follow_pairs(starts: list[Start], shared: flow.Rules, usa: bool) -> list[Run]:
    """Isolated pairs to their mergers, all at once; one at exact antipodes stays where it is."""
    if not starts:
        return []
    x, mass = np.stack([start.x for start in starts]), np.stack([start.mass for start in starts])
    pairs = pair.follow(x, mass, float(shared.chord), float(shared.beta), usa)
    saddles = pair.opposed(x)
    last = pairs.y.shape[1] - 1
    runs = []
    for k, start in enumerate(starts):
        if saddles[k]:
            runs.append(Run(start, np.array([-np.inf]), start.x[None], (), flow.SADDLE, 0, pairs.evaluations))
            continue
        path = pair.place(pairs, k, pairs.turned[k], pairs.closed[k])
        path[-1] = pair.merger(pairs, k)
        merge = Merge(last, 0, 1, float(pairs.log_elapsed[k, -1]), path[-1, 0])
        runs.append(
            Run(start, pairs.log_elapsed[k], path, (merge,), flow.MERGED, 0, pairs.evaluations, pairs, k)
        )
    return runs


def _follow(starts: list[Start], size: int, shared: flow.Rules, usa: bool, max_steps: int) -> list[Run]:
    count = next(lanes for lanes in _LANES if lanes >= len(starts))
    d = starts[0].x.shape[1]
    x = np.zeros((count, size, d))
    x[..., 0] = 1
    mass = np.zeros((count, size))
    log_begin = np.zeros(count)
    for k, start in enumerate(starts):
        x[k, : len(start.x)], mass[k, : len(start.x)] = start.x, start.mass
        log_begin[k] = start.log_begin
    idle = [0] * (count - len(starts))
    bounds = flow.Bounds(
        jnp.asarray([start.events for start in starts] + idle, int),
        jnp.asarray([start.floor for start in starts] + idle, float),
        jnp.asarray([start.limit for start in starts] + idle, float),
    )
    lanes = flow.start_lanes(jnp.asarray(x), jnp.asarray(mass), jnp.asarray(log_begin), shared, usa)
    logs: list[list[np.ndarray]] = [[np.array([-np.inf])] for _ in starts]
    states: list[list[np.ndarray]] = [[start.x[None]] for start in starts]
    tried = 0
    done = np.zeros(count, int)
    while True:
        lanes, rows, tries = flow.run_lanes(lanes, bounds, shared, jnp.asarray(max_steps - tried), usa)
        tried += int(tries)
        row_logs, row_x = np.asarray(rows.log_elapsed), np.asarray(rows.x)
        accepted, status = np.asarray(lanes.accepted), np.asarray(lanes.status)
        for k, start in enumerate(starts):
            new = accepted[k] - done[k]
            if new:
                logs[k].append(row_logs[k, :new].copy())
                states[k].append(row_x[k, :new, : len(start.x)].copy())
        done = accepted
        if np.all(status != flow.RUNNING) or tried >= max_steps:
            break
    ended = jax.tree.map(np.asarray, lanes)
    return [
        Run(
            start,
            np.concatenate(logs[k]),
            np.concatenate(states[k]),
            tuple(
                Merge(
                    int(ended.row[k, e]) + 1,
                    int(ended.kept[k, e]),
                    int(ended.gone[k, e]),
                    float(ended.event_log[k, e]),
                    ended.event_x[k, e].copy(),
                )
                for e in range(int(ended.events[k]))
            ),
            flow.EXHAUSTED if status[k] == flow.RUNNING else int(status[k]),
            int(accepted[k]),
            int(ended.evaluations[k]),
        )
        for k, start in enumerate(starts)
    ]
