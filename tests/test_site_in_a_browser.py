"""The documentation as it is seen: no page asks a network for anything, fails, or is wider than its window."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.browser import SEEN_IN_CHROMIUM

pytestmark = [*SEEN_IN_CHROMIUM, pytest.mark.repository]
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(site)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    # 404.html has addresses from the root of a server.
    return sorted(page for page in site.rglob("*.html") if page.name != "404.html")


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_stands_on_its_own(tab, pages, width):
    assert len(pages) > 10
    for page in pages:
        tab.open(page, width=width)
        assert tab.complaints == [], page
        assert tab.run("document.documentElement.scrollWidth <= innerWidth"), page
