"""What was found, in five sentences that are made from the verdicts, and would say the opposite of other ones."""

from collections import Counter
from collections.abc import Iterable, Sequence

from compare.judging.evidence import CONFIRMED, REFUTED, UNDECIDED
from compare.judging.reach import COARSE, power_in_words, size_in_words
from compare.reporting.verdict_table import Column, Row, size, tally

CLUSTERS = {
    "H1": ("gather in several tight clusters", "do not gather in tight clusters"),
    "H2": ("stay in clusters for long plateaus", "do not stay in clusters for long"),
    "P20": (
        "fall into clusters if looser ones count too",
        "do not fall into clusters even if looser ones count",
    ),
}
"""Hypothesis on clusters -> what tokens do where most groups confirm it, and where most refute it."""
WORDS = {CONFIRMED: "confirmed", REFUTED: "refuted", UNDECIDED: "undecided"}


def findings(rows: Sequence[Row], groups: Sequence[Column]) -> tuple[str, ...]:
    """At most five sentences: theory, trained models, how far that reaches, changed models, and everything else.

    rows: those of `Verdicts.to_json`. groups: what they are on. Kinds of groups that nothing is said of have no
    sentence; none where no hypothesis speaks of any.
    """
    kind_of = {one.group: one.table for one in groups}
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        if row["verdict"] in WORDS:
            by_kind.setdefault(kind_of.get(row["group"], ""), []).append(row)
    theory, trained, changed = (by_kind.get(kind, []) for kind in ("theory", "trained", "changed"))
    written = (
        _theory(theory),
        _models("In trained models", trained, "models"),
        _reach(trained),
        _models("In changed models", changed, "groups of runs"),
        _others(rows, trained),
    )
    return tuple(sentence for sentence in written if sentence)


def why_nothing(rows: Sequence[Row]) -> str:
    """Why nothing was found: what the judge says most often of clusters, or of what else it was asked."""
    on_clusters = [row for row in rows if row["hypothesis"] in CLUSTERS]
    reasons = Counter(row["why"] for row in on_clusters or rows)
    if not reasons:
        reason = "the judge takes simulations, and models in the frame that their attention reads."
    else:
        (reason, _), *_ = reasons.most_common(1)
    return f"No run of this folder can be judged: {reason[0].lower()}{reason[1:]}"


def _theory(rows: Sequence[Row]) -> str:
    said = _clauses(rows, ("H1", "H2"), "groups of simulations")
    lasting = [row for row in rows if row["hypothesis"] == "H3"]
    decided = [row for row in lasting if row["verdict"] != UNDECIDED]
    verdicts = {row["verdict"] for row in decided}
    if decided:
        told = (
            ""
            if len(decided) == len(lasting)
            else f"where that can be told, in {len(decided)} of {len(lasting)}, "
        )
        last = {(CONFIRMED,): "last", (REFUTED,): "do not last"}.get(tuple(verdicts), "may or may not last")
        growth = decided[0]["statistic"].startswith("growth")
        how_long = "exponentially long in beta" if growth else "far longer than they take to form"
        said.append(f"{told}these {last} {how_long} (H3: {_counted(lasting)}; {_effect(decided[0])})")
    return f"In the theory tokens {_joined(said)}." if said else ""


def _models(who: str, rows: Sequence[Row], noun: str) -> str:
    said = _clauses(rows, CLUSTERS, noun)
    return f"{who} tokens {_joined(said)}." if said else ""


def _clauses(rows: Sequence[Row], hypotheses: Iterable[str], noun: str) -> list[str]:
    """What tokens do by each hypothesis on clusters, by the verdict of most groups, with how many say so.

    noun: what the groups are, for the first of the clauses.
    """
    said = []
    for name in hypotheses:
        own = [row for row in rows if row["hypothesis"] == name]
        if not own:
            continue
        counts = tally(own)
        does, does_not = CLUSTERS[name]
        most = max(counts, key=lambda verdict: counts[verdict])
        words = {CONFIRMED: does, REFUTED: does_not}.get(most, "")
        if not words or counts[most] <= len(own) / 2:
            words = f"may or may not {does}"
        elif counts[most] < len(own):
            words = f"mostly {words}"
        said.append(f"{words} ({name}: {_counted(own, '' if said else noun)}{_margin(own)})")
    return said


