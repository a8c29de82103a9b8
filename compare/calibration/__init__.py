"""The judge judged: trajectories of known truth through the whole pipeline, and how often it is right."""

from compare.calibration.calibrate import calibrate as calibrate
from compare.calibration.calibrate import command as command
from compare.calibration.registry import GENERATORS as GENERATORS
from compare.calibration.summary import rows as rows
