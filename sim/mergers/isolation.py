"""Who can be followed apart from whom: groups whose pull on the rest is too weak to count in their lifetime.

The pull of k on i for a time T moves i by e^Q T at most, with the loudness Q_ik = -beta |x_i - x_k|^2 / 2 plus the log
of the larger mass (USA) or of the mass ratio (SA), an upper bound on log w. A pair needs a time of about e^-Q, so what
is quieter than its Q by `MARGIN` changes its log time by e^-23 = 1e-10. This is ours; the idea that only the closest
pair moves at leading order is that of 2410.06833, Section 6.
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
class Flight:
    """A group that is followed on its own from `log_begin`, known up to `log_end`, when its next merger is done."""

    slots: Int[np.ndarray, " s"]
    mass: Float[np.ndarray, " s"]
    loudest: float
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
    def loudest_neighbour(self) -> float:
        """How loud a cluster outside may be for the whole of the flight."""
        return self.level - float(self.log_elapsed[-1]) if self.ended else self.loudest - MARGIN

    @property
    def end(self) -> tuple[float, float]:
        """When it ends: log time, and log elapsed time to tell those apart that begin together."""
        if not self.ended:
            return np.inf, np.inf
        return float(np.logaddexp(self.log_begin, self.log_elapsed[-1])), float(self.log_elapsed[-1])


@dataclass(eq=False)
class Crowd:
    """All clusters, in slots: where each stood when its group set out, its loudest other one, and its group.

    `owner` is the number of a slot's flight, or -1; `radius` the largest chord that it moves in that flight, and
    `deafness` how loud an outsider may be.
    """

    x: Float[np.ndarray, "n d"]
    mass: Float[np.ndarray, " n"]
    beta: float
    usa: bool
    loudest: Float[np.ndarray, " n"] = field(init=False)
    partner: Int[np.ndarray, " n"] = field(init=False)
    owner: Int[np.ndarray, " n"] = field(init=False)
    radius: Float[np.ndarray, " n"] = field(init=False)
    deafness: Float[np.ndarray, " n"] = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.mass)
        self.loudest, self.partner = np.full(n, -np.inf), np.zeros(n, int)
        self.owner, self.radius, self.deafness = np.full(n, -1), np.zeros(n), np.full(n, np.inf)
        self._look(np.flatnonzero(self.alive))

    @property
    def alive(self) -> Bool[np.ndarray, " n"]:
        return self.mass > 0

    def loudness(self, x, mass, others: Int[np.ndarray, " k"], slack: float | Float[np.ndarray, "..."] = 0.0):
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
        values = self.loudness(self.x[slots], self.mass[slots], living)
        values[slots[:, None] == living] = -np.inf
        return values

    def _look(self, slots: Int[np.ndarray, " s"]) -> None:
        """Find the loudest partner of each slot anew."""
        living = np.flatnonzero(self.alive)
        if living.size < 2:
            self.loudest[slots] = -np.inf
            return
        size = max(1, _CHUNK // living.size)
        for part in np.split(slots, range(size, len(slots), size)):
            rows = self.rows(part, living)
            best = np.argmax(rows, axis=1)
            self.partner[part] = living[best]
            self.loudest[part] = rows[np.arange(len(part)), best]

    def changed(self, slots: Int[np.ndarray, " s"]) -> None:
        """Bring loudness up to date after these slots moved, merged or died: O(n) a slot."""
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
            louder = value >= self.loudest[living]
            self.loudest[living[louder]] = value[louder]
            self.partner[living[louder]] = moved[best[louder]]
            lost[living[louder]] = False
            lost[moved] = True
        self._look(np.flatnonzero(lost))

    def board(self, number: int, flight: Flight) -> None:
        """Note that a flight's clusters are on it, and how far they go."""
        self.owner[flight.slots] = number
        self.radius[flight.slots] = np.max(np.linalg.norm(flight.x - flight.x[:1], axis=-1), axis=0)
        self.deafness[flight.slots] = flight.loudest_neighbour

    def alight(
        self, slots: Int[np.ndarray, " s"], x: Float[np.ndarray, "s d"], mass: Float[np.ndarray, " s"]
    ) -> None:
        """Put the clusters of a flight that is over where they are now."""
        self.x[slots], self.mass[slots] = x, mass
        self.owner[slots], self.radius[slots] = -1, 0.0
        self.changed(slots)

    def seeds(self) -> list[tuple[int, int]]:
        """Pairs on no flight that are each other's loudest, loudest first."""
        free = self.alive & (self.owner < 0)
        first = np.flatnonzero(free)
        mutual = first[free[self.partner[first]] & (self.partner[self.partner[first]] == first)]
        mutual = mutual[mutual < self.partner[mutual]]
        order = np.argsort(-self.loudest[mutual], kind="stable")
        return [(int(i), int(self.partner[i])) for i in mutual[order]]


