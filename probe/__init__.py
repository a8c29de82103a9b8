"""Read a trajectory out of a trained transformer, and the dynamics that its attention has learned."""

from probe.extract import extract as extract
from probe.operators import operators as operators
from probe.prompts import prompts as prompts
from probe.registry import models as models
