"""The table of the post tried again, folded: a row a hypothesis, the models that it speaks of side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compare.published.claims import NOT_CLAIMED, ClaimCheck
from compare.reporting.verdict_table import Column


@dataclass(frozen=True)
class ClaimRow:
    """A hypothesis of the post: what it says, and what becomes of that on each group.

    claimed: groups that the post speaks of. others: all other groups, of which it does not, trained ones first.
    """

    hypothesis: str
    post: str
    post_words: str
    claimed: tuple[ClaimCheck, ...]
    others: tuple[ClaimCheck, ...]


def claims_table(checks: Iterable[ClaimCheck], groups: Sequence[Column]) -> tuple[ClaimRow, ...]:
    """One row a hypothesis, in the order of the checks."""
    order = {one.group: place for place, one in enumerate(groups)}
    by_hypothesis: dict[str, list[ClaimCheck]] = {}
    for check in checks:
        by_hypothesis.setdefault(check.hypothesis, []).append(check)
    return tuple(
        ClaimRow(
            name,
            each[0].post,
            each[0].post_words,
            tuple(check for check in each if check.conclusion != NOT_CLAIMED),
            tuple(
                sorted(
                    (check for check in each if check.conclusion == NOT_CLAIMED),
                    key=lambda check: order.get(check.group, len(order)),
                )
            ),
        )
        for name, each in by_hypothesis.items()
    )
