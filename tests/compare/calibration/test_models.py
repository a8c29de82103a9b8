"""Networks made to be the theory: layer by layer against a plain recursion, to first order against SA, and judged."""

import numpy as np
import pytest
from scipy.linalg import helmert

import probe
import sim
from compare.calibration import GENERATORS
from compare.calibration.generator import Generator, Shape, group
from compare.calibration.models import BLOCKS, read_through, text, theory_model
from compare.calibration.one_group import judged
from compare.calibration.summary import truth
from tests.helpers.vectors import unit

FAMILIES = ("gpt2", "bert", "albert")
# Single precision, grown over four layers by a sharp softmax.
ROUNDING = 1e-5


def read(family, starts, beta, blocks, step):
    model = theory_model(family, starts, beta, blocks, step)
    run = probe.extract(model, text(range(len(starts))), frame="layernorm", attention=True)
    return run.points @ helmert(starts.shape[1] + 1).T, run.attention


def attended(points, beta, causal):
    weights = np.exp(beta * points @ points.T) * (np.tri(len(points)) if causal else 1)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("d", "beta"), [(2, 4.0), (3, 25.0), (8, 9.0)])
def test_each_layer_is_the_step_that_it_says(family, d, beta):
    step, starts = 2.0, sim.uniform(14, d, 3)
    points, rows = read(family, starts, beta, 4, step)
    assert rows is not None
    state = starts
    for block in range(4):
        np.testing.assert_allclose(points[block], unit(state), atol=ROUNDING)
        weights = attended(unit(state), beta, family == "gpt2")
        np.testing.assert_allclose(rows[block, 0], weights, atol=ROUNDING)
        if family == "gpt2":
            state = state + step * (1 + step) ** block * weights @ unit(state)
        else:
            state = unit(state + step * weights @ state)
    np.testing.assert_allclose(points[4], unit(state), atol=ROUNDING)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_short_step_goes_along_the_flow_of_attention(family):
    starts, step = sim.uniform(14, 3, 0), 0.01
    points, _ = read(family, starts, 9.0, 1, step)
    velocity = np.asarray(sim.Attention(9.0, causal=family == "gpt2").velocity(starts))
    # A step is worth step/(1 + step <x, A>) units of time, with <x, A> at most 1; rounding is 1e-7 over the step.
    error = step * np.abs(velocity).max() + 1e-4
    np.testing.assert_allclose((points[1] - points[0]) / step, velocity, rtol=0, atol=error)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_judge_confirms_what_the_oracle_sees(family):
    known = GENERATORS[f"{family}_sa"]

    def on_the_circle(random, shape):
        starts = unit(random.standard_normal((shape.runs, shape.tokens, 2)))
        return read_through(family, starts, 9.0)

    runs = group(Generator(known.name, known.meaning, known.truth, on_the_circle), 3, 0, Shape(9, 40, 9))
    assert runs[0].provenance["causal"] is (family == "gpt2")
    assert len(runs[0].points) == BLOCKS + 1
    record = judged(runs, 29)
    for hypothesis in ("H1", "H2", "H4"):
        assert truth(known.name, hypothesis, record) is True
        assert record["verdicts"][hypothesis]["verdict"] == "CONFIRMED"
