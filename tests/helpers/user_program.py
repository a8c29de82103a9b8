"""What a user writes with the public names; type checkers read it in their strictest mode, and nothing runs it."""

from pathlib import Path

import compare
import probe
import sim
from compare import theory


def simulated(beta: float) -> sim.Trajectory:
    start = sim.caps(sim.ring(4), per_cap=3, eps=0.01)
    return sim.simulate(sim.Attention(beta, "USA"), start, [0.0, 1.0, 2.0], provenance={"seed": 0})


def last_merger(beta: float, kind: str) -> float:
    found = sim.coalesce(sim.Attention(beta, kind), sim.uniform(8, 3))
    if found.ending is sim.Ending.COMPLETE and found.linkage().shape == (7, 4):
        return float(found.log_times[-1])
    return float(found.at(0.0).points[0, 0])


def expected(beta: float) -> dict[str, float]:
    gap = theory.separation(sim.simplex(4, 3), 0.01)
    bounds = theory.trapping_bounds(beta, 0.01, gap, n=12)
    return {"consensus": float(theory.gamma_time(0.9, 12, beta)), "escape": float(bounds.log_escape_time)}


def read(name: str) -> list[sim.Trajectory]:
    texts = [prompt.text for prompt in probe.prompts().values()]
    fields = probe.operators(name)
    assert all(field.heads == probe.models()[name].heads for field in fields)
    return [probe.extract(name, text, "layernorm", attention=True) for text in texts]


def judged(runs: list[sim.Trajectory]) -> compare.Verdicts:
    table = compare.measure(runs[0], preset="published")
    met = [criterion.statement for criterion in compare.published_criteria(table) if criterion.met]
    verdicts = compare.judge({"mine": runs}, seed=len(met))
    row = verdicts.row("H1", "mine")
    assert row.ci[0] <= row.effect <= row.ci[1] or row.verdict == "NOT APPLICABLE"
    return verdicts


def main(folder: Path) -> None:
    grid = sim.sweep({"beta": [1.0, 9.0], "d": 3, "n": 16}, [0.0, 1.0])
    run = simulated(9.0)
    run.save(folder / "runs" / "mine.nc")
    print(
        float(sim.energy(run.points, 9.0)[-1]), grid["energy"].values, last_merger(1e3, "SA"), expected(9.0)
    )
    judged([sim.Trajectory.load(folder / "runs" / "mine.nc"), *read("minilm")]).to_json(folder / "mine.json")
    print(compare.report(folder).name)
