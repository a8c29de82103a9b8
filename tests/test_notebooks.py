"""The notebooks of the documentation run, and say what stands in them."""

import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))

pytestmark = [
    pytest.mark.repository,
    # Of the kernel's sockets on this machine, which nobody else has.
    pytest.mark.filterwarnings("ignore:.*without encryption"),
]


NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def printed(notebook: Any) -> str:
    """What the cells print; figures have other bytes with each version of matplotlib."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_stands_in_it(path):
    kept, run = nbformat.read(path, 4), nbformat.read(path, 4)
    NotebookClient(run, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert len(printed(run)) > 200
    words = [" ".join(NUMBER.sub("#", printed(one)).split()) for one in (run, kept)]
    assert words[0] == words[1]
    # Another processor rounds otherwise: an excess of 1e-4, where 0.25 matters, in its second digit.
    np.testing.assert_allclose(numbers(printed(run)), numbers(printed(kept)), rtol=0.02, atol=1e-3)


def test_there_is_one_for_a_theorist_and_one_for_a_researcher():
    assert [path.stem for path in PATHS] == ["own_model", "theory"]
