"""Self-attention as a vector field on the sphere: tokens that pull each other along great circles."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sim.kernel import Numerators, Weigh, by_rows, by_tiles, product, pulls
from sim.normalisation import GROWING, Rate, Scheme, checked_scheme, rates
from sim.operators import AXES, axis_sizes, by_head, linear


class Attention(eqx.Module):
    """Velocity of n tokens x_i on S^(d-1) that attend to each other: one layer of attention per unit of time.

        dx_i/dt = P_i [ sum_h O_h sum_j A^h_ij (V_h x_j + b_V) + b_O ],    P_i y = y - <x_i, y> x_i,

    with the weights A^h_ij, where s = <Q_h x_i + b_Q, K_h x_j + b_K> and m_j are the masses,

    - ``"SA"``, self-attention: m_j e^(beta s) / sum_k m_k e^(beta s_ik). Rows sum to 1.
    - ``"USA"``, unnormalised: m_j e^(beta (s - 1)) on the clock ``"metastability"`` of 2410.06833, and m_j e^(beta s)
      on the clock ``"survey"`` of 2312.10794 and 2512.01868. One unit of survey time is e^beta units of
      metastability time, so their times, rates and thresholds must never be mixed. (Section 6 of 2410.06833 uses
      a third one on the circle, n times slower than its own Section 1.) SA has one clock in all three papers.

    This is Post-LN. `norm` says where else the norm may sit (2510.22026): a token is x_i = r_i theta_i, attention
    reads theta_i and writes A_i, the sum in brackets, and theta_i' = P_i A_i / s_i with

        norm     s_i             r_i'
        post     1               0
        pre      r_i             <theta_i, A_i>
        peri     r_i |A_i|       <theta_i, A_i> / |A_i|
        mix      post while t <= tau, then pre
        ngpt     |A_i| / alpha   0
        sqrt     sqrt(t)         0; t must be above 0

    Calling it, ``field(t, x, args)`` with ``args`` the masses or None, gives dx/dt in the form diffrax takes. Where
    lengths grow (pre, peri, mix), x_i = r_i theta_i carries both. Elsewhere x_i is a unit vector, and off the sphere,
    where only rounding and the solver's error lead, (1 - |x_i|^2) x_i sum_hj A^h_ij / (4 s_i) is added, which draws
    every length back to 1; the bare projection would do so for V = I, but drives lengths away from 1 where
    <x_i, V x_j> < 0.

    Accuracy: where V and O are the identity, the pull is summed from the differences x_j - x_i, and where Q and K
    are, <x_i, x_j> - 1 is -|x_i - x_j|^2 / 2. Coinciding tokens then cancel exactly, and the pull of a far cluster,
    of relative size e^(-beta (1 - cos)), keeps its digits; the formula as written loses all of them in float64
    once beta (1 - cos) exceeds 36.

    Arguments
    ---------
    beta: inverse temperature, finite and >= 0; 0 is the consensus flow. May be traced, or batched by `jax.vmap`.
    kind: ``"SA"`` or ``"USA"``.
    causal: token i sees only j <= i; SA renormalises over the seen ones, USA just drops the others.
    query, key: Q and K, (head, rank, d), or (rank, d) for one head; the identity where None.
    value: V, (head, value_dim, d) or (value_dim, d); the identity where None.
    output: O, (head, d, value_dim) or (d, value_dim); the identity where None.
    query_bias, key_bias: (head, rank) or (rank,); value_bias: (head, value_dim) or (value_dim,); output_bias: (d,),
        one for all heads.
    clock: the clock of USA, as above; survey times overflow beyond beta = 700.
    norm: ``"post"``, ``"pre"``, ``"peri"``, ``"mix"``, ``"ngpt"`` or ``"sqrt"``.
    tau: the time at which mix turns from post to pre; of mix alone.
    alpha: the step of ngpt, above 0: a number, or a function from t to one; of ngpt alone.

    Raises ValueError for a negative or infinite beta, an unknown kind, clock or norm, tau or alpha of another norm,
    shapes that disagree. `dataclasses.replace` makes a field with some of the arguments changed.
    Cost of a call: O(n^2 d) time a head, O(n d) memory beyond tiles of 8 MB.
    """

    beta: Float[Array, ""]
    kind: Literal["SA", "USA"] = eqx.field(static=True)
    causal: bool = eqx.field(static=True)
    query: Float[Array, "head rank _d"] | None
    key: Float[Array, "head rank _d"] | None
    value: Float[Array, "head value_dim _d"] | None
    output: Float[Array, "head _d value_dim"] | None
    query_bias: Float[Array, "head rank"] | None
    key_bias: Float[Array, "head rank"] | None
    value_bias: Float[Array, "head value_dim"] | None
    output_bias: Float[Array, " _d"] | None
    clock: Literal["metastability", "survey"] = eqx.field(static=True)
    norm: Scheme = eqx.field(static=True)
    tau: Float[Array, ""] | None
    alpha: Rate | None
    heads: int = eqx.field(static=True, init=False)

    def __init__(
        self,
        beta: ArrayLike,
        kind: str = "SA",
        causal: bool = False,
        query: ArrayLike | None = None,
        key: ArrayLike | None = None,
        value: ArrayLike | None = None,
        *,
        output: ArrayLike | None = None,
        query_bias: ArrayLike | None = None,
        key_bias: ArrayLike | None = None,
        value_bias: ArrayLike | None = None,
        output_bias: ArrayLike | None = None,
        clock: str = "metastability",
        norm: str = "post",
        tau: ArrayLike | None = None,
        alpha: ArrayLike | Callable[[Any], Any] | None = None,
    ):
        if kind not in ("SA", "USA"):
            raise ValueError(f'kind must be "SA" or "USA", got {kind!r}')
        if clock not in ("metastability", "survey"):
            raise ValueError(f'clock must be "metastability" or "survey", got {clock!r}')
        self.beta = checked_beta(beta)
        self.kind = kind
        self.causal = bool(causal)
        self.clock = clock
        self.query = by_head("query", query, 2)
        self.key = by_head("key", key, 2)
        self.value = by_head("value", value, 2)
        self.output = by_head("output", output, 2)
        self.query_bias = by_head("query_bias", query_bias, 1)
        self.key_bias = by_head("key_bias", key_bias, 1)
        self.value_bias = by_head("value_bias", value_bias, 1)
        self.output_bias = None if output_bias is None else jnp.asarray(output_bias, float)
        if kind == "USA" and clock == "survey" and not isinstance(self.beta, Tracer) and self.beta > 700:
            raise ValueError(
                f"e^beta overflows on the survey clock at beta = {beta}: use clock='metastability'"
            )
        self.norm, self.tau, self.alpha = checked_scheme(norm, tau, alpha)
        self.heads = axis_sizes(vars(self)).get("head", 1)

    def __call__(self, t: Any, x: ArrayLike, args: ArrayLike | None = None) -> Float[Array, "n d"]:
        x = jnp.asarray(x, self.beta.dtype)
        if self.norm in GROWING:
            radii = jnp.linalg.norm(x, axis=-1)
            theta = x / radii[:, None]
            turning, growth, _ = self._motion(theta, args, t, radii)
            return radii[:, None] * turning + growth[:, None] * theta
        turning, _, total = self._motion(x, args, t, None)
        return turning + (total / 4 * (1 - jnp.sum(x**2, axis=-1)))[:, None] * x

    def velocity(
        self,
        x: ArrayLike,
        masses: ArrayLike | None = None,
        *,
        t: ArrayLike = 1.0,
        radii: ArrayLike | None = None,
    ) -> Float[Array, "n d"]:
        """theta_i' at the unit vectors x, (n, d): orthogonal to x to relative rounding, even where it is tiny.

        t is read by mix, sqrt and a variable alpha; radii, (n,) above 0 and ones where None, by pre, peri and mix.
        """
        return self._motion(jnp.asarray(x, self.beta.dtype), masses, t, radii)[0]

    def growth(
        self,
        x: ArrayLike,
        masses: ArrayLike | None = None,
        *,
        t: ArrayLike = 1.0,
        radii: ArrayLike | None = None,
    ) -> Float[Array, " n"]:
        """r_i', (n,), at the unit vectors x; arguments as of `velocity`."""
        return self._motion(jnp.asarray(x, self.beta.dtype), masses, t, radii)[1]

    @eqx.filter_jit
    def attend(self, x: ArrayLike, masses: ArrayLike | None = None) -> Float[Array, "n d"]:
        """A_i, what attention writes for each token, (n, d): neither projected nor normed."""
        x = jnp.asarray(x, self.beta.dtype)
        towards, own, _ = self._written(x, masses)
        return towards + own[:, None] * x

    @eqx.filter_jit
    def weights(self, x: ArrayLike, masses: ArrayLike | None = None) -> Float[Array, "head n n"]:
        """The weights A^h_ij, (head, n, n), row i of the token that moves. O(head n^2) memory."""
        x = jnp.asarray(x, self.beta.dtype)
        return jnp.moveaxis(by_tiles(self._rows(x, masses), len(x), self.heads), 0, 1)

    def describe(self) -> dict[str, Any]:
        """What the field is, as JSON values; learned operators by name only."""
        return {
            "kind": self.kind,
            "beta": float(self.beta),
            "causal": self.causal,
            "clock": self.clock,
            "norm": self.norm,
            "tau": _described(self.tau),
            "alpha": _described(self.alpha),
            "heads": self.heads,
            "operators": [name for name in AXES if getattr(self, name) is not None],
        }

    def _motion(
        self, x: Float[Array, "n d"], masses: ArrayLike | None, t: ArrayLike, radii: ArrayLike | None
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"], Float[Array, " n"]]:
        """theta_i', r_i', and the sum of the weights over s_i."""
        n = self._checked_tokens(x)
        lengths = jnp.ones(n, x.dtype) if radii is None else jnp.asarray(radii, x.dtype)
        if lengths.shape != (n,):
            raise ValueError(f"radii must have shape ({n},), one for each token, got {lengths.shape}")
        return self._turned(x, masses, jnp.asarray(t, x.dtype), lengths)

    @eqx.filter_jit
    def _turned(
        self,
        x: Float[Array, "n d"],
        masses: ArrayLike | None,
        t: Float[Array, ""],
        radii: Float[Array, " n"],
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"], Float[Array, " n"]]:
        towards, own, total = self._written(x, masses)
        along = jnp.sum(x * towards, axis=-1) / jnp.sum(x**2, axis=-1)
        tangent, along = towards - along[:, None] * x, along + own
        length = jnp.sqrt(jnp.sum(tangent**2, axis=-1) + along**2)
        speed, growth = rates(self.norm, t, radii, along, length, self.tau, self.alpha)
        return speed[:, None] * tangent, growth, speed * total

    def _written(
        self, x: Float[Array, "n d"], masses: ArrayLike | None
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"], Float[Array, " n"]]:
        """A_i - c_i x_i, c_i, and the sum of the weights: with c_i x_i apart, small pulls keep their digits."""
        n = self._checked_tokens(x)
        masses = checked_masses(masses, n, x.dtype)
        shift = jnp.zeros((1, x.shape[1]), x.dtype) if self.output_bias is None else self.output_bias[None]
        if self.value is None and self.output is None:
            pull, totals = _pulls(self, x, masses)
            bias = 0 if self.value_bias is None else totals @ self.value_bias
            total = jnp.sum(totals, axis=-1)
            return pull + bias + shift, total, total
        values = linear(self.value, x, self.value_bias)
        with_one = jnp.concatenate([values, jnp.ones_like(values[..., :1])], axis=-1)
        weigh = self._numerators(x, masses)

        def write(rows: Int[Array, " rows"]) -> tuple[Float[Array, "rows d"], Float[Array, " rows"]]:
            weights = weigh(rows, x)
            read = product(weights.others, with_one) + weights.own[..., None] * with_one[:, rows]
            if self.kind == "SA":
                read = read / read[..., -1:]
            seen = read[..., :-1]
            written = seen if self.output is None else product(seen, jnp.swapaxes(self.output, -1, -2))
            return jnp.sum(written, axis=0), jnp.sum(read[..., -1], axis=0)

        written, total = by_rows(write, n, self.heads)
        return written + shift, jnp.zeros_like(total), total

    def _numerators(self, x: Float[Array, "n d"], masses: Float[Array, " n"]) -> Weigh:
        """The function from tokens' numbers to the numerators of their weights, from matrix products.

        Where Q and K are the identity, logits are products of the tokens as seen from an origin.
        """
        queries, keys = linear(self.query, x, self.query_bias), linear(self.key, x, self.key_bias)

        def alignment(
            rows: Int[Array, " rows"], y: Float[Array, "n d"]
        ) -> tuple[Float[Array, "_head rows n"], Float[Array, "_head rows"]]:
            if not self._matched():
                products = product(queries[:, rows], jnp.swapaxes(keys, -1, -2)) - 1
                return products, jnp.take_along_axis(products, rows[None, :, None], axis=-1)[..., 0]
            half = jnp.sum(y**2, axis=-1) / 2
            products = product(y[rows], y.T) - half[rows][:, None] - half[None]
            return products[None], jnp.zeros((1, len(rows)), x.dtype)

        def weigh(rows: Int[Array, " rows"], y: Float[Array, "n d"]) -> Numerators:
            other, own = (self.beta * part for part in alignment(rows, y))
            columns, numbers = jnp.arange(len(x))[None], rows[:, None]
            seen = columns < numbers if self.causal else columns != numbers
            other = jnp.where(seen[None], other, -jnp.inf)
            if self.kind == "SA" and not self._matched():
                top = jnp.maximum(own, jnp.max(other, axis=-1))
                other, own = other - top[..., None], own - top
            if self.kind == "USA" and self.clock == "survey":
                other, own = other + self.beta, own + self.beta
            return Numerators(
                jnp.broadcast_to(masses[None, None] * jnp.exp(other), (self.heads, *other.shape[1:])),
                jnp.broadcast_to(masses[rows][None] * jnp.exp(own), (self.heads, len(rows))),
            )

        return weigh

    def _matched(self) -> bool:
        """Whether tokens attend by their own angle, Q = K = I."""
        return all(part is None for part in (self.query, self.key, self.query_bias, self.key_bias))

    def _rows(
        self, x: Float[Array, "n d"], masses: ArrayLike | None
    ) -> Callable[[Int[Array, ""]], Float[Array, "head n"]]:
        """The function from a token's number to its weights."""
        n = self._checked_tokens(x)
        masses = checked_masses(masses, n, x.dtype)
        alignment = self._alignment(x)

        def row(i: Int[Array, ""]) -> Float[Array, "head n"]:
            seen = jnp.arange(n) <= (i if self.causal else n)
            logits = jnp.where(seen[None], self.beta * alignment(i), -jnp.inf)
            if self.kind == "SA":
                weights = masses[None] * jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
                return weights / jnp.sum(weights, axis=-1, keepdims=True)
            return masses[None] * jnp.exp(logits + self.beta if self.clock == "survey" else logits)

        return row

    def _alignment(self, x: Float[Array, "n d"]) -> Callable[[Int[Array, ""]], Float[Array, "head n"]]:
        """The function from a token's number i to <Q x_i, K x_j> - 1."""
        if self._matched():
            return lambda i: jnp.broadcast_to(
                -jnp.sum((x - x[i][None]) ** 2, axis=-1) / 2, (self.heads, len(x))
            )
        queries = linear(self.query, x, self.query_bias)
        keys = linear(self.key, x, self.key_bias)
        return lambda i: jnp.broadcast_to((keys @ queries[:, i, :, None])[..., 0] - 1, (self.heads, len(x)))

    def _checked_tokens(self, x: Float[Array, "n d"]) -> int:
        if x.ndim != 2:
            raise ValueError(f"x must have shape (n, d), got {x.shape}")
        d = axis_sizes(vars(self)).get("d", x.shape[1])
        if d != x.shape[1]:
            raise ValueError(f"the operators act on d = {d} dimensions, got tokens of shape {x.shape}")
        return len(x)


@eqx.filter_custom_jvp
def _pulls(
    field: Attention, x: Float[Array, "n d"], masses: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, "n head"]]:
    """sum_hj A^h_ij (x_j - x_i), and sum_j A^h_ij."""
    steepness = field.beta if field._matched() else jnp.zeros_like(field.beta)
    return pulls(field._numerators(x, masses), x, field.heads, field.kind == "SA", steepness)


@_pulls.def_jvp
def _pulls_tangent(primals: Any, tangents: Any) -> tuple[Any, Any]:
    _, along = eqx.filter_jvp(_pulls_by_differences, primals, tangents)
    return _pulls(*primals), along


def _pulls_by_differences(
    field: Attention, x: Float[Array, "n d"], masses: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, "n head"]]:
    """What `_pulls` is, a row at a time: slow, and with all digits of the derivatives too."""
    row = field._rows(x, masses)

    def of_token(i: Int[Array, ""]) -> tuple[Float[Array, " d"], Float[Array, " head"]]:
        weights = row(i)
        pull = jnp.sum(jnp.sum(weights, axis=0)[:, None] * (x - x[i][None]), axis=0)
        return pull, jnp.sum(weights, axis=-1)

    return by_tiles(of_token, len(x), max(x.shape[1], field.heads))


def checked_beta(beta: ArrayLike) -> Float[Array, ""]:
    """beta as an array without axes; ValueError where it is known to be negative or not finite."""
    array = jnp.asarray(beta, float)
    if array.ndim != 0:
        raise ValueError(f"beta must be one number, got shape {array.shape}: use jax.vmap for several")
    if not isinstance(array, Tracer) and not 0 <= float(array) < np.inf:
        raise ValueError(f"beta must be finite and at least 0, got {beta}")
    return array


def checked_masses(masses: ArrayLike | None, n: int, dtype: Any) -> Float[Array, " n"]:
    """The masses as an array, uniform where None; ValueError for another shape."""
    if masses is None:
        return jnp.full(n, 1 / n, dtype)
    array = jnp.asarray(masses, dtype)
    if array.shape != (n,):
        raise ValueError(f"masses must have shape ({n},), one for each token, got {array.shape}")
    return array


def _described(parameter: Rate | None) -> float | str | None:
    """A parameter of the scheme as a JSON value; a function by name."""
    if callable(parameter):
        return getattr(parameter, "__name__", repr(parameter))
    return None if parameter is None else float(parameter)
