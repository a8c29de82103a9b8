"""The judge on runs whose numbers are known: every rule on both sides of its bound, and what it must survive."""

import json

import numpy as np
import pytest
import xarray as xr

TOKENS, DEPTHS, RUNS = 40, 9, 9
VARIANTS = ["base", "component 0.05", "component 0.12", "successive 0.7", "successive 0.9"]


def random(*seed):
    return np.random.default_rng(seed)


def trajectory(points=None, depth=None, axis="layer", norms=None, **facts):
    from sim import Trajectory
    from sim.sphere import normalise

    points = random(0).standard_normal((DEPTHS, TOKENS, 3)) if points is None else points
    depth = np.arange(len(points), dtype=float) if depth is None else depth
    return Trajectory(normalise(points), depth, axis=axis, norms=norms, provenance=facts)


def measured(run, late=0.0, gain=0.0, share=0.0, varied=(0, 0, 0, 0), gate=3.0, first=(-1, -1), **changed):
    """What `measure(preset="calibrated")` would say, with the numbers put in by hand."""
    depths, tokens, _ = run.points.shape
    shifts = np.array([0, *varied], float)
    held = {
        "late_excess": ("variant", late + shifts),
        "gain": ("variant", gain + shifts),
        "plateau_share_effect": ("variant", share + shifts),
        "plateau_share": ((), max(share, 0.0)),
        "plateau_share_null": ("draw", np.zeros(5)),
        "first_plateau_start": ((), first[0]),
        "first_plateau_end": ((), first[1]),
        "mean_length": ("depth", np.linspace(0.1, 0.3, depths)),
        "cluster_label": (("depth", "token"), np.full((depths, tokens), -1)),
        "energy": ("depth", np.linspace(0.1, 0.5, depths)),
        "energy_noise": ("depth", np.full(depths, 1e-6)),
        "gate_z": ((), gate),
    }
    held |= {name: ((("depth",)[: np.ndim(value)]), value) for name, value in changed.items()}
    everything = {name: [] for name in ("special", "sinks", "duplicates", "rogue")}
    return xr.Dataset(
        held,
        coords={"kept": ("token", np.ones(tokens, bool)), "variant": VARIANTS},
        attrs={"treatment": json.dumps(everything), "beta": np.nan},
    )


def judged(groups, **options):
    """`compare.judge` on groups given as lists of (trajectory, data set)."""
    import compare

    return compare.judge(
        {name: [run for run, _ in runs] for name, runs in groups.items()},
        measured={name: [data for _, data in runs] for name, runs in groups.items()},
        **options,
    )


def group(*columns, size=RUNS, facts=None, **numbers):
    """A group of runs, numbers given one a run or one for all."""
    made = []
    for place in range(size):
        run = trajectory(label=f"run {place}", **(facts or {}))
        own = {name: value[place] if np.ndim(value) else value for name, value in numbers.items()}
        made.append((run, measured(run, **own)))
    return made


def around(mean, spread=0.05, size=RUNS):
    """Numbers with exactly this mean, evenly spread."""
    return mean + spread * np.linspace(-1, 1, size)


@pytest.mark.parametrize(
    ("late", "gain", "verdict"),
    [
        (1.0, 1.0, "CONFIRMED"),
        (1.0, 0.0, "REFUTED"),
        (0.0, 0.0, "REFUTED"),
        (1.0, 0.25, "UNDECIDED"),
        (0.27, 1.0, "UNDECIDED"),
    ],
)
def test_clusters_must_be_there_late_and_be_gained(late, gain, verdict):
    row = judged({"runs": group(late=around(late), gain=around(gain))}).row("H1", "runs")
    assert row.verdict == verdict
    bound = min(late, gain)
    np.testing.assert_allclose(row.effect, bound if verdict != "CONFIRMED" else 1, rtol=1e-12)
    assert row.ci[0] < row.effect < row.ci[1]
    assert row.smallest_effect == 0.25
    assert f"{row.effect:.3g}" in row.why


def test_an_effect_that_is_real_and_too_small_is_refuted():
    """t against 0 would be 60 standard errors; the bound is what matters, not 0."""
    row = judged({"runs": group(late=around(0.1, 0.01), gain=around(0.1, 0.01))}).row("H1", "runs")
    assert row.verdict == "REFUTED"


