"""The notebooks of the documentation run, and say what stands in them."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))

pytestmark = [
    pytest.mark.repository,
    # Of the kernel's sockets on this machine, which nobody else has.
    pytest.mark.filterwarnings("ignore:.*without encryption"),
]


def printed(notebook: Any) -> list[str]:
    """What the cells print; figures have other bytes with each version of matplotlib."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.text for output in outputs if output.output_type == "stream"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_stands_in_it(path):
    kept, run = nbformat.read(path, 4), nbformat.read(path, 4)
    NotebookClient(run, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert len(printed(run)) > 2
    assert printed(run) == printed(kept)


def test_there_is_one_for_a_theorist_and_one_for_a_researcher():
    assert [path.stem for path in PATHS] == ["own_model", "theory"]
