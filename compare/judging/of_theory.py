"""The theory's own hypotheses, P2 to P12."""

import numpy as np

from compare.judging.hypotheses import (
    caps,
    cluster_counts,
    consensus_rate,
    head_context,
    merger_order,
    norm_invariant,
    renyi_centres,
)
from compare.judging.hypothesis import ABOVE, BELOW, RUNS, Hypothesis, Threshold

THEORY = "simulations of SA or USA with Q = K = V = 1, without a mask"

OF_THEORY = (
    Hypothesis(
        "P2",
        "Tokens inside a hemisphere meet at the rate 2: 1 - cos falls as e^(-2t)",
        "2312.10794, Theorem 6.3, with the sharp rate",
        f"{THEORY} that reach a consensus",
        "rate at which 1 - cos falls, within a consensus",
        "1/time",
        "none: the theory names the number",
        0.1,
        "95 % interval over runs within 10 % of 2",
        "95 % interval outside of that",
        (
            Threshold("miss", 0.1, 0.05, 0.2, "largest relative miss of the rate"),
            Threshold(
                "near", 0.05, 0.02, 0.1, "mean 1 - cos, times 1 + beta, below which there is a consensus"
            ),
            RUNS,
        ),
        consensus_rate.cone_collapses,
    ),
    Hypothesis(
        "P5",
        "Tokens in separated caps stay there until T2 >= (eps/n) e^((1 - alpha) beta) and tighten by T1",
        "2410.06833, Theorem 1.2 (with the sign of the second limit corrected)",
        f"{THEORY} that start in separated caps and are recorded from T1 to T2/2 or later",
        "log of the largest share used of what the theorem allows",
        "nat",
        "none: a theorem",
        0.0,
        "below 0 in every run, and in the mean",
        "above 0 in one run",
        (Threshold("used", 0.0, 0.0, 0.0, "log of the largest share allowed"), RUNS),
        caps.caps_trap,
    ),
    Hypothesis(
        "P7",
        "The closest pair of clusters merges first",
        "2410.06833; log time beta (1 - cos) - ln(beta sin^2) + a term of the masses",
        f"{THEORY} in which 3 clusters or more form and two merge on record",
        "share of first mergers that are of the predicted pair",
        "share",
        "any pair is as likely: at most 1/3",
        0.5,
        "lower end of the 95 % interval above the smallest effect",
        "upper end of the 95 % interval below the smallest effect",
        (
            Threshold("share", 0.5, 0.4, 0.6, "least share of predicted mergers"),
            Threshold(
                "meet", 1.0, 0.5, 1.5, "distance at which two clusters have merged, in units of beta^(-1/2)"
            ),
            Threshold(
                "clear", 0.7, 0.35, 1.4, "nats by which the next pair's predicted log time must be longer"
            ),
            RUNS,
        ),
        merger_order.closest_merge_first,
    ),
    Hypothesis(
        "P9",
        "The number of clusters at a given time grows as beta^((d - 1)/2)",
        "2312.10794; 2410.23228",
        "simulations of SA or USA with Q = K = V = 1 from uniform points, over 3 or more values of beta",
        "exponent of the number of clusters in beta, over (d - 1)/2",
        "ratio",
        "none: the theory names the number",
        0.5,
        "95 % interval between 0.5 and 1.5",
        "95 % interval outside of that",
        (
            Threshold("miss", 0.5, 0.3, 0.7, "largest miss of the exponent, relative"),
            Threshold("time", 30.0, 20.0, 40.0, "time at which clusters are counted"),
            Threshold("radius", 0.7, 0.5, 1.0, "distance that joins tokens, in units of beta^(-1/2)"),
            Threshold("betas", 3, 3, 3, "values of beta that make a sweep"),
            RUNS,
        ),
        cluster_counts.clusters_grow_with_beta,
    ),
    Hypothesis(
        "P10",
        "Under a causal mask tokens far from every earlier one stay, and the others move to them",
        "2411.04990 (Renyi centres)",
        "runs with a causal mask whose beta is known",
        "log of how much less strong Renyi centres have moved than tokens near them in the text",
        "nat",
        "the same for tokens far from every later one: as isolated, and not protected by the mask",
        0.25,
        ABOVE,
        BELOW,
        (
            Threshold("delta", 0.25, 0.15, 0.5, "least log ratio that matters"),
            Threshold(
                "c", 2.0, 1.5, 3.0, "distance of a centre from earlier tokens, in units of beta^(-1/2)"
            ),
            Threshold(
                "moved", 1.0, 0.5, 1.5, "median distance moved at which centres are asked for, same unit"
            ),
            RUNS,
        ),
        renyi_centres.centres_stay,
    ),
    Hypothesis(
        "P11",
        "Heads merge their context where beta_eff (1 - rho) is small against log n, and leave it apart where large",
        "2510.05554",
        "trained models whose heads are given, with 6 texts or more",
        "rank correlation over the heads of a model of beta_eff (1 - rho)/log n with the spread they leave",
        "correlation",
        "none that keeps the entropy of a head and loses its content; logits that ignore the tokens give 0.96 or more",
        np.nan,
        "never: it is described, not judged",
        "never: it is described, not judged",
        (RUNS,),
        head_context.cold_heads_keep_tokens_apart,
        whole=True,
    ),
    Hypothesis(
        "P12",
        "Pre-LN and Peri-LN conserve (1 - rho) r^2: directions meet only as fast as lengths grow",
        "2510.22026",
        "runs of Pre-LN or Peri-LN, of a model or a simulation, whose beta is known",
        "drift of the invariant over a run, as a share of that of 1 - rho",
        "ratio",
        "no conservation: 1 where lengths stay as they are",
        0.2,
        BELOW,
        ABOVE,
        (
            Threshold("drift", 0.2, 0.1, 0.4, "largest drift that is still conservation"),
            Threshold("moved", 0.2, 0.1, 0.4, "change of ln(1 - rho) that there must be"),
            RUNS,
        ),
        norm_invariant.spread_is_conserved,
        whole=True,
    ),
)
