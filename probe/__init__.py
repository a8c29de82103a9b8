"""Read a trajectory out of a trained transformer."""

from probe.extract import extract as extract
from probe.models import models as models
from probe.prompts import prompts as prompts
