"""Verdicts written by hand, for tests of what is made of them."""

import numpy as np

from compare.judging.verdicts import Verdict, Verdicts


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
