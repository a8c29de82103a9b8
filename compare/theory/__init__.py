"""Closed forms and bounds of the theory, for data to be held against. NumPy in, NumPy out; arguments broadcast.

Time is that of SA, x' = P softmax(beta G) X, or of USA on the metastability clock of 2410.06833 with rates
e^(beta (<x, y> - 1))/n; `clock="survey"` asks for the rates e^(beta <x, y>)/n of 2312.10794, e^beta times faster.
"""

from typing import TYPE_CHECKING

from sim.lazy import lazy_names

if TYPE_CHECKING:
    from compare.theory.circle import pull as pull
    from compare.theory.circle import pull_peak as pull_peak
    from compare.theory.circle import pull_slope as pull_slope
    from compare.theory.coarsening import coarsening_count as coarsening_count
    from compare.theory.coarsening import coarsening_gap as coarsening_gap
    from compare.theory.consensus import gamma as gamma
    from compare.theory.consensus import gamma_deficit_bound as gamma_deficit_bound
    from compare.theory.consensus import gamma_log_time as gamma_log_time
    from compare.theory.consensus import gamma_time as gamma_time
    from compare.theory.effective_context import effective_context_beta as effective_context_beta
    from compare.theory.effective_context import effective_tokens as effective_tokens
    from compare.theory.gluing import Staircase as Staircase
    from compare.theory.gluing import collision_radius as collision_radius
    from compare.theory.gluing import plateau_limit as plateau_limit
    from compare.theory.gluing import staircase as staircase
    from compare.theory.hemisphere import cone_rate_bound as cone_rate_bound
    from compare.theory.hemisphere import consensus_rate as consensus_rate
    from compare.theory.hemisphere import hemisphere_probability as hemisphere_probability
    from compare.theory.instability import cluster_angles as cluster_angles
    from compare.theory.instability import cluster_count as cluster_count
    from compare.theory.instability import cluster_threshold as cluster_threshold
    from compare.theory.instability import critical_beta as critical_beta
    from compare.theory.instability import growth_rate as growth_rate
    from compare.theory.instability import onset_time as onset_time
    from compare.theory.long_context import critical_context_beta as critical_context_beta
    from compare.theory.long_context import long_context_limit as long_context_limit
    from compare.theory.long_context import output_cosine as output_cosine
    from compare.theory.mergers import antipodal_escape_time as antipodal_escape_time
    from compare.theory.mergers import causal_merge_time as causal_merge_time
    from compare.theory.mergers import closest_pair_log_time as closest_pair_log_time
    from compare.theory.mergers import log_causal_merge_time as log_causal_merge_time
    from compare.theory.mergers import log_merge_time as log_merge_time
    from compare.theory.mergers import merge_displacement as merge_displacement
    from compare.theory.mergers import merge_time as merge_time
    from compare.theory.normalisation import Speeds as Speeds
    from compare.theory.normalisation import layer_time as layer_time
    from compare.theory.normalisation import norm_invariant as norm_invariant
    from compare.theory.normalisation import normalisation_speeds as normalisation_speeds
    from compare.theory.phase import phase_beta as phase_beta
    from compare.theory.phase import phase_curve as phase_curve
    from compare.theory.positions import harmonic_influence as harmonic_influence
    from compare.theory.positions import positional_influence as positional_influence
    from compare.theory.positions import u_shape_time as u_shape_time
    from compare.theory.random_weights import homogenised as homogenised
    from compare.theory.renyi import centre_count_bounds as centre_count_bounds
    from compare.theory.renyi import centre_lifetime as centre_lifetime
    from compare.theory.renyi import frozen_centres_hold as frozen_centres_hold
    from compare.theory.renyi import frozen_weight_limit as frozen_weight_limit
    from compare.theory.renyi import parking_count as parking_count
    from compare.theory.renyi import strong_centre_count as strong_centre_count
    from compare.theory.ring import escape_rate as escape_rate
    from compare.theory.ring import escape_rates as escape_rates
    from compare.theory.trapping import SharpTrapping as SharpTrapping
    from compare.theory.trapping import TrappingBounds as TrappingBounds
    from compare.theory.trapping import cap_contraction_bound as cap_contraction_bound
    from compare.theory.trapping import mean_field_log_escape as mean_field_log_escape
    from compare.theory.trapping import separation as separation
    from compare.theory.trapping import separation_margin as separation_margin
    from compare.theory.trapping import sharp_trapping as sharp_trapping
    from compare.theory.trapping import trapping_bounds as trapping_bounds
else:
    __all__, __getattr__, __dir__ = lazy_names(__name__)
