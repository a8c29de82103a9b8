"""H5, the spectrum of O V governs collapse: its rank correlation with the speed over models."""

import numpy as np

from compare.judging.evidence import Claim, Evidence, NotApplicable, Undecided
from compare.judging.group import Group, Thresholds
from compare.judging.hypothesis import Hypothesis, Threshold
from compare.statistics import association

OTHERS = {"width": "the dimension", "blocks": "the number of blocks"}


def spectrum_governs_speed(group: Group, at: Thresholds) -> Evidence:
    """H5: Spearman's correlation over models of collapse speed with the spectral radius of O V, all heads together."""
    models = sorted({str(run.facts["model"]) for run in group.runs if run.facts.get("model")})
    if not models:
        raise NotApplicable("no run is of a trained model")
    rows = {
        name: group.tables[name]["speed"].attrs for name in models if "speed" in group.tables.get(name, {})
    }
    fields = ("per_layer", "spectral_radius", *OTHERS)
    known = {name: row for name, row in rows.items() if np.isfinite([row[each] for each in fields]).all()}
    if len(known) < at["models"]:
        raise Undecided(
            f"speed and spectrum are known of {len(known)} of {len(models)} models: needs {at['models']}, as trained "
            "models differ in width, depth and spectrum at once"
        )
    speed, radius, *others = np.array(
        [[row[name] for name in fields] for row in known.values()], np.float64
    ).T
    beside = [
        f"{association(other, speed).correlation:.2g} with {words}"
        for other, words in zip(others, OTHERS.values())
    ]
    return Evidence(
        (
            Claim(
                "rank correlation of collapse speed with the spectral radius of O V",
                "correlation",
                speed,
                low=at["correlation"],
                kind="correlation",
                terms=radius[:, None],
            ),
        ),
        tuple(known),
        note=f"beside it, the correlation is {' and '.join(beside)}",
    )


HYPOTHESIS = Hypothesis(
    id="H5",
    statement="Collapse speed goes with the spectral radius of O V across models",
    source="post, Group E",
    applies_to="all trained models together, 8 or more, whose speed and spectrum are given",
    statistic="rank correlation over models of collapse speed with the spectral radius of O V, all heads together",
    unit="correlation",
    null="models and spectra unrelated, 0; the correlations with width and number of blocks stand beside it",
    smallest=Threshold("correlation", 0.5, 0.3, 0.7, "least correlation of what is said to govern"),
    rule="lower end of the 95 % interval over models above the smallest effect",
    refuted_by="upper end of the 95 % interval over models below the smallest effect",
    others=(Threshold("models", 8, 8, 8, "models needed"),),
    evidence=spectrum_governs_speed,
    across=True,
)
