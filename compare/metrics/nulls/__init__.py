"""Null models: trajectories and attention that keep what is not claimed and lose what is.

`token_rotations` is the null that H1 to H3 are decided by, `mask_matched` that of attention. That of the value path is
in `probe.spectra`, and the controls of a model, random weights and shuffled or repeated tokens, are runs of their own
(`probe.extract`).
"""

from compare.metrics.nulls.locality import mask_matched as mask_matched
from compare.metrics.nulls.rotation import token_rotations as token_rotations
