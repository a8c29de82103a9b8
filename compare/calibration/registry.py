"""Every generator by name."""

from types import MappingProxyType

from compare.calibration.claims import CLAIMS
from compare.calibration.falls import FALLS
from compare.calibration.mixtures import MIXTURES
from compare.calibration.models import MODELS
from compare.calibration.negatives import NEGATIVES
from compare.calibration.planted import PLANTED
from compare.calibration.positives import POSITIVES
from compare.calibration.sweeps import SWEEPS

GENERATORS = MappingProxyType(
    {
        each.name: each
        for each in (*POSITIVES, *MODELS, *PLANTED, *NEGATIVES, *MIXTURES, *SWEEPS, *FALLS, *CLAIMS)
    }
)
