"""The theory of token clustering, run: attention as a flow on the sphere, its energy, and its trajectories."""

from sim.attention import Attention as Attention
from sim.coalesce import coalesce as coalesce
from sim.coalescence import Coalescence as Coalescence
from sim.coalescence import Ending as Ending
from sim.energy import energy as energy
from sim.simulate import Outcome as Outcome
from sim.simulate import simulate as simulate
from sim.sphere import caps as caps
from sim.sphere import ring as ring
from sim.sphere import simplex as simplex
from sim.sphere import uniform as uniform
from sim.sweep import sweep as sweep
from sim.trajectory import Trajectory as Trajectory
