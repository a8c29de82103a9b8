"""The theory of token clustering, run: attention as a flow on the sphere, its energy, and its trajectories."""

from typing import TYPE_CHECKING

import metasphere

metasphere.check(__name__)

from sim.lazy import lazy_names

if TYPE_CHECKING:
    from sim.attention import Attention as Attention
    from sim.integration import Outcome as Outcome
    from sim.integration import simulate as simulate
    from sim.interaction_energy import energy as energy
    from sim.mean_field import simulate_mean_field as simulate_mean_field
    from sim.mergers.record import Coalescence as Coalescence
    from sim.mergers.record import Ending as Ending
    from sim.mergers.solver import coalesce as coalesce
    from sim.sphere import caps as caps
    from sim.sphere import ring as ring
    from sim.sphere import simplex as simplex
    from sim.sphere import uniform as uniform
    from sim.sweeps.sweep import sweep as sweep
    from sim.trajectory import Trajectory as Trajectory
else:
    __all__, __getattr__, __dir__ = lazy_names(__name__)