@dataclass(frozen=True)
class Group:
    """What must set out together; or, if `blocked_by` is set, the flight that it must wait for."""

    slots: Int[np.ndarray, " s"]
    loudest: float
    slower: frozenset[int] = frozenset()
    runner_up: float = -np.inf
    blocked_by: int | None = None


def gather(
    crowd: Crowd, core: Int[np.ndarray, " s"], flights: dict[int, Flight], waiting: dict[int, int]
) -> Group:
    """All clusters that reach the core, directly or through each other, loudly enough to count in its lifetime.

    Slower flights that are reached must be broken off and join. A faster one is left alone: either it ends first, and
    what it changes is looked at again then, or this group ends first, in a time that the link is too weak for. If it
    is faster by more than e^MARGIN, the group stands still until it ends, and waits. `waiting` tells for which flight
    each waiting slot does.
    """
    living = np.flatnonzero(crowd.alive)
    inside = np.zeros(living.size, bool)
    inside[np.searchsorted(living, core)] = True
    loudest = float(np.max(crowd.loudest[core]))
    if len(core) > 1:
        within = crowd.rows(core, core)
        loudest = float(np.max(within))
    level = loudest - MARGIN - _SLACK
    frontier, slower, runner_up = core, set(), -np.inf
    while frontier.size:
        rows = crowd.rows(frontier, living)
        rows[:, inside] = -np.inf
        peak = rows.max(axis=0)
        if frontier is core:
            runner_up = _ahead_of(crowd, core, living, peak)
        reached = np.flatnonzero((peak >= level) & ~inside)
        joining = []
        for where in reached.tolist():
            slot = int(living[where])
            owner = int(crowd.owner[slot])
            if owner >= 0 and flights[owner].loudest >= loudest:
                if loudest < flights[owner].loudest - MARGIN:
                    return Group(core, loudest, blocked_by=owner)
            elif owner >= 0:
                slower.add(owner)
                joining.extend(np.searchsorted(living, flights[owner].slots))
            elif crowd.loudest[slot] > loudest + 1e-12:
                return Group(core, loudest, blocked_by=_blocker(crowd, slot, waiting))
            else:
                joining.append(where)
        new = np.array([w for w in dict.fromkeys(joining) if not inside[w]], int)
        inside[new] = True
        frontier = living[new]
    return Group(living[inside], loudest, frozenset(slower), runner_up)


def _ahead_of(crowd: Crowd, core, living, peak) -> float:
    """Loudness less log(chord) of the strongest cluster outside the core; -inf where there is none."""
    where = int(np.argmax(peak))
    if peak[where] == -np.inf:
        return -np.inf
    gaps = crowd.x[core] - crowd.x[living[where]]
    return float(peak[where] - np.log(np.sum(gaps**2, axis=1).min()) / 2)


