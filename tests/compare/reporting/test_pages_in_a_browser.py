"""The pages as they are seen: in headless Chromium, at two widths, light and dark, and printed.

It needs a Chromium on the path (`apt install chromium`); without one these tests are skipped, and say so.
"""

import base64
import re

import pytest

from tests.helpers.browser import FAULTLESS, SEEN, SEEN_IN_CHROMIUM
from tests.helpers.report_runs import report_of_all

pytestmark = SEEN_IN_CHROMIUM
MOST_SCREENS, MOST_PRINTED, MOST_BYTES = 8, 15, 4_000_000
OPEN_ALL = "document.querySelectorAll('details').forEach((block) => { block.open = true; })"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("seen")
    report_of_all(directory, 19)
    return directory


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_text_can_be_read_and_nothing_is_cut_off(tab, folder, width, dark):
    for page in [folder / "report.html", *sorted((folder / "report").glob("*.html"))]:
        tab.open(page, width=width, dark=dark)
        for opened in (False, True):
            if opened:
                tab.run(OPEN_ALL)
            seen = tab.run(SEEN)
            assert seen.pop("screens") > 0
            assert seen == FAULTLESS, (page.name, opened)
        assert tab.complaints == [], page.name


def test_the_report_is_short(tab, folder):
    page = folder / "report.html"
    assert page.stat().st_size <= MOST_BYTES
    tab.open(page)
    assert tab.run(SEEN)["screens"] <= MOST_SCREENS
    printed = base64.b64decode(tab.ask("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= MOST_PRINTED


def test_a_cell_opens_to_its_groups_and_a_group_to_its_evidence(tab, folder):
    tab.open(folder / "report.html")
    link = "document.querySelector('.cell li a')"
    assert not tab.run(f"{link}.checkVisibility()")
    tab.run("document.querySelector('.cell summary').click()")
    assert tab.run(f"{link}.checkVisibility()")
    target, _, place = tab.run(f"{link}.getAttribute('href')").partition("#")
    tab.open(folder / target, place)
    assert tab.run(f"document.getElementById({place!r}).open")
    assert tab.run(f"document.getElementById({place!r}).querySelector('dl').checkVisibility()")


def test_tokens_move_on_the_sphere(tab, folder):
    tab.open(folder / "report" / "theory.html")
    place = "document.querySelector('.dot').getAttribute('transform')"
    before = tab.run(place)
    slider = "document.querySelector('.player input')"
    tab.run(f"{slider}.value = 0; {slider}.dispatchEvent(new Event('input'))")
    assert tab.run(place) != before


def test_what_is_wrong_with_a_page_is_seen(tab, tmp_path):
    """A page with each fault in it, so that the checks above can fail."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<body style='background:#fff'><p style='font-size:10px'>tiny</p><p style='color:#999'>pale</p>"
        "<p style='width:2000px;white-space:nowrap'>" + "wide " * 400 + "</p>"
        "<svg viewBox='0 0 100 20' width='50'><text y='12' font-size='16'>drawn</text></svg>"
        "<div style='overflow-x:auto;width:9em'><pre>" + "far" * 40 + "</pre></div>"
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('no'); undefined.x;</script>"
    )
    tab.open(page)
    seen = tab.run(SEEN)
    assert [each.split(":")[0] for each in seen["small"]] == ["tiny", "drawn"]
    assert [each.split(":")[0] for each in seen["pale"]] == ["pale"]
    assert len(seen["wide"]) == 2
    assert [each[:4] for each in seen["unreached"]] == ["<div"]
    assert len(seen["outside"]) == 5
    assert any("http://127.0.0.1:9/x.png" in each for each in tab.complaints)
    assert len(tab.complaints) >= 3
