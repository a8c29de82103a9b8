"""What is measured on a run of the study: a preset of `compare.measure`, and of a simulation its own energy."""

from typing import Any

import numpy as np
import xarray as xr

from compare.metrics.measurement import measure
from sim import Trajectory, energy


def measure_run(trajectory: Trajectory, preset: str, **random: int) -> xr.Dataset:
    """What `compare.measure` says; under the published definitions also the energy at the beta of the dynamics."""
    table = measure(trajectory, preset=preset, **random)
    if preset == "published" and trajectory.provenance.get("beta") is not None:
        return table.assign(own_energy=_own_energy(trajectory))
    return table


def _own_energy(trajectory: Trajectory) -> tuple[str, np.ndarray, dict[str, Any]]:
    """E1 at the beta of the dynamics, the one energy of which a theorem says that it never falls."""
    beta = float(trajectory.provenance["beta"])
    attributes = {
        "long_name": "energy at the run's own beta",
        "units": "1",
        "source": "2410.06833",
        "definition": "E1 = sum_ij m_i m_j exp(beta (<x_i, x_j> - 1)) at the beta of the simulation; 1 at consensus",
        "beta": beta,
    }
    return "depth", np.asarray(energy(trajectory.points, beta, trajectory.masses)), attributes