def _blocker(crowd: Crowd, slot: int, waiting: dict[int, int]) -> int:
    """The flight for which the loudest chain from a slot waits; -1 where it ends in a tie."""
    for _ in range(len(crowd.mass)):
        if crowd.owner[slot] >= 0:
            return int(crowd.owner[slot])
        if slot in waiting:
            return waiting[slot]
        slot = int(crowd.partner[slot])
    return -1


def reached_by(
    crowd: Crowd, flight: Flight, number: int, flights: dict[int, Flight]
) -> Int[np.ndarray, " k"]:
    """Slots outside a flight that its members come too close to, on the way to its end.

    What the pull of k on a member adds up to, from the first row on or from any later one, is at most
    e^Q x (time left): the largest of these must stay below e^-MARGIN / (1 + beta chord^2) of a merger. Slots that
    their whole flights keep out of reach are dismissed first; the others are held against each other row by row.
    """
    outside = np.flatnonzero(crowd.alive & (crowd.owner != number))
    if not outside.size or not flight.ended:
        return outside[:0]
    lasting = _time_left(flight.log_elapsed, flight.log_elapsed[-1])
    near = crowd.loudness(
        crowd.x[flight.slots],
        flight.mass,
        outside,
        crowd.radius[flight.slots][:, None] + crowd.radius[outside],
    )
    suspects = outside[np.any(near + lasting[0] >= flight.level, axis=0)]
    if not suspects.size:
        return suspects
    found = []
    path = crowd.loudness(flight.x, flight.mass, suspects) + lasting[:, None, None]
    owners = crowd.owner[suspects]
    still = owners < 0
    found.append(suspects[still & np.any(path >= flight.level, axis=(0, 1))])
    for other in set(owners[~still].tolist()):
        theirs = suspects[owners == other]
        if _meet(crowd, flight, flights[other], theirs):
            found.append(theirs)
    return np.concatenate(found)


def disturbed_by(
    crowd: Crowd, slots: Int[np.ndarray, " s"], now: float, flights: dict[int, Flight]
) -> list[int]:
    """Flights with a member that changed slots, now at rest, come too close to before the flight ends."""
    slots = slots[crowd.alive[slots]]
    members = np.flatnonzero(crowd.alive & (crowd.owner >= 0))
    if not slots.size or not members.size:
        return []
    near = crowd.loudness(crowd.x[slots], crowd.mass[slots], members, crowd.radius[members])
    owners = crowd.owner[members]
    found = []
    for number in set(owners[np.any(near >= crowd.deafness[members], axis=0)].tolist()):
        flight = flights[number]
        if not flight.ended:
            found.append(number)
            continue
        begun = log_difference(now, flight.log_begin)
        rest = max(int(np.searchsorted(flight.log_elapsed, begun)) - 1, 0)
        lasting = _time_left(np.maximum(flight.log_elapsed[rest:], begun), flight.log_elapsed[-1])
        path = crowd.weigh(
            np.sum((flight.x[rest:, :, None] - crowd.x[slots]) ** 2, axis=-1),
            flight.mass[:, None],
            crowd.mass[slots],
        )
        if np.any(path + lasting[:, None, None] >= flight.level):
            found.append(number)
    return found


def _time_left(log_elapsed: Float[np.ndarray, " rows"], log_end: float) -> Float[np.ndarray, " rows"]:
    """log of the time from the row before each row to the end: what the stretch up to that row can last, and beyond."""
    before = np.concatenate([log_elapsed[:1], log_elapsed[:-1]])
    with np.errstate(divide="ignore"):
        return log_end + np.log(-np.expm1(np.minimum(before - log_end, 0.0)))


def _meet(crowd: Crowd, mine: Flight, other: Flight, theirs: Int[np.ndarray, " k"]) -> bool:
    """Whether two flights come within reach of each other before the first of them ends."""
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
    path = crowd.weigh(squares, mine.mass[:, None, None], other.mass[column][:, None])
    return bool(np.any(path + lasting[:, None, None, None] >= mine.level))
