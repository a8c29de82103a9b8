"""The figure that the report opens with: what can stand on one axis is drawn, and nothing else."""

import json
import re

import numpy as np
import xarray as xr

from compare.reporting.first_figure import first_figure
from compare.reporting.verdict_table import Column
from tests.helpers.written_verdicts import table, verdict

THEORY = Column("SA, beta 9", "theory", "", "")
CAUSAL = Column("SA causal", "theory", "", "")
NET, OTHER = (Column(name, "trained", name, "") for name in ("net", "other"))
CONTROL = Column("net, random weights", "changed", "net", "random weights")
TIMES = np.array([0.0, 0.1, 1.0, 100.0])


def runs(depth, axis, **facts):
    def one(level):
        names = ("cluster_life_excess", "cluster_number")
        values = {name: ("depth", np.linspace(0, level, len(depth))) for name in names}
        return xr.Dataset(
            values, coords={"depth": depth}, attrs={"axis": axis, "provenance": json.dumps(facts)}
        )

    return [one(1.0), one(2.0)]


MEASURED = {
    THEORY.group: runs(TIMES, "time", beta=9.0, start="uniform"),
    CAUSAL.group: runs(TIMES, "time", beta=9.0, start="uniform", causal=True),
    NET.group: runs(np.arange(3.0), "layer"),
    OTHER.group: runs(np.arange(3.0), "layer"),
    CONTROL.group: runs(np.arange(3.0), "layer"),
}
PARTING = xr.Dataset(
    {"time": (("text", "run", "depth"), [[[0.0, 0.5, 0.9]]])}, coords={"run": ["model"], "depth": range(3)}
)


def words(panel):
    return re.findall(r"<text[^>]*>(?:<tspan[^>]*>)?([^<]+)<", panel)


def titles(panels):
    return [re.findall(r'aria-label="([^"]*)"', panel)[0] for panel in panels]


def test_theory_and_models_with_a_clock_stand_side_by_side():
    judged = table(
        verdict("H1", NET.group, "REFUTED"), verdict("H1", CONTROL.group), verdict("H2", NET.group)
    )
    groups = (THEORY, CAUSAL, NET, OTHER, CONTROL)
    panels = first_figure(judged, groups, MEASURED, {NET.group: {"parting": PARTING}})
    assert titles(panels) == ["Do clusters form?", "Do they last, and merge?", "How sure is that?"]
    life = words(panels[0])
    assert {THEORY.group, NET.group, "time t of SA", "matters from 0.25"} <= set(life)
    assert not {CAUSAL.group, OTHER.group, CONTROL.group} & set(life)
    sure = words(panels[2])
    assert NET.group in sure
    assert not {CONTROL.group, THEORY.group} & set(sure)


def test_models_alone_are_drawn_over_layers():
    panels = first_figure(table(), (NET, OTHER), MEASURED, {})
    assert titles(panels) == ["Do clusters form?", "Do they last, and merge?"]
    assert {"layer (0: embedding)", NET.group, OTHER.group} <= set(words(panels[0]))


def test_the_theory_alone_shows_its_own_effects():
    judged = table(verdict("H1", CAUSAL.group))
    panels = first_figure(judged, (CAUSAL,), MEASURED, {})
    assert CAUSAL.group in words(panels[0])
    assert CAUSAL.group in words(panels[2])


def test_nothing_is_drawn_of_nothing():
    assert first_figure(table(), (), {}, {}) == ()


def test_pictures_take_the_colour_of_the_text_of_their_page_and_no_two_parts_one_name():
    panels = first_figure(table(verdict("H1", THEORY.group)), (THEORY,), MEASURED, {})
    whole = "".join(panels)
    assert "currentColor" in whole
    assert "#010203" not in whole
    names = re.findall(r'\bid="([^"]*)"', whole)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', whole)) <= set(names)
