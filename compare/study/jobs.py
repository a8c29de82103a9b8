"""One run to be made, as plain data: it can be sent to another process, and it says whether a file is its result."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from compare.study.closure import code_digest
from compare.study.coalescences import coalesced
from compare.study.learned_dynamics import learned
from compare.study.readings import extracted
from compare.study.simulations import simulated
from sim import Trajectory

INSTRUMENTS: Mapping[str, Callable[..., Trajectory]] = MappingProxyType(
    {"simulate": simulated, "coalesce": coalesced, "extract": extracted, "layer_by_layer": learned}
)


@dataclass(frozen=True)
class Job:
    """One run: its label, which also names its file, the group that it is judged with, and how it is made.

    instrument: a name in `INSTRUMENTS`. settings: its arguments, JSON values. facts: kept with the run's provenance.
    """

    label: str
    group: str
    instrument: str
    settings: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The label as a file's name."""
        return as_stem(self.label)

    @property
    def key(self) -> str:
        """Digest of everything that the run depends on: its settings and facts, and the code that makes it."""
        said = [self.label, self.group, self.instrument, dict(self.settings), dict(self.facts)]
        text = json.dumps(said, sort_keys=True) + code_digest(INSTRUMENTS[self.instrument])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def make(self) -> Trajectory:
        """The run itself; label, group, key and facts are in its provenance. Raises what its instrument raises."""
        return self.result(INSTRUMENTS[self.instrument](**self.settings))

    def result(self, made: Trajectory) -> Trajectory:
        """A trajectory that is the result of this job, saying so."""
        facts = {**self.facts, "label": self.label, "group": self.group, "job": self.key}
        return replace(made, provenance={**made.provenance, **facts})


def as_stem(label: str) -> str:
    """A label as the name of a file, in small letters, with - for what is neither letter nor digit nor one of _.+-."""
    return re.sub(r"[^\w.+-]+", "-", label).strip("-").lower()
