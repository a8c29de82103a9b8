"""Charts and rows of a model's heads: temperature, preference for near tokens, context merging, value paths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.judging.chart import Axis, Chart, Level, Series

VALUE_PATHS = {
    "spectral_radius": "largest |eigenvalue| of O V",
    "symmetric_share": "symmetric share of |O V|^2",
    "repulsive_share": "share of eigenvalues with Re < 0",
    "numerical_highest": "largest <x, O V x>",
}
PER_HEAD = (
    "beta_entropy",
    "beta_regression",
    "r_squared",
    "gamma",
    "strength",
    "merging",
    "key_dimension",
    "effective_tokens",
    "self_weight",
    "foretold_self_weight",
)


@dataclass(frozen=True)
class HeadRow:
    """One head: medians over the texts. follow: ln of its attention within clusters over the null."""

    layer: float
    head: int
    beta_entropy: float
    beta_regression: float
    r_squared: float
    gamma: float
    strength: float
    merging: float
    key_dimension: float
    effective_tokens: float
    self_weight: float
    foretold_self_weight: float
    follow: float


def head_charts(name: str, table: xr.Dataset) -> list[Chart]:
    """beta_eff in two ways, how much cosines explain, and the long-context scale; one mark a head."""
    axis = Axis("layer that reads", whole=True)
    layers, names = _heads(table)

    def dots(variable: str, label: str, style: int = 0) -> Series:
        values = table[variable].median("text")
        finite = values.where(np.isfinite(values)).values.ravel()
        return Series(label, layers, finite, style, points=True, names=names)

    return [
        Chart(
            f"{name}: how sharply its heads look",
            axis,
            Axis("beta_eff by entropy", scale="log"),
            [dots("beta_entropy", "heads")],
            caption="Median over the texts; one mark a head. The beta at which attention to cosines alone would have "
            "the head's entropy.",
        ),
        Chart(
            f"{name}: what its heads look at",
            axis,
            Axis("beta_eff by regression"),
            [dots("beta_regression", "heads", 1)],
            [Level(0.0, "")],
            "Slope of log attention in cosines: above 0 a head prefers tokens near the one that asks.",
        ),
        Chart(
            f"{name}: how much of the logits cosines explain",
            axis,
            Axis("R^2", low=0.0, high=1.0),
            [dots("r_squared", "heads")],
            caption="Share of the variance of log attention within rows. Where it is small, beta_eff by regression "
            "says little.",
        ),
        Chart(
            f"{name}: the long-context scale",
            axis,
            Axis("beta_eff (1 - rho) / ln n", scale="log"),
            [dots("strength", "heads")],
            [Level(1.0, "critical: 1")],
            "Theory: below 1 a head merges its context as n grows, above it leaves tokens apart.",
        ),
        Chart(
            f"{name}: what the heads' weights do to the spread of tokens",
            axis,
            Axis("(1 - output cosine) / (1 - rho)"),
            [dots("merging", "heads")],
            [Level(1.0, "spread kept"), Level(0.0, "all merged")],
            "The attention weights of each head applied to the tokens themselves (V = I).",
        ),
        Chart(
            f"{name}: how many tokens its heads attend to",
            axis,
            Axis("N_eff beside the token itself", scale="log"),
            [dots("effective_tokens", "heads")],
            [Level(1.0, "as much as itself")],
            "From beta_eff (1 - rho), the tokens seen, and the dimension of the head's own keys. It is of heads that "
            "look for their like: only those give themselves the weight 1/(1 + N_eff).",
        ),
        Chart(
            f"{name}: the weight that its heads give to the token itself",
            Axis("1 / (1 + N_eff)", scale="log"),
            Axis("weight of the token itself", scale="log"),
            _self_weights(table),
            caption="On the line N_eff is what it says. Heads off it look for places or for other tokens, and N_eff is "
            "not the number that they attend to.",
        ),
    ]


def _heads(table: xr.Dataset) -> tuple[np.ndarray, list[str]]:
    """The layer of each head and its name, heads of a layer after each other."""
    layers, heads = np.meshgrid(table["depth"].values, np.arange(table.sizes["head"]), indexing="ij")
    pairs = zip(layers.ravel(), heads.ravel())
    return layers.ravel(), [f"layer {layer:g}, head {head}" for layer, head in pairs]


def _self_weights(table: xr.Dataset) -> list[Series]:
    """What heads give to the token itself against what N_eff says, and the line where they are equal."""
    middle = table[["foretold_self_weight", "self_weight"]].median("text")
    foretold, own = (middle[name].values.ravel() for name in ("foretold_self_weight", "self_weight"))
    ends = [foretold.min(), foretold.max()]
    measured = np.where(own > 0, own, np.nan)
    return [
        Series("as foretold", ends, ends, 1, grey=True),
        Series("heads", foretold, measured, points=True, names=_heads(table)[1]),
    ]


def head_energy_charts(name: str, table: xr.Dataset) -> list[Chart]:
    """How often energies fall: of single heads with their own Q and K, and of the sum of the heads of a block."""
    charts, nearest = [], float(table["alignment"].max())
    for step, words in (("attention", "over its attention"), ("block", "to the next block")):
        heads = (table["change"].sel(step=step) < 0).mean(("text", "head"))
        together = (table["sum_change"].sel(step=step) < 0).mean("text")
        charts.append(
            Chart(
                f"{name}: falls of the heads' own energies {words}",
                Axis("layer", whole=True),
                Axis("share that falls", low=0.0, high=1.0),
                [
                    Series("single heads", table["depth"].values, heads.values),
                    Series("sum over heads", table["depth"].values, together.values, 1),
                ],
                [Level(0.5, "aimless")],
                "Share of heads and texts, and of texts. In theory the sum cannot fall where weights are not "
                "normalised, no mask is, M = Q^T K is symmetric and O V is M; of these heads the nearest to M has an "
                f"O V at a cosine of {nearest:.2g} to it.",
            )
        )
    return charts


def head_rows(table: xr.Dataset, measured: Sequence[xr.Dataset]) -> list[HeadRow]:
    """One row a head, with what the calibrated measurements say of where it looks."""
    middle = table[list(PER_HEAD)].median("text")
    follow = _follow(measured)
    rows = []
    for place, layer in enumerate(table["depth"].values):
        for head in range(table.sizes["head"]):
            numbers = {name: float(middle[name].values[place, head]) for name in PER_HEAD}
            inside = follow[place, head] if place < len(follow) else np.nan
            rows.append(HeadRow(float(layer), head, follow=float(inside), **numbers))
    return rows


def _follow(measured: Sequence[xr.Dataset]) -> np.ndarray:
    """ln of attention within clusters over the null, mean over the runs where it is defined."""
    usable = [one for one in measured if "attention_follow" in one]
    if not usable:
        return np.empty((0, 0))
    each = [one["attention_follow"] - one["attention_follow_null"].mean("draw") for one in usable]
    return xr.concat(each, dim="text", join="override").mean("text").transpose("depth", "head").values


def value_path_charts(name: str, table: xr.Dataset) -> list[Chart]:
    """Each statistic by layer, one mark a head, over the band of random operators with the same singular values."""
    layers = np.arange(1, table.sizes["layer"] + 1)
    charts = []
    for statistic, label in VALUE_PATHS.items():
        null = table[f"{statistic}_null"].values.reshape(len(layers), -1)
        low, high = np.nanpercentile(null, (2.5, 97.5), axis=1)
        band = Series("null: same singular values, 95 %", layers, (low + high) / 2, 1, low, high, thin=True)
        x = np.repeat(layers, table.sizes["head"])
        names = [f"layer {layer}, head {head}" for layer in layers for head in range(table.sizes["head"])]
        dots = Series("heads", x, table[statistic].values.ravel(), 0, points=True, names=names)
        charts.append(Chart(f"{name}: {label}", Axis("layer", whole=True), Axis(label), [band, dots]))
    return charts
