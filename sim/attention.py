"""Self-attention as a vector field on the sphere: tokens that pull each other along great circles."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sim.kernel import TileRows, by_rows, by_tiles, product, row_sums, rows_of
from sim.normalisation import GROWING, Rate, Scheme, checked_scheme, rates
from sim.operators import AXES, BY_PLACE, axis_sizes, by_head, checked_bias, finite, linear, number
from sim.precision import Precision, checked_precision, require_64_bit
from sim.weights import Weights, weighted_pulls

_MOST_ON_SURVEY_CLOCK = {"float64": 700, "float32": 85}


class Attention(eqx.Module):
    """Velocity of n tokens x_i on S^(d-1) that attend to each other: one layer of attention per unit of time.

        dx_i/dt = P_i [ sum_h O_h sum_j A^h_ij (V_h x_j + b_V) + b_O ],    P_i y = y - <x_i, y> x_i,

    with the weights A^h_ij, where s = <Q_h x_i + b_Q, K_h x_j + b_K> and m_j are the masses,

    - ``"SA"``, self-attention: m_j e^(beta s_ij) / sum_k m_k e^(beta s_ik). Rows sum to 1.
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

    What trained models do besides to the logits beta s, in this order; each where it is given:

        argument                q = Q_h x_i + b_Q and k = K_h x_j + b_K, or the logit of the two
        query_gain, key_gain    q <- gain q / sqrt(mean of q^2 + query_key_epsilon), a head for itself; the same for k
        angles                  pair (a, b) of entries p and p + rank/2 of q and k <- (a cos - b sin, b cos + a sin),
                                the angle that of the token and p (rotary positions, RoPE)
        softcap                 beta s <- softcap tanh(beta s / softcap)
        logit_bias              beta s <- beta s + logit_bias_ij; -inf hides j from i (ALiBi, relative positions,
                                windows, masks)

    angles and logit_bias belong to places: a field that has them is for n tokens in their order, and for no others.

    Calling it, ``field(t, x, args)`` with ``args`` the masses or None, gives dx/dt in the form diffrax takes. Where
    lengths grow (pre, peri, mix), x_i = r_i theta_i carries both. Elsewhere x_i is a unit vector, and off the sphere,
    where only rounding and the solver's error lead, (1 - |x_i|^2) x_i sum_hj A^h_ij / (4 s_i) is added, which draws
    every length back to 1; the bare projection would do so for V = I, but drives lengths away from 1 where
    <x_i, V x_j> < 0.

    Accuracy: where V and O are the identity, each velocity is that of the float64 tokens to 1e-10 and mostly to 1e-13,
    also where beta (1 - cos) = 40 and the formula as written has no digit left (`sim.kernel`); coinciding tokens do
    not move each other at all. Where V or O is learned, or a weight is read, rounding is relative to the largest
    value; weights of learned Q and K round by eps times their logits.

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
    clock: the clock of USA, as above; survey times overflow beyond beta = 700 (85 in float32).
    norm: ``"post"``, ``"pre"``, ``"peri"``, ``"mix"``, ``"ngpt"`` or ``"sqrt"``.
    tau: the time at which mix turns from post to pre; of mix alone.
    alpha: the step of ngpt, above 0: a number, or a function from t to one; of ngpt alone.
    query_gain, key_gain: (head, rank) or (rank,). query_key_epsilon: at least 0; read where a gain is given.
    angles: (n, rank/2), in radians, the same for all heads; rank is d where Q = K = I.
    softcap: above 0.
    logit_bias: (n, n), or (head, n, n), row i of the token that moves; finite or -inf. `beta` does not multiply it.
    dtype: float64, or float32, which is for accelerators and short runs: each velocity is then that of the float32
        tokens to 1e-4, and `simulate` and `coalesce` refuse it, as plateaus live in the digits that it lacks.

    Raises ValueError for a negative or infinite beta, an unknown kind, clock or norm, tau or alpha of another norm,
    shapes that disagree, another dtype; and, when it is called in float64, for 32-bit JAX or arrays from before it
    was turned to 64 bits.
    `dataclasses.replace` makes a field with some of the arguments changed.
    Cost of a call: O(n^2 d) time a head, that of two matrix products and n^2 exponentials, two or three times as much
    where clusters are tight and far apart; O(n d) memory beyond tiles of 32 MB. Few tokens, up to 32, take a sum of
    differences, whatever stands where. Derivatives are those of such a sum, and of many tokens cost several times as
    much.

    >>> import numpy as np
    >>> import sim
    >>> velocity = sim.Attention(beta=1.0).velocity(np.eye(2))
    >>> round(float(velocity[0, 1]), 4), round(1 / (1 + np.e), 4)
    (0.2689, 0.2689)
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
    query_gain: Float[Array, "head rank"] | None
    key_gain: Float[Array, "head rank"] | None
    query_key_epsilon: Float[Array, ""]
    angles: Float[Array, "n pair"] | None
    softcap: Float[Array, ""] | None
    logit_bias: Float[Array, "_head n n"] | None
    dtype: np.dtype = eqx.field(static=True)
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
        alpha: ArrayLike | Callable[[Array], ArrayLike] | None = None,
        query_gain: ArrayLike | None = None,
        key_gain: ArrayLike | None = None,
        query_key_epsilon: ArrayLike = 1e-6,
        angles: ArrayLike | None = None,
        softcap: ArrayLike | None = None,
        logit_bias: ArrayLike | None = None,
        dtype: Precision = np.float64,
    ):
        if kind not in ("SA", "USA"):
            raise ValueError(f'kind must be "SA" or "USA", got {kind!r}')
        if clock not in ("metastability", "survey"):
            raise ValueError(f'clock must be "metastability" or "survey", got {clock!r}')
        self.beta = number("beta", beta, "finite and at least 0")
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
        self.output_bias = finite("output_bias", output_bias)
        self.norm, self.tau, self.alpha = checked_scheme(norm, tau, alpha)
        self.query_gain = by_head("query_gain", query_gain, 1)
        self.key_gain = by_head("key_gain", key_gain, 1)
        self.query_key_epsilon = number("query_key_epsilon", query_key_epsilon, "finite and at least 0")
        self.softcap = None if softcap is None else number("softcap", softcap, "finite and above 0")
        self.angles = finite("angles", angles)
        self.logit_bias = checked_bias(logit_bias, self.causal, of_softmax=kind == "SA")
        self.heads = axis_sizes(vars(self)).get("head", 1)
        self.dtype = checked_precision(dtype)
        if self.dtype == np.float32:
            for name, part in list(vars(self).items()):
                if isinstance(part, Array):
                    setattr(self, name, part.astype(np.float32))
        most = _MOST_ON_SURVEY_CLOCK[str(self.dtype)]
        if kind == "USA" and clock == "survey" and not isinstance(self.beta, Tracer) and self.beta > most:
            raise ValueError(
                f"e^beta overflows on the survey clock at beta = {beta}: use clock='metastability'"
            )

    def __call__(self, t: ArrayLike, x: ArrayLike, args: ArrayLike | None = None) -> Float[Array, "n d"]:
        x = self._points(x)
        if self.norm in GROWING:
            radii = jnp.linalg.norm(x, axis=-1)
            theta = x / radii[:, None]
            turning, growth, _ = self._motion(theta, args, t, radii)
            return radii[:, None] * turning + growth[:, None] * theta
        turning, _, total = self._motion(x, args, t, None)
        return turning + (total / 4 * (1 - row_sums(x**2)))[:, None] * x

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
        return self._motion(self._points(x), masses, t, radii)[0]

    def growth(
        self,
        x: ArrayLike,
        masses: ArrayLike | None = None,
        *,
        t: ArrayLike = 1.0,
        radii: ArrayLike | None = None,
    ) -> Float[Array, " n"]:
        """r_i', (n,), at the unit vectors x; arguments as of `velocity`."""
        return self._motion(self._points(x), masses, t, radii)[1]

    @eqx.filter_jit
    def attend(self, x: ArrayLike, masses: ArrayLike | None = None) -> Float[Array, "n d"]:
        """A_i, what attention writes for each token, (n, d): neither projected nor normed."""
        x = self._points(x)
        towards, own, _ = self._written(x, masses)
        return towards + own[:, None] * x

    @eqx.filter_jit
    def weights(self, x: ArrayLike, masses: ArrayLike | None = None) -> Float[Array, "head n n"]:
        """The weights A^h_ij, (head, n, n), row i of the token that moves. O(head n^2) memory."""
        x = self._points(x)
        masses = checked_masses(masses, self._checked_tokens(x), x.dtype)
        return jnp.moveaxis(by_tiles(self._weights().rows(x, masses), len(x), self.heads), 0, 1)

    def describe(self) -> dict[str, str | float | list[str] | None]:
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
            "operators": self.operators,
        }

    @property
    def operators(self) -> list[str]:
        """Names of the arguments by which this is not attention with Q = K = V = I."""
        return [name for name in AXES if getattr(self, name) is not None]

    @property
    def tells_places_apart(self) -> bool:
        """Whether two tokens at one point may move apart, as one comes before the other."""
        return self.causal or any(getattr(self, name) is not None for name in BY_PLACE)

    def _points(self, x: ArrayLike) -> Float[Array, "..."]:
        """The tokens as an array; ValueError where JAX computes, or has made this field, in 32 bits unasked."""
        if self.dtype == np.float64:
            require_64_bit(self)
        return jnp.asarray(x, self.dtype)

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
        along = row_sums(x * towards) / row_sums(x**2)
        tangent, along = towards - along[:, None] * x, along + own
        length = jnp.sqrt(row_sums(tangent**2) + along**2)
        speed, growth = rates(self.norm, t, radii, along, length, self.tau, self.alpha)
        return speed[:, None] * tangent, growth, speed * total

    def _written(
        self, x: Float[Array, "n d"], masses: ArrayLike | None
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"], Float[Array, " n"]]:
        """A_i - c_i x_i, c_i, and the sum of the weights: with c_i x_i apart, small pulls keep their digits."""
        masses = checked_masses(masses, self._checked_tokens(x), x.dtype)
        weights = self._weights()
        shift = jnp.zeros((1, x.shape[1]), x.dtype) if self.output_bias is None else self.output_bias[None]
        if self.value is None and self.output is None:
            pull, totals = weighted_pulls(weights, x, masses)
            bias = 0 if self.value_bias is None else totals @ self.value_bias
            total = jnp.sum(totals, axis=-1)
            return pull + bias + shift, total, total
        values = linear(self.value, x, self.value_bias)
        with_one = jnp.concatenate([values, jnp.ones_like(values[..., :1])], axis=-1)
        numerators = weights.numerators(x, masses)

        def write(rows: TileRows) -> tuple[Float[Array, "rows d"], Float[Array, " rows"]]:
            others, own = numerators(rows, x)
            read = product(others, with_one) + own[..., None] * rows_of(with_one, rows, axis=1)
            if self.kind == "SA":
                read = read / read[..., -1:]
            seen = read[..., :-1]
            written = seen if self.output is None else product(seen, jnp.swapaxes(self.output, -1, -2))
            return jnp.sum(written, axis=0), jnp.sum(read[..., -1], axis=0)

        written, total = by_rows(write, len(x), self.heads)
        return written + shift, jnp.zeros_like(total), total

    def _weights(self) -> Weights:
        return Weights(**{part.name: getattr(self, part.name) for part in fields(Weights)})

    def _checked_tokens(self, x: Float[Array, "n d"]) -> int:
        if x.ndim != 2:
            raise ValueError(f"x must have shape (n, d), got {x.shape}")
        sizes = axis_sizes(vars(self))
        d, n = sizes.get("d", x.shape[1]), sizes.get("n", len(x))
        if d != x.shape[1]:
            raise ValueError(f"the operators act on d = {d} dimensions, got tokens of shape {x.shape}")
        if n != len(x):
            raise ValueError(
                f"this field has the places of n = {n} tokens, in angles or logit_bias, got {len(x)} tokens: "
                f"make it for {len(x)}"
            )
        return n


def checked_field(field: object) -> None:
    """Raise ValueError for what is no `Attention`, or one whose class may have changed what the solvers rely on."""
    if isinstance(field, Attention) and type(field) is not Attention:
        raise ValueError(
            f"the solvers know sim.Attention alone, got its subclass {type(field).__name__}, whose changes they would "
            "ignore: write it as an Attention with other operators, or give its __call__ to diffrax"
        )
    if not isinstance(field, Attention):
        raise ValueError(
            f"field must be a sim.Attention, got {type(field).__name__}: see help(sim.Attention)"
        )


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
