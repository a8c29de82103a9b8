"""Commands that run the theory and the experiments: a simulation, a run to a single cluster, an experiment."""

import json
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import click

from compare.cli.group import AS_JSON, OUT, QUIET, SEED, main, say, say_run
from compare.experiments import EXPERIMENTS, perform
from compare.files import output_directory
from compare.plot import coalescence as picture_of
from compare.plotting import save_figure
from compare.study import plan
from compare.study.coalescences import coalescence, recorded
from compare.study.jobs import Job
from compare.study.names import in_words
from compare.study.simulations import STARTS, check_simulation
from sim import Coalescence

MAX_STEPS = 100_000
KIND = click.option(
    "--kind", type=click.Choice(["SA", "USA"]), default="SA", show_default=True, help="Dynamics."
)
DIMENSION = click.option(
    "--dimension", type=int, default=plan.DIMENSION, show_default=True, help="Dimension d of S^(d-1)."
)


@main.command()
@KIND
@click.option("--beta", type=float, default=9.0, show_default=True, help="Inverse temperature.")
@click.option(
    "--tokens", type=click.IntRange(min=1), default=plan.TOKENS, show_default=True, help="Number of tokens."
)
@DIMENSION
@click.option(
    "--start", type=click.Choice(list(STARTS)), default="uniform", show_default=True, help="First points."
)
@click.option("--until", type=float, default=plan.UNTIL, show_default=True, help="Last time t.")
@click.option(
    "--depths", type=int, default=plan.DEPTHS, show_default=True, help="Saved times, evenly in log t."
)
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    default=MAX_STEPS,
    show_default=True,
    help="Bound on the solver's steps.",
)
@click.option("--causal", is_flag=True, help="Token i sees tokens j <= i only.")
@click.option("--repulsive", is_flag=True, help="V = -I, whose energy falls, instead of V = I.")
@OUT
@SEED
@AS_JSON
@QUIET
def simulate(out: Path, as_json: bool, **settings: Any) -> None:
    """Integrate the idealised dynamics and write OUT/runs/NAME.nc."""
    kind, start = settings["kind"], settings["start"]
    words = ["causal" if settings["causal"] else "", "V = -I" if settings["repulsive"] else ""]
    usual = {"until": plan.UNTIL, "depths": plan.DEPTHS, "max_steps": MAX_STEPS}
    words += [
        f"{name.replace('_', ' ')} {in_words(settings[name])}"
        for name, value in usual.items()
        if settings[name] != value
    ]
    beta, tokens, dimension = in_words(settings["beta"]), settings["tokens"], settings["dimension"]
    label = f"{kind}, beta {beta}, {tokens} {start} points, d {dimension}"
    label = ", ".join([label, *filter(None, words), f"seed {settings['seed']}"])
    checked = ("kind", "beta", "start", "tokens", "dimension", "seed", "until", "depths")
    check_simulation(**{name: settings[name] for name in checked})
    directory = output_directory(out)
    say_run(plan.run(Job(label, label, "simulate", settings), directory), directory, as_json)


@main.command()
@KIND
@click.option(
    "--beta",
    type=float,
    default=1000.0,
    show_default=True,
    help="Inverse temperature; tried from 0.1 to 1e6.",
)
@click.option("--tokens", type=click.IntRange(min=2), default=12, show_default=True, help="Number of tokens.")
@DIMENSION
@OUT
@SEED
@AS_JSON
@QUIET
def coalesce(
    kind: Literal["SA", "USA"], beta: float, tokens: int, dimension: int, out: Path, seed: int, as_json: bool
) -> None:
    """Follow uniform tokens through every merger to one cluster, at any beta.

    Writes OUT/runs/NAME.nc, the trajectory over log t, and OUT/mergers/NAME.png, its staircase and tree.
    """
    label = f"coalesce {kind}, beta {in_words(beta)}, {tokens} uniform points, d {dimension}, seed {seed}"
    start = "uniform"
    found = coalescence(kind=kind, beta=beta, start=start, tokens=tokens, dimension=dimension, seed=seed)
    settings = {"kind": kind, "beta": beta, "start": start, "tokens": tokens, "dimension": dimension}
    job = Job(label, label, "coalesce", settings | {"depths": None, "seed": seed})
    directory = output_directory(out)
    picture = directory / "mergers" / f"{job.stem}.png"
    save_figure(picture, lambda: picture_of.both(found))
    path = directory / "runs" / f"{job.stem}.nc"
    job.result(recorded(found, None, start, seed)).save(path)
    if as_json:
        click.echo(json.dumps({**_mergers(found), "files": [str(picture), str(path)]}, indent=1))
        return
    for log_time, pair, mass in zip(found.log_times, found.pairs, found.masses):
        say(f"log t = {log_time:14.6f}   clusters {pair[0]} and {pair[1]} make one of mass {mass:.4g}")
    say(f"wrote {picture}")
    say(f"wrote {path}; draw it with: metasphere report {directory}")


def _mergers(found: Coalescence) -> dict[str, Any]:
    """How it ended, and its mergers in order; null for the log time of points that started as one."""
    mergers = [
        {"log_time": float(time) if isfinite(time) else None, "pair": pair.tolist(), "mass": float(mass)}
        for time, pair, mass in zip(found.log_times, found.pairs, found.masses)
    ]
    return {"ending": str(found.ending), "mergers": mergers}


@main.command()
@click.argument("name", type=click.Choice(["all", *EXPERIMENTS]))
@click.option("--quick", is_flag=True, help="Coarser grids or fewer texts, under 20 s.")
@OUT
@SEED
@AS_JSON
@QUIET
def experiment(name: str, quick: bool, out: Path, seed: int, as_json: bool) -> None:
    """Put a theorem or a claim on trained models to the test, and print what was found.

    trapping to counts run the theory; value_matrices, iterated and lengths the models that come with metasphere.
    Writes OUT/experiments/NAME.nc and NAME.png.
    """
    directory = output_directory(out)
    done = []
    for chosen in EXPERIMENTS if name == "all" else (name,):
        question, files = EXPERIMENTS[chosen].question, directory / "experiments" / chosen
        if not as_json:
            say(f"{chosen}: {question}")
        found = perform(EXPERIMENTS[chosen], directory, seed, quick)
        made = {"files": [f"{files}.nc", f"{files}.png"]}
        done.append({"name": chosen, "question": question, "finding": found, **made})
        if not as_json:
            say(f"{found}\nwrote {files}.nc and .png")
    if as_json:
        click.echo(json.dumps(done, indent=1))