def _counted(rows: Sequence[Row], noun: str = "") -> str:
    """Such as "confirmed in 7 of 11 models, refuted in 4", or "refuted in all 7 models"."""
    noun = noun if len(rows) > 1 else ""
    counts = {verdict: number for verdict, number in tally(rows).items() if number}
    if len(counts) == 1:
        (verdict,) = counts
        number = {1: "1", 2: "both"}.get(len(rows), f"all {len(rows)}")
        return f"{WORDS[verdict]} in {number} {noun}".rstrip()
    ordered = sorted(counts, key=lambda verdict: -counts[verdict])
    first, *rest = (f"{WORDS[verdict]} in {counts[verdict]}" for verdict in ordered)
    return ", ".join([f"{first} of {len(rows)} {noun}".rstrip(), *rest])


def _margin(rows: Sequence[Row]) -> str:
    """How far all refuted intervals stay below what matters, where that is one number."""
    least = {row["smallest_effect"] for row in rows}
    ends = [row["ci"][1] for row in rows]
    if len(least) > 1 or None in ends or any(row["verdict"] != REFUTED for row in rows):
        return ""
    (matters,) = least
    return f", intervals up to {size(max(ends), matters)} where {matters:g} matters"


def _effect(row: Row) -> str:
    low, high = (
        sign if end is None else size(end, row["smallest_effect"]) for sign, end in zip("-+", row["ci"])
    )
    return f"{row['statistic']} {size(row['effect'], row['smallest_effect'])} [{low}, {high}]"


def _reach(rows: Sequence[Row]) -> str:
    """How far what is refuted of trained models reaches, and how large the effects may be that it leaves room for."""
    own = [row for row in rows if row["hypothesis"] in CLUSTERS and row["verdict"] == REFUTED]
    if not own:
        return ""
    by_range: dict[str, list[str]] = {}
    for name in CLUSTERS:
        limits = [row["reach"]["limit"] for row in own if row["hypothesis"] == name and row["reach"]]
        known = [size_in_words(limit) for limit in sorted({each for each in limits if each is not None})]
        if known:
            by_range.setdefault(" to ".join(known[:: max(1, len(known) - 1)]), []).append(name)
    if not by_range:
        return ""
    reaches = [row["reach"] for row in own if row["reach"]]
    seen = [rung for each in reaches for rung in each["rungs"] if rung["share"] == each["limit"]]
    drawn = sorted({rung["draws"] for rung in seen})
    least = min(rung["confirmed"] for rung in seen)
    all_of_them = all(rung["confirmed"] == rung["draws"] for rung in seen)
    draws = " to ".join(map(str, drawn[:: max(1, len(drawn) - 1)]))
    how_often = f"each of {draws}" if all_of_them else f"{least} or more of {draws}"
    power = power_in_words(min(rung["low"] for rung in seen))
    spread = ", by the spread of few draws" if drawn[0] < COARSE.looks[-1] else ""
    said = [f"{sizes} ({', '.join(names)})" for sizes, names in by_range.items()]
    return (
        f"How far that reaches: clusters planted in the same runs were seen in {how_often} draws (a power "
        f"{power}{spread}) where they hold {' or '.join(said)} of the variance; larger ones are taken to be seen, and "
        "of smaller ones nothing is said."
    )


def _others(rows: Sequence[Row], trained: Sequence[Row]) -> str:
    counts = tally(rows)
    if not any(counts[verdict] for verdict in WORDS):
        return ""
    beside = [row for row in trained if row["hypothesis"] not in CLUSTERS and row["verdict"] != UNDECIDED]
    said = [
        f"{name} {_counted([row for row in trained if row['hypothesis'] == name])}"
        for name in dict.fromkeys(row["hypothesis"] for row in beside)
    ]
    beyond = f" Beside clusters, on trained models: {'; '.join(said)}." if said else ""
    return (
        f"All questions that apply, each corrected for all: {counts[CONFIRMED]} confirmed, {counts[REFUTED]} refuted, "
        f"{counts[UNDECIDED]} undecided.{beyond}"
    )


def _joined(said: Sequence[str]) -> str:
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])}, and {said[-1]}"
