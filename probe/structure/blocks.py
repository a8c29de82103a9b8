"""One block of a transformer: where its states and rows appear, and the equation that it computes."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import nn

from probe.structure.equation import equation
from probe.structure.norms import Norm, described
from probe.structure.places import Place, Site, read_by
from probe.structure.tracing import Event


class NotReadableError(ValueError):
    """What a model computes is none of what is known here."""


class NoRowsError(NotReadableError):
    """A block has shown no attention rows."""


class Block(NamedTuple):
    """What one pass has shown of a block with input x and output y.

    arrangement, between, fed, deviation: as of `Equation`. after: y. reads: the norm through which attention reads x;
    None where there is none. output_norm: whether what attention adds leaves a norm (Peri-LN). rows: the module in
    whose output the attention rows are, and their place where that is a tuple. heads, causal: of the rows, and whether
    they give later tokens nothing. row_deviation: the largest distance of the sum of a row from 1.
    """

    module: nn.Module
    arrangement: Literal["pre", "post", "parallel"]
    reads: Norm | None
    between: Place | None
    after: Place
    output_norm: bool
    fed: nn.Module
    rows: tuple[nn.Module, int | None]
    heads: int
    causal: bool
    deviation: float
    row_deviation: float


def read_block(events: Sequence[Event]) -> Block:
    """Find how a block makes its output, from what its modules took and gave in one pass.

    events: in the order in which the modules began, the block itself first. Raises NotReadableError where it gives no
    attention rows, or adds up to none of the known equations.
    """
    whole, *inner = events
    if whole.given is None or whole.made is None:
        raise NotReadableError("does not take and give one vector a token")
    attention = min(
        (event for event in inner if event.rows is not None), key=lambda event: event.ended, default=None
    )
    if attention is None or attention.rows is None:
        raise NoRowsError("gives no attention rows")
    found = equation(whole.given, whole.made, inner, attention)
    if found is None:
        raise NotReadableError("adds what its modules give to its state in none of the known ways")
    rows = attention.rows
    return Block(
        whole.module,
        found.arrangement,
        read_by(whole.given, [event for event in inner if event.began < attention.ended]),
        found.between,
        found.after or Place(Site(whole.module)),
        described(found.attended, whole.given.shape[-1]) is not None,
        found.fed,
        (attention.module, attention.place),
        heads=rows.shape[0],
        causal=not bool(rows.triu(1).any()),
        deviation=found.deviation,
        row_deviation=float((rows.sum(-1) - 1).abs().max()),
    )
