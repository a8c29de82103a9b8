"""The examples in the docstrings of what the packages show: each public function has one, and each says what is so."""

import inspect
from doctest import DocTestFinder, DocTestRunner

import pytest

import sim
from compare import theory
from tests.helpers.public_names import public_functions

RECORDS = {
    f"compare.theory.{name}": getattr(theory, name)
    for name in dir(theory)
    if inspect.isclass(getattr(theory, name))
}
ENDINGS = {"sim.Ending": sim.Ending, "sim.Outcome": sim.Outcome}


@pytest.mark.parametrize(("name", "shown"), (public_functions() | RECORDS | ENDINGS).items())
def test_the_examples_in_a_docstring_are_true(name, shown):
    # The namespace is empty: an example imports all that it uses.
    found = DocTestFinder(recurse=False).find(inspect.unwrap(shown), name, globs={})
    examples = [each for test in found for each in test.examples]
    assert examples, f"the docstring of {name} shows no example"
    said = []
    failed = sum(DocTestRunner(verbose=False).run(test, out=said.append).failed for test in found)
    assert failed == 0, "".join(said)
