"""Isolated groups of clusters: those whose pull on the rest is too weak to count in their lifetime.

The pull of k on i for a time T moves i by e^Q T at most, with the log coupling Q_ik = -beta |x_i - x_k|^2 / 2 plus the
log of the larger mass (USA) or of the mass ratio (SA), an upper bound on log w. A pair needs a time of about e^-Q, so
what is quieter than its Q by `MARGIN` changes its log time by e^-23 = 1e-10. This is ours; the idea that only the
closest pair moves at leading order is that of 2410.06833, Section 6.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.mergers.record import log_difference

MARGIN = 23.0
_SLACK = 3.0
_CHUNK = 2**22


@dataclass(eq=False)
class IsolatedGroup:
    """A group that is followed on its own from `log_begin`, known up to `log_end`, when its next merger is done."""

    slots: Int[np.ndarray, " s"]
    mass: Float[np.ndarray, " s"]
    strongest: float
    log_begin: float
    log_elapsed: Float[np.ndarray, " rows"]
    x: Float[np.ndarray, "rows s d"]
    ended: bool
    beta: float

    @cached_property
    def level(self) -> float:
        """What log(pull x time) from outside must stay below: e^-MARGIN of what moves a pair's exponent by 1."""
        gaps = self.x[0][:, None] - self.x[0][None]
        squares = np.sum(gaps**2, axis=-1)[np.triu_indices(len(gaps), 1)]
        return -MARGIN + _SLACK - float(np.log1p(self.beta * squares.min(initial=np.inf)))

    @property
    def strongest_outside(self) -> float:
        """The largest log coupling to a cluster outside over the whole life of the group."""
        return self.level - float(self.log_elapsed[-1]) if self.ended else self.strongest - MARGIN

    @property
    def end(self) -> tuple[float, float]:
        """When it ends: log time, and log elapsed time to tell those apart that begin together."""
        if not self.ended:
            return np.inf, np.inf
        return float(np.logaddexp(self.log_begin, self.log_elapsed[-1])), float(self.log_elapsed[-1])


