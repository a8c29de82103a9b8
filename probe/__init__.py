"""Read a trajectory out of a trained transformer, and the dynamics that its attention has learned."""

from typing import TYPE_CHECKING

import metasphere

metasphere.check(__name__)

from sim.lazy import lazy_names

if TYPE_CHECKING:
    from probe.extraction import extract as extract
    from probe.learned_operators import operators as operators
    from probe.registry import models as models
    from probe.texts import prompts as prompts
else:
    __all__, __getattr__, __dir__ = lazy_names(__name__)
