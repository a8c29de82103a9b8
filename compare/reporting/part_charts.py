"""Charts of a model's divergence from the theory, of the parts of its blocks, and of what its norms conserve."""

import numpy as np
import xarray as xr

from compare.analyses.divergence import MODEL
from compare.judging.chart import Axis, Chart, Level, Series

FOLLOWED = {
    "mean_cosine": "mean cosine of a pair",
    "energy": "energy E (off the diagonal)",
    "cluster_share": "clusters / tokens",
}
NORMS = {"gap": "1 - mean cosine", "radius": "length r of the residual", "product": "(1 - rho) r^2"}


def divergence_charts(name: str, table: xr.Dataset) -> list[Chart]:
    """Three quantities on the axis of effective time, mean over the texts."""
    charts = []
    for quantity, label in FOLLOWED.items():
        series = []
        for style, run in enumerate(table["run"].values):
            one = table.sel(run=run)
            x, y = one["time"].mean("text"), one[quantity].mean("text")
            if y.notnull().any():
                series.append(Series(str(run), x.values, y.values, style))
        charts.append(
            Chart(
                f"{name}: {label.split(' of')[0].split(' (')[0]} over effective time",
                Axis("effective time (units of t of SA)"),
                Axis(label),
                series,
                caption=divergence_caption(table, quantity),
            )
        )
    return charts


def divergence_caption(table: xr.Dataset, quantity: str) -> str:
    """In how many texts the model diverges from each run, from which depth on, and by which part of the block."""
    tolerance = table.attrs.get("tolerance", 0.1)
    sentences = []
    for against in table["against"].values:
        apart = abs(table[quantity].sel(run=MODEL) - table[quantity].sel(run=against)).max("depth")
        texts = int(apart.notnull().sum())
        depths = table["parting_depth"].sel(against=against, quantity=quantity)
        diverged = depths.dropna("text").values
        if not texts:
            continue
        if diverged.size:
            words = f"parts from the {against} in {diverged.size} of {texts} texts"
            words += f", at layer {np.median(diverged):g} (their median)"
            leading = table["leading_part"].sel(against=against, quantity=quantity).values.astype(str)
            led = [part for part in leading.ravel() if part]
            most = max(set(led), key=led.count).replace("_", "-") if led else ""
            sentences.append(words + (f", mostly by its {most} part" if most else ""))
        elif apart.max() <= tolerance:
            sentences.append(f"never parts from the {against} by more than {tolerance:g}")
        else:
            sentences.append(f"is within {tolerance:g} of the {against} again at the last layer")
    return f"The model {'; '.join(sentences)}." if sentences else ""


def part_charts(name: str, table: xr.Dataset) -> list[Chart]:
    """What each part of a block adds to the energy, mean over the texts, and cumulatively."""
    mean = table["change"].mean("text")
    depth, parts = table["depth"].values, table["part"].values
    series = [
        Series(str(part).replace("_", "-"), depth, mean.sel(part=part).values, n)
        for n, part in enumerate(parts)
    ]
    whole = Series("whole step", depth, table["total"].mean("text").values, 6)
    sums = [
        Series(str(part).replace("_", "-"), depth, np.cumsum(mean.sel(part=part).values), n)
        for n, part in enumerate(parts)
    ]
    both = Series("whole", depth, np.cumsum(table["total"].mean("text").values), 6)
    axis, zero = Axis("layer", whole=True), [Level(0.0, "")]
    caption = "Parts add up to the step exactly. Energy at the model's own beta, mean over the texts."
    return [
        Chart(
            f"{name}: energy change of each layer by part",
            axis,
            Axis("change of E"),
            [*series, whole],
            zero,
            caption,
        ),
        Chart(
            f"{name}: energy change up to each layer",
            axis,
            Axis("change of E since the embedding"),
            [*sums, both],
            zero,
        ),
    ]


def norm_charts(name: str, table: xr.Dataset) -> list[Chart]:
    """What Pre-LN should conserve near consensus, (1 - rho) r^2, beside its two factors, each over its first value."""
    depth = table["depth"].values
    series = []
    for style, (quantity, label) in enumerate(NORMS.items()):
        relative = table[quantity] / table[quantity].isel(depth=0)
        series.append(
            Series(
                label, depth, np.exp(np.log(relative.transpose("text", "depth").values).mean(axis=0)), style
            )
        )
    change = np.exp(np.abs(np.log(np.asarray(series[-1].y, float))).max())
    caption = (
        "Geometric mean over the texts. A flat product is conserved: directions meet only as fast as lengths grow. "
        f"This one changes by a factor of up to {change:.3g}."
    )
    axis = Axis("layer (0: embedding)", whole=True)
    return [
        Chart(
            f"{name}: the Pre-LN invariant",
            axis,
            Axis("over its value at layer 0", scale="log"),
            series,
            caption=caption,
        )
    ]