@pytest.mark.parametrize(("gate", "applies"), [(3.0, True), (0.5, False), (np.nan, False), (-3.0, False)])
def test_without_dynamics_nothing_is_said(gate, applies):
    found = judged({"runs": group(late=around(1), gain=around(1), share=around(0.5), gate=gate)})
    for name in ("H1", "H2", "H3", "H4"):
        row = found.row(name, "runs")
        assert (row.verdict != "NOT APPLICABLE") == (
            applies and (name != "H4" or row.runs > 0)
        ) or name == "H3"
        if not applies:
            assert row.verdict == "NOT APPLICABLE"
            assert "no dynamics" in row.why.lower()


def test_five_runs_are_not_enough():
    row = judged({"runs": group(size=5, late=1.0, gain=1.0)}).row("H1", "runs")
    assert row.verdict == "NOT APPLICABLE"
    assert "at least 6 prompts or seeds, got 5" in row.why


def test_plateaus_and_their_binomial_guard():
    """Shares that are all 0 have an interval of no width: only the number of runs speaks."""
    assert judged({"runs": group(share=around(0.5))}).row("H2", "runs").verdict == "CONFIRMED"
    assert judged({"runs": group(share=0.0)}).row("H2", "runs").verdict == "REFUTED"
    mixed = [0.0] * 5 + [0.25] * 4
    row = judged({"runs": group(share=np.array(mixed) - 0.1)}).row("H2", "runs")
    assert row.verdict == "UNDECIDED"


def plateau(run, start, end, beta=None):
    return measured(run, share=0.5, first=(start, end))


def sweep(log_length, size=12, depths=400):
    """One run at each beta from 8 to 30, its first plateau from the second time on for as long as asked."""
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e14, depths)])
    points = np.tile(random(1).standard_normal((1, TOKENS, 3)), (len(times), 1, 1))
    made = []
    for place, beta in enumerate(np.linspace(8, 30, size)):
        run = trajectory(points, times, "time", beta=float(beta), label=f"beta {beta:g}")
        end = int(np.searchsorted(times, np.exp(log_length(beta, place))) - 1)
        made.append((run, measured(run, share=0.5, first=(2, end))))
    return made


def test_exponential_growth_is_told_from_power_laws_and_from_none():
    """Slope 0.8 is that of clusters at 78 degrees; lengths scatter by a tenth, and without growth by a third."""
    noise = random(3).normal(0, 0.1, 12)
    laws = {
        "exponential": lambda beta, place: 0.8 * beta - np.log(beta) + 2 + noise[place],
        "power": lambda beta, place: 10 * np.log(beta) - 12 + noise[place],
        "none": lambda beta, place: 8 + 3 * noise[place],
    }
    found = judged({name: sweep(law) for name, law in laws.items()})
    rows = {name: found.row("H3", name) for name in laws}
    assert rows["exponential"].verdict == "CONFIRMED"
    assert rows["exponential"].ci[0] < 0.8 - 1 / 17 < rows["exponential"].ci[1]
    scattered = random(5).normal(0, 1, 12)
    row = judged({"power": sweep(lambda beta, place: 8 * np.log(beta) - 8 + scattered[place])}).row(
        "H3", "power"
    )
    assert (row.verdict, row.why[:25]) == ("UNDECIDED", "A power law fits as well:")
    assert rows["power"].verdict == "UNDECIDED"
    assert "power law" in rows["power"].why
    assert rows["none"].verdict == "REFUTED"


def test_plateaus_that_outlast_the_runs_leave_growth_undecided():
    row = judged({"runs": sweep(lambda beta, place: 40.0)}).row("H3", "runs")
    assert row.verdict == "UNDECIDED"
    assert "0 of these end within the run" in row.why


@pytest.mark.parametrize(
    ("start", "end", "verdict", "words"),
    [
        (2, 7, "UNDECIDED", "too few depths"),
        (0, 5, "NOT APPLICABLE", "formation"),
        (-1, -1, "NOT APPLICABLE", "no run has a plateau"),
        (4, 6, "UNDECIDED", "can be seen is 10"),
    ],
)
def test_life_over_formation_of_layers(start, end, verdict, words):
    """Of 12 layers no ratio can be above 10, whatever the plateau."""
    runs = []
    for place in range(RUNS):
        run = trajectory(random(0).standard_normal((12, TOKENS, 3)), label=str(place))
        last = 11 if (start, end) == (2, 7) else end
        runs.append((run, measured(run, first=(start, last))))
    row = judged({"runs": runs}).row("H3", "runs")
    assert row.verdict == verdict
    assert words in row.why.lower()


