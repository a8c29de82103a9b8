"""The staircase of the energy on the circle, Theorem 6.4 of 2410.06833, and its clock."""

from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

from compare.experiments.experiment import Experiment
from compare.experiments.shared.records import tabulate
from compare.experiments.shared.rescaled import climb, plateau_length
from compare.plotting import COLOURS
from compare.theory import collision_radius, log_merge_time, staircase
from sim.attention import Attention
from sim.mergers.solver import coalesce

GAPS = (0.15, 0.35, 0.6, 1.1)
AUTHORS_BETAS = (500.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0)
AUTHORS_ANGLES = 0.5 * np.array([0, 0.5, 2, 4, 7]) * np.log(2000) / np.sqrt(2000)


LABELS = {
    "beta": ("inverse temperature beta", ""),
    "jump_time": ("merger, on the clock tau' = ln(beta) min e^(beta (1 - cos))", "rescaled time"),
    "printed_jump_time": ("merger, on the clock as printed, with max for min", "rescaled time"),
    "jump_time_theory": ("merger, finite-beta formula", "rescaled time"),
    "jump_time_limit": ("merger, limit of the formula as beta grows", "rescaled time"),
    "rescaled_time": ("moments at which the energy is recorded", "rescaled time"),
    "energy": ("energy E1", ""),
    "height_theory": ("sum of squared masses after the merger", ""),
}


def run(seed: int, quick: bool) -> xr.Dataset:
    """Five tokens on the circle through all mergers, beta from 1e3 to 1e12; and the authors' own figure."""
    betas = np.logspace(3, 12, 4 if quick else 10)
    starts = _well_prepared(2 if quick else 6, seed)
    table = xr.merge([_jumps(betas, starts), _true_flow(betas[betas <= 1e6], starts[0]), _authors_figure()])
    table.attrs["finding"] = finding(table)
    return table


def _well_prepared(count: int, seed: int) -> Float[np.ndarray, "start token"]:
    """Angles of 2410.06833, Theorem 6.4: each next gap is wider than all before it together; one fixed start first."""
    random = np.random.default_rng(seed)
    rows = [np.cumsum([0.0, *GAPS])]
    for _ in range(count - 1):
        angles = [0.0, random.uniform(0.05, 0.2)]
        while len(angles) < len(GAPS) + 1:
            angles.append(angles[-1] * (1 + random.uniform(1.1, 1.4)))
        rows.append(np.array(angles))
    return np.array(rows)


