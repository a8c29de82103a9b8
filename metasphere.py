"""The one name that is ours alone: it starts the command, and notices a foreign `sim`, `probe` or `compare`.

The three packages have common names. Another distribution may have one of them too and overwrite our files, and a
user's own `probe.py` beside his script comes first on the path. A hidden package cannot say so; this module can.
"""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("sim", "probe", "compare")
"""Lowest first: each imports only those before it."""


def check(package: str) -> None:
    """Raise ImportError where a package that `package` builds on is not ours; the first statement of each of the three.

    A package asks for what it imports and no more: with a `probe.py` of one's own, `sim` alone goes on working. Costs
    under a millisecond.
    """
    for name in PACKAGES[: PACKAGES.index(package)]:
        _demand(name)


def main() -> None:
    """The command `metasphere`, also as `python -m metasphere`: exit code 2 and one line where a package is hidden."""
    try:
        for name in PACKAGES:
            _demand(name)
    except ImportError as error:
        print(f"metasphere: {error}", file=sys.stderr)
        sys.exit(2)
    # XLA reports a page of preferences as missing instructions for each program that it loads from its cache.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # By name: the packages import this file, and no import runs up from it to them.
    import_module("compare.cli").main()


def _demand(name: str) -> None:
    """Raise ImportError with what was found instead, and what to do, unless Python takes our package of that name."""
    ours = Path(__file__).resolve().parent / name / "__init__.py"
    if not ours.is_file():
        raise ImportError(
            f"package '{name}' of metasphere has lost {ours} (uninstalling another distribution with a '{name}' "
            f"deletes it); {_REINSTALL}",
            name=name,
        )
    found = _found(name)
    if found != ours:
        raise ImportError(
            f"package '{name}' of metasphere is hidden by {found or name}, which comes first on Python's path; rename "
            f"that file or folder, or start Python from elsewhere (ours is {ours.parent})",
            name=name,
        )
    if "metasphere.check(__name__)" not in ours.read_text(encoding="utf-8"):
        from importlib.metadata import packages_distributions  # too slow for a start where all is well

        others = sorted({*packages_distributions().get(name, ())} - {"metasphere"})
        culprit = f"the distribution {', '.join(others)}" if others else "another distribution"
        raise ImportError(
            f"{ours} of metasphere was overwritten by {culprit}, which has a '{name}' too; they need an environment "
            f"each: uninstall {' and '.join(others) or 'the other'} here, then {_REINSTALL}",
            name=name,
        )


_REINSTALL = "install ours again with pip install --force-reinstall --no-deps metasphere"


def _found(name: str) -> Path | None:
    """File that `import name` runs or has run, None where there is none."""
    loaded = sys.modules.get(name)
    spec = getattr(loaded, "__spec__", None) if loaded else find_spec(name)
    origin = getattr(spec, "origin", None) or getattr(loaded, "__file__", None)
    return Path(origin).resolve() if origin else None


if __name__ == "__main__":
    main()