def with_energy(levels, noise=1e-6):
    levels = np.asarray(levels, float)
    return {"energy": levels, "energy_noise": np.full(len(levels), noise)}


RISE = np.linspace(0.1, 0.5, DEPTHS)


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        (RISE, "CONFIRMED"),
        (RISE[::-1], "REFUTED"),
        (RISE - 1e-7 * np.arange(DEPTHS) % 2, "CONFIRMED"),
        (np.where(np.arange(DEPTHS) == 5, 0.2, RISE), "REFUTED"),
        (np.full(DEPTHS, 0.3), "NOT APPLICABLE"),
        (np.full(DEPTHS, np.nan), "NOT APPLICABLE"),
    ],
)
def test_energy(levels, verdict):
    row = judged({"runs": [(run, data.assign(energy=("depth", levels))) for run, data in group()]})
    assert row.row("H4", "runs").verdict == verdict


def test_attention_is_held_against_its_null():
    def attention(excess, life=1.0):
        null = np.linspace(0.3, 0.7, 5)[:, None, None] * np.ones((DEPTHS, 2))
        own = np.where(np.arange(DEPTHS)[:, None] < 3, np.nan, excess + 0.5) * np.ones(2)
        return {
            "attention_follow": (("depth", "head"), own),
            "attention_follow_null": (("draw", "depth", "head"), null),
            "cluster_life_excess": ("depth", np.full(DEPTHS, life)),
            "cluster_life_null": (("draw", "depth"), np.zeros((5, DEPTHS))),
        }

    for excess, verdict in ((0.5, "CONFIRMED"), (0.0, "REFUTED")):
        runs = [
            (run, data.assign(attention(excess + shift)))
            for (run, data), shift in zip(group(), around(0, 0.01))
        ]
        assert judged({"runs": runs}).row("H6", "runs").verdict == verdict
    bare = [(run, data.assign(attention(0.5, life=0.2))) for run, data in group()]
    row = judged({"runs": bare}).row("H6", "runs")
    assert (row.verdict, row.why[:21]) == ("NOT APPLICABLE", "No clusters to follow")
    assert judged({"runs": group()}).row("H6", "runs").why == "No attention was recorded."


def model_run(prompt, late, init="trained", control=None, seed=0):
    run = trajectory(
        model="net",
        prompt=prompt,
        init=init,
        control=control,
        seed=seed,
        label=f"{prompt} {init} {control} {seed}",
    )
    return run, measured(run, late=late, gain=late)


def learned(random_late, shuffled_late):
    groups = {"net": [], "net, random": [], "net, shuffled": []}
    for place in range(RUNS):
        shift = 2.0 * place  # prompts differ far more than runs of one prompt
        groups["net"].append(model_run(f"text {place}", 3 + shift))
        for seed in (0, 1):
            near = random_late + shift + (0.2 * seed - 0.1) + 0.02 * place
            groups["net, random"].append(model_run(f"text {place}", near, "random", seed=seed))
        groups["net, shuffled"].append(
            model_run(f"text {place}", shuffled_late + shift + 0.02 * place, control="shuffled")
        )
    return judged(groups)


def test_learned_is_against_both_controls_of_the_same_prompt():
    assert learned(0.0, 0.0).row("H7", "net").verdict == "CONFIRMED"
    one = learned(0.0, 3.0).row("H7", "net")
    assert one.verdict == "REFUTED"
    assert "shuffled" in one.why
    np.testing.assert_allclose(one.values, -0.02 * np.arange(RUNS), atol=1e-12)
    found = learned(0.0, 0.0)
    bare = found.row("H7", "net, random")
    nowhere = judged(
        {
            "net": [model_run(f"text {place}", 0.1 + 0.01 * place) for place in range(RUNS)],
            "random": [model_run(f"text {place}", -1.0, "random") for place in range(RUNS)],
            "shuffled": [model_run(f"text {place}", -1.0, control="shuffled") for place in range(RUNS)],
        }
    )
    assert nowhere.row("H7", "net").verdict == "REFUTED"
    assert bare.verdict == "NOT APPLICABLE"
    assert found.row("H1", "net, random").runs == 2 * RUNS


