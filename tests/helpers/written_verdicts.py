"""Verdicts written by hand, for tests of what is made of them."""

import numpy as np

from compare.judging.verdicts import Verdict, Verdicts

REACH = {
    "sought": "3 clusters",
    "planted": "3 clusters",
    "of": "the variance",
    "is_effect": False,
    "matters": 0.65,
    "limit": 0.8,
    "rungs": [
        {"share": 0.65, "is_seen": False, "confirmed": 1, "draws": 2, "low": 0.0, "high": 0.9},
        {"share": 0.8, "is_seen": True, "confirmed": 6, "draws": 6, "low": 0.97, "high": 1.0},
    ],
}
"""Of planted clusters those of 80 % were seen, and those of 65 % not in every draw."""


def verdict(hypothesis="H1", group="gpt2_small & co", verdict="CONFIRMED", **changed):
    return Verdict(
        **{
            "hypothesis": hypothesis,
            "statement": "Several clusters form",
            "group": group,
            "verdict": verdict,
            "why": "Because.",
            "statistic": "excess",
            "unit": "nat",
            "effect": 0.5,
            "ci": (0.4, np.inf),
            "smallest_effect": 0.25,
            "claimed": (0.25, np.inf),
            "null": "rotation",
            "p": 1e-9,
            "q": 3.2e-9,
            "runs": 2,
            "labels": ("a", "b"),
            "values": (0.4, 0.6),
            "robustness": ({"threshold": "delta", "low": 0.1, "high": np.nan, "agreement": 1.0},),
            "agreement": 1.0,
            "treatment": "all kept",
            "beta": np.nan,
            "source": "post",
            **changed,
        }
    )


def table(*rows):
    return Verdicts(
        rows, {"H1": {"delta": {"value": 0.25, "low": 0.1, "high": 0.5, "meaning": "least"}}}, 0, 99
    )
