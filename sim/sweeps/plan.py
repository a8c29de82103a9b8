"""What a sweep is to do, as data: its axes and cells, what is asked of each, and how the table of it is laid out."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import ceil, prod
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from sim.attention import Attention
from sim.normalisation import checked_scheme
from sim.precision import Precision, checked_precision
from sim.sweeps.axes import AXES, LISTED, checked_axes
from sim.sweeps.observables import MEANINGS, RADIUS, Asked, asked
from sim.sweeps.starts import Start, starting_points
from sim.sweeps.stepper import Problem, ShapeClass

Chunk = tuple[slice, ...]
LEAST_OF_32_BITS = 1e-6


class Cell(NamedTuple):
    """One point of the grid."""

    kind: str
    causal: bool
    norm: str
    clock: str
    start: str | Start
    n: int
    d: int
    beta: float
    seed: int

    @property
    def span(self) -> int:
        """The dimensions that the cell runs in: attention with Q = K = V = I never leaves what its start spans."""
        return min(self.n, self.d)


class Variable(NamedTuple):
    """One variable of the table, without the dimensions of the grid."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    meaning: str
    units: str


@dataclass(frozen=True, eq=False)
class Plan:
    """A sweep that has been checked. `axes` holds all of `AXES`, `dims` those that are dimensions of the table."""

    axes: Mapping[str, tuple[Any, ...]]
    dims: tuple[str, ...]
    times: Float[np.ndarray, " time"]
    asked: Asked
    rtol: float
    atol: float
    max_steps: int
    tau: float | None
    alpha: float | None
    dtype: np.dtype

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the dimensions of the grid."""
        return tuple(len(self.axes[name]) for name in self.dims)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return prod(self.sizes)

    def cell(self, index: Sequence[int]) -> Cell:
        """The cell at an index of the table."""
        at = dict(zip(self.dims, index))
        return Cell(**{name: values[at.get(name, 0)] for name, values in self.axes.items()})

    def classes(self) -> dict[tuple[ShapeClass, int, int], Cell]:
        """The shape classes, each with its number of tokens and of dimensions, and its first cell."""
        found: dict[tuple[ShapeClass, int, int], Cell] = {}
        for index in product(
            *(range(size if name not in ("beta", "seed") else 1) for name, size in self._sized())
        ):
            cell = self.cell(index)
            found.setdefault((self.shape_class(cell), cell.n, cell.span), cell)
        return found

    def shape_class(self, cell: Cell) -> ShapeClass:
        """What the compiled program of a cell depends on."""
        return ShapeClass(
            cell.kind,
            cell.causal,
            cell.norm,
            cell.clock,
            self.asked.observe,
            self.asked.collapse,
            self.max_steps,
            self.dtype,
        )

    @property
    def integrates(self) -> bool:
        """Whether anything is asked for that needs a run over time."""
        return bool(self.asked.observe) or self.asked.collapse

    def start(self, cell: Cell) -> Float[np.ndarray, "n span"]:
        """The first points of a cell, in coordinates of the space that they span where that has fewer dimensions."""
        x = starting_points(cell.start, cell.n, cell.d, cell.seed)
        return x if cell.d <= cell.n else np.linalg.qr(x.T)[1].T

    def problem(self, cell: Cell) -> Problem:
        """The numbers of a cell."""
        numbers = (
            cell.beta,
            self.start(cell),
            self.times,
            self.rtol,
            self.atol,
            1.0 if self.tau is None else self.tau,
            1.0 if self.alpha is None else self.alpha,
        )
        arrays: tuple[Any, ...] = tuple(np.asarray(part, self.dtype) for part in numbers)
        return Problem(*arrays)

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """The variables of the table; of a vector whose length differs between cells, the longest."""
        found: dict[str, Variable] = {}
        for name, shape in sorted(self._observed_shapes().items()):
            dims = tuple(f"{name}_{axis}" for axis in range(len(shape)))
            found[name] = Variable(("time", *dims), (len(self.times), *shape), MEANINGS.get(name, name), "1")
        if self.asked.collapse:
            found["collapse_time"] = Variable((), (), MEANINGS["collapse_time"], "t")
        if self.asked.mergers:
            most = max(self.axes["n"]) - 1
            pair = Variable(("merger", "side"), (most, 2), MEANINGS["merger_pair"], "1")
            found["merger_log_time"] = Variable(("merger",), (most,), MEANINGS["merger_log_time"], "1")
            found["merger_pair"] = pair
        if self.integrates:
            found["reached"] = Variable((), (), "last time of the solver", "t")
        found["evaluations"] = Variable((), (), "evaluations of the field; missing where not run yet", "1")
        return found

    def _observed_shapes(self) -> dict[str, tuple[int, ...]]:
        longest: dict[str, tuple[int, ...]] = {}
        for shape, n, span in self.classes():
            for observe in shape.observe:
                point = jax.ShapeDtypeStruct((n, span), float), jax.ShapeDtypeStruct((), float)
                for name, value in jax.eval_shape(observe, *point).items():
                    known = longest.setdefault(name, value.shape)
                    if len(known) != len(value.shape):
                        raise ValueError(
                            f"{name} has {len(known)} axes in one cell and {len(value.shape)} in another"
                        )
                    longest[name] = tuple(map(max, known, value.shape))
        return longest

    @property
    def nbytes(self) -> int:
        """Bytes of the whole table, before compression."""
        return 8 * self.cells * sum(prod(variable.shape) for variable in self.variables.values())

    def chunk_shape(self, most: int, parts: int = 1) -> tuple[int, ...]:
        """The cells that are solved and written together: of one shape class, and at most `most`.

        parts: how many chunks of the same betas there should be, of different seeds, so that they cost alike.
        """
        seeds = min(ceil(len(self.axes["seed"]) / parts), most)
        inner = {"seed": seeds, "beta": min(len(self.axes["beta"]), max(1, most // seeds))}
        return tuple(inner.get(name, 1) for name in self.dims)

    def chunks(self, shape: Sequence[int]) -> Iterator[Chunk]:
        """All chunks of the table, in order."""
        for corner in product(*(range(ceil(size / step)) for size, step in zip(self.sizes, shape))):
            yield tuple(
                slice(place * step, min((place + 1) * step, size))
                for place, step, size in zip(corner, shape, self.sizes)
            )

    def cells_of(self, chunk: Chunk) -> list[Cell]:
        """The cells of a chunk, the last dimension first to change."""
        return [self.cell(index) for index in product(*(range(part.start, part.stop) for part in chunk))]

    def describe(self) -> dict[str, Any]:
        """The sweep as JSON values: two sweeps that say the same have the same results."""
        return {
            "axes": {name: [_named(value) for value in values] for name, values in self.axes.items()},
            "dims": list(self.dims),
            "times": self.times.tolist(),
            "observe": self.asked.describe(),
            "rtol": self.rtol,
            "atol": self.atol,
            "max_steps": self.max_steps,
            "tau": self.tau,
            "alpha": self.alpha,
            "dtype": str(self.dtype),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the description."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:16]

    def _sized(self) -> Iterator[tuple[str, int]]:
        return zip(self.dims, self.sizes)


def cells_in(chunk: Chunk) -> int:
    """How many cells a chunk has."""
    return prod(part.stop - part.start for part in chunk)


def planned(
    grid: Mapping[str, Any],
    times: ArrayLike | Sequence[float | int],
    observe: Any,
    *,
    start: str | Start | Sequence[str] = "uniform",
    causal: bool = False,
    radius: float = RADIUS,
    tau: float | None = None,
    alpha: float | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-11,
    max_steps: int = 100_000,
    dtype: Precision = np.float64,
) -> Plan:
    """The plan of a sweep. Raises ValueError for whatever of it could not be run; arguments as of `sweep`."""
    axes = checked_axes({"start": start, "causal": causal, **grid})
    dims = tuple(name for name in AXES if name in LISTED or name in grid)
    wanted = asked(observe, radius)
    moments = np.asarray(times, np.float64)
    if (
        moments.ndim != 1
        or len(moments) < 2
        or not np.all(np.diff(moments) > 0)
        or not np.all(np.isfinite(moments))
    ):
        raise ValueError(
            "times must be at least two finite numbers, strictly increasing: sort them and drop repeats"
        )
    if not (1e-14 <= rtol < 1 and 0 < atol < 1 and max_steps >= 1):
        raise ValueError(
            f"need 1e-14 <= rtol < 1, 0 < atol < 1 and max_steps >= 1, got {rtol}, {atol}, {max_steps}"
        )
    precision = checked_precision(dtype)
    if precision == np.float32 and min(rtol, atol) < LEAST_OF_32_BITS:
        raise ValueError(
            f"float32 does not hold rtol = {rtol:g} and atol = {atol:g}: give both at least {LEAST_OF_32_BITS:g}"
        )
    _check_fields(axes, tau, alpha)
    if "sqrt" in axes["norm"] and moments[0] < 1:
        raise ValueError(f"norm sqrt runs from t = 1 on, got times from {moments[0]:.6g}: start them at 1")
    if wanted.mergers and (any(axes["causal"]) or axes["norm"] != ("post",)):
        raise ValueError("mergers are followed for norm post without a causal mask: leave the others out")
    if wanted.mergers and precision != np.float64:
        raise ValueError("mergers need float64: leave dtype out, or mergers")
    plan = Plan(axes, dims, moments, wanted, rtol, atol, max_steps, tau, alpha, precision)
    for name, n, d in product(axes["start"], axes["n"], axes["d"]):
        if not (callable(name) or name == "uniform"):
            starting_points(name, n, d, max(axes["seed"]))
    return plan


def _check_fields(axes: Mapping[str, tuple[Any, ...]], tau: float | None, alpha: float | None) -> None:
    for name, value, owner in (("tau", tau, "mix"), ("alpha", alpha, "ngpt")):
        if (value is not None) != (owner in axes["norm"]):
            checked_scheme(
                "post" if value is not None else owner, **{"tau": None, "alpha": None, name: value}
            )
    extremes = {min(axes["beta"]), max(axes["beta"])}
    for beta, kind, clock in product(extremes, axes["kind"], axes["clock"]):
        Attention(beta, kind, clock=clock)
    for norm in axes["norm"]:
        Attention(1.0, norm=norm, tau=tau if norm == "mix" else None, alpha=alpha if norm == "ngpt" else None)


def _named(value: Any) -> Any:
    if isinstance(value, Callable):
        return f"{value.__module__}.{getattr(value, '__qualname__', repr(value))}"
    return value