def test_a_mixed_group_is_judged_by_its_trained_runs():
    mixed = [model_run(f"text {place}", 2.0) for place in range(RUNS)]
    mixed += [model_run(f"text {place}", 0.0, "random") for place in range(RUNS)]
    row = judged({"all": mixed}).row("H1", "all")
    assert (row.runs, row.effect) == (RUNS, 2)
    assert "no shuffled control" in judged({"all": mixed}).row("H7", "all").why.lower()


def towards(rate, beta=1.0, seed=0, tokens=12, depths=30):
    """Points whose distances to one another fall as e^(-rate t / 2)."""
    directions = random(5, seed).standard_normal((tokens, 3)) * [1, 1, 0]
    times = np.linspace(0, 8, depths)
    points = np.array([0, 0, 1.0]) + 0.5 * np.exp(-rate / 2 * times)[:, None, None] * directions
    return trajectory(
        points, times, "time", kind="SA", beta=beta, causal=False, start="caps", label=f"{rate} {seed}"
    )


@pytest.mark.parametrize(("rate", "verdict"), [(2.0, "CONFIRMED"), (1.0, "REFUTED"), (3.0, "REFUTED")])
def test_the_rate_of_a_consensus(rate, verdict):
    runs = [towards(rate * factor, seed=place) for place, factor in enumerate(around(1, 0.01))]
    row = judged({"runs": [(run, measured(run)) for run in runs]}).row("P2", "runs")
    assert row.verdict == verdict
    assert abs(row.effect - rate) < 0.02 * rate  # the cone is not yet flat where 1 - cos is 1/40


def in_caps(leave, seed, until=1e14):
    """Three orthogonal caps of height 0.004 that tighten; at depth 6 one token leaves its cap, or none."""
    members = np.repeat(np.arange(3), 3)
    spread = 0.05 * random(6, seed).standard_normal((9, 3))
    times = np.concatenate([[0.0], np.geomspace(0.1, until, 60)])
    points = np.eye(3)[members] + np.exp(-np.minimum(times, 300))[:, None, None] * spread
    if leave:
        points[6, 0] = [1, 1, 0]
    return trajectory(points, times, "time", kind="SA", beta=40.0, causal=False, label=str(seed))


def test_one_token_that_leaves_its_cap_refutes_the_theorem():
    held = judged({"held": [(run, measured(run)) for run in (in_caps(False, seed) for seed in range(7))]})
    assert held.row("P5", "held").verdict == "CONFIRMED"
    early = [(run, measured(run)) for run in (in_caps(False, seed, until=1.0) for seed in range(7))]
    assert "no record inside" in judged({"early": early}).row("P5", "early").why.lower()
    runs = [in_caps(seed == 3, seed) for seed in range(7)]
    row = judged({"left": [(run, measured(run)) for run in runs]}).row("P5", "left")
    assert row.verdict == "REFUTED"
    assert "and 3 is not below 0" in row.why


def merging(pair, seed):
    """Four clusters on a circle at 0, 40, 100 and 190 degrees, two of which meet at depth 5."""
    angles = np.radians([0, 40, 100, 190])
    members = np.repeat(np.arange(4), 6)
    at = np.tile(angles, (DEPTHS, 1))
    at[5:, pair[1]] = at[5:, pair[0]]
    own = at[:, members] + 0.01 * random(7, seed).standard_normal(24)
    points = np.stack([np.cos(own), np.sin(own)], axis=-1)
    run = trajectory(points, axis="time", kind="SA", beta=30.0, causal=False, label=str(seed))
    labels = np.tile(members, (DEPTHS, 1))
    return run, measured(run, first=(1, 4)).assign(cluster_label=(("depth", "token"), labels))


@pytest.mark.parametrize(("pair", "verdict"), [((0, 1), "CONFIRMED"), ((1, 2), "REFUTED")])
def test_the_closest_pair_first(pair, verdict):
    assert (
        judged({"runs": [merging(pair, seed) for seed in range(RUNS)]}).row("P7", "runs").verdict == verdict
    )


