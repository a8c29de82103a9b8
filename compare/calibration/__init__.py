"""The judge judged: trajectories of known truth through the whole pipeline, and how often it is right."""

from compare.calibration.registry import GENERATORS as GENERATORS
from compare.calibration.summary import rows as rows
from compare.calibration.trial import calibrate as calibrate
from compare.calibration.trial import command as command
