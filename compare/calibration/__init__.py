"""Power and false alarms of the judge, on trajectories of known truth that go through the whole pipeline."""

from compare.calibration.registry import GENERATORS as GENERATORS
from compare.calibration.summary import rows as rows
from compare.calibration.trial import calibrate as calibrate
from compare.calibration.trial import command as command
