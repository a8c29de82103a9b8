"""Pictures: functions that take data, draw on axes and return them."""

from compare.plot.collapse_times import collapse_speed as collapse_speed
from compare.plot.grid import sweep as sweep