def counted(power, beta, seed):
    """Tokens on a circle in about beta^power tight clusters at t = 30."""
    count = round(2 * beta**power + 0.3 * np.sin(seed))
    angles = 2 * np.pi * (np.arange(200) % count) / count
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return trajectory(
        np.stack([points, points]),
        [1.0, 30.0],
        "time",
        kind="SA",
        beta=beta,
        start="uniform",
        label=f"{beta} {seed}",
    )


@pytest.mark.parametrize(("power", "verdict"), [(0.5, "CONFIRMED"), (0.05, "REFUTED")])
def test_the_number_of_clusters_in_beta(power, verdict):
    runs = [counted(power, beta, seed) for beta in (16.0, 64.0, 256.0) for seed in range(3)]
    row = judged({"runs": [(run, measured(run)) for run in runs]}).row("P9", "runs")
    assert row.verdict == verdict


def with_centres(protected, seed, causal=True):
    """Tokens that move by 0.5, those far from every earlier one by a hundredth of that, if protected."""
    start = random(8, seed).standard_normal((60, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    delta = 2 / np.sqrt(16)
    apart = np.linalg.norm(start[:, None] - start, axis=2) > delta
    centre = np.array([apart[place, :place].all() for place in range(60)])
    across = np.cross(start, random(9, seed).standard_normal((60, 3)))
    size = np.where(centre & protected, 0.005, 0.5) * np.exp(random(10, seed).normal(0, 0.2, 60))
    step = across / np.linalg.norm(across, axis=1, keepdims=True) * size[:, None]
    run = trajectory(np.stack([start, start + step]), causal=causal, beta=16.0, label=str(seed))
    return run, measured(run)


@pytest.mark.parametrize(("protected", "verdict"), [(True, "CONFIRMED"), (False, "REFUTED")])
def test_renyi_centres(protected, verdict):
    runs = [with_centres(protected, seed) for seed in range(RUNS)]
    assert judged({"runs": runs}).row("P10", "runs").verdict == verdict
    free = judged({"runs": [with_centres(True, seed, causal=False) for seed in range(RUNS)]})
    assert free.row("P10", "runs").verdict == "NOT APPLICABLE"


@pytest.mark.parametrize(("grows", "verdict"), [(True, "CONFIRMED"), (False, "REFUTED")])
def test_lengths_that_pay_for_the_loss_of_spread(grows, verdict):
    runs = []
    for seed in range(7):
        directions = 0.05 * random(11, seed).standard_normal((TOKENS, 3))
        lengths = 1 + np.arange(DEPTHS)
        points = np.array([0, 0, 1.0]) + directions / lengths[:, None, None]
        norms = np.tile(lengths[:, None] if grows else np.ones((DEPTHS, 1)), (1, TOKENS))
        run = trajectory(points, norms=norms, scheme="pre", model="net", beta=1.0, label=str(seed))
        runs.append((run, measured(run)))
    assert judged({"runs": runs}).row("P12", "runs").verdict == verdict


def tables(models, sign):
    """Of each model the speed, which goes with the spectral radius or against it, and heads that follow the scale."""
    strength = random(12).uniform(0.1, 3, (6, 4, 5))
    heads = xr.Dataset(
        {
            name: (("text", "depth", "head"), values)
            for name, values in (("strength", strength), ("merging", strength**2))
        },
        coords={"text": [f"text {place}" for place in range(6)]},
    )
    return {
        f"net {place}": {
            "speed": xr.Dataset(
                attrs={
                    "per_layer": sign * place,
                    "spectral_radius": place,
                    "width": 64 + place % 3,
                    "blocks": 12 - place % 2,
                }
            ),
            "heads": heads,
        }
        for place in range(models)
    }


@pytest.mark.parametrize(
    ("models", "sign", "verdict"), [(12, 1, "CONFIRMED"), (12, -1, "REFUTED"), (4, 1, "UNDECIDED")]
)
def test_what_governs_speed_needs_many_models(models, sign, verdict):
    runs = {
        f"net {place}": [(run := trajectory(model=f"net {place}"), measured(run))] for place in range(models)
    }
    found = judged(runs, models=tables(models, sign))
    row = found.row("H5", "all models")
    assert row.verdict == verdict
    if models == 4:
        assert "known of 4 of 4 models" in row.why
    assert found.row("P11", "net 0").verdict == "UNDECIDED"
    assert "described, not judged" in found.row("P11", "net 0").why.lower()
    assert "0 of" in judged(runs).row("H5", "all models").why


def test_the_correction_takes_back_what_one_question_among_many_found():
    """An interval that is barely clear of its bound, alone and among groups that are not."""
    barely = group(late=around(0.29, 0.075), gain=1.0)
    unclear = {
        f"unclear {place}": group(late=around(0.25, 0.3), gain=around(0.25, 0.3)) for place in range(8)
    }
    alone = judged({"barely": barely}).row("H1", "barely")
    among = judged({"barely": barely} | unclear).row("H1", "barely")
    assert alone.p == among.p < 0.025
    assert (alone.verdict, among.verdict) == ("CONFIRMED", "UNDECIDED")
    assert alone.ci == among.ci
    assert "once corrected" in among.why


def test_robustness_is_the_share_of_each_range_that_agrees():
    """Excess 0.3: clear of 0.15 to 0.25, not of 0.3 and 0.35; one of the two varied components takes it below."""
    runs = group(late=around(0.3, 0.02), gain=1.0, varied=[(-0.3, 0.1, 0, 0)] * RUNS)
    row = judged({"runs": runs}).row("H1", "runs")
    entries = {one["threshold"]: one for one in row.robustness}
    assert entries["delta"] == {"threshold": "delta", "low": 0.15, "high": 0.35, "agreement": 0.6}
    assert entries["component (measured)"] == {
        "threshold": "component (measured)",
        "low": 0.05,
        "high": 0.12,
        "agreement": 0.5,
    }
    assert entries["kind of interval"]["agreement"] == 1
    np.testing.assert_allclose(row.agreement, np.mean([one["agreement"] for one in row.robustness]))


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    groups = {"one": group(late=around(0.5), gain=around(0.4)), "two": sweep(lambda beta, place: 0.5 * beta)}
    first, second = judged(groups, seed=3), judged(groups, seed=3)
    assert first.to_json() == second.to_json(tmp_path / "verdicts.json")
    assert (tmp_path / "verdicts.json").read_text(encoding="utf-8") == first.to_json()


@pytest.mark.parametrize(
    ("groups", "data", "words"),
    [
        ({}, None, "no groups"),
        ({"a": []}, None, "'a' has no trajectories"),
        ({"a": [trajectory]}, {"a": []}, "0 measurements"),
    ],
)
def test_bad_input_is_one_line(groups, data, words):
    import compare

    groups = {name: [make() for make in makers] for name, makers in groups.items()}
    with pytest.raises(ValueError, match=words) as error:
        compare.judge(groups, measured=data)
    assert "\n" not in str(error.value)


def test_odd_runs_are_measured_and_judged():
    """Two tokens, one depth, points that have collapsed, axes mixed in one group, one run alone: no row is a guess."""
    import compare

    collapsed = np.tile([0.0, 0.0, 1.0], (7, 33, 1))
    groups = {
        "two tokens": [
            trajectory(random(place).standard_normal((7, 2, 3)), label=str(place)) for place in range(6)
        ],
        "one depth": [
            trajectory(random(place).standard_normal((1, 8, 3)), label=str(place)) for place in range(6)
        ],
        "collapsed": [
            trajectory(collapsed, axis="time", beta=2.0, kind="SA", label=str(place)) for place in range(6)
        ],
        "mixed": [
            trajectory(random(place).standard_normal((7, 9, 3)), axis=axis, beta=2.0, label=str(place))
            for place, axis in enumerate(("time", "layer") * 3)
        ],
        "alone": [trajectory(random(1).standard_normal((7, 9, 3)), label="1")],
    }
    seen = []
    found = compare.judge(
        groups, draws=9, progress=lambda places: (seen.append(place) or place for place in places)
    )
    assert len(seen) == 25
    assert len(found.rows) == 5 * 13 + 1
    assert {row.verdict for row in found.rows} <= {"NOT APPLICABLE", "UNDECIDED", "REFUTED"}
    assert json.loads(found.to_json())["rows"][0]["why"]
