"""The explorer as it is used: in headless Chromium, by mouse, keyboard and touch, at two widths, light and dark.

It needs a Chromium on the path (`apt install chromium`); without one these tests are skipped, and say so.
"""

import numpy as np
import pytest

import sim
from compare.reporting.explorer import explore
from tests.helpers.browser import FAULTLESS, SEEN, SEEN_IN_CHROMIUM
from tests.helpers.report_runs import model_runs

pytestmark = SEEN_IN_CHROMIUM
LEFT = "document.querySelector('.panel')"
SIMULATOR = "document.querySelector('#simulator')"


@pytest.fixture(scope="module")
def tree():
    return sim.coalesce(sim.Attention(100.0), sim.uniform(6, 3, seed=1))


@pytest.fixture(scope="module")
def page(tree, tmp_path_factory):
    directory = tmp_path_factory.mktemp("explored")
    times = np.linspace(tree.log_times[0] - 2, tree.log_times[-1] + 2, 60)
    tree.trajectory(np.union1d(times, tree.log_times)).save(directory / "runs" / "tree.nc")
    for place, run in enumerate(model_runs()):
        run.save(directory / "runs" / f"model-{place}.nc")
    sim.Trajectory(np.eye(1, 3)[None], [0.0]).save(directory / "runs" / "single.nc")
    return explore(directory).page


def said(tab, part):
    return tab.run(f"{LEFT}.querySelector('.{part}').textContent")


def depth(tab):
    return float(tab.run(f"{LEFT}.querySelector('.depth').value"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_text_can_be_read_and_nothing_is_cut_off(tab, page, width, dark):
    tab.open(page, width=width, dark=dark)
    seen = tab.run(SEEN)
    assert seen.pop("screens") > 0
    assert seen == FAULTLESS
    assert tab.complaints == []


def test_every_run_can_be_shown(tab, page):
    tab.open(page)
    for side in (0, 1):
        for run in range(
            tab.run("document.querySelectorAll('.panel')[0].querySelectorAll('.run option').length")
        ):
            select = f"document.querySelectorAll('.panel')[{side}].querySelector('.run')"
            tab.run(f"{select}.value = {run}; {select}.dispatchEvent(new Event('change'))")
            marks = tab.run(f"document.querySelectorAll('.panel')[{side}].querySelectorAll('.dot').length")
            assert marks in (1, 6, 34)
    assert tab.complaints == []


def test_the_moments_of_all_mergers_are_found(tab, page, tree):
    """With clusters of a hair's width, they are the log times of `sim.coalesce` to the grid, on which these are."""
    tab.open(page)
    radius = "document.querySelector('#radius')"
    tab.run(f"{radius}.value = -3; {radius}.dispatchEvent(new Event('input'))")
    slider = f"{LEFT}.querySelector('.depth')"
    tab.run(f"{slider}.value = 0; {slider}.dispatchEvent(new Event('input'))")
    moments = []
    for _ in tree.log_times:
        tab.run(f"{LEFT}.querySelector('.later').click()")
        moments.append(float(said(tab, "where").split()[3]))
        assert "merge here" in said(tab, "events")
    grid = np.diff(np.linspace(tree.log_times[0] - 2, tree.log_times[-1] + 2, 60))[0]
    assert (np.abs(moments - tree.log_times) < grid + 1e-3).all()
    assert "1 cluster," in said(tab, "where")


def press(tab, key):
    for kind in ("keyDown", "keyUp"):
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36}[key]
        tab.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


@pytest.mark.parametrize("part", ["depth", "charts"])
def test_arrow_keys_move_the_depth(tab, page, part):
    tab.open(page)
    tab.run(f"{LEFT}.querySelector('.{part}').focus()")
    before = depth(tab)
    press(tab, "ArrowRight")
    assert depth(tab) == before + 1
    press(tab, "ArrowLeft")
    press(tab, "ArrowLeft")
    assert depth(tab) == before - 1
    press(tab, "Home")
    assert depth(tab) == 0
    assert tab.run("document.querySelectorAll('.panel')[1].querySelector('.depth').value") == "0"


def middle(tab, part, share=0.5):
    element = f"{LEFT}.querySelector('.{part}')"
    tab.run(f"{element}.scrollIntoView(), 0")
    box = tab.run(f"{element}.getBoundingClientRect().toJSON()")
    return {"x": box["left"] + share * box["width"], "y": box["top"] + box["height"] / 3}


def test_a_finger_moves_the_depth_and_turns_the_sphere(tab, page):
    tab.open(page, width=390)
    tab.ask("Emulation.setTouchEmulationEnabled", enabled=True)
    before = depth(tab)
    place = middle(tab, "charts", share=0.9)
    tab.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[place])
    tab.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert depth(tab) > before + 10
    turned = f"[...{LEFT}.querySelectorAll('.dot')].map((dot) => dot.getAttribute('transform')).sort().join()"
    before, place = tab.run(turned), middle(tab, "ball-of-tokens")
    tab.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[place])
    tab.ask("Input.dispatchTouchEvent", type="touchMove", touchPoints=[place | {"x": place["x"] + 40}])
    tab.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    tab.ask("Emulation.setTouchEmulationEnabled", enabled=False)
    assert tab.run(turned) != before


def test_tokens_have_names(tab, page):
    tab.open(page)
    picker = f"{LEFT}.querySelector('.token')"
    tab.run(f"{picker}.value = 2; {picker}.dispatchEvent(new Event('change'))")
    assert said(tab, "name") == "picked: \u201c2\u201d"
    assert tab.run(f"{LEFT}.querySelectorAll('.dot.picked').length") == 1
    place = middle(tab, "cosines")
    tab.ask("Input.dispatchMouseEvent", type="mouseMoved", **place)
    assert said(tab, "pair").startswith("cosine of")


def test_velocities_of_the_page_are_those_of_sim(tab, page):
    tab.open(page)
    points = sim.uniform(64, 3, seed=4)
    field = {"beta": 9.0, "kind": "SA", "sign": 1, "causal": False}
    found = tab.run(
        f"Array.from(velocity({points.ravel().tolist()}, 3, {str(field).replace('False', 'false')}))"
    )
    expected = np.asarray(sim.Attention(9.0).velocity(points))
    np.testing.assert_allclose(
        np.reshape(found, points.shape), expected, rtol=0, atol=1e-12 * np.abs(expected).max()
    )


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_simulator_runs(tab, page, dimension):
    tab.open(page)
    part = f"{SIMULATOR}.querySelector('[name=dimension]')"
    tab.run(f"{part}.value = {dimension}; {part}.dispatchEvent(new Event('change'))")
    state = f"{SIMULATOR}.querySelector('output.state').textContent"
    assert tab.run(state).startswith("t = 0:")
    later = f"new Promise((done) => setTimeout(() => done({state}), 1500))"
    after = tab.run(f"{SIMULATOR}.querySelector('.start').click(); {later}")
    assert float(after.split()[2].rstrip(":")) > 0.01
    tab.run(f"{SIMULATOR}.querySelector('.start').click()")
    assert tab.run(state) == tab.run(later)  # it has stopped
    assert tab.complaints == []
