"""One set of metrics on both instruments, the closed forms of the theory, the judge, and the report."""

from typing import TYPE_CHECKING

import metasphere

metasphere.check(__name__)

from sim.lazy import lazy_names

if TYPE_CHECKING:
    from compare import plot as plot
    from compare import theory as theory
    from compare.judging.contrast import contrast as contrast
    from compare.judging.judge import judge as judge
    from compare.judging.verdicts import Verdicts as Verdicts
    from compare.metrics.measurement import measure as measure
    from compare.published.criteria import published_criteria as published_criteria
    from compare.reporting.report import report as report
else:
    __all__, __getattr__, __dir__ = lazy_names(__name__)
