"""The texts that are read through the models, each with its source and licence."""

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

LENGTHS = ("short", "middle", "long")
KINDS = ("prose", "letter", "encyclopaedic", "non-English", "source code", "LaTeX")


@dataclass(frozen=True)
class Prompt:
    """One text. kind: one of `KINDS`. language: a BCP 47 tag, or the name of a formal language.

    length: one of `LENGTHS`. Each kind has a short text and one that is at least three times as long; those of
    middle length stand apart from that design. All fit in 512 tokens of the vocabularies of BERT and of the embedded
    models, which cut source code and LaTeX finest.
    sha256: digest of the text in UTF-8. words: how many there are between blanks.
    """

    name: str
    text: str
    kind: str
    length: str
    language: str
    source: str
    licence: str
    sha256: str

    @property
    def words(self) -> int:
        return len(self.text.split())


def prompts() -> dict[str, Prompt]:
    """The texts that come with metasphere, by name, in the order of their manifest.

    Give ``prompts()[name].text`` to `extract`, which writes the name into the provenance.

    Raises ValueError where a text is not the one that its manifest describes.

    >>> import probe
    >>> sorted({prompt.kind for prompt in probe.prompts().values()})
    ['LaTeX', 'encyclopaedic', 'letter', 'non-English', 'prose', 'source code']
    """
    return dict(_read())


@cache
def _read() -> dict[str, Prompt]:
    folder = files(__name__)
    manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    return {
        name: checked(Prompt(name, (folder / f"{name}.txt").read_text("utf-8").rstrip("\n"), **entry))
        for name, entry in manifest.items()
    }


def checked(prompt: Prompt) -> Prompt:
    for field, known in (("kind", KINDS), ("length", LENGTHS)):
        if getattr(prompt, field) not in known:
            raise ValueError(
                f"prompt {prompt.name} has {field} {getattr(prompt, field)!r}: give one of {', '.join(known)}"
            )
    digest = hashlib.sha256(prompt.text.encode()).hexdigest()
    if digest != prompt.sha256:
        raise ValueError(
            f"prompt {prompt.name} has sha256 {digest}, its manifest says {prompt.sha256}: "
            "restore the text, or give a changed one another name"
        )
    return prompt
