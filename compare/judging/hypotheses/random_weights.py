"""P19, random weights: the attention of fresh weights brings tokens together as common noise does, at a known rate."""

from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import Group, Thresholds, labels, require_runs
from compare.judging.hypothesis import RUNS, Hypothesis, Threshold


def rises_as_common_noise(group: Group, at: Thresholds) -> Evidence:
    """P19: ``gain`` and ``drift`` of `compare.analyses.random_weights`, one number a text each.

    Read from the weights of the runs of the group, each of which has a seed of its own, without a mask.
    """
    runs = tuple(run for run in group.runs if run.facts.get("init") == "random")
    if not runs:
        raise NotApplicable("the law is of weights drawn at random, and no run has them")
    models = {str(run.facts.get("model")) for run in runs}
    table = group.tables.get(models.pop(), {}).get("random_weights") if len(models) == 1 else None
    if table is None:
        raise NotApplicable(
            "what attention adds in each block is not at hand: `metasphere compare` measures it, of one model whose "
            "operators are known"
        )
    if table.attrs["shared"]:
        added = float((table["gain"] + table["drift"]).mean())
        raise NotApplicable(
            "the law needs weights drawn anew in each layer, and this model applies one block again and again: what it "
            f"adds points the same way each time, and adds up to {added:.2g} times the rise that the law foretells"
        )
    places = {str(text): place for place, text in enumerate(table["text"].values)}
    runs = require_runs(
        tuple(run for run in runs if run.facts.get("prompt") in places), at, " whose blocks are read"
    )
    table = table.isel(text=[places[run.facts["prompt"]] for run in runs])
    moved = float(table["foretold_rise"].sum("block").mean())
    if moved < at["moved"]:
        raise NotApplicable(
            f"attention hardly moves these tokens: the law foretells a rise of the mean cosine by {moved:.2g}, less "
            f"than {at['moved']:g}"
        )
    gain = Claim(
        "rise of the mean cosine by attention, over that of the law",
        "ratio",
        table["gain"].values,
        low=1 / (1 + at["off"]),
        high=1 + at["off"],
    )
    drift = Claim(
        "drift of the mean cosine by attention, over the rise of the law",
        "ratio",
        table["drift"].values,
        low=-at["drift"],
        high=at["drift"],
        smallest_effect=at["drift"],
    )
    rise, pull, whole = (float(table[name].mean()) for name in ("gain", "drift", "whole_gain"))
    return Evidence(
        (gain, drift),
        labels(runs),
        note=f"attention's rise is {rise:.3g} and its drift {pull:.2g} of the rise that the law foretells; with the "
        f"feed-forward parts the mean cosine rises {whole:.2g} times as far as the law from the first depth on",
    )


HYPOTHESIS = Hypothesis(
    id="P19",
    statement="Attention with random weights brings tokens together as common noise: R' = (1 + (n-1) R)(1 - R)/n, and "
    "no drift",
    source="2604.01978, Section 2.3.5; 2601.21942",
    applies_to="random weights of models whose operators are known and whose layers have weights of their own",
    statistic="rise of the mean cosine by attention over all blocks, over that of the law",
    unit="ratio",
    null="the law itself: 1, and drift 0; its time is what attention adds, |A|^2/|x|^2, and nothing is fitted",
    smallest=Threshold(
        "off",
        0.25,
        0.15,
        0.4,
        "largest share by which the rise may be off, a quarter of the way to the factor 2 of V = I; unequal lengths, "
        "finite steps and dimension, which the law leaves out, take off 0.02 to 0.11",
    ),
    rule="95 % intervals over runs of the rise within the factor 1 + off, and of the drift within its bound",
    refuted_by="95 % interval over runs of one of them outside",
    others=(
        Threshold(
            "drift",
            0.5,
            0.35,
            0.75,
            "largest drift over the rise of the law, so that noise makes most of the rise; V = I drifts by 5 to 13, "
            "and seven draws leave an interval of 0.1 to 0.35 on either side",
        ),
        Threshold("moved", 0.02, 0.01, 0.03, "least rise of the mean cosine that the law must foretell"),
        RUNS,
    ),
    evidence=rises_as_common_noise,
    whole=True,
)
