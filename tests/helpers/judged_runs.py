"""Runs whose measured numbers are put in by hand, and what the judge says of them."""

import json
from dataclasses import replace
from unittest import mock

import numpy as np
import xarray as xr

import compare
from compare.judging.group import Group
from compare.judging.limits import Plants
from compare.judging.planted_falls import Energies, Fallen
from compare.metrics.calibrated.held_out import CLUSTERS, VARIABLES
from sim import Trajectory
from sim.sphere import normalise
from tests.helpers.few_draws import few_draws

TOKENS, DEPTHS, RUNS = 40, 9, 9
VARIANTS = ["base", "component 0.05", "component 0.12", "successive 0.7", "successive 0.9"]


def random(*seed):
    return np.random.default_rng(seed)


def trajectory(points=None, depth=None, axis="layer", norms=None, **facts):
    points = random(0).standard_normal((DEPTHS, TOKENS, 3)) if points is None else points
    depth = np.arange(len(points), dtype=float) if depth is None else depth
    return Trajectory(normalise(points), depth, axis=axis, norms=norms, provenance=facts)


def measured(
    run, late=0.0, gain=0.0, share=0.0, stage=0.0, varied=(0, 0, 0, 0), gate=3.0, first=(-1, -1), **changed
):
    """What `measure(preset="calibrated")` would say, with the numbers put in by hand."""
    depths, tokens, _ = run.points.shape
    shifts = np.array([0, *varied], float)
    held = {
        "late_excess": ("variant", late + shifts),
        "gain": ("variant", gain + shifts),
        "plateau_share_effect": ("variant", share + shifts),
        "stage_excess": ("variant", stage + shifts),
        "late_closeness": ((), 0.0),
        "stage_closeness": ((), 0.0),
        "plateau_share": ((), max(share, 0.0)),
        "plateau_share_null": ("draw", np.zeros(5)),
        "first_plateau_start": ((), first[0]),
        "first_plateau_end": ((), first[1]),
        "mean_length": ("depth", np.linspace(0.1, 0.3, depths)),
        "cluster_label": (("depth", "token"), np.full((depths, tokens), -1)),
        "energy": ("depth", np.linspace(0.1, 0.5, depths)),
        "energy_noise": ("depth", np.full(depths, 1e-6)),
        "gate_z": ((), gate),
    }
    held |= {
        name: (("held_out_depth", "clusters"), np.full((3, len(CLUSTERS)), np.nan)) for name in VARIABLES
    }
    held |= {name: ((("depth",)[: np.ndim(value)]), value) for name, value in changed.items()}
    everything = {name: [] for name in ("special", "sinks", "duplicates", "rogue")}
    return xr.Dataset(
        held,
        coords={"kept": ("token", np.ones(tokens, bool)), "variant": VARIANTS},
        attrs={"treatment": json.dumps(everything), "beta": np.nan, "axis": run.axis},
    )


def judged(groups, **options):
    """`compare.judge` on groups given as lists of (trajectory, data set), where all that is planted would be seen."""
    with (
        few_draws(),
        mock.patch.object(Plants, "with_lives", _seen),
        mock.patch("compare.judging.hypotheses.energy.fallen", seen_falls),
    ):
        return compare.judge(
            {name: [run for run, _ in runs] for name, runs in groups.items()},
            measured={name: [data for _, data in runs] for name, runs in groups.items()},
            **options,
        )


def _seen(plants, draw):
    """Numbers that are clear of all bounds, in dynamics that are."""
    if draw not in plants._lives:
        clear = measured(plants.group.runs[0].trajectory, late=1.0, gain=1.0, share=0.5, stage=1.0)
        runs = tuple(replace(run, measured=clear) for run in plants.group.runs)
        plants._lives[draw] = Group(plants.group.name, runs, plants.group.controls)
    return plants._lives[draw]


def seen_falls(group, runs, share, draw):
    """Energies of which falls are exactly this share of all changes, in every run."""
    return [Fallen(Energies(np.array([0, 1 - share, 1 - 2 * share]), np.zeros(3)), True)] * len(runs)


def group(size=RUNS, **numbers):
    """A group of runs, numbers given one a run or one for all."""
    made = []
    for place in range(size):
        run = trajectory(label=f"run {place}")
        own = {name: value[place] if np.ndim(value) else value for name, value in numbers.items()}
        made.append((run, measured(run, **own)))
    return made


def around(mean, spread=0.05, size=RUNS):
    """Numbers with exactly this mean, evenly spread."""
    return mean + spread * np.linspace(-1, 1, size)


def model_run(prompt, late, init="trained", control=None, seed=0, **facts):
    own = {"model": "net", "prompt": prompt, "init": init, "control": control, "seed": seed} | facts
    run = trajectory(**own, label=" ".join(map(str, own.values())))
    return run, measured(run, late=late, gain=late)


def sweep(log_length, size=12, depths=400):
    """One run at each beta from 8 to 30, its first plateau from the second time on for as long as asked."""
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e14, depths)])
    points = np.tile(random(1).standard_normal((1, TOKENS, 3)), (len(times), 1, 1))
    made = []
    for place, beta in enumerate(np.linspace(8, 30, size)):
        run = trajectory(points, times, "time", beta=float(beta), label=f"beta {beta:g}")
        end = int(np.searchsorted(times, np.exp(log_length(beta, place))) - 1)
        made.append((run, measured(run, share=0.5, first=(2, end))))
    return made


def model_tables(models, sign):
    """Of each model the speed, which goes with the spectral radius or against it, and heads that follow the scale."""
    strength = random(12).uniform(0.1, 3, (6, 4, 5))
    heads = xr.Dataset(
        {
            name: (("text", "depth", "head"), values)
            for name, values in (
                ("strength", strength),
                ("merging", strength**2),
                ("effective_tokens", 1 / strength),
                ("self_weight", strength / (1 + strength)),
                ("foretold_self_weight", strength / (1 + strength)),
            )
        },
        coords={"text": [f"text {place}" for place in range(6)]},
    )
    return {
        f"net {place}": {
            "speed": xr.Dataset(
                attrs={
                    "per_layer": sign * place,
                    "spectral_radius": place,
                    "width": 64 + place % 3,
                    "blocks": 12 - place % 2,
                }
            ),
            "heads": heads,
        }
        for place in range(models)
    }
