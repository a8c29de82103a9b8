"""Pictures: functions that take data, draw on axes and return them."""

from compare.plot.grid import sweep as sweep
