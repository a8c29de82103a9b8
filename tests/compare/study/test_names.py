"""Two models of one name are two: in one call, and in one folder of results."""

import numpy as np
import pytest

from compare.study.names import told_apart
from compare.study.subjects import Subject
from sim import Trajectory, uniform


def folder(*parts, files="f"):
    names = tuple("/".join(parts[-length:]) for length in range(1, len(parts) + 1))
    return Subject("/".join(parts), names[0], "gpt2", "w", files, False, "/".join(parts), names)


def names(subjects, directory):
    return [one.name for one in told_apart(subjects, directory)]


@pytest.fixture
def keep(tmp_path):
    """Saves a run of a model as the study does."""

    def keep(subject, name):
        facts = {"label": f"{name}, text", "group": name, **subject.facts, "model": name}
        points = np.stack([uniform(5, 3)] * 3)
        stem = name.replace("/", "-").lower()
        Trajectory(points, range(3), "layer", provenance=facts).save(tmp_path / "runs" / f"{stem}-text.nc")

    return keep


def test_in_one_call_the_shortest_ends_that_differ(tmp_path):
    hub = Subject("gpt2", "gpt2", "gpt2", None, "h")
    one, two = folder("x", "run1", "checkpoint-500"), folder("x", "run2", "checkpoint-500")
    assert names([one, two, hub], tmp_path) == ["run1/checkpoint-500", "run2/checkpoint-500", "gpt2"]
    assert names([one, folder("x", "other")], tmp_path) == ["checkpoint-500", "other"]
    deep = [folder("x", "run", "model"), folder("y", "run", "model")]
    assert names(deep, tmp_path) == ["x/run/model", "y/run/model"]
    assert names([one, one], tmp_path) == ["checkpoint-500"] * 2  # one model twice: the plan refuses it
    assert names([folder("a", "model"), folder("b", "Model")], tmp_path) == ["a/model", "b/Model"]


def test_in_one_folder_of_results_the_first_keeps_its_name(tmp_path, keep):
    first, second = folder("a", "model", files="1"), folder("b", "model", files="2")
    assert names([first], tmp_path) == ["model"]
    keep(first, "model")
    assert names([second], tmp_path) == ["b/model"]
    keep(second, "b/model")
    for subjects in ([first], [second], [first, second], [second, first]):
        assert names(subjects, tmp_path) == ["model" if one is first else "b/model" for one in subjects]


def test_a_folder_that_changed_or_moved_keeps_its_name(tmp_path, keep):
    keep(folder("a", "model", files="1"), "model")
    assert names([folder("a", "model", files="2")], tmp_path) == ["model"]
    assert names([folder("z", "model", files="1")], tmp_path) == ["model"]
    assert names([folder("z", "model", files="2")], tmp_path) == ["z/model"]


def test_names_that_would_be_one_file_are_one_name(tmp_path, keep):
    keep(folder("x", "b-model", files="1"), "b-model")
    keep(folder("a", "model", files="2"), "model")
    assert names([folder("y", "b", "model", files="3")], tmp_path) == ["y/b/model"]
