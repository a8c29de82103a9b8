"""The number of tokens of a text against the collapse, the clusters and the head temperatures of trained models."""

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import probe
from compare.analyses.head_context import long_context
from compare.experiments.experiment import Experiment
from compare.experiments.shared.embedded import embedded
from compare.experiments.shared.over_texts import stated, with_interval
from compare.metrics.measurement import measure
from compare.metrics.pairwise import kept, mean_cosine
from compare.plotting import COLOURS
from compare.study.readings import loaded_once, with_rogue
from probe.controls import length_sweep
from probe.loading import LoadedModel, model_digest
from probe.texts import Prompt
from sim import Trajectory

LENGTHS = (32, 64, 128, 256)
WEIGHTS = {"trained": "-", "random": "--"}
VARIABLES = {
    "mean_cosine": ("mean cosine after the last block", "1"),
    "late_excess": ("cluster life less its null, mean of the last third of the blocks", "nat"),
    "beta": ("beta_eff matched to the entropy of the rows, median over the heads of all blocks", "1"),
    "beta_alone": ("slope of the logits in the cosines alone, median over the heads of all blocks", "1"),
    "beta_given_place": (
        "slope of the logits in the cosines beside places, median over the heads of all blocks",
        "1",
    ),
    "strength": ("beta_eff (1 - mean cosine) / log n, median over the heads of all blocks", "1"),
    "merging_heads": ("share of heads with beta_eff (1 - mean cosine) / log n below 1", "1"),
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """The first 32 to 256 tokens of a long text a class through each model, trained and with random weights.

    In the table: the `VARIABLES`, over (model, weights, text, length), and ``log_context``, the mean over the kept
    queries of the log of the number of keys that they see: ln n without a mask (`compare.analyses.head_context`).
    Points are those of the frame ``"layernorm"``, and where `compare.measure` reads them without the rogue coordinates
    of the model as trained; tokens those that `compare.metrics.exclusions` keeps; repeated ones are left out, and a
    longer text has more of them.

    Each length is read afresh, except that a causal model's first tokens cannot see what follows: there a shorter run
    is the beginning of a longer one. Random weights take another seed for each text. `quick` has lengths 32 and 64 of
    three texts through two models.
    """
    models = embedded()[:: 3 if quick else 1]
    prompts = [prompt for prompt in probe.prompts().values() if prompt.length == "long"][
        : 3 if quick else None
    ]
    lengths, draws = (LENGTHS[:2], 9) if quick else (LENGTHS, 19)
    rows = []
    for name in models:
        files = model_digest(name)
        loaded = loaded_once(name, None, files)
        treated = partial(with_rogue, model=name, revision=None, files=files)
        rows.append(
            [
                [
                    _measured(loaded, treated, prompt, lengths, weights, draws, seed + t)
                    for t, prompt in enumerate(prompts)
                ]
                for weights in WEIGHTS
            ]
        )
    names = (*VARIABLES, "log_context")
    table = xr.Dataset(
        {
            name: (("model", "weights", "text", "length"), column)
            for name, column in zip(names, np.moveaxis(np.array(rows), -1, 0))
        },
        coords={
            "model": models,
            "weights": list(WEIGHTS),
            "text": [prompt.name for prompt in prompts],
            "length": ("length", list(lengths), {"units": "token"}),
        },
    )
    for name, (words, unit) in VARIABLES.items():
        table[name].attrs = {"long_name": words, "units": unit}
    table["log_context"].attrs = {"long_name": "log of the number of keys that a query sees", "units": "nat"}
    return table.assign_attrs(finding=finding(table))


def _measured(
    loaded: LoadedModel,
    treated: Callable[[Trajectory], Trajectory],
    prompt: Prompt,
    lengths: tuple[int, ...],
    weights: str,
    draws: int,
    seed: int,
) -> list[list[float]]:
    """The `VARIABLES` and ``log_context``, a row for each length."""
    rows = []
    options = {"frame": "layernorm", "attention": True, "init": weights, "seed": seed}
    for trajectory in map(treated, length_sweep(loaded, prompt.text, lengths, **options)):
        heads = long_context(trajectory)
        late = measure(trajectory, preset="calibrated", draws=draws)["late_excess"].sel(variant="base")
        rows.append(
            [
                float(mean_cosine(trajectory.points[-1:, kept(trajectory, None)])[0]),
                float(late),
                *(
                    float(heads[name].median())
                    for name in ("beta_entropy", "beta_regression", "beta_given_place")
                ),
                float(heads["strength"].median()),
                float((heads["strength"] < 1).mean()),
                float(heads["log_context"]),
            ]
        )
    return rows


def growth(table: xr.Dataset, name: str) -> xr.DataArray:
    """Least-squares slope of a variable in ``log_context``; (model, weights, text)."""
    context = table["log_context"] - table["log_context"].mean("length")
    return (context * table[name]).sum("length") / (context**2).sum("length")


def finding(table: xr.Dataset) -> str:
    """The sentences, from the table alone."""
    first, last = (int(table["length"][place]) for place in (0, -1))
    trained = table.sel(weights="trained")
    sentences = [f"From {first} to {last} tokens:"]
    for model in table["model"].values:
        one = trained.sel(model=model)
        short, long = one.isel(length=0), one.isel(length=-1)
        slopes = [growth(table, name).sel(model=model) for name in ("mean_cosine", "beta", "strength")]
        sentences.append(
            f"{model}: mean cosine {stated(short['mean_cosine'])} to {stated(long['mean_cosine'])}, "
            f"{stated(slopes[0].sel(weights='trained'), 3)} a unit of log n (random weights "
            f"{stated(slopes[0].sel(weights='random'), 3)}); late excess at most "
            f"{float(one['late_excess'].mean('text').max()):.2f} nat; beta_eff {stated(short['beta'])} to "
            f"{stated(long['beta'])}, {stated(slopes[1].sel(weights='trained'))} a unit of log n (random "
            f"{stated(slopes[1].sel(weights='random'))}), as a slope in the cosines {stated(short['beta_alone'])} to "
            f"{stated(long['beta_alone'])} alone and {stated(short['beta_given_place'])} to "
            f"{stated(long['beta_given_place'])} beside places; "
            f"beta_eff (1 - rho)/log n {stated(short['strength'])} to {stated(long['strength'])}, "
            f"{stated(slopes[2].sel(weights='trained'), 3)} a unit, and "
            f"{100 * float(long['merging_heads'].mean()):.0f} % of the heads below 1 at {last}."
        )
    return " ".join(sentences)


def draw(table: xr.Dataset) -> Figure:
    """Each variable against the number of tokens, trained and random."""
    figure = Figure(figsize=(15, 6.4))
    panels = figure.subplots(2, 4)
    *axes, key = panels.ravel()
    titles = (
        "Mean cosine, last block",
        "Clusters beyond the null",
        "Heads: how sharp",
        "Heads: by cosine alone",
    )
    titles += (
        "Heads: beside place",
        "Inverse temperature against log n",
        "Heads on the merging side",
    )
    labels = (
        "mean cosine",
        "late excess (nat)",
        *["beta_eff, median head"] * 3,
        "beta_eff (1 - rho) / log n",
    )
    labels += ("share of heads below 1",)
    spread = np.exp(0.02 * (np.arange(table.sizes["model"]) - table.sizes["model"] / 2))
    for panel, name, title, label in zip(axes, VARIABLES, titles, labels):
        found = with_interval(table[name])
        for model, colour, shift in zip(table["model"].values, COLOURS, spread):
            for weights, style in WEIGHTS.items():
                one = found.sel(model=model, weights=weights)
                reach = np.abs(np.stack([one["low"], one["high"]]) - one["mean"].values)
                panel.errorbar(
                    one["length"] * shift,
                    one["mean"],
                    reach,
                    linestyle=style,
                    color=colour,
                    marker="o",
                    markersize=3,
                    label=f"{model}, {weights} weights",
                )
        panel.set_xscale("log", base=2)
        panel.set_xticks(table["length"].values, [str(length) for length in table["length"].values])
        panel.minorticks_off()
        panel.set(title=title, ylabel=label, xlabel="tokens n")
    for panel in (axes[0], axes[6]):
        panel.set_ylim(-0.03, 1.03)
    matters = axes[1].axhline(0.25, color="black", linestyle=":", linewidth=1)
    critical = axes[5].axhline(1, color="black", linewidth=1)
    key.axis("off")
    lines, names = axes[0].get_legend_handles_labels()
    names += ["smallest excess that matters", "critical in the theorem"]
    key.legend(
        [*lines, matters, critical],
        names,
        loc="center",
        title="bars: 95 % interval over texts\nrho: mean cosine that a head reads",
    )
    return figure


EXPERIMENT = Experiment(
    name="lengths",
    place=11,
    question="How do mean cosine, clusters and beta_eff of trained models depend on the number of tokens?",
    source="2510.05554 (P11: attention merges its context where beta (1 - rho) < log n); the post's length sweep",
    run=run,
    draw=draw,
)