@dataclass(eq=False)
class Clusters:
    """All clusters, in slots: where each stood when its group set out, its strongest other one, and its group.

    `owner` is the number of a slot's group, or -1; `radius` the largest chord that it moves in that group, and
    `coupling_limit` the largest log coupling of an outsider.
    """

    x: Float[np.ndarray, "n d"]
    mass: Float[np.ndarray, " n"]
    beta: float
    usa: bool
    strongest: Float[np.ndarray, " n"] = field(init=False)
    partner: Int[np.ndarray, " n"] = field(init=False)
    owner: Int[np.ndarray, " n"] = field(init=False)
    radius: Float[np.ndarray, " n"] = field(init=False)
    coupling_limit: Float[np.ndarray, " n"] = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.mass)
        self.strongest, self.partner = np.full(n, -np.inf), np.zeros(n, int)
        self.owner, self.radius, self.coupling_limit = np.full(n, -1), np.zeros(n), np.full(n, np.inf)
        self._look(np.flatnonzero(self.alive))

    @property
    def alive(self) -> Bool[np.ndarray, " n"]:
        return self.mass > 0

    def log_coupling(
        self, x, mass, others: Int[np.ndarray, " k"], slack: float | Float[np.ndarray, "..."] = 0.0
    ):
        """Q between points (..., d) of given masses (...) and slots; chords are shortened by `slack`."""
        own, theirs = self.mass[others], self.x[others]
        squares = sum((x[..., None, k] - theirs[:, k]) ** 2 for k in range(theirs.shape[1]))
        if np.any(slack):
            squares = np.maximum(np.sqrt(squares) - slack, 0) ** 2
        return self.weigh(squares, mass[..., None], own)

    def weigh(self, squares, mass, other):
        heavier = np.maximum(mass, other)
        factor = heavier if self.usa else heavier / np.minimum(mass, other)
        return np.log(factor) - self.beta * squares / 2

    def rows(self, slots: Int[np.ndarray, " s"], living: Int[np.ndarray, " k"]):
        """Q of some slots against the living ones, -inf against themselves."""
        values = self.log_coupling(self.x[slots], self.mass[slots], living)
        values[slots[:, None] == living] = -np.inf
        return values

    def _look(self, slots: Int[np.ndarray, " s"]) -> None:
        """Find the strongest partner of each slot anew."""
        living = np.flatnonzero(self.alive)
        if living.size < 2:
            self.strongest[slots] = -np.inf
            return
        size = max(1, _CHUNK // living.size)
        for part in np.split(slots, range(size, len(slots), size)):
            rows = self.rows(part, living)
            best = np.argmax(rows, axis=1)
            self.partner[part] = living[best]
            self.strongest[part] = rows[np.arange(len(part)), best]

    def changed(self, slots: Int[np.ndarray, " s"]) -> None:
        """Bring log coupling up to date after these slots moved, merged or died: O(n) a slot."""
        moved = slots[self.alive[slots]]
        living = np.flatnonzero(self.alive)
        stale = np.zeros(len(self.mass), bool)
        stale[slots] = True
        lost = self.alive & stale[self.partner]
        lost[moved] = True
        if moved.size and living.size > 1:
            rows = self.rows(moved, living)
            best = np.argmax(rows, axis=0)
            value = rows[best, np.arange(living.size)]
            louder = value >= self.strongest[living]
            self.strongest[living[louder]] = value[louder]
            self.partner[living[louder]] = moved[best[louder]]
            lost[living[louder]] = False
            lost[moved] = True
        self._look(np.flatnonzero(lost))

    def assign(self, number: int, isolated_group: IsolatedGroup) -> None:
        """Note that a group's clusters are in it, and how far they go."""
        self.owner[isolated_group.slots] = number
        self.radius[isolated_group.slots] = np.max(
            np.linalg.norm(isolated_group.x - isolated_group.x[:1], axis=-1), axis=0
        )
        self.coupling_limit[isolated_group.slots] = isolated_group.strongest_outside

    def release(
        self, slots: Int[np.ndarray, " s"], x: Float[np.ndarray, "s d"], mass: Float[np.ndarray, " s"]
    ) -> None:
        """Put the clusters of a group that is over where they are now."""
        self.x[slots], self.mass[slots] = x, mass
        self.owner[slots], self.radius[slots] = -1, 0.0
        self.changed(slots)

    def seeds(self) -> list[tuple[int, int]]:
        """Pairs in no group that are each other's strongest, strongest first."""
        free = self.alive & (self.owner < 0)
        first = np.flatnonzero(free)
        mutual = first[free[self.partner[first]] & (self.partner[self.partner[first]] == first)]
        mutual = mutual[mutual < self.partner[mutual]]
        order = np.argsort(-self.strongest[mutual], kind="stable")
        return [(int(i), int(self.partner[i])) for i in mutual[order]]


@dataclass(frozen=True)
class Group:
    """What must set out together; or, if `blocked_by` is set, the group that it must wait for."""

    slots: Int[np.ndarray, " s"]
    strongest: float
    slower: frozenset[int] = frozenset()
    runner_up: float = -np.inf
    blocked_by: int | None = None


def gather(
    clusters: Clusters,
    core: Int[np.ndarray, " s"],
    isolated: dict[int, IsolatedGroup],
    waiting: dict[int, int],
) -> Group:
    """All clusters that reach the core, directly or through each other, loudly enough to count in its lifetime.

    Slower groups that are reached must be broken off and join. A faster one is left alone: either it ends first, and
    what it changes is looked at again then, or this group ends first, in a time that the link is too weak for. If it
    is faster by more than e^MARGIN, the group stands still until it ends, and waits. `waiting` tells for which group
    each waiting slot does.
    """
    living = np.flatnonzero(clusters.alive)
    inside = np.zeros(living.size, bool)
    inside[np.searchsorted(living, core)] = True
    strongest = float(np.max(clusters.strongest[core]))
    if len(core) > 1:
        within = clusters.rows(core, core)
        strongest = float(np.max(within))
    level = strongest - MARGIN - _SLACK
    frontier, slower, runner_up = core, set(), -np.inf
    while frontier.size:
        rows = clusters.rows(frontier, living)
        rows[:, inside] = -np.inf
        peak = rows.max(axis=0)
        if frontier is core:
            runner_up = _ahead_of(clusters, core, living, peak)
        reached = np.flatnonzero((peak >= level) & ~inside)
        joining = []
        for where in reached.tolist():
            slot = int(living[where])
            owner = int(clusters.owner[slot])
            if owner >= 0 and isolated[owner].strongest >= strongest:
                if strongest < isolated[owner].strongest - MARGIN:
                    return Group(core, strongest, blocked_by=owner)
            elif owner >= 0:
                slower.add(owner)
                joining.extend(np.searchsorted(living, isolated[owner].slots))
            elif clusters.strongest[slot] > strongest + 1e-12:
                return Group(core, strongest, blocked_by=_blocker(clusters, slot, waiting))
            else:
                joining.append(where)
        new = np.array([w for w in dict.fromkeys(joining) if not inside[w]], int)
        inside[new] = True
        frontier = living[new]
    return Group(living[inside], strongest, frozenset(slower), runner_up)


def _ahead_of(clusters: Clusters, core, living, peak) -> float:
    """Loudness less log(chord) of the strongest cluster outside the core; -inf where there is none."""
    where = int(np.argmax(peak))
    if peak[where] == -np.inf:
        return -np.inf
    gaps = clusters.x[core] - clusters.x[living[where]]
    return float(peak[where] - np.log(np.sum(gaps**2, axis=1).min()) / 2)


def _blocker(clusters: Clusters, slot: int, waiting: dict[int, int]) -> int:
    """The group for which the strongest chain from a slot waits; -1 where it ends in a tie."""
    for _ in range(len(clusters.mass)):
        if clusters.owner[slot] >= 0:
            return int(clusters.owner[slot])
        if slot in waiting:
            return waiting[slot]
        slot = int(clusters.partner[slot])
    return -1


def reached_by(
    clusters: Clusters, isolated_group: IsolatedGroup, number: int, isolated: dict[int, IsolatedGroup]
) -> Int[np.ndarray, " k"]:
    """Slots outside a group that its members come too close to, on the way to its end.

    What the pull of k on a member adds up to, from the first row on or from any later one, is at most
    e^Q x (time left): the largest of these must stay below e^-MARGIN / (1 + beta chord^2) of a merger. Slots that
    their whole paths keep out of reach are dismissed first; the others are held against each other row by row.
    """
    outside = np.flatnonzero(clusters.alive & (clusters.owner != number))
    if not outside.size or not isolated_group.ended:
        return outside[:0]
    lasting = _time_left(isolated_group.log_elapsed, isolated_group.log_elapsed[-1])
    near = clusters.log_coupling(
        clusters.x[isolated_group.slots],
        isolated_group.mass,
        outside,
        clusters.radius[isolated_group.slots][:, None] + clusters.radius[outside],
    )
    suspects = outside[np.any(near + lasting[0] >= isolated_group.level, axis=0)]
    if not suspects.size:
        return suspects
    found = []
    path = clusters.log_coupling(isolated_group.x, isolated_group.mass, suspects) + lasting[:, None, None]
    owners = clusters.owner[suspects]
    still = owners < 0
    found.append(suspects[still & np.any(path >= isolated_group.level, axis=(0, 1))])
    for other in set(owners[~still].tolist()):
        theirs = suspects[owners == other]
        if _meet(clusters, isolated_group, isolated[other], theirs):
            found.append(theirs)
    return np.concatenate(found)


def disturbed_by(
    clusters: Clusters, slots: Int[np.ndarray, " s"], now: float, isolated: dict[int, IsolatedGroup]
) -> list[int]:
    """Groups with a member that changed slots, now at rest, come too close to before the group ends."""
    slots = slots[clusters.alive[slots]]
    members = np.flatnonzero(clusters.alive & (clusters.owner >= 0))
    if not slots.size or not members.size:
        return []
    near = clusters.log_coupling(clusters.x[slots], clusters.mass[slots], members, clusters.radius[members])
    owners = clusters.owner[members]
    found = []
    for number in set(owners[np.any(near >= clusters.coupling_limit[members], axis=0)].tolist()):
        isolated_group = isolated[number]
        if not isolated_group.ended:
            found.append(number)
            continue
        begun = log_difference(now, isolated_group.log_begin)
        rest = max(int(np.searchsorted(isolated_group.log_elapsed, begun)) - 1, 0)
        lasting = _time_left(
            np.maximum(isolated_group.log_elapsed[rest:], begun), isolated_group.log_elapsed[-1]
        )
        path = clusters.weigh(
            np.sum((isolated_group.x[rest:, :, None] - clusters.x[slots]) ** 2, axis=-1),
            isolated_group.mass[:, None],
            clusters.mass[slots],
        )
        if np.any(path + lasting[:, None, None] >= isolated_group.level):
            found.append(number)
    return found


def _time_left(log_elapsed: Float[np.ndarray, " rows"], log_end: float) -> Float[np.ndarray, " rows"]:
    """log of the time from the row before each row to the end: what the stretch up to that row can last, and beyond."""
    before = np.concatenate([log_elapsed[:1], log_elapsed[:-1]])
    with np.errstate(divide="ignore"):
        return log_end + np.log(-np.expm1(np.minimum(before - log_end, 0.0)))


def _meet(
    clusters: Clusters, mine: IsolatedGroup, other: IsolatedGroup, theirs: Int[np.ndarray, " k"]
) -> bool:
    """Whether two groups come within reach of each other before the first of them ends."""
    column = np.searchsorted(other.slots, theirs)
    until = min(mine.end[0], other.end[0])
    my_times = np.logaddexp(mine.log_begin, mine.log_elapsed)
    other_times = np.logaddexp(other.log_begin, other.log_elapsed)
    my_last = int(np.searchsorted(my_times, until)) + 1
    other_last = int(np.searchsorted(other_times, until)) + 1
    window = min(mine.log_elapsed[-1], log_difference(until, mine.log_begin))
    if window == -np.inf:
        window = min(mine.log_elapsed[-1], other.log_elapsed[-1])
    lasting = _time_left(np.minimum(mine.log_elapsed[:my_last], window), window)
    squares = np.sum(
        (mine.x[:my_last, :, None, None] - other.x[None, None, :other_last, column].transpose(0, 1, 3, 2, 4))
        ** 2,
        axis=-1,
    )
    path = clusters.weigh(squares, mine.mass[:, None, None], other.mass[column][:, None])
    return bool(np.any(path + lasting[:, None, None, None] >= mine.level))
