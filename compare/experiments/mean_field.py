"""The mean field from the uniform law: how fast its harmonics grow, and how many clusters the fastest one makes."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy.polynomial.legendre import Legendre, leggauss

from compare import theory
from compare.experiments.experiment import Experiment
from compare.plotting import COLOURS
from sim.attention import Attention
from sim.mean_field import simulate_mean_field

BETAS, N, NOISE = (5.0, 7.0), 20_000, 0.01
"""Of the published figures; noise is the standard deviation of the angles about a uniform grid."""
DEGREES = (1, 2, 3, 4, 5, 6)
LAST, BINS = 16.0, 180
"""Time times the fastest growth rate, and bins of the circle."""
SMALL = 1e-6
CASES = (("SA", 2, 9.0), ("USA", 2, 5.0), ("SA", 3, 9.0), ("USA", 3, 5.0))
_MEANINGS = {
    "density": "share of the tokens in a bin, over that of the uniform law",
    "size": "size of a harmonic, |mean of e^(-i k angle)|",
    "predicted_size": "its size at the start, grown at the closed-form rate",
    "found": "clusters at the end",
    "expected": "degree of the fastest harmonic",
    "misplaced": "largest distance of a cluster from the place that the start foretells, over their spacing",
    "growth": "growth rate of a harmonic of the uniform law",
    "predicted_growth": "growth rate, closed form",
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """USA on the circle from a grid of 20,000 tokens with noise, and the growth of single harmonics of the uniform law.

    In the table: ``density`` (beta, time, angle); ``size`` and ``predicted_size`` (beta, time, degree); ``found`` and
    ``expected`` (beta), numbers of clusters; ``misplaced`` (beta), with the places (2 pi j - arg mu_k)/k of the start's
    harmonic mu_k (2410.23228); ``growth`` and ``predicted_growth`` (case) of the fastest degree, of about 1e6
    tokens, 1e4 with `quick`. Time is times the fastest rate.
    """
    rng = np.random.default_rng(seed)
    times = np.linspace(0, LAST, 49)
    many = 10_000 if quick else 1_000_000
    table = xr.concat([_from_noise(beta, times, rng) for beta in BETAS], "beta")
    grown = xr.concat([_growth(kind, d, beta, many) for kind, d, beta in CASES], "case")
    table = xr.merge([table.assign_coords(beta=list(BETAS)), grown])
    for name, meaning in _MEANINGS.items():
        table[name].attrs.update(long_name=meaning, units="1")
    table["time"].attrs.update(long_name="time times the fastest growth rate", units="1")
    table.attrs.update(n=N, noise=NOISE, many=many)
    return table.assign_attrs(finding=finding(table))


def finding(table: xr.Dataset) -> str:
    """The sentence, from the table alone."""
    agree = (table["found"] == table["expected"]).values
    counts = " and ".join(
        f"{int(table['found'].sel(beta=beta))} at beta {beta:g} (the fastest degree is "
        f"{int(table['expected'].sel(beta=beta))})"
        for beta in table["beta"].values
    )
    off = np.abs(table["growth"] / table["predicted_growth"] - 1).max().item()
    early = table.where(table["time"] <= LAST / 4)
    apart = xr.ufuncs.log(early["size"] / early["predicted_size"])
    fastest = [
        apart.sel(beta=b, degree=int(table["expected"].sel(beta=b))).max().item() for b in table["beta"]
    ]
    return (
        f"{table.attrs['n']:,} tokens on the circle gather in as many clusters as the fastest harmonic says"
        f"{'' if agree.all() else ' NOT at every beta'}: {counts}, at most {table['misplaced'].max().item():.2f} of "
        "their spacing from where the start's harmonic puts them. Until a quarter of the time the fastest harmonic "
        f"follows its closed form to {100 * np.expm1(max(fastest)):.2g} %. The uniform law of {table.attrs['many']:,} "
        f"tokens, on the circle and on S^2, grows at the closed-form rates to {off:.1g} relative."
    )


def draw(table: xr.Dataset) -> Figure:
    """Densities over time with the foretold places, and the harmonics with their straight lines."""
    figure = Figure(figsize=(8.6, 6.4))
    planes: Any = figure.subplots(2, 2, sharex=True)
    meshes = [
        axes.pcolormesh(
            table["time"].values,
            np.degrees(table["angle"].values),
            table["density"].sel(beta=beta).transpose("angle", "time").values,
            cmap="cividis",
            vmin=0,
            vmax=4,
            shading="nearest",
            rasterized=True,
        )
        for axes, beta in zip(planes[0], table["beta"].values)
    ]
    for (above, below), beta in zip(planes.T, table["beta"].values):
        chosen = table.sel(beta=beta)
        foretold = np.degrees(chosen["foretold"].dropna("place"))
        above.plot(np.full(len(foretold), 1.03 * LAST), foretold, "<", color=COLOURS[1], clip_on=False)
        above.set(title=f"beta = {beta:g}: {int(chosen['found'])} clusters", ylim=(0, 360), xlim=(0, LAST))
        above.set_yticks(range(0, 361, 90))
        above.grid(visible=False)
        for degree, colour in zip(chosen["degree"].values, COLOURS):
            one = chosen.sel(degree=degree)
            below.semilogy(one["time"], one["size"], color=colour, label=f"degree {degree}")
            line = one["predicted_size"].where(one["predicted_size"] < 1)
            below.semilogy(one["time"], line, "--", color=colour, linewidth=0.9)
        below.set(xlabel="time times the fastest growth rate", ylim=(1e-5, 1.5))
    planes[0, 0].set_ylabel("angle (degrees)")
    planes[1, 0].set_ylabel("size of the harmonic (dashed: closed form)")
    figure.colorbar(meshes[0], ax=planes[0].tolist(), label="density over uniform", extend="max")
    figure.legend(*planes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def _from_noise(beta: float, times: Float[np.ndarray, " time"], rng: np.random.Generator) -> xr.Dataset:
    """One run of USA on the survey clock, that of the paper, reduced to densities, harmonics and clusters."""
    rates = theory.growth_rate(DEGREES, beta, 2, "USA", "survey")
    expected = int(theory.cluster_count(beta))
    grid = 2 * np.pi * np.arange(N) / N
    start = _on_circle(grid + NOISE * rng.standard_normal(N))
    scaled = simulate_mean_field(Attention(beta, "USA", clock="survey"), start, times / rates.max())
    angles = np.arctan2(scaled.points[..., 1], scaled.points[..., 0]) % (2 * np.pi)
    edges = np.linspace(0, 2 * np.pi, BINS + 1)
    density = [np.histogram(each, edges)[0] * BINS / N for each in angles]
    sizes = np.stack([np.mean(np.exp(-1j * degree * angles), axis=1) for degree in DEGREES], axis=1)
    foretold = theory.cluster_angles(angles[0], expected)
    centres = _centres(angles[-1])
    places = np.full(max(DEGREES), np.nan)
    places[:expected] = foretold
    return xr.Dataset(
        {
            "density": (("time", "angle"), np.array(density)),
            "size": (("time", "degree"), np.abs(sizes)),
            "predicted_size": (
                ("time", "degree"),
                np.abs(sizes[0]) * np.exp(times[:, None] * rates / rates.max()),
            ),
            "foretold": (("place",), places),
            "found": len(centres),
            "expected": expected,
            "misplaced": max(_nearest(centre, foretold) for centre in centres) * expected / (2 * np.pi),
        },
        {"time": times, "angle": (edges[1:] + edges[:-1]) / 2, "degree": list(DEGREES)},
    )


def _centres(angles: Float[np.ndarray, " n"]) -> list[float]:
    """Mean directions of the groups of tokens that no gap of half a bin parts."""
    ordered = np.sort(angles)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    cuts = np.flatnonzero(gaps > np.pi / BINS)
    groups = (
        np.split(np.roll(ordered, -cuts[0] - 1), np.sort((cuts[1:] - cuts[0]) % len(angles)))
        if len(cuts)
        else []
    )
    return [float(np.angle(np.mean(np.exp(1j * group))) % (2 * np.pi)) for group in groups]


def _nearest(angle: float, others: Float[np.ndarray, " other"]) -> float:
    return float(np.min(np.abs((others - angle + np.pi) % (2 * np.pi) - np.pi)))


def _growth(kind: str, d: int, beta: float, many: int) -> xr.Dataset:
    """The rate at which the fastest harmonic grows by a factor e, of an amplitude whose square is rounding."""
    degree = int(theory.cluster_count(beta, d))
    rate = float(theory.growth_rate(degree, beta, d, kind))
    if d == 2:
        angles = 2 * np.pi * np.arange(many) / many
        start, masses = _on_circle(angles + SMALL * np.sin(degree * angles)), None
    else:
        start, masses = _nudged_sphere(degree, many)
    run = simulate_mean_field(Attention(beta, kind), start, [0.0, 1 / rate], masses, rtol=1e-12, atol=1e-14)
    first, last = (_harmonic(points, run.masses, degree) for points in run.points)
    return xr.Dataset(
        {"growth": rate * np.log(last / first), "predicted_growth": rate},
        {"case": f"{kind}, {'circle' if d == 2 else 'S^2'}, beta {beta:g}, degree {degree}"},
    )


def _harmonic(points: Float[np.ndarray, "n d"], masses: Float[np.ndarray, " n"], degree: int) -> float:
    if points.shape[1] == 2:
        return float(abs(masses @ (points[:, 0] + 1j * points[:, 1]) ** degree))
    return float(abs(masses @ Legendre.basis(degree)(points[:, 2])))


def _nudged_sphere(degree: int, many: int) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """A grid that integrates harmonics exactly, its weights as masses, moved along the gradient of one harmonic."""
    rings = int(np.sqrt(many / 2))
    heights, weights = leggauss(rings)
    around = 2 * np.pi * np.arange(2 * rings) / (2 * rings)
    colatitude = np.arccos(heights)
    colatitude = colatitude - SMALL * np.sin(colatitude) * Legendre.basis(degree).deriv()(heights)
    sine, cosine = (np.repeat(each, 2 * rings) for each in (np.sin(colatitude), np.cos(colatitude)))
    turn = np.tile(around, rings)
    points = np.stack((sine * np.cos(turn), sine * np.sin(turn), cosine), axis=1)
    masses = np.repeat(weights, 2 * rings)
    return points, masses / masses.sum()


def _on_circle(angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    return np.stack((np.cos(angles), np.sin(angles)), axis=1)


EXPERIMENT = Experiment(
    name="mean_field",
    place=8,
    question="Do many uniform tokens gather in as many clusters, and as fast, as the harmonics of the uniform law say?",
    source="2410.23228, Theorem 4.3 and its figures for beta = 5 and 7 (N = 20,000)",
    run=run,
    draw=draw,
)
