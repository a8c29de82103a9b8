"""What is not what a function takes is refused in one line, also without the hook that checks types in tests."""

import json
import subprocess
import sys
import textwrap

import pytest

SETUP = """
import jax
jax.config.update("jax_enable_x64", True)
import pickle
import numpy as np
import compare, probe, sim
x = sim.uniform(8, 3)
field = sim.Attention(9.0)
run = sim.simulate(field, x, [0.0, 1.0])

class Steered(sim.Attention):
    def velocity(self, x, masses=None):
        return 0 * x
"""
CASES = {
    "sim.simulate(None, x, [0.0, 1.0])": "field must be a sim.Attention, got NoneType",
    "sim.simulate(lambda t, y, m: y, x, [0.0, 1.0])": "field must be a sim.Attention, got function",
    "sim.simulate(Steered(9.0), x, [0.0, 1.0])": "its subclass Steered",
    "sim.coalesce(Steered(9.0), x)": "its subclass Steered",
    "sim.simulate_mean_field(Steered(9.0), x, [0.0, 1.0])": "its subclass Steered",
    "sim.simulate(field, x + 1j, [0.0, 1.0])": "x0 must be real",
    "sim.simulate(field, [[1, 0], [1]], [0.0, 1.0])": "x0 must be real",
    "sim.simulate(field, x, 'ab')": "times must be real",
    "sim.simulate(field, x, [0.0, 1.0], rtol='a')": "rtol must be real",
    "sim.coalesce(field, x + 1j)": "x0 must be real",
    "sim.coalesce(field, x, tolerance='a')": "tolerance must be real",
    "sim.Trajectory(run.points + 1j, [0, 1.0])": "points must be real",
    "sim.Trajectory(run.points, [0, 1.0], norms=run.norms + 1j)": "norms must be real",
    "sim.Trajectory(run.points, [0, 1.0], special=[0.5] * 8)": "special must be True or False",
    "sim.Trajectory(run.points, [0, 1.0], special=['no'] * 8)": "special must be True or False",
    "sim.Trajectory(run.points, [0, 1.0], tokens=3)": "tokens must be names",
    "sim.Trajectory(run.points, [0, 1.0], tokens=['a\\0'] * 8)": "NUL",
    "sim.Trajectory(run.points, [0, 1.0], tokens=['\\ud800'] * 8)": "surrogates",
    "sim.Trajectory(np.where(x == x[0, 0], np.nan, x)[None], [0])": "got NaN at depth 0, token 0",
    "run.points.__setitem__((0, 0), 5)": "read-only",
    "sim.Attention(None)": "beta must be a real number, got None",
    "sim.Attention(1j)": "beta must be a real number, got 1j",
    "sim.Attention('9')": "beta must be a real number, got '9'",
    "sim.energy(np.zeros((0, 3)), 1.0)": "with a point or more",
    "sim.uniform(4.5, 3)": "must be whole, got 4.5",
    "compare.measure(x)": "sim.Trajectory, got ndarray",
    "compare.measure(run, draws=9.5)": "draws must be a whole number",
    "compare.measure(run, seed=-1)": "seed must be a whole number",
    "compare.judge([run])": "a mapping from names",
    "compare.judge({'a': x})": "list of sim.Trajectory, got ndarray",
    "compare.judge({'a': 'abc'})": "list of sim.Trajectory, got one of str",
    "compare.judge({'a': [run] * 8}, draws=9)": "copies are no independent runs",
    "compare.judge({'a': [run, sim.Trajectory(run.points, run.depth)]}, draws=9)": "runs 0 and 1 of group 'a'",
    "compare.judge({'a': [run]}, hypotheses=['H99'])": "no hypothesis 'H99'",
    "compare.judge({'a': [run]}, hypotheses=[])": "one or more, each once",
    "compare.judge({'a': [run]}, hypotheses=5)": "no hypothesis 5",
    "compare.judge({'a': [run]}, hypotheses=[['H1']])": "no hypothesis ['H1']",
    "compare.judge({'a': [x]})": "list of sim.Trajectory, got one of ndarray",
    "sim.simulate(field, x, ['0', '1'])": "these are words",
    "sim.simulate(field, x, [0.0, 1.0], rtol=[1e-6, 1e-7])": "rtol must be one number",
    "pickle.loads(pickle.dumps(run)).points.__setitem__((0, 0), 5)": "read-only",
    "compare.theory.log_merge_time(9.0, 1.0, masses=(0.3, 0.3, 0.4))": "masses must be two",
    "compare.theory.log_merge_time(9.0, 1.0, masses=(1.0,))": "masses must be two",
    "probe.extract('', 'words')": "a model is a name",
    "probe.extract(3, 'words')": "a model is a name",
    "probe.extract('gpt2-128', ['a', 'b'])": "reads one text, got list",
    "probe.extract('gpt2-128', None)": "reads one text, got NoneType",
    "probe.extract('gpt2-128', 'words', max_tokens=1.5)": "max_tokens must be a whole number",
    "probe.extract('gpt2-128', 'more words', control='shuffled', seed=-1)": "seed must be a whole number",
    "probe.extract('gpt2-128', 'wo\\0rds')": "NUL at 2",
    "probe.extract('gpt2-128', 'wo\\ud800rds')": "UTF-8",
    "probe.extract('gpt2-128', 'word ' * 600)": "max_tokens=512 (--max-tokens 512)",
}
ASK = """
import json, sys, warnings
warnings.simplefilter("error")
said = {}
for case in json.loads(sys.argv[1]):
    try:
        eval(case)
        said[case] = "nothing"
    except ValueError as error:
        said[case] = str(error)
    except Exception as error:
        said[case] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said():
    """What each case says, of one process."""
    script = textwrap.dedent(SETUP) + textwrap.dedent(ASK)
    made = subprocess.run(
        [sys.executable, "-c", script, json.dumps(list(CASES))], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_wrong_objects_are_refused_in_one_line(said, case):
    assert CASES[case] in said[case]
    assert "\n" not in said[case]
    assert len(said[case]) < 300
