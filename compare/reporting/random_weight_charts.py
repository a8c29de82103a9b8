"""Charts of a model with random weights against the law of common noise."""

import numpy as np
import xarray as xr

from compare.judging.chart import Axis, Chart, Series


def random_weight_charts(name: str, table: xr.Dataset) -> list[Chart]:
    """Mean cosine of all tokens over depth beside the law; and what attention alone adds up to, beside what it says."""
    block, depth = table["block"].values, table["depth"].values
    adds = {
        "attention, V and -V": "even_rise",
        "attention": "attention_rise",
        "law (P19)": "foretold_rise",
    }
    between = (
        "All blocks have the same weights here, of which the law does not speak: what they add adds up."
        if table.attrs["shared"]
        else "What is between the two is what feed-forward parts do, and what attention then makes of it."
    )
    seen = [
        Series("", depth, one.values, thin=True) for one in table["mean_cosine"].transpose("text", "depth")
    ]
    return [
        Chart(
            f"{name}, random weights: mean cosine and the law of common noise",
            Axis("layer (0: embedding)", whole=True),
            Axis("mean cosine of a pair", high=1.0),
            [
                Series("random weights, no mask", depth, table["mean_cosine"].mean("text").values),
                Series("law (P19)", depth, table["law"].mean("text").values, 1, grey=True),
                *seen,
            ],
            caption=f"All tokens. The law is of attention alone, at the step measured in each block. {between}",
        ),
        Chart(
            f"{name}, random weights: what attention adds to the mean cosine",
            Axis("layer", whole=True),
            Axis("summed rise of the mean cosine"),
            [
                Series(label, block, np.cumsum(table[variable].mean("text").values), style, grey=style == 2)
                for style, (label, variable) in enumerate(adds.items())
            ],
            caption="From the mean cosine in front of each block. V and -V are as likely as each other; their mean "
            "leaves out the chance of a draw.",
        ),
    ]
