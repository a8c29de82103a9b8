"""The trained models that experiments read: those that come with metasphere, at the end of their training."""

import probe
from compare.study.subjects import subject


def embedded(family: str | None = None) -> list[str]:
    """Their names, narrow before wide within a family; all families where None."""
    known = {name: model for name, model in probe.models().items() if model.source == "embedded"}
    families = list(dict.fromkeys(model.family for model in known.values()))
    chosen = [name for name in known if not subject(name).stage and family in (None, known[name].family)]
    return sorted(chosen, key=lambda name: (families.index(known[name].family), known[name].width))
