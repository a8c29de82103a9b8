"""What is studied: texts by name and class, and models with what is known of them before they are loaded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transformers import CONFIG_MAPPING

import probe
from compare.files import file_digest
from probe.families import FAMILIES, family_of
from probe.loading import model_digest
from probe.registry import is_stage, local_place
from probe.sources import find

ONE_MORE = "winter_letter"


@dataclass(frozen=True)
class Text:
    """A text by name, and its class: a kind of `probe.prompts`, or "own"."""

    name: str
    text: str
    kind: str


@dataclass(frozen=True)
class Subject:
    """A model that is studied: what was asked for, its name on labels, and the digest of its weights where local.

    files: digest of every file of it that is read, and of its commit. family: None where it is not known before the
    model is loaded. stage: whether it is a stage of the training of another subject, which is what the final model is
    held against, and needs no controls of its own. place: of a folder, the digest of its path, else "". names: what it
    can be called, the shortest first.
    """

    given: str
    name: str
    family: str | None
    weights: str | None
    files: str
    stage: bool = False
    place: str = ""
    names: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, str | bool | None]:
        """What the provenance of its runs says of it, beside what `probe.extract` does."""
        own = {"weights": self.weights, "model_files": self.files} | ({"stage": True} if self.stage else {})
        return own | ({"model_place": self.place, "model": self.name} if self.place else {})

    @property
    def has_operators(self) -> bool:
        """Whether the attention of its layers is known as a field; not where its family is not known."""
        return self.family in FAMILIES and FAMILIES[self.family].has_operators

    @property
    def has_range(self) -> bool:
        """Whether random weights of its family have an initializer range; taken to be so where it is not known."""
        if self.family is None or self.family not in CONFIG_MAPPING:
            return True
        return hasattr(CONFIG_MAPPING[self.family](), "initializer_range")

    @property
    def takes_mask(self) -> bool:
        """Whether its attention takes another mask; taken to be so where its family is not known."""
        return family_of(self.family or "").takes_mask

    @property
    def by_place(self) -> bool:
        """Whether that field is known to depend on the places of tokens, beside what these are."""
        return self.family in FAMILIES and FAMILIES[self.family].by_place


def subject(model: str, revision: str | None = None) -> Subject:
    """What is known of a model by name, folder or hub id, before it is loaded.

    Raises ValueError where it cannot be had.
    """
    files = model_digest(model, revision)
    known = probe.models().get(model)
    if local_place(model) is None and (known or not Path(model).expanduser().exists()):
        return Subject(model, model, known.family if known else None, revision, files, is_stage(model))
    source = find(model, revision)
    folder, family = (source.gguf or source.folder).resolve(), source.facts()["model_type"]
    weights = " ".join(
        file_digest(file) for file in source.files() if file.suffix in (".safetensors", ".gguf")
    )
    if known:
        return Subject(model, model, family, weights, files, is_stage(model))
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    parts = folder.parts[1:]
    names = ["/".join(parts[-length:]) for length in range(1, len(parts) + 1)]
    free = tuple(name for name in names if name not in probe.models())
    return Subject(model, free[0], family, weights, files, False, place, free)


def with_stages(subjects: Sequence[Subject]) -> list[Subject]:
    """The subjects, where revisions of one hub id are stages of the training of the one that is named last."""
    of = [one.given if one.place else one.given.partition("@")[0] for one in subjects]
    return [
        replace(one, stage=one.stage or own in of[place + 1 :])
        for place, (one, own) in enumerate(zip(subjects, of))
    ]


def default_texts() -> list[Text]:
    """Seven texts: one a class, of middle length or long where a class has none, and a long one more.

    Six equal effects can end undecided in a large table, as only their number speaks then; seven cannot.
    """
    chosen: dict[str, Text] = {}
    for name, prompt in probe.prompts().items():
        if prompt.length == "middle" or (prompt.length == "long" and prompt.kind not in chosen):
            chosen[prompt.kind] = Text(name, prompt.text, prompt.kind)
    more = probe.prompts()[ONE_MORE]
    return [*chosen.values(), Text(ONE_MORE, more.text, more.kind)]
