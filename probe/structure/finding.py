"""The structure of a whole model, found and checked in one pass over a few tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import nn

from probe.calls import quiet
from probe.structure.agreement import attending, check_agreement
from probe.structure.blocks import Block, NoRowsError, NotReadableError, read_block
from probe.structure.places import Place, Site, made_by, read_by
from probe.structure.tracing import Event, traced
from probe.structure.trial import trial_inputs

STATE_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Structure:
    """Where everything is in a bare model, and what one pass over a few tokens has shown of it.

    blocks: in the order in which they are applied; a shared one stands there once for each time. first, last: the
    states before the first block and behind the last one. width: of the states. tokens: how many there were. asks:
    arguments without which the model gives no rows. same_states: at how many depths its own ``hidden_states`` are the
    states here; None where it gives others.
    """

    blocks: tuple[Block, ...]
    first: Place
    last: Place
    width: int
    tokens: int
    asks: dict[str, Any]
    same_states: int | None

    @property
    def scheme(self) -> Literal["pre", "post"]:
        """``"post"`` where norms make the states, else ``"pre"``."""
        return "post" if self.blocks[-1].arrangement == "post" else "pre"

    @property
    def parallel(self) -> bool:
        """Whether attention and feed-forward part run side by side."""
        return self.blocks[-1].arrangement == "parallel"

    @property
    def output_norm(self) -> bool:
        """Whether what attention writes is normed before it is added (Peri-LN)."""
        return self.blocks[-1].output_norm

    @property
    def heads(self) -> int:
        return self.blocks[0].heads

    @property
    def causal(self) -> bool:
        """Whether no token attends to later ones."""
        return all(block.causal for block in self.blocks)

    @property
    def epsilon(self) -> float:
        """That of the norms which read the states, or make them; 0 where neither is so."""
        return next((place.norm.epsilon for place in self.states() if place.norm), 0.0)

    @property
    def centres(self) -> bool:
        """Whether those norms take the mean off."""
        return next((place.norm.centres for place in self.states() if place.norm), False)

    def states(self, order: Sequence[nn.Module] | None = None) -> list[Place]:
        """The places of the states at depths 0 to L, in the order in which they appear.

        order: the modules of the blocks as they are applied, where not as in the pass that found them.
        """
        blocks = self.applied(order)
        places = [self.first]
        for block, following in pairwise(blocks):
            places.append(
                block.after._replace(norm=following.reads, made=False) if following.reads else block.after
            )
        return [*places, self.last]

    def applied(self, order: Sequence[nn.Module] | None = None) -> tuple[Block, ...]:
        """The blocks as they are applied."""
        if order is None:
            return self.blocks
        known = {block.module: block for block in self.blocks}
        return tuple(known[module] for module in order)


_KNOWN: WeakKeyDictionary[nn.Module, Structure] = WeakKeyDictionary()


def structure_of(model: Any, order: Callable[[Any], Sequence[nn.Module]] | None = None) -> Structure:
    """The structure of a bare model of transformers in evaluation mode; found once a model, then remembered.

    order: model -> its blocks as they are applied, where they are no plain list.

    The stack of blocks is the list of modules of one class with most parameters. State 0 is what the first takes, state
    l what block l gives. Attention rows are the output of a module that has one matrix a head whose rows sum to 1; a
    norm reads or makes a state if what it takes or gives equals it. Each block must add up: what it adds to its state
    is the output of two of its modules (`Block`), each entry to 8 roundings of what is added. Where the model gives
    ``hidden_states``, those between the first and the last must be the states found here, within 1e-6, and what it
    computes under fused attention must be the same as under the eager one.

    Raises NotReadableError (a ValueError), which says what was found, where a model is not built like this. Cost: two
    passes over 8 tokens, or over an image.
    """
    if model not in _KNOWN:
        _KNOWN[model] = _found(model, (order or stack)(model))
    return _KNOWN[model]


def stack(model: nn.Module) -> list[nn.Module]:
    """The blocks of a model: its list of modules of one class that holds most parameters."""
    lists = [list(each) for each in model.modules() if isinstance(each, nn.ModuleList) and len(each)]
    alike = [blocks for blocks in lists if len({type(block) for block in blocks}) == 1]
    if not alike:
        raise NotReadableError("it has no list of equal blocks")
    return max(alike, key=lambda blocks: sum(p.numel() for block in blocks for p in block.parameters()))


def _found(model: Any, modules: Sequence[nn.Module]) -> Structure:
    inputs = trial_inputs(model)
    with quiet(), torch.inference_mode():
        with attending(model, "eager"):
            try:
                found = _read(model, modules, inputs, {})
            except NoRowsError:
                found = _read(model, modules, inputs, {"output_attentions": True})
        check_agreement(model, inputs)
    return found


def _read(
    model: Any, modules: Sequence[nn.Module], inputs: dict[str, torch.Tensor], asks: dict[str, Any]
) -> Structure:
    blocks: list[Block] = []
    states: list[torch.Tensor] = []
    spans: list[int] = []

    def read(events: list[Event]) -> None:
        whole, depth = events[0], len(blocks)
        if whole.given is None or whole.made is None:
            raise NotReadableError(f"block {depth} does not take and give one vector a token")
        states.extend([whole.made] if states else [whole.given, whole.made])
        for place, state in enumerate(states[-2:], depth):
            check_lengths(state.norm(dim=-1), place)
        try:
            blocks.append(read_block(events))
        except NotReadableError as error:
            raise type(error)(f"block {depth} ({type(whole.module).__name__}) {error}") from None
        spans.append(whole.began)

    with traced(model, modules, read) as events:
        outputs = model(**inputs, **asks, output_hidden_states=True)
    if [block.module for block in blocks] != list(modules):
        raise NotReadableError(f"of its {len(modules)} blocks {len(blocks)} ran, or in another order")
    before = [event for event in events if event.ended < spans[0]]
    behind = sorted((event for event in events if event.began > spans[-1]), key=lambda event: event.began)
    final, last = read_by(states[-1], behind), blocks[-1].after
    return Structure(
        blocks=tuple(blocks),
        first=_first(states[0], blocks, before),
        last=last if final is None else last._replace(norm=final, made=False),
        width=states[0].shape[-1],
        tokens=len(states[0]),
        asks=asks,
        same_states=_same(states, getattr(outputs, "hidden_states", None)),
    )


def check_lengths(lengths: Float[torch.Tensor, " token"], depth: int) -> None:
    """Raises NotReadableError for states that no point of a sphere stands for."""
    if not (bool((lengths > 0).all()) and bool((lengths < float("inf")).all())):
        raise NotReadableError(
            f"it has a state of length 0, infinity or NaN at depth {depth}: try dtype='float32' or check its weights"
        )


def _first(state: torch.Tensor, blocks: Sequence[Block], before: Sequence[Event]) -> Place:
    """Where the first state is: where a norm makes it, or else at the input of the first block.

    A block that is applied again takes later states there too; then it is what another module gives.
    """
    made = None if blocks[0].reads else made_by(state, before)
    if made:
        return made
    if [block.module for block in blocks].count(blocks[0].module) == 1:
        return Place(Site(blocks[0].module, "input"), blocks[0].reads)
    giving = [event.module for event in before if event.made is not None and torch.equal(event.made, state)]
    if not giving:
        raise NotReadableError("no module gives the state that its first block takes, which is applied again")
    return Place(Site(giving[-1]), blocks[0].reads)


def _same(states: Sequence[torch.Tensor], own: Sequence[torch.Tensor] | None) -> int | None:
    """At how many depths the model's own states are those found here; those inside the stack have to be."""
    if own is None or len(own) != len(states):
        return None
    misses = [_apart(theirs[0], state) for theirs, state in zip(own, states)]
    if max(misses[1:-1], default=0.0) > max(STATE_TOLERANCE, torch.finfo(states[0].dtype).eps):
        raise NotReadableError(
            f"its own hidden_states are {max(misses[1:-1]):.2g} off what its blocks give, which are then not its states"
        )
    return sum(miss <= STATE_TOLERANCE for miss in misses)


def _apart(theirs: torch.Tensor, state: torch.Tensor) -> float:
    return float((theirs - state).norm() / state.norm()) if theirs.shape == state.shape else float("inf")
