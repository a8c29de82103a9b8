"""Groups of clusters handed to the compiled flow, several at once, and what comes back as one record a group."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from sim.mergers import pair, stepper
from sim.mergers.crossing import Mergers
from sim.mergers.rates import PairRates, Rules


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


def rules(beta: float, usa: bool, tolerance: float, chord: float) -> Rules:
    """What all groups share."""
    return Rules(*map(_array, (float(beta), usa, tolerance, chord)))


def follow(starts: list[Start], shared: Rules, max_steps: int) -> list[Run]:
    """Follow all groups: pairs with no limit by quadrature, the others by the flow, one after another."""
    alone = [len(start.mass) == 2 and start.limit == np.inf for start in starts]
    pairs = iter(_follow_pairs([start for start, pair in zip(starts, alone) if pair], shared))
    return [next(pairs) if pair else _follow(start, shared, max_steps) for start, pair in zip(starts, alone)]


def _follow_pairs(starts: list[Start], shared: Rules) -> list[Run]:
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


def _follow(start: Start, shared: Rules, max_steps: int) -> Run:
    """One group in a buffer that holds it."""
    course = _placed(start)
    bounds = stepper.Bounds(*map(_array, (start.events, start.floor, start.limit, max_steps)))
    accepted, logs, states = 0, [np.array([-np.inf])], [start.x[None]]
    while int(course.status) == stepper.RUNNING and int(course.attempts) < max_steps:
        course, rows = stepper.advance(course, bounds, shared)
        new = int(course.accepted) - accepted
        accepted += new
        logs.append(np.asarray(rows.log_elapsed)[:new].copy())
        states.append(np.asarray(rows.x)[:new, : len(start.x)].copy())
    return _run_of(start, np.concatenate(logs), np.concatenate(states), jax.tree.map(np.asarray, course))


def _placed(start: Start) -> stepper.Course:
    """The group at its start; empty slots have mass 0."""
    clusters, d = start.x.shape
    size = _slots_for(clusters)
    x, mass = np.zeros((size, d)), np.zeros(size)
    x[:, 0] = 1
    x[:clusters], mass[:clusters] = start.x, start.mass
    zero, nothing = _array(0), _array(0.0)
    slots, numbers, places = map(_array, (np.zeros(size, int), np.zeros(size), np.zeros((size, d))))
    return stepper.Course(
        x=_array(x),
        mass=_array(mass),
        rates=PairRates(places, nothing, nothing, numbers, slots, nothing),
        log_begin=_array(start.log_begin),
        log_elapsed=_array(-np.inf),
        step=_array(np.nan),
        growth=_array(stepper.GROWTH),
        status=_array(stepper.RUNNING),
        attempts=zero,
        accepted=zero,
        evaluations=zero,
        mergers=Mergers(zero, slots, slots, slots, numbers, places),
    )


def _array(values: Any) -> Any:
    """The values as the program takes them, of the type that NumPy gives them; JAX would compile a copy of each."""
    return np.asarray(values)


def _slots_for(clusters: int) -> int:
    """8, 64, 256, and then powers of two: few sizes, as each is compiled anew."""
    return next(size for size in (8, 64, 256, 1 << (clusters - 1).bit_length()) if size >= clusters)


def _run_of(
    start: Start,
    log_elapsed: Float[np.ndarray, " rows"],
    x: Float[np.ndarray, "rows s d"],
    ended: stepper.Course,
) -> Run:
    made = ended.mergers
    mergers = tuple(
        Merge(int(row) + 1, int(kept), int(gone), float(log_elapsed), np.array(position))
        for row, kept, gone, log_elapsed, position in zip(
            made.row[: made.number], made.kept, made.gone, made.log_elapsed, made.position
        )
    )
    status = int(ended.status)
    return Run(
        start,
        log_elapsed,
        x,
        mergers,
        stepper.EXHAUSTED if status == stepper.RUNNING else status,
        int(ended.accepted),
        int(ended.evaluations),
    )
