"""The report: one file, everything inside, nothing of a prompt taken for markup."""

import json
import re

import numpy as np
import pytest

NASTY = '<script>alert("x")</script>'


def saved_runs(directory):
    import sim

    times = np.geomspace(0.1, 30, 8)
    simulated = sim.simulate(
        sim.Attention(4.0), sim.uniform(12, 3), times, attention=True, provenance={"label": "SA, beta 4"}
    )
    simulated.save(directory / "runs" / "a.nc")
    points = np.stack([sim.uniform(6, 9, seed) for seed in range(4)])
    model = sim.Trajectory(
        points,
        np.arange(4),
        axis="layer",
        norms=np.full((4, 6), 3.0),
        tokens=[NASTY, "b", "c", "d", "e", "f"],
        special=[True, False, False, False, False, True],
        provenance={"label": f"model {NASTY}", "scheme": "post", "causal": False, "frame": "raw"},
    )
    model.save(directory / "runs" / "b.nc")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    import compare

    directory = tmp_path_factory.mktemp("report")
    saved_runs(directory)
    return directory, compare.report(directory).read_text(encoding="utf-8")


def test_page_is_self_contained(written):
    _, page = written
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page)
    assert "<script" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_text_is_escaped(written):
    _, page = written
    assert NASTY not in page
    assert page.count("&lt;script&gt;") >= 4  # table head, navigation, title of the section, dots


def test_page_shows_every_run_and_figure(written):
    _, page = written
    assert page.count("<h2 id=") == 3
    assert (
        page.count("<img ") == 8 + 3 + 6
    )  # a simulation with attention; overlays; a model without attention
    assert page.count("<svg ") == 8
    assert page.count("<title>") - 1 == 4 * 12 + 4 * 6


def test_verdicts_are_the_criteria_of_every_run(written):
    import compare
    from sim import Trajectory

    directory, _ = written
    verdicts = json.loads((directory / "verdicts.json").read_text())
    assert verdicts["schema"] == "metasphere/verdicts/1"
    rows = [row for row in verdicts["criteria"] if row["run"] == "SA, beta 4"]
    criteria = compare.published_criteria(compare.measure(Trajectory.load(directory / "runs" / "a.nc")))
    own = [row for row in rows if row["rule_by"] == "theory"]
    assert [row["met"] for row in own] == [True]  # the theorem, checked at the run's own beta
    published = [(row["statement"], row["met"]) for row in rows if row not in own]
    assert published == [(criterion.statement, criterion.met) for criterion in criteria]


def test_same_runs_give_the_same_page(written):
    import compare

    directory, page = written
    assert compare.report(directory).read_text(encoding="utf-8") == page


def test_empty_folder_is_refused(tmp_path):
    import compare

    with pytest.raises(ValueError, match="no runs"):
        compare.report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_spheres_keep_the_geometry_of_s2():
    """On S^2 the picture loses nothing: heights above the page follow from places, and the share is 1."""
    import sim
    from compare.report.spheres import principal_axes, spheres

    points = np.stack([sim.uniform(20, 3, seed) for seed in range(5)])
    axes, share = principal_axes(points)
    assert share == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    pictures, _ = spheres(sim.Trajectory(points, np.arange(5)), 3)
    assert [picture.label for picture in pictures] == ["t = 0", "t = 2", "t = 4"]
    for picture, x in zip(pictures, points[::2]):
        dots = sorted(picture.dots, key=lambda dot: int(dot.name))
        flat = np.array([(dot.x, dot.y) for dot in dots])
        height = np.sqrt(np.maximum(1 - np.sum(flat**2, axis=1), 0)) * [
            1 if dot.front else -1 for dot in dots
        ]
        seen = np.column_stack([flat, height])
        # Places are rounded to 4 digits, which moves a height by at most 7.1e-5 / |height|.
        inner = np.abs(height) > 0.1
        assert inner.sum() > 10
        np.testing.assert_allclose((seen @ seen.T)[inner][:, inner], (x @ x.T)[inner][:, inner], atol=1.6e-3)
        np.testing.assert_allclose(seen @ seen.T, x @ x.T, atol=0.025)  # on the rim heights are at most 0.012


def test_spheres_on_the_circle():
    import sim
    from compare.report.spheres import spheres

    pictures, share = spheres(sim.Trajectory(sim.ring(5)[None], [0.0]))
    assert len(pictures) == 1
    assert share == pytest.approx(1)
    np.testing.assert_allclose([dot.x**2 + dot.y**2 for dot in pictures[0].dots], 1, atol=1e-3)
