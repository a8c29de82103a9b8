"""One set of metrics on both instruments, the closed forms of the theory, the judge, and the report."""

from compare import theory as theory
from compare.criteria import published_criteria as published_criteria
from compare.judge import judge as judge
from compare.metrics import measure as measure
from compare.report.report import report as report
from compare.verdicts import Verdicts as Verdicts
