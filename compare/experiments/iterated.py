"""ALBERT iterated beyond the depth at which it was trained: collapse, return or rest."""

from functools import partial

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import probe
from compare.experiments.experiment import Experiment
from compare.experiments.shared.embedded import embedded
from compare.experiments.shared.over_texts import stated, with_interval
from compare.metrics.calibrated.preset import own_beta
from compare.metrics.exclusions import apply, exclude
from compare.metrics.measurement import measure
from compare.metrics.pairwise import kept, mean_cosine, pair_energy
from compare.plotting import COLOURS
from compare.study.plan import MAX_TOKENS
from compare.study.readings import loaded_once, with_rogue
from compare.study.subjects import default_texts
from probe.loading import model_digest
from sim import Trajectory

ITERATIONS = 60
LATE = 20
CONSENSUS = 0.99
DELTA = 0.25
WEIGHTS = {"trained": "-", "random": "--"}
COLLAPSE = {
    1: "{} has collapsed",
    0: "It is not clear whether {} has collapsed",
    -1: "{} has not collapsed",
}
RETURN = {
    1: "tokens drift on",
    0: "it is not clear whether tokens come back",
    -1: "tokens come back",
}
VARIABLES = {
    "mean_cosine": ("iteration", "mean cosine", "1"),
    "cluster_life_excess": ("iteration", "cluster life less its null", "nat"),
    "energy": ("iteration", "energy of the pairs at the beta_eff of the trained weights", "1"),
    "moved": ("iteration", "angle between a token and itself one block before, mean over tokens", "rad"),
    "returned": ("lag", "angle between a token and itself `lag` blocks before, late", "rad"),
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """Both widths, trained and with random weights, one pass of 60 blocks on each text.

    In the table, over (model, weights, text): ``mean_cosine``, ``cluster_life_excess`` (as the preset ``calibrated``
    has it), ``energy`` and ``moved`` over ``iteration``; ``returned`` over ``lag``, the mean over the tokens and the
    last 20 iterations of the angle between a state and that of `lag` blocks before, which has a valley where tokens
    go round; ``native``, the number of blocks in training. ``beta`` (model, text) is the median beta_eff of the
    trained weights at native depth, and both weights have their energy at it. Points are those of the frame
    ``"layernorm"``, of the tokens that `compare.metrics.exclusions` keeps; the excess, beta and the energy are
    without the rogue coordinates of the model as trained.

    Random weights take another seed for each text. `quick` has three texts of 48 tokens and fewer null draws.
    """
    models = embedded("albert")
    texts, tokens, draws = (default_texts()[:3], 48, 9) if quick else (default_texts(), MAX_TOKENS, 39)
    betas, native = np.empty((len(models), len(texts))), np.empty(len(models), int)
    shape = len(models), len(WEIGHTS), len(texts)
    measured: dict[str, np.ndarray] = {}
    for m, name in enumerate(models):
        files = model_digest(name)
        loaded = loaded_once(name, None, files)
        treated = partial(with_rogue, model=name, revision=None, files=files)
        for t, text in enumerate(texts):
            own = treated(probe.extract(loaded, text.text, "layernorm", attention=True, max_tokens=tokens))
            native[m], betas[m, t] = own.depth[-1], own_beta(own, exclude(own))[0]
            for w, weights in enumerate(WEIGHTS):
                options = {"iterations": ITERATIONS, "init": weights, "seed": seed + t, "max_tokens": tokens}
                made = treated(probe.extract(loaded, text.text, "layernorm", **options))
                found = _measured(made, draws, betas[m, t])
                for key, values in found.items():
                    measured.setdefault(key, np.empty((*shape, len(values))))[m, w, t] = values
    table = xr.Dataset(
        {
            key: (
                ("model", "weights", "text", axis),
                measured[key],
                {"long_name": words, "units": unit},
            )
            for key, (axis, words, unit) in VARIABLES.items()
        }
        | {
            "beta": (("model", "text"), betas, {"long_name": "median beta_eff of the trained weights"}),
            "native": ("model", native, {"long_name": "blocks in training"}),
        },
        coords={
            "model": models,
            "weights": list(WEIGHTS),
            "text": [text.name for text in texts],
            "iteration": np.arange(ITERATIONS + 1),
            "lag": np.arange(1, LATE + 1),
        },
    )
    return table.assign_attrs(finding=finding(table))


def _measured(trajectory: Trajectory, draws: int, beta: float) -> dict[str, np.ndarray]:
    """The values of `VARIABLES` for one pass."""
    points = trajectory.points[:, kept(trajectory, None)]
    return {
        "mean_cosine": mean_cosine(points),
        "cluster_life_excess": measure(trajectory, preset="calibrated", draws=draws)[
            "cluster_life_excess"
        ].values,
        "energy": pair_energy(apply(trajectory, exclude(trajectory)), beta),
        "moved": np.append(np.nan, turned_angle(points, 1)),
        "returned": np.array([turned_angle(points, lag)[-LATE:].mean() for lag in range(1, LATE + 1)]),
    }


def turned_angle(points: Float[np.ndarray, "depth token d"], lag: int) -> Float[np.ndarray, " later"]:
    """Mean over tokens of the angle to where it was `lag` depths before, from the chord, which keeps its digits."""
    chords = np.linalg.norm(points[lag:] - points[:-lag], axis=-1)
    return (2 * np.arcsin(np.minimum(chords / 2, 1))).mean(axis=1)


def falls(table: xr.Dataset) -> xr.DataArray:
    """The falls of the energy beyond native depth, as a share of all its changes there; (model, weights, text)."""
    change = table["energy"].diff("iteration").where(table["iteration"] > table["native"])
    return (-change.clip(max=0)).sum("iteration") / abs(change).sum("iteration")


def closing(table: xr.Dataset) -> xr.DataArray:
    """-d ln(1 - mean cosine) per block over the last 20 iterations, from its two ends; (model, weights, text)."""
    gap = 1 - table["mean_cosine"]
    return xr.DataArray(np.log(gap.sel(iteration=ITERATIONS - LATE) / gap.sel(iteration=ITERATIONS)) / LATE)


def nearest_return(table: xr.Dataset) -> xr.DataArray:
    """How near tokens come to where they were 2 to 20 blocks before, over how far one block moves them.

    Below 1 they come back, above it they drift on; (model, weights, text).
    """
    return table["returned"].sel(lag=slice(2, None)).min("lag") / table["returned"].sel(lag=1)


def finding(table: xr.Dataset) -> str:
    """The sentences, from the table alone."""
    late = table["cluster_life_excess"].sel(iteration=slice(ITERATIONS - LATE + 1, None)).mean("iteration")
    table = table.assign(
        closing=closing(table), back=nearest_return(table), falls=100 * falls(table), late=late
    )
    return " ".join(_of_model(table.sel(model=model)) for model in table["model"].values)


def _of_model(one: xr.Dataset) -> str:
    trained, random = (one.sel(weights=weights) for weights in WEIGHTS)
    native, end = int(one["native"]), trained["mean_cosine"].sel(iteration=ITERATIONS)
    collapsed, turning = _side(end, CONSENSUS), _side(trained["back"], 1)
    nearest = trained["returned"].sel(lag=slice(2, None)).idxmin("lag")
    after = f", after {float(nearest.min()):.0f} to {float(nearest.max()):.0f} blocks" if turning < 0 else ""
    return (
        f"{COLLAPSE[collapsed].format(one['model'].item())} by block {ITERATIONS} (mean cosine above {CONSENSUS:g}): "
        f"{stated(trained['mean_cosine'].sel(iteration=native))} at its native {native} blocks and {stated(end)} then "
        f"(random weights {stated(random['mean_cosine'].sel(iteration=ITERATIONS), 3)}); late on, ln(1 - cosine) "
        f"falls by {stated(trained['closing'], 3)} a block (random {stated(random['closing'], 3)}). A block still "
        f"moves a token by {stated(trained['returned'].sel(lag=1))} rad (random "
        f"{stated(random['returned'].sel(lag=1))}), and {RETURN[turning]}: within "
        f"{LATE} blocks they come as near to where they were as {stated(trained['back'])} of one step (random "
        f"{stated(random['back'])}){after}. Late "
        f"cluster life less its null is {stated(trained['late'])} nat, where {DELTA:g} matters. Falls make "
        f"{stated(trained['falls'], 0)} % of the changes of the energy beyond native depth (random "
        f"{stated(random['falls'], 0)} %)."
    )


def _side(values: xr.DataArray, bar: float | int) -> int:
    """1 where the whole interval over texts is above the bar, -1 where it is below, 0 where neither is shown."""
    ends = with_interval(values)
    return int(ends["low"] > bar) - int(ends["high"] < bar)


def draw(table: xr.Dataset) -> Figure:
    """Mean cosine, clusters, energy and steps over the iterations, and how near tokens come back."""
    figure = Figure(figsize=(11, 6.4))
    panels = figure.subplots(2, 3)
    *axes, key = panels.ravel()
    titles = (
        "Mean cosine",
        "Clusters beyond the null",
        "Energy at beta_eff",
        "Step of a block",
        "Angle to an earlier state",
    )
    labels = (
        "mean cosine",
        "cluster life - null (nat)",
        "energy of pairs",
        "angle moved (rad)",
        "angle (rad)",
    )
    for panel, name, title, label in zip(axes, VARIABLES, titles, labels):
        along = VARIABLES[name][0]
        _lines(panel, table[name], along)
        panel.set(title=title, ylabel=label)
        if along == "iteration":
            panel.set_xlabel("blocks applied")
            for native in np.unique(table["native"]):
                panel.axvline(native, color="0.4", linestyle=":", linewidth=1)
    for panel in (axes[0], axes[2]):
        panel.set_ylim(0, 1.03)
    axes[1].axhline(DELTA, color=COLOURS[3], linewidth=1)
    axes[3].set_ylim(0, None)
    axes[4].set(xlabel=f"blocks before (mean over the last {LATE} iterations)", ylim=(0, None))
    key.axis("off")
    lines, names = axes[0].get_legend_handles_labels()
    native = axes[0].axvline(np.nan, color="0.4", linestyle=":")
    matters = axes[1].axhline(np.nan, color=COLOURS[3])
    names += ["blocks in training", "smallest excess that matters"]
    key.legend([*lines, native, matters], names, loc="center", title="bands: 95 % interval over texts")
    return figure


def _lines(panel: Axes, values: xr.DataArray, along: str) -> None:
    """A line a model and kind of weights, with the interval over texts as a band."""
    found = with_interval(values)
    for model, colour in zip(values["model"].values, COLOURS):
        for weights, style in WEIGHTS.items():
            one = found.sel(model=model, weights=weights)
            at = one[along].values
            panel.fill_between(at, one["low"], one["high"], color=colour, alpha=0.18, linewidth=0)
            panel.plot(at, one["mean"], style, color=colour, label=f"{model}, {weights} weights")


EXPERIMENT = Experiment(
    name="iterated",
    place=10,
    question="Beyond its native depth, does ALBERT collapse, come back or stay where it is?",
    source="the post, which iterates ALBERT up to 60 times; 2312.10794, where the flow ends in one cluster",
    run=run,
    draw=draw,
)
