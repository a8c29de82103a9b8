"""The attention of trained models with other value matrices, and the speed at which it collapses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import probe
from compare.analyses.collapse_speed import COLLAPSED
from compare.experiments.experiment import Experiment
from compare.experiments.shared.embedded import embedded
from compare.experiments.shared.over_texts import stated, with_interval
from compare.metrics.pairwise import kept, mean_cosine
from compare.plotting import COLOURS
from compare.statistics import association
from compare.study.plan import MAX_TOKENS
from compare.study.subjects import Text, default_texts
from probe.counterfactual import KINDS, counterfactual
from probe.dynamics import layer_by_layer, repeat
from probe.loading import LoadedModel, load
from probe.spectra import spectra
from sim.attention import Attention
from sim.trajectory import Trajectory

TRAINED = "as trained"
MATRICES = (TRAINED, *KINDS)
STRENGTHS = ("zero", "halved", TRAINED, "doubled")

STYLES: dict[str, dict[str, Any]] = {
    TRAINED: {"color": "black", "linewidth": 2.4},
    "zero": {"color": "black", "linestyle": ":"},
    "halved": {"color": "black", "linestyle": "--", "linewidth": 1.0},
    "doubled": {"color": "black", "linestyle": "-.", "linewidth": 1.0},
    "sign flipped": {"color": COLOURS[1]},
    "spectrum shuffled": {"color": COLOURS[0]},
    "symmetric": {"color": COLOURS[2]},
    "identity": {"color": COLOURS[4]},
    "gradient": {"color": COLOURS[3]},
}
MARKERS = dict(zip(STYLES, "osvXD^P*<"))


def run(seed: int, quick: bool) -> xr.Dataset:
    """Each model's attention on each text, with its own value matrices and with every counterfactual.

    In the table: ``mean_cosine`` (model, matrix, text, layer) of the attention and the norms alone, from the model's
    own first state; ``flow_cosine`` (model, matrix, text, time), where the layers are one (ALBERT), of the second
    layer's attention as a flow from the model's own state after the first; ``whole_cosine`` (model, text, layer) of the
    model with its feed-forward parts; ``speed`` and ``flow_speed``, minus the least-squares slopes of
    ln(1 - mean cosine) while 1 - mean cosine is above 1e-5; ``fit``, the R^2 of the line whose slope is ``speed``,
    which is no rate where that is low; ``spectral_radius`` (model, matrix) of O V, all heads together, the mean over
    layers.

    ``"spectrum shuffled"`` is drawn anew for each text, so that the interval over texts holds that chance too. `quick`
    has the two ALBERTs and two texts of 32 tokens, and no flow.
    """
    models = embedded("albert" if quick else None)
    texts, tokens = (default_texts()[:2], 32) if quick else (default_texts(), MAX_TOKENS)
    rows: dict[str, list] = {name: [] for name in ("mean_cosine", "flow_cosine", "whole_cosine", "radius")}
    for name in models:
        loaded = load(name)
        layers = np.array([_layers(loaded, matrix, texts, tokens, seed) for matrix in MATRICES])
        rows["mean_cosine"].append(layers)
        flows = loaded.family.iterates(loaded.model.config) and not quick
        rows["flow_cosine"].append(
            [_flow(loaded, matrix, texts, tokens, seed, layers.shape[-1]) for matrix in MATRICES]
            if flows
            else np.full_like(layers, np.nan)
        )
        rows["whole_cosine"].append(
            [_cosine(probe.extract(loaded, text.text, "layernorm", max_tokens=tokens)) for text in texts]
        )
        fields = probe.operators(loaded)
        rows["radius"].append([_spectral_radius(fields, matrix, seed) for matrix in MATRICES])
    of_run = ("model", "matrix", "text")
    table = xr.Dataset(
        {
            "mean_cosine": (
                (*of_run, "layer"),
                np.array(rows["mean_cosine"]),
                {"long_name": "mean cosine of the attention and the norms alone"},
            ),
            "flow_cosine": (
                (*of_run, "layer"),
                np.array(rows["flow_cosine"]),
                {"long_name": "mean cosine of the second layer's attention as a flow"},
            ),
            "whole_cosine": (
                ("model", "text", "layer"),
                np.array(rows["whole_cosine"]),
                {"long_name": "mean cosine of the model with its feed-forward parts"},
            ),
            "spectral_radius": (
                ("model", "matrix"),
                np.array(rows["radius"]),
                {"long_name": "spectral radius of O V, all heads together, mean over layers"},
            ),
        },
        coords={
            "model": models,
            "matrix": list(MATRICES),
            "text": [text.name for text in texts],
            "family": ("model", [probe.models()[name].family for name in models]),
            "width": ("model", [probe.models()[name].width for name in models]),
        },
    )
    for name, cosine in (("speed", table["mean_cosine"]), ("flow_speed", table["flow_cosine"])):
        table[name] = speed(cosine).assign_attrs(long_name="speed of collapse", units="1/layer")
    table["fit"] = fit(table["mean_cosine"]).assign_attrs(long_name="R^2 of the fit of speed", units="1")
    return table.assign_attrs(finding=finding(table))


def speed(cosine: xr.DataArray) -> xr.DataArray:
    """-d ln(1 - mean cosine) per ``layer``; NaN with fewer than 3 values above collapse."""

    def slope(values: Float[np.ndarray, " layer"]) -> float:
        used, log_gap = _above_collapse(values)
        return -np.polyfit(used, log_gap, 1)[0] if len(used) > 2 else np.nan

    return xr.apply_ufunc(slope, cosine, input_core_dims=[["layer"]], vectorize=True)


def fit(cosine: xr.DataArray) -> xr.DataArray:
    """R^2 of the line whose slope is minus `speed`: 1 for an exponential collapse; NaN where `speed` is."""

    def explained(values: Float[np.ndarray, " layer"]) -> float:
        used, log_gap = _above_collapse(values)
        return np.corrcoef(used, log_gap)[0, 1] ** 2 if len(used) > 2 else np.nan

    return xr.apply_ufunc(explained, cosine, input_core_dims=[["layer"]], vectorize=True)


def _above_collapse(
    cosine: Float[np.ndarray, " layer"],
) -> tuple[Int[np.ndarray, " used"], Float[np.ndarray, " used"]]:
    """The layers with 1 - mean cosine above 1e-5, and its logarithm there."""
    gap = 1 - cosine
    used = np.flatnonzero(gap > COLLAPSED)
    return used, np.log(gap[used])


def _cosine(trajectory: Trajectory) -> Float[np.ndarray, " depth"]:
    return mean_cosine(trajectory.points[:, kept(trajectory, None)])


def _kind(matrix: str) -> str | None:
    return None if matrix == TRAINED else matrix


def _layers(
    loaded: LoadedModel, matrix: str, texts: Sequence[Text], tokens: int, seed: int
) -> list[Float[np.ndarray, " layer"]]:
    return [
        _cosine(layer_by_layer(loaded, text.text, value=_kind(matrix), seed=seed + place, max_tokens=tokens))
        for place, text in enumerate(texts)
    ]


def _flow(
    loaded: LoadedModel, matrix: str, texts: Sequence[Text], tokens: int, seed: int, depths: int
) -> list[Float[np.ndarray, " layer"]]:
    """Layer 0 reads the embedding, which no norm made, so that layer 1 runs, from the state that it reads itself."""
    options = {"start": 1, "value": _kind(matrix), "rtol": 1e-4, "atol": 1e-6, "max_tokens": tokens}
    return [
        _cosine(repeat(loaded, text.text, 1, np.arange(depths), seed=seed + place, **options))
        for place, text in enumerate(texts)
    ]


def _spectral_radius(fields: Sequence[Attention], matrix: str, seed: int) -> float:
    """Mean over layers; 0 for a matrix of rank 0, whose spectrum `spectra` leaves open."""
    if (kind := _kind(matrix)) is not None:
        distinct = {id(field): field for field in fields}
        changed = {
            key: counterfactual(field, kind, (seed, place))
            for place, (key, field) in enumerate(distinct.items())
        }
        fields = [changed[id(field)] for field in fields]
    return float(spectra(fields, together=True, draws=0)["spectral_radius"].fillna(0).mean())


def wider(table: xr.Dataset) -> xr.DataArray:
    """Speed of the wide ALBERT less that of the narrow one, with the same kind of matrix; (matrix, text)."""
    pair = table["speed"].where(table["family"] == "albert", drop=True).sortby("width")
    return pair.isel(model=-1, drop=True) - pair.isel(model=0, drop=True)


def finding(table: xr.Dataset) -> str:
    """The sentences, from the table alone."""
    sentences = []
    for model in table["model"].values:
        own, radius = table["speed"].sel(model=model), table["spectral_radius"].sel(model=model)
        mean, more = own.mean("text"), own - own.sel(matrix=TRAINED)
        lowest, highest = (str(found.values) for found in (mean.idxmin("matrix"), mean.idxmax("matrix")))
        linked = association(radius.values, mean.values)
        explained = table["fit"].sel(model=model).median("text")
        worst, best = (
            str(found.values) for found in (explained.idxmin("matrix"), explained.idxmax("matrix"))
        )
        sentences.append(
            f"{model}: the attention alone collapses at {stated(own.sel(matrix=TRAINED))} a layer with its own V; "
            f"all {len(mean)} matrices: {float(mean.sel(matrix=lowest)):.3f} ({lowest}) to "
            f"{float(mean.sel(matrix=highest)):.3f} ({highest}). R^2 of these fits, median over texts: "
            f"{float(explained.sel(matrix=TRAINED)):.2f} with its own V; all "
            f"{len(mean)} matrices: {float(explained.sel(matrix=worst)):.2f} ({worst}) to "
            f"{float(explained.sel(matrix=best)):.2f} ({best}), their median {float(explained.median()):.2f}; where "
            f"it is low the speed is no rate. Its sign flipped, which keeps the spectral radius, adds "
            f"{stated(more.sel(matrix='sign flipped'))}, other directions for its singular values "
            f"{stated(more.sel(matrix='spectrum shuffled'))}, no V at all {stated(more.sel(matrix='zero'))}; of no, "
            f"half, its own and twice its V the slowest is: "
            f"{mean.sel(matrix=list(STRENGTHS)).idxmin('matrix').values}. Rank correlation of speed with the spectral "
            f"radius of O V over {len(mean)} matrices: {linked.correlation:.2f} ({linked.low:.2f} to "
            f"{linked.high:.2f})."
        )
    ends = with_interval(wider(table))
    slower, faster = (int(count) for count in ((ends["high"] < 0).sum(), (ends["low"] > 0).sum()))
    sentences.append(
        f"The wide ALBERT is slower than the narrow one with {slower} of the {ends.sizes['matrix']} kinds of V and "
        f"faster with {faster}" + (", so that width alone says neither." if slower and faster else ".")
    )
    return " ".join(sentences)


def draw(table: xr.Dataset) -> Figure:
    """Mean cosine over the layers with each matrix, and the speeds against the spectral radius; a column a model."""
    figure = Figure(figsize=(12, 6.8))
    cosines, speeds = figure.subplots(2, table.sizes["model"], sharey="row", squeeze=False)
    layers = np.arange(table.sizes["layer"])
    for model, above, below in zip(table["model"].values, cosines, speeds):
        one = table.sel(model=model)
        above.plot(
            layers,
            one["whole_cosine"].mean("text"),
            color="0.8",
            linewidth=4,
            label="with feed-forward parts",
        )
        for matrix, style in STYLES.items():
            mean = one["mean_cosine"].sel(matrix=matrix).mean("text")
            above.plot(layers, mean, marker=MARKERS[matrix], markevery=[-1], label=f"V {matrix}", **style)
        above.set(title=model, xlabel="layer", ylim=(-0.05, 1.03))
        _speeds(below, one)
    cosines[0].set_ylabel("mean cosine")
    speeds[0].set_ylabel("speed of collapse (1/layer)")
    lines, names = cosines[0].get_legend_handles_labels()
    speeds_of = {"filled: layer by layer, 95 % over texts": "0.5"}
    if table["flow_speed"].notnull().any():
        speeds_of["hollow: second layer as a flow"] = "none"
    filled = [
        Line2D([], [], marker="h", color="0.5", markerfacecolor=fill, linewidth=0)
        for fill in speeds_of.values()
    ]
    figure.legend([*lines, *filled], [*names, *speeds_of], loc="outside lower center", ncols=4)
    return figure


def _speeds(axes: Axes, one: xr.Dataset) -> None:
    """Filled: layer by layer, with intervals; hollow: the flow, where there is one."""
    found, flow = with_interval(one["speed"]), with_interval(one["flow_speed"])
    for matrix, marker in MARKERS.items():
        radius, colour = float(one["spectral_radius"].sel(matrix=matrix)), STYLES[matrix]["color"]
        for ends, fill in ((found.sel(matrix=matrix), colour), (flow.sel(matrix=matrix), "none")):
            mean = float(ends["mean"])
            reach = [[mean - float(ends["low"])], [float(ends["high"]) - mean]]
            axes.errorbar(
                radius,
                mean,
                reach,
                fmt=marker,
                color=colour,
                markerfacecolor=fill,
                markersize=6,
                elinewidth=1,
            )
    axes.set(xlabel="spectral radius of O V")


EXPERIMENT = Experiment(
    name="value_matrices",
    place=9,
    question="Does the value matrix set the speed of collapse, and by its spectral radius, its sign or its directions?",
    source="the post, Group E and H5: the spectral radius of V governs collapse, and not the dimension",
    run=run,
    draw=draw,
)
