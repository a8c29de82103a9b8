"""The equation of a block, found from what its modules took and gave: each sum must be there, entry by entry."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import nn

from probe.structure.norms import described
from probe.structure.places import Place, Site, made_by, read_by
from probe.structure.tracing import Event

_ROUNDINGS = 8

States = Float[torch.Tensor, "token dim"]


class Equation(NamedTuple):
    """How the output y of a block comes from its input x, and a and f, what attention and feed-forward part add.

    arrangement: ``"pre"``: y = h + f with h = x + a. ``"post"``: y = N'(h + f) with h = N(x + a). ``"parallel"``:
    y = x + a + f. between: the state h; None where the parts are parallel. after: y, where a norm makes it. attended,
    fed: the modules that give a and f. deviation: the largest distance of a token between the two sides of a sum, over
    its length.
    """

    arrangement: Literal["pre", "post", "parallel"]
    between: Place | None
    after: Place | None
    attended: nn.Module
    fed: nn.Module
    deviation: float


def equation(x: States, y: States, events: Sequence[Event], attention: Event) -> Equation | None:
    """The equation that holds for a block; None where none of the three does.

    events: of its modules, in the order in which they began. attention: the one that gave the rows.
    """
    adding = [event for event in events if event.made is not None and event.made.shape == x.shape]
    taking = [
        event
        for event in events
        if event.given is not None and event.given.shape == x.shape and event.began > attention.began
    ]
    return _post(x, y, taking, adding) or _pre(x, y, taking, adding) or _parallel(x, y, adding, attention)


def _post(x: States, y: States, taking: Sequence[Event], adding: Sequence[Event]) -> Equation | None:
    after = made_by(y, taking)
    if after is None:
        return None
    last = next(event for event in reversed(taking) if event.module is after.site.module)
    for first in taking:
        h = first.made
        if h is None or h.shape != x.shape or first.ended > last.began:
            continue
        before, behind = _parted(adding, first)
        attended, fed = _added(_given(first), x, before), _added(_given(last), h, behind)
        norm = described(first.module, x.shape[-1]) if attended and fed else None
        if attended and fed and norm:
            between = Place(Site(first.module), norm, made=True)
            worst = max(attended.deviation, fed.deviation)
            return Equation("post", between, after, attended.module, fed.module, worst)
    return None


def _pre(x: States, y: States, taking: Sequence[Event], adding: Sequence[Event]) -> Equation | None:
    for first in taking:
        h = _given(first)
        before, behind = _parted(adding, first)
        attended = _added(h, x, before)
        fed = _added(y, h, behind) if attended else None
        if attended and fed:
            norm = read_by(h, [event for event in taking if event.began >= first.began])
            between = Place(Site(norm.module if norm else first.module, "input"), norm)
            worst = max(attended.deviation, fed.deviation)
            return Equation("pre", between, None, attended.module, fed.module, worst)
    return None


def _parallel(x: States, y: States, adding: Sequence[Event], attention: Event) -> Equation | None:
    """a is what a module gave in which the rows were made."""
    around = [
        event.made
        for event in adding
        if event.began <= attention.began and event.ended >= attention.ended and event.made is not None
    ]
    for attended in adding:
        if attended.made is not None and any(torch.equal(attended.made, made) for made in around):
            fed = _added(y, x, adding, attended.made)
            if fed:
                return Equation("parallel", None, None, attended.module, fed.module, fed.deviation)
    return None


class _Added(NamedTuple):
    module: nn.Module
    deviation: float


def _parted(adding: Sequence[Event], first: Event) -> tuple[list[Event], list[Event]]:
    """What was given before an event, and since."""
    before = [event for event in adding if event.ended < first.began]
    return before, [event for event in adding if event.ended > first.began]


def _given(event: Event) -> States:
    assert event.given is not None
    return event.given


def _added(total: States, base: States, adding: Sequence[Event], more: States | None = None) -> _Added | None:
    """The module that gave total - base - more, each entry up to a few roundings of what is added."""
    if not adding:
        return None
    terms = [base.double(), *([] if more is None else [more.double()])]
    made = torch.stack([event.made for event in adding if event.made is not None]).double()
    misses = (total.double() - sum(terms) - made).abs()
    sizes = total.double().abs() + sum(term.abs() for term in terms) + made.abs()
    within = (misses <= _ROUNDINGS * torch.finfo(total.dtype).eps * sizes).flatten(1).all(1)
    if not bool(within.any()):
        return None
    lengths = misses.norm(dim=-1) / total.double().norm(dim=-1)
    worst = lengths.amax(1).masked_fill(~within, torch.inf)
    return _Added(adding[int(worst.argmin())].module, float(worst.min()))
