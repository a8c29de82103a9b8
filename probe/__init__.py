"""Read a trajectory out of a trained transformer, and the dynamics that its attention has learned."""

import metasphere

metasphere.check(__name__)

from probe.extraction import extract as extract
from probe.learned_operators import operators as operators
from probe.registry import models as models
from probe.texts import prompts as prompts
