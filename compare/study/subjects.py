"""What is studied: texts by name and class, and models with what is known of them before they are loaded."""

import json
from dataclasses import dataclass
from pathlib import Path

import probe
from compare.files import file_digest
from probe.loading import check
from probe.registry import is_stage, local_folder

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

    family: None where it is not known before the model is loaded. stage: whether it is a stage of the training of
    another subject, which is what the final model is held against, and needs no controls of its own.
    """

    given: str
    name: str
    family: str | None
    weights: str | None
    stage: bool = False


def subject(model: str, revision: str | None = None) -> Subject:
    """What is known of a model by name, folder or hub id, before it is loaded.

    Raises ValueError where it cannot be had.
    """
    check(model, revision)
    known = probe.models().get(model)
    folder = local_folder(model)
    if folder is None and known is None and Path(model).is_dir():
        folder = Path(model)
    name = model if folder is None or known else folder.resolve().name
    stage = is_stage(name)
    if folder is None:
        return Subject(model, name, known.family if known else None, revision, stage)
    family = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    weights = [file_digest(file) for file in sorted(folder.glob("*.safetensors"))]
    return Subject(model, name, family, " ".join(weights), stage)


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
