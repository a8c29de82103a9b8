"""Our docstrings as Markdown, for the reference: headings, lists of arguments, examples."""

import re
from typing import Any

from griffe import Extension, Object

HEADING = re.compile(r"^(\w[^\n]*)\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^([`\w][\w`, ()|.*/-]*): +(\S.*(?:\n +\S.*)*)", re.MULTILINE)
LEAD = re.compile(r"^(Returns|Raises|Cost|Source|Sources|Memory)(:? )", re.MULTILINE)
TAG = re.compile(r"<(?=[A-Za-z|(])")
EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)


class AsMarkdown(Extension):
    """Rewrites every docstring as its module is read."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """A docstring whose underlined headings are bold, whose entries ``name: text`` are a list of definitions."""
    parts = HEADING.split("\n".join(map(_escaped, docstring.split("\n"))))
    text = _sentences(parts[0])
    for heading, body in zip(parts[1::2], parts[2::2]):
        text += f"\n\n**{heading}**\n\n{ENTRY.sub(_definition, _sentences(body)).strip()}\n"
    return EXAMPLE.sub(lambda found: f"\n```python\n{found.group()}\n```\n", text)


def _escaped(line: str) -> str:
    """A line in which <x, y> is no tag; code, indented or between back quotes, is as it is."""
    if line.startswith(("    ", ">>>")):
        return line
    return "`".join(
        part if place % 2 else TAG.sub("&lt;", part) for place, part in enumerate(line.split("`"))
    )


def _definition(found: re.Match[str]) -> str:
    said = re.sub(r"\n +", "\n    ", found.group(2))
    name = found.group(1)
    return f"\n{name if '`' in name else f'`{name}`'}\n:   {said}\n"


def _sentences(text: str) -> str:
    """What comes back, what is raised, what it costs and whence it is: a paragraph each."""
    return LEAD.sub(lambda found: f"\n**{found.group(1)}**{found.group(2)}", text)
