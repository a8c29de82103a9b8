"""Injection and recovery for the energy: falls of a known share put into the runs of a group."""

from typing import NamedTuple
from zlib import crc32

import numpy as np
from jaxtyping import Float

from compare.judging.group import Group, MeasuredRun
from compare.metrics.calibrated.energy import descent_share
from compare.metrics.lowered import lowered
from compare.metrics.pairwise import pair_energy


class Energies(NamedTuple):
    """The energy of a run at each depth, and its noise there."""

    energy: Float[np.ndarray, " depth"]
    noise: Float[np.ndarray, " depth"]


def energies(run: MeasuredRun) -> Energies:
    """As they were measured."""
    return Energies(run["energy"], run["energy_noise"])


class Fallen(NamedTuple):
    """A run's energies, and whether a fall could be put in."""

    energies: Energies
    is_planted: bool


def fallen(group: Group, runs: tuple[MeasuredRun, ...], share: float, draw: int) -> list[Fallen]:
    """The energies of the runs, a fall put into each, so that falls make up `share` of all changes on average.

    Around it they scatter as the runs do: each takes the deviation of one of them from their mean, drawn with
    replacement. After a depth drawn as well, before which the energy has risen by more than the fall and after which it
    does not fall, stands one more state: the tokens on their way back to the first depth. Its energy is read off its
    points like every other. A run without such a depth, or whose own falls are as large, stays as it is. `group` keeps
    what was planted.

    Arguments: runs, some of the group's, whose energies change beyond their noise; share, in (0, 1/2). Raises
    ValueError for another share. Cost: about ten pair energies a run the first time.
    """
    if not 0 < share < 0.5:
        raise ValueError(f"one fall and the rise behind it make less than half of all changes, got {share}")
    key = ("falls", share, draw, *map(id, runs))
    if key not in group.planted:
        random = np.random.default_rng(crc32(f"{group.seed} {draw}".encode()))
        own = np.array([descent_share(*energies(run), z=0.0)[0] for run in runs])
        wanted = share + random.choice(own - own.mean(), len(own))
        group.planted[key] = [_fallen(*each, random) for each in zip(runs, own, wanted)]
    return group.planted[key]


def _fallen(run: MeasuredRun, own: float, wanted: float, random: np.random.Generator) -> Fallen:
    energy, noise = energies(run)
    fall = (wanted - own) * np.abs(np.diff(energy)).sum() / (1 - 2 * wanted) if wanted < 0.5 else np.inf
    # After this depth the run still rises, and it has risen by more than the fall: there is a way back.
    places = np.flatnonzero((energy[:-1] - energy[0] > fall) & (np.diff(energy) >= 0))
    if not (fall > 0 and len(places)):
        return Fallen(Energies(energy, noise), False)
    after = int(random.choice(places))
    masses = run.trajectory.masses[run.kept]
    state = lowered(run.points[after], run.points[0], float(energy[after] - fall), run.beta, masses)
    read = pair_energy(state[None], run.beta, masses)
    more = Energies(np.insert(energy, after + 1, read), np.insert(noise, after + 1, noise[after]))
    return Fallen(more, True)
