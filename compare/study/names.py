"""Names that tell models apart: two folders of one name are two models."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from compare.study.jobs import as_stem
from compare.study.results import read_run
from compare.study.subjects import Subject


def in_words(number: float) -> str:
    """A number in as few digits as tell it from every other."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


def told_apart(subjects: Sequence[Subject], directory: Path) -> list[Subject]:
    """The models, each under the shortest end of its path that no other model has, here or among the runs there.

    A folder keeps the name that it has among the runs of `directory`, by its path or, where it was moved, by what is
    in it. Only folders have a choice: names that are registered and ids of the hub stay.
    """
    places = {one.place for one in subjects}
    named: dict[str, str] = {}
    for one in subjects:
        others = {as_stem(name) for other in subjects if other.place != one.place for name in _names(other)}
        if one.place and one.place not in named:
            owners = {name: _owner(name, directory) for name in one.names}
            own = (name for name, owner in owners.items() if _is(one, owner, places))
            free = (name for name, owner in owners.items() if owner is None and as_stem(name) not in others)
            named[one.place] = next(own, None) or next(free, one.names[-1])
    return [replace(one, name=named.get(one.place, one.name)) for one in subjects]


def _names(subject: Subject) -> Iterable[str]:
    return subject.names or (subject.name,)


def _is(subject: Subject, owner: tuple[str, str] | None, places: set[str]) -> bool:
    """Whether the model of a run is this one: of its folder, or moved, with the same files, from where none is now."""
    if owner is None:
        return False
    place, files = owner
    return place == subject.place or (files == subject.files and place not in places)


def _owner(name: str, directory: Path) -> tuple[str, str] | None:
    """The folder and the files, as digests, of the model that has a name among the runs of a folder."""
    for path in sorted((directory / "runs").glob(f"{as_stem(name)}-*.nc")):
        try:
            facts = read_run(path).facts
        except ValueError:
            continue
        if as_stem(str(facts.get("model"))) == as_stem(name) and "model_files" in facts:
            return str(facts.get("model_place", "")), str(facts["model_files"])
    return None