def _on_circle(angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _jumps(betas: Float[np.ndarray, " beta"], starts: Float[np.ndarray, "start n"]) -> xr.Dataset:
    """Measured and predicted jump times on the clock of Section 6, which is N times slower than that of `climb`."""
    n = starts.shape[1]
    slower = {"survivors": np.arange(n, 1, -1.0), "mass kept": np.full(n - 1, float(n))}
    records = []
    for variant, beta, (start, angles) in product(slower, betas, enumerate(starts)):
        keep, pace = variant == "mass kept", slower[variant]
        climbed = climb(_on_circle(angles), np.full(n, 1 / n), float(beta), keep_masses=keep)
        predicted = staircase(float(beta), angles, keep)
        jumps = np.cumsum(climbed.lengths * pace)
        records.append(
            {
                "variant": variant,
                "beta": beta,
                "start": start,
                "jump_time": jumps,
                "printed_jump_time": np.cumsum(climbed.printed_lengths * pace),
                "jump_time_theory": predicted.jump_times,
                "jump_time_limit": np.cumsum(predicted.plateau_limits),
                "height_theory": predicted.heights,
                "rescaled_time": np.append(0.0, jumps[:-1])[:, None] + climbed.moments * pace[:, None],
                "energy": climbed.energies,
            }
        )
    table = tabulate(records, ("variant", "beta", "start"), LABELS, ("merger", "sample"))
    table = table.assign_coords(merger=np.arange(1, n))
    return table.assign(start_angle=(("start", "token"), starts, {"units": "rad"}))


def _true_flow(betas: Float[np.ndarray, " beta"], angles: Float[np.ndarray, " n"]) -> xr.Dataset:
    """The same start under USA with masses kept, by `coalesce`: log t, and the rescaled time of its own states."""
    n = len(angles)
    log_times, predicted, jumps = np.empty((3, len(betas), n - 1))
    for row, beta in enumerate(betas):
        radius = float(collision_radius(beta))
        chord = 2 * np.sin(radius / 2)
        found = coalesce(Attention(beta, "USA"), _on_circle(angles), merge_chord=chord)
        states = [found.at(-np.inf), *(found.at(log_t) for log_t in found.log_times[:-1])]
        stages = []
        for state, pair in zip(states, found.pairs):
            first, second = (int(np.flatnonzero(state.clusters == cluster)[0]) for cluster in pair)
            chord = np.linalg.norm(state.points[first] - state.points[second])
            stages.append((2 * np.arcsin(chord / 2), state.masses[first], state.masses[second]))
        angle, first, second = np.array(stages).T
        log_times[row] = found.log_times
        predicted[row] = np.logaddexp.accumulate(log_merge_time(beta, angle, radius, (first, second), "USA"))
        jumps[row] = np.cumsum(n * plateau_length(beta, angle, (first, second)))
    dims = ("beta_true", "merger")
    return xr.Dataset(
        {
            "log_time": (dims, log_times, {"long_name": "ln t of the merger by coalesce, masses kept"}),
            "log_time_theory": (dims, predicted, {"long_name": "ln t, sum of two-cluster times"}),
            "true_jump_time": (dims, jumps, {"long_name": "merger", "units": "rescaled time"}),
        },
        coords={"beta_true": betas, "merger": np.arange(1, n)},
    )


def _authors_figure() -> xr.Dataset:
    """The script behind the paper's figure: theta' = ln(beta) g/|g|, explicit Euler with step 1e-5, one start for all.

    Its rule where |g| < 1e-5 sets equal what is closer than 1e-3. The speed is ln(beta), so the path is walked by
    length: merger i comes at L_i/ln(beta) with L_i its distance along the path, not at n^2/4.
    """
    betas, n, rate, steps = np.array(AUTHORS_BETAS), len(AUTHORS_ANGLES), 1e-5, 13_000
    theta = np.tile(AUTHORS_ANGLES, (len(betas), 1))
    energies = np.empty((steps, len(betas)))
    for step in range(steps):
        apart = theta[:, None] - theta[..., None]
        pull = np.exp(-2 * betas[:, None, None] * np.sin(apart / 2) ** 2)
        energies[step] = pull.mean(axis=(1, 2))
        gradient = np.sum(pull * np.sin(apart), axis=2) / n**2
        size = np.linalg.norm(gradient, axis=1)
        theta = theta + rate * (np.log(betas) / np.maximum(size, 1e-300))[:, None] * gradient
        for row in np.flatnonzero(size < 1e-5):
            for token in range(n):
                theta[row, np.abs(theta[row] - theta[row, token]) < 1e-3] = theta[row, token]
    time = rate * np.arange(steps)
    walked, exact = np.empty((2, len(betas), n - 1))
    for row, beta in enumerate(betas):
        climbed = climb(_on_circle(AUTHORS_ANGLES), np.full(n, 1 / n), float(beta), radius=1e-6)
        steps_up = 2 * np.prod(climbed.pair_masses, axis=1)
        middles = 1 / n + np.cumsum(steps_up) - steps_up / 2
        walked[row] = _crossings(time, energies[:, row], middles)
        ways = climbed.paths + np.append(0.0, np.cumsum(climbed.paths[:-1, -1]))[:, None]
        exact[row] = _crossings(np.sqrt(n) * ways.ravel() / np.log(beta), climbed.energies.ravel(), middles)
    keep = slice(None, None, 20)
    units = {"units": "time of theta' = ln(beta) g/|g|"}
    return xr.Dataset(
        {
            "authors_energy": (
                ("arclength_time", "authors_beta"),
                energies[keep],
                {"long_name": "energy E1"},
            ),
            "authors_jump_time": (
                ("authors_beta", "merger"),
                walked,
                units | {"long_name": "half a step up"},
            ),
            "authors_jump_time_theory": (
                ("authors_beta", "merger"),
                exact,
                units | {"long_name": "L_i/ln(beta)"},
            ),
        },
        coords={
            "arclength_time": ("arclength_time", time[keep], units),
            "authors_beta": betas,
            "merger": np.arange(1, n),
        },
    )


def _crossings(
    time: Float[np.ndarray, " moments"],
    energy: Float[np.ndarray, " moments"],
    levels: Float[np.ndarray, " levels"],
) -> Float[np.ndarray, " levels"]:
    """When the energy first reaches each level; 0 where it starts above."""
    climbing = np.maximum.accumulate(energy)
    return np.interp(levels, climbing, time, left=0.0)


def finding(table: xr.Dataset) -> str:
    jump, ends = table["jump_time"], table["beta"].values[[0, -1]]
    off = abs(jump - table["jump_time_theory"]).max(("variant", "start", "merger")).values[[0, -1]]
    far = abs(jump - table["jump_time_limit"]).max(("variant", "start", "merger")).values[[0, -1]]
    early = float(table["printed_jump_time"].isel(merger=slice(None, -1)).max())
    log_off = float(abs(table["log_time"] / table["log_time_theory"] - 1).max())
    climb_off = float(
        abs(table["true_jump_time"] - jump.sel(variant="mass kept", start=0, beta=table["beta_true"])).max()
    )
    fall = _falls(table)
    final = table["authors_jump_time"].isel(merger=-1)
    walked = float(abs(table["authors_jump_time"] - table["authors_jump_time_theory"]).max())
    verdict = "confirm" if off[-1] < 1e-3 and far[-1] < far[0] and early < 0.1 else "contradict"
    return (
        f"The runs {verdict} the stairs on the corrected clock (min): jump times are off the finite-beta formula by "
        f"at most {off[0]:.1e} at beta = {ends[0]:.0e} and {off[1]:.1e} at {ends[1]:.0e}, and off the limits by "
        f"{far[0]:.2f} and {far[1]:.2f}. On the clock as printed (max) all jumps but the last come before "
        f"{early:.1e}. By the paper's gluing rule E1 falls by up to {float(fall.sel(variant='survivors')):.3f} at a "
        f"merger, with masses kept by {float(fall.sel(variant='mass kept')):.3f}. coalesce agrees with the sum of "
        f"two-cluster times to {log_off:.1e} of ln t, up to ln t = {float(table['log_time'].max()):.3g}, and with "
        f"the rescaled run to {climb_off:.1e}. The authors' figure walks by length: its last jump comes at "
        f"{float(final[0]):.3f} to {float(final[-1]):.3f} as beta grows, all within {walked:.1e} of L_i/ln(beta)."
    )


def _falls(table: xr.Dataset) -> xr.DataArray:
    """The largest fall of E1 at a merger, from the last moment of a plateau to the start of the next."""
    before, after = (
        table["energy"].isel(sample=-1),
        table["energy"].isel(sample=0).shift(merger=-1, fill_value=1.0),
    )
    return (before - after).max(("beta", "start", "merger")).clip(min=0)


def draw(table: xr.Dataset) -> Figure:
    """E1 on the corrected and on the printed clock, jump times against beta, and the authors' figure."""
    figure = Figure(figsize=(10, 7.6))
    (stairs, printed), (times, authors) = figure.subplots(2, 2)
    shown = table["beta"].values[[0, len(table["beta"]) // 2, -1]]
    one = table.sel(variant="survivors", start=0)
    for beta, colour in zip(shown, COLOURS):
        chosen = one.sel(beta=beta)
        at = np.append(chosen["rescaled_time"].values.ravel(), [float(chosen["jump_time"][-1]), 20.0])
        energy = np.append(chosen["energy"].values.ravel(), [1.0, 1.0])
        stairs.plot(at, energy, color=colour, label=f"measured, beta = {beta:.0e}")
        ends = np.append(0.0, chosen["printed_jump_time"].values)
        levels = np.append(chosen["energy"].isel(sample=0).values, 1.0)
        printed.step(np.append(ends, 2.0), np.append(levels, 1.0), where="post", color=colour)
    limits = one["jump_time_limit"].isel(beta=0).values
    for limit in limits:
        stairs.axvline(limit, color=COLOURS[6], linestyle="--", linewidth=1)
    stairs.plot([], [], color=COLOURS[6], linestyle="--", label="limits 6.25, 10.25, 12.5, 13.5")
    stairs.set(title="Corrected clock (min): one jump at a time", xlabel="rescaled time", ylabel="energy E1")
    stairs.set_xlim(0, limits[-1] + 2)
    printed.set(title="Clock as printed (max): all at 0 but one", xlabel="rescaled time, max for min")
    printed.set(ylabel="energy E1", xlim=(-0.1, 2))
    for merger, colour in zip(table["merger"].values, COLOURS):
        some = one.sel(merger=merger)
        every = table["jump_time"].sel(variant="survivors", merger=merger)
        for start in table["start"].values[1:]:
            times.plot(table["beta"], every.sel(start=start), ".", color=colour, alpha=0.3, markersize=3)
        times.plot(table["beta"], every.sel(start=0), "o", color=colour, markersize=4)
        times.plot(table["beta"], some["jump_time_theory"], color=COLOURS[6], linestyle="--", linewidth=1)
        times.axhline(float(some["jump_time_limit"][0]), color=colour, linestyle=":", linewidth=1)
        times.plot([], [], "o", color=colour, markersize=4, label=f"merger {merger}")
    times.plot([], [], color=COLOURS[6], linestyle="--", label="formula, first start")
    times.plot([], [], color=COLOURS[6], linestyle=":", label="limit")
    times.set(
        title="Jumps creep to their limits (pale: other starts)",
        xlabel="beta",
        ylabel="rescaled time",
        xscale="log",
    )
    for beta, colour in zip(table["authors_beta"].values, COLOURS):
        chosen = table.sel(authors_beta=beta)
        authors.plot(
            chosen["arclength_time"], chosen["authors_energy"], color=colour, label=f"beta = {beta:g}"
        )
        middle = np.interp(chosen["authors_jump_time"], chosen["arclength_time"], chosen["authors_energy"])
        authors.plot(chosen["authors_jump_time_theory"], middle, "x", color=COLOURS[6], markersize=4)
    authors.plot([], [], "x", color=COLOURS[6], label="L_i/ln(beta)")
    authors.set(
        title="The authors' figure: jumps go to 0",
        xlabel="time of theta' = ln(beta) g/|g|",
        ylabel="energy E1",
    )
    for axes, columns in ((stairs, 2), (times, 3), (authors, 3)):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns)
    return figure


EXPERIMENT = Experiment(
    name="staircase",
    place=2,
    question="Does the energy climb in stairs of known lengths on the circle, and on which clock?",
    source="2410.06833, Theorem 6.4",
    run=run,
    draw=draw,
)
