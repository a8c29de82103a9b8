"""The record of clusters that merge: a tree over log time, and the state at any log time in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import is_valid_linkage

from sim.mergers import batch, pair
from sim.mergers.energy import interaction
from sim.trajectory import Trajectory

TIE = 1e-6


class Ending(StrEnum):
    """How a coalescence ended: `Coalescence.ending`.

    COMPLETE: one cluster is left. TIE: the same, but two mergers came so close that the order of them is rounding.
    SADDLE: what is left stands still, to rounding. MAX_STEPS: the steps ran out before.

    >>> import sim
    >>> sim.coalesce(sim.Attention(9.0), sim.simplex(3, 2), throw=False).ending is sim.Ending.SADDLE
    True
    """

    COMPLETE = "complete"
    TIE = "tie"
    SADDLE = "saddle"
    MAX_STEPS = "max_steps"


def log_difference(later: float, earlier: float) -> float:
    """log(e^later - e^earlier); -inf where they are equal to rounding."""
    if earlier == -np.inf or later == np.inf:
        return later
    return later + float(np.log(-np.expm1(earlier - later))) if later > earlier else -np.inf


@dataclass(frozen=True, eq=False)
class Episode:
    """A group of clusters that moved together, and apart from all others, from log time `log_begin` on.

    `clusters` are the numbers of those in its slots at the start, `made` those of its mergers, in order. A group that
    was broken off keeps the rows that happened.
    """

    clusters: tuple[int, ...]
    made: tuple[int, ...]
    log_begin: float
    run: batch.Run

    def row_before(self, log_t: float) -> tuple[int, float]:
        """The last row not after `log_t`, and the log of the time from there to `log_t`; -inf where none is left."""
        elapsed = log_difference(log_t, self.log_begin)
        rows = self.run.log_elapsed
        row = int(np.searchsorted(rows, elapsed, side="right")) - 1
        return row, -np.inf if row == len(rows) - 1 else log_difference(elapsed, float(rows[row]))


class State(NamedTuple):
    """Clusters at one moment: points (k, d), masses (k,) and cluster numbers (k,) in the numbering of `pairs`."""

    points: Float[np.ndarray, "k d"]
    masses: Float[np.ndarray, " k"]
    clusters: Int[np.ndarray, " k"]


@dataclass(frozen=True, eq=False)
class Coalescence:
    """Every merger of n points under SA or USA, in order of time, and the way there.

    A merger is counted when the distance of two clusters falls to `merge_chord`; the two are then replaced by their
    mass centroid. (They never meet in finite time: their angle falls like e^(-t) at the end.) Nothing is merged that
    has not come so close: where the run ends before one cluster is left, there are fewer than n - 1 mergers.

    Attributes, with k mergers
    --------------------------
    log_times: (k,) natural log of t, not decreasing; -inf for points that started within the merge chord.
    pairs: (k, 2) cluster numbers as in SciPy's linkage: points are 0..n-1, merger m makes cluster n + m.
    masses, positions: (k,) and (k, d) of the cluster made, at the moment of the crossing.
    margins: (k,) how far the pair was ahead of the strongest third cluster at one of its ends, when the last merger in
        its group had just happened: the gap of log(rate / chord). Negative where the third was ahead then; inf where
        there is none; NaN for mergers at -inf.
    ties: (k,) bool, |margin| < 1e-6. The tree, and the log times from there on, are then decided by rounding: perturb
        the points to see both sides.
    ending: COMPLETE (one cluster left), TIE (one cluster, but with ties), SADDLE (what is left stands still, to
        rounding, as at exact antipodes or on a ring), MAX_STEPS.
    merge_chord, tolerance, beta, kind, clock: as asked for.
    merge_error: bound on the relative change of a pull by a merger, hence on the change of later log times a merger:
        (beta^2 + beta + 1) chord^2 / 8, from the spread of two masses around their centroid. The solver's own error
        and that of near ties are not in it.
    evaluations, steps: of the vector field (quadrature nodes of isolated pairs counted), and accepted steps.
    initial: (n, d) the points; weights: (n,) their masses.
    episodes: what moved when, for `at`.

    >>> import sim
    >>> tree = sim.coalesce(sim.Attention(9.0), sim.uniform(4, 2))
    >>> tree.clusters, tree.masses.tolist(), tree.energies.round(3).tolist()
    (1, [0.5, 0.75, 1.0], [0.38, 0.625, 1.0])
    """

    log_times: Float[np.ndarray, " k"]
    pairs: Int[np.ndarray, "k 2"]
    masses: Float[np.ndarray, " k"]
    positions: Float[np.ndarray, "k d"]
    margins: Float[np.ndarray, " k"]
    ending: Ending
    merge_chord: float
    tolerance: float
    beta: float
    kind: str
    clock: str
    evaluations: int
    steps: int
    initial: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, " n"]
    episodes: tuple[Episode, ...]

    def __repr__(self) -> str:
        n, d = self.initial.shape
        return (
            f"<Coalescence: {len(self.pairs)} mergers of {n} points in {d} dimensions, {self.ending}, {self.kind}, "
            f"beta {self.beta:.6g}>"
        )

    @property
    def merge_error(self) -> float:
        return (self.beta**2 + self.beta + 1) * self.merge_chord**2 / 8

    @property
    def ties(self) -> Bool[np.ndarray, " k"]:
        return np.abs(self.margins) < TIE

    @property
    def clusters(self) -> int:
        """Number of clusters left at the end."""
        return len(self.initial) - len(self.pairs)

    @property
    def _clock_shift(self) -> float:
        """log t on the metastability clock less log t on the clock asked for."""
        return self.beta if self.clock == "survey" and self.kind == "USA" else 0.0

    @cached_property
    def energies(self) -> Float[np.ndarray, " k"]:
        """(k,) E1 = sum m_i m_j e^(-beta |x_i - x_j|^2 / 2) just after each merger: the plateau that begins there.

        Computed when first asked for, from the state of all clusters: O(n^2) a merger at most.
        """
        states = (self.at(log_time) for log_time in self.log_times)
        return np.array([interaction(state.points, state.masses, self.beta) for state in states])

    @cached_property
    def energies_before(self) -> Float[np.ndarray, " k"]:
        """(k,) E1 just before each merger, the pair still a merge chord apart; never more than just after.

        What a whole plateau gains is `energies` less the entry before it.
        """
        whole = self._cluster_masses()
        own = whole[self.pairs[:, 0]] * whole[self.pairs[:, 1]]
        apart = np.where(np.isfinite(self.log_times), self.merge_chord, 0.0)
        return self.energies + 2 * own * np.expm1(-self.beta * apart**2 / 2)

    def _cluster_masses(self) -> Float[np.ndarray, " m"]:
        return np.concatenate([self.weights, self.masses])

    def linkage(self) -> Float[np.ndarray, "k 4"]:
        """The tree in the format of `scipy.cluster.hierarchy`: pair, height, number of points.

        SciPy wants heights >= 0: they are log t where no finite one is negative, else log t - floor(least finite one),
        so that differences stay; mergers at log t = -inf have height 0. Raises ValueError where the tree is incomplete.

        >>> from scipy.cluster.hierarchy import fcluster
        >>> import sim
        >>> tree = sim.coalesce(sim.Attention(9.0), sim.uniform(4, 2))
        >>> fcluster(tree.linkage(), 2, "maxclust").tolist()
        [1, 1, 2, 1]
        """
        n = len(self.initial)
        if self.clusters > 1 or n < 2:
            raise ValueError(
                f"a tree needs one cluster at the end and two points, got {self.clusters} of {n} points "
                f"({self.ending}): perturb the points or allow more steps"
            )
        finite = self.log_times[np.isfinite(self.log_times)]
        shift = min(0.0, np.floor(finite.min(initial=0.0)))
        sizes = np.ones(2 * n - 1)
        for k, children in enumerate(self.pairs):
            sizes[n + k] = sizes[children].sum()
        heights = np.where(np.isfinite(self.log_times), self.log_times - shift, 0.0)
        tree = np.column_stack([np.sort(self.pairs, axis=1), heights, sizes[n:]])
        is_valid_linkage(tree, throw=True)
        return tree

    def at(self, log_t: float) -> State:
        """The state at e^log_t: (points, masses, cluster numbers), as accurate as the mergers.

        Integrates from the last recorded step before it. `log_t` is any number, -inf is the start; after the last
        merger of a whole run what is left stands still. Raises ValueError beyond the last merger of a run that ended
        with MAX_STEPS, where nothing is known.

        >>> import sim
        >>> tree = sim.coalesce(sim.Attention(9.0), sim.uniform(4, 2))
        >>> state = tree.at(float(tree.log_times[1]))
        >>> state.masses.tolist(), state.clusters.tolist()
        ([0.25, 0.75], [2, 5])
        """
        return self._states([float(log_t)])[0]

    def trajectory(self, log_times: Float[np.ndarray, " depth"] | Sequence[float]) -> Trajectory:
        """All n tokens at these log times; those of one cluster coincide.

        t itself would overflow: the axis is ``"time"`` but the depth is log t, and ``provenance["depth"]`` says so.

        Arguments: log_times, finite and strictly increasing. Returns a `Trajectory` with the original masses.

        >>> import sim
        >>> tree = sim.coalesce(sim.Attention(9.0), sim.uniform(4, 2))
        >>> run = tree.trajectory([-1.0, 0.0, 5.0])
        >>> run.points.shape, run.provenance["depth"], round(float(run.points[-1, 0] @ run.points[-1, 1]), 6)
        ((3, 4, 2), 'log t', 1.0)
        """
        depth = np.asarray(log_times, np.float64)
        if depth.ndim != 1 or not (np.all(np.isfinite(depth)) and np.all(np.diff(depth) > 0)):
            raise ValueError("log_times must be finite and strictly increasing: sort them and drop repeats")
        points = np.empty((depth.size, *self.initial.shape))
        for k, state in enumerate(self._states(list(depth))):
            index = {cluster: row for row, cluster in enumerate(state.clusters)}
            points[k] = state.points[[index[c] for c in self._labels(self._merged_by(depth[k]))]]
        provenance = {
            "depth": "log t",
            "solver": "coalesce",
            "version": version("metasphere"),
            "beta": self.beta,
            "kind": self.kind,
            "clock": self.clock,
            "merge_chord": self.merge_chord,
            "tolerance": self.tolerance,
            "outcome": str(self.ending),
        }
        return Trajectory(points, depth, masses=self.weights, provenance=provenance)

    def _merged_by(self, log_t: float) -> int:
        return int(np.searchsorted(self.log_times, log_t, side="right"))

    def _labels(self, mergers: int) -> Int[np.ndarray, " n"]:
        """Cluster number of each point after the first so many mergers."""
        parent = np.arange(len(self._cluster_masses()))
        for k in range(mergers):
            parent[self.pairs[k]] = len(self.initial) + k
        label = np.arange(len(self.initial))
        while np.any(parent[label] != label):
            label = parent[label]
        return label

    @cached_property
    def _appearances(self) -> dict[int, list[Episode]]:
        """The episodes of each cluster, in order."""
        found: dict[int, list[Episode]] = {}
        for episode in self.episodes:
            for cluster in (*episode.clusters, *episode.made):
                found.setdefault(cluster, []).append(episode)
        return found

    def _states(self, log_ts: list[float]) -> list[State]:
        """States at several log times, integrated side by side."""
        known = self.log_times[-1] if len(self.log_times) else -np.inf
        if self.ending is Ending.MAX_STEPS and max(log_ts, default=-np.inf) > known:
            raise ValueError(
                f"the run ended after {self.steps} steps and is known up to its last merger, log t = {known:.6g}, "
                f"got log t = {max(log_ts):.6g}: allow more with max_steps"
            )
        plans: list[dict[int, tuple[Episode, list[int]]]] = []
        starts: dict[tuple[int, int], batch.Start] = {}
        for moment, log_t in enumerate(log_ts):
            plan: dict[int, tuple[Episode, list[int]]] = {}
            for cluster in np.unique(self._labels(self._merged_by(log_t))):
                episode = self._episode_at(int(cluster), log_t + self._clock_shift)
                if episode is not None:
                    plan.setdefault(id(episode), (episode, []))[1].append(int(cluster))
            plans.append(plan)
            for key, (episode, _) in plan.items():
                row, left = episode.row_before(log_t + self._clock_shift)
                if left > -np.inf and episode.run.pairs is None:
                    mass = episode.run.masses_at(row)
                    slots = mass > 0
                    begin = float(np.logaddexp(episode.log_begin, episode.run.log_elapsed[row]))
                    x = episode.run.x[row][slots]
                    starts[moment, key] = batch.Start(x, mass[slots], begin, len(mass), limit=left)
        never = batch.rules(self.beta, self.kind == "USA", self.tolerance, 0.0)
        runs = dict(zip(starts, batch.follow(list(starts.values()), never, 10**6)))
        states = []
        for moment, log_t in enumerate(log_ts):
            places = dict(enumerate(np.concatenate([self.initial, self.positions])))
            for key, (episode, wanted) in plans[moment].items():
                places |= self._places(episode, wanted, log_t, runs.get((moment, key)))
            clusters = np.unique(self._labels(self._merged_by(log_t)))
            points = np.stack([places[int(cluster)] for cluster in clusters])
            states.append(State(points, self._cluster_masses()[clusters], clusters))
        return states

    def _episode_at(self, cluster: int, log_t: float) -> Episode | None:
        """The last episode of a cluster that has begun."""
        begun = [e for e in self._appearances.get(cluster, []) if e.log_begin <= log_t]
        return begun[-1] if begun else None

    def _places(
        self, episode: Episode, wanted: list[int], log_t: float, further: batch.Run | None
    ) -> dict[int, Float[np.ndarray, " d"]]:
        """Where the wanted clusters of an episode stand: the centroids of their slots."""
        row, left = episode.row_before(log_t + self._clock_shift)
        mass = episode.run.masses_at(row)
        x = episode.run.x[row].copy()
        if further is not None:
            x[mass > 0] = further.x[-1]
        elif left > -np.inf and episode.run.pairs is not None:
            elapsed = log_difference(log_t + self._clock_shift, episode.log_begin)
            x = pair.at_elapsed(episode.run.pairs, episode.run.number, elapsed)
        made_by_now = len(self.initial) + self._merged_by(log_t)
        holder = np.array(episode.clusters)
        for merge, made in zip(episode.run.mergers, episode.made):
            if made < made_by_now:
                holder[(holder == holder[merge.kept]) | (holder == holder[merge.gone])] = made
        return {cluster: _centroid(x[holder == cluster], mass[holder == cluster]) for cluster in wanted}


def _centroid(x: Float[np.ndarray, "s d"], mass: Float[np.ndarray, " s"]) -> Float[np.ndarray, " d"]:
    mean = mass @ x
    return mean / np.linalg.norm(mean)
