"""One start and the cascade of its mergers: groups followed apart, the queue of their ends, and what has happened."""

import heapq
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from sim.attention import Attention
from sim.mergers import batch, pair, stepper
from sim.mergers.isolation import Clusters, Group, IsolatedGroup, disturbed_by, gather, reached_by
from sim.mergers.record import TIE, Coalescence, Ending, Episode, log_difference

Script = Generator[list[batch.Start], list[batch.Run], None]
_WHOLE = 8
_FALL = 12.0


@dataclass(frozen=True, eq=False)
class _Merger:
    """A merger under the number that its cluster has until all are sorted by time."""

    log_time: float
    children: tuple[int, int]
    mass: float
    position: Float[np.ndarray, " d"]
    margin: float


@dataclass(eq=False)
class Cascade:
    """One start: its clusters, the groups followed apart and the queue of their ends, and what has happened so far."""

    initial: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, " n"]
    beta: float
    usa: bool
    chord: float
    max_steps: int
    mergers: list[_Merger] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    isolated: dict[int, IsolatedGroup] = field(default_factory=dict)
    runs: dict[int, batch.Run] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    queue: list[tuple[tuple[float, float], int]] = field(default_factory=list)
    waiting: dict[int, int] = field(default_factory=dict)
    launched: int = 0
    now: float = -np.inf
    steps: int = 0
    evaluations: int = 0
    ending: Ending = Ending.COMPLETE

    def run(self) -> Script:
        """Follow everything to one cluster. Yields groups to be followed, and takes their runs."""
        self._merge_coincident()
        while np.sum(self.clusters.alive) > 1:
            yield from self._launch()
            end, number = self._next()
            if end[0] == np.inf:
                self.ending = Ending.SADDLE
                return
            self.now = end[0]
            exhausted = self.runs[number].status == stepper.EXHAUSTED or self.steps > self.max_steps
            slots = self.isolated[number].slots
            self._land(number, self.runs[number])
            for other in disturbed_by(self.clusters, slots, self.now, self.isolated):
                yield from self._break_off(other)
            if exhausted and np.sum(self.clusters.alive) > 1:
                self.ending = Ending.MAX_STEPS
                return

    def _merge_coincident(self) -> None:
        """Points within the merge chord at the start are one cluster from log t = -inf, nearest first."""
        x, mass = self.initial.copy(), self.weights.copy()
        self.holder = np.arange(len(mass))
        while True:
            alive = np.flatnonzero(mass > 0)
            close = alive[KDTree(x[alive]).query_pairs(self.chord, output_type="ndarray")]
            if not len(close):
                break
            order = np.argsort(np.linalg.norm(x[close[:, 0]] - x[close[:, 1]], axis=1), kind="stable")
            used: set[int] = set()
            for i, j in close[order].tolist():
                if used.isdisjoint((i, j)):
                    used |= {i, j}
                    centroid = mass[i] * x[i] + mass[j] * x[j]
                    x[i], mass[i], mass[j] = centroid / np.linalg.norm(centroid), mass[i] + mass[j], 0.0
                    self._merge(-np.inf, i, j, float(mass[i]), x[i].copy(), np.nan)
        self.clusters = Clusters(x, mass, self.beta, self.usa)

    def _merge(self, log_time: float, kept: int, gone: int, mass: float, position, margin: float) -> int:
        children = (int(self.holder[kept]), int(self.holder[gone]))
        self.mergers.append(_Merger(log_time, children, float(mass), position, margin))
        self.holder[kept] = len(self.weights) + len(self.mergers) - 1
        return int(self.holder[kept])

    def _launch(self) -> Script:
        """Send off every group that need not wait for a faster one, until none is too close to another."""
        forced: list[Int[np.ndarray, " s"]] = []
        while True:
            groups = []
            for core in [*forced, *(np.array(seed) for seed in self.clusters.seeds())]:
                if (
                    np.all(self.clusters.owner[core] < 0)
                    and self.waiting.get(int(core[0])) not in self.isolated
                ):
                    groups.extend((yield from self._form(core)))
            groups = [(number, group) for number, group in groups if number in self.isolated]
            if not groups and not self.isolated:
                everyone = np.flatnonzero(self.clusters.alive)
                groups = [self._depart(Group(everyone, float(self.clusters.strongest.max())))]
            if not groups:
                return
            runs = yield [self._start(group) for _, group in groups]
            for (number, group), run in zip(groups, runs):
                self._register(number, group, run)
            forced = []
            for number, _ in groups:
                if number in self.isolated:
                    forced.extend((yield from self._separate(number)))

    def _form(self, core: Int[np.ndarray, " s"]):
        """The group around a core, its slower neighbours broken off to join; empty where it must wait.

        A set of a few clusters is not split, but into pairs.
        """
        while True:
            group = gather(self.clusters, core, self.isolated, self.waiting)
            if group.blocked_by is not None:
                self.waiting.update((int(slot), group.blocked_by) for slot in core)
                return []
            everyone = np.flatnonzero(self.clusters.alive)
            if len(group.slots) > 2 and len(everyone) <= _WHOLE:
                group = replace(group, slots=everyone, slower=frozenset(self.isolated))
            if not group.slower:
                return [self._depart(group)]
            for number in group.slower:
                yield from self._break_off(number)

    def _depart(self, group: Group) -> tuple[int, Group]:
        self.launched += 1
        self._board(self.launched, group, np.array([-np.inf]), self.clusters.x[group.slots][None], False)
        return self.launched, group

    def _board(self, number: int, group: Group, log_elapsed, x, ended: bool) -> None:
        mass = self.clusters.mass[group.slots]
        isolated_group = IsolatedGroup(
            group.slots, mass, group.strongest, self.now, log_elapsed, x, ended, self.beta
        )
        self.isolated[number] = isolated_group
        self.clusters.assign(number, isolated_group)

    def _start(self, group: Group) -> batch.Start:
        slots, everyone = group.slots, int(np.sum(self.clusters.alive))
        whole = len(slots) == everyone
        events = max(_WHOLE, everyone // 8) if whole else 1
        floor = group.strongest - _FALL if whole and everyone > _WHOLE else -np.inf
        return batch.Start(self.clusters.x[slots], self.clusters.mass[slots], self.now, events, floor)

    def _register(self, number: int, group: Group, run: batch.Run) -> None:
        self.steps += run.steps
        self.evaluations += run.evaluations
        self.runs[number], self.groups[number] = run, group
        self._board(number, group, run.log_elapsed, run.x, run.status != stepper.SADDLE)
        heapq.heappush(self.queue, (self.isolated[number].end, number))

    def _separate(self, number: int):
        """Where a group comes within reach of others, break all of them off: they must set out together."""
        hit = reached_by(self.clusters, self.isolated[number], number, self.isolated)
        if not hit.size:
            return []
        owners = set(self.clusters.owner[hit].tolist()) - {-1} | {number}
        core = np.unique(np.concatenate([hit, *(self.isolated[k].slots for k in owners)]))
        for other in owners:
            yield from self._break_off(other)
        return [core[self.clusters.alive[core]]]

    def _next(self) -> tuple[tuple[float, float], int]:
        """The group that ends first."""
        while True:
            end, number = heapq.heappop(self.queue)
            if number in self.isolated:
                return end, number

    def _break_off(self, number: int) -> Script:
        """End a group now, before its time: its clusters are where they are by now."""
        if number not in self.runs:
            self.clusters.owner[self.isolated.pop(number).slots] = -1
            return
        isolated_group, run = self.isolated[number], self.runs[number]
        elapsed = log_difference(self.now, isolated_group.log_begin)
        row = int(np.searchsorted(isolated_group.log_elapsed, elapsed, side="right")) - 1
        left = log_difference(elapsed, isolated_group.log_elapsed[row])
        part = run.until(row)
        if row == len(isolated_group.log_elapsed) - 1 or left == -np.inf:
            self._land(number, part)
        elif run.pairs is not None:
            x = pair.at_elapsed(run.pairs, run.number, elapsed)
            self._land(number, part.extended(np.array([elapsed]), x[None], ()))
        else:
            begin = float(np.logaddexp(isolated_group.log_begin, isolated_group.log_elapsed[row]))
            mass = part.masses_at(row)
            (rest,) = yield [batch.Start(run.x[row], mass, begin, len(mass), limit=left)]
            self.evaluations += rest.evaluations
            self.steps += rest.steps
            self._land(number, part.followed_by(rest))

    def _land(self, number: int, run: batch.Run) -> None:
        """Put what a group did into the record and its clusters back among the others."""
        isolated_group, group = self.isolated.pop(number), self.groups.pop(number)
        self.runs.pop(number)
        slots = isolated_group.slots
        outside = group.runner_up if len(slots) == 2 else -np.inf
        clusters = tuple(self.holder[slots].tolist())
        mass, made = run.start.mass.copy(), []
        for merge in run.mergers:
            settled = max((m.row for m in run.mergers if m.row < merge.row), default=0)
            margin = _margin(self.clusters, run.x[settled], mass, merge, outside)
            mass[merge.kept] += mass[merge.gone]
            mass[merge.gone] = 0
            log_time = float(np.logaddexp(isolated_group.log_begin, merge.log_elapsed))
            kept, gone = int(slots[merge.kept]), int(slots[merge.gone])
            made.append(self._merge(log_time, kept, gone, float(mass[merge.kept]), merge.position, margin))
        if len(run.log_elapsed) > 1:
            self.episodes.append(Episode(clusters, tuple(made), isolated_group.log_begin, run))
        self.clusters.release(slots, run.x[-1], mass)

    def result(self, attention: Attention, tolerance: float) -> Coalescence:
        """The record, mergers sorted by time and numbered as SciPy does."""
        n, d = self.initial.shape
        order = sorted(range(len(self.mergers)), key=lambda k: self.mergers[k].log_time)
        final = np.arange(n + len(order))
        final[n + np.array(order, int)] = n + np.arange(len(order))
        mergers = [self.mergers[k] for k in order]
        shift = self.beta if self.usa and attention.clock == "survey" else 0.0
        episodes = tuple(
            replace(
                e, clusters=tuple(final[list(e.clusters)].tolist()), made=tuple(final[list(e.made)].tolist())
            )
            for e in self.episodes
        )
        margins = np.array([m.margin for m in mergers], float)
        tied = self.ending is Ending.COMPLETE and np.any(np.abs(margins) < TIE)
        return Coalescence(
            np.array([m.log_time for m in mergers], float) - shift,
            np.array([final[list(m.children)] for m in mergers], int).reshape(-1, 2),
            np.array([m.mass for m in mergers], float),
            np.array([m.position for m in mergers], float).reshape(-1, d),
            margins,
            Ending.TIE if tied else self.ending,
            self.chord,
            tolerance,
            self.beta,
            attention.kind,
            attention.clock,
            self.evaluations,
            self.steps,
            self.initial,
            self.weights,
            episodes,
        )


def _margin(
    clusters: Clusters,
    x: Float[np.ndarray, "s d"],
    mass: Float[np.ndarray, " s"],
    merge: batch.Merge,
    outside: float,
) -> float:
    """How far a pair was ahead of the strongest third cluster at one of its ends: gap of log coupling - log(chord)."""
    ends = [merge.kept, merge.gone]
    third = mass > 0
    third[ends] = False
    others = np.flatnonzero(third)

    def strength(i, j):
        squares = np.maximum(np.sum((x[i][:, None] - x[j][None]) ** 2, axis=-1), 1e-300)
        return clusters.weigh(squares, mass[i][:, None], mass[j]) - np.log(squares) / 2

    own = float(strength([merge.kept], [merge.gone])[0, 0])
    return own - float(np.max(strength(ends, others), initial=outside))
