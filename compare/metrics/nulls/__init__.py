"""What the data would look like without what is claimed of them.

`token_rotations` is the null that H1 to H3 are decided by. `mask_matched` is that of attention, `random_operators` that
of the value path. `gaussian_cloud` is the null that the first one replaces. The controls of a model, random weights
and shuffled or repeated tokens, are runs of their own (`probe.extract`).
"""

from compare.metrics.nulls.clouds import gaussian_cloud as gaussian_cloud
from compare.metrics.nulls.locality import mask_matched as mask_matched
from compare.metrics.nulls.operators import random_operators as random_operators
from compare.metrics.nulls.rotation import token_rotations as token_rotations
