"""The study: which runs it has, that they can be told apart, and that a study that was killed goes on."""

from dataclasses import replace
from operator import neg

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import xarray as xr
from threadpoolctl import threadpool_info

import probe
import sim
from compare.study import plan
from compare.study.coalescences import even_log_times
from compare.study.jobs import INSTRUMENTS, Job
from compare.study.results import Settings, complete, keep_table, kept_table, read_run
from compare.study.simulations import save_times, starting_points
from compare.study.subjects import Subject, default_texts
from compare.workers import Spread
from probe.texts import KINDS


def small(seed, label=None, **changes):
    settings = {"kind": "SA", "beta": 4.0, "start": "uniform", "tokens": 8, "dimension": 3, "until": 5.0}
    settings |= {"depths": 7, "seed": seed} | changes
    return Job(label or f"small, seed {seed}", "small", "simulate", settings, {"published": False})


def test_default_texts_cover_every_class():
    chosen = default_texts()
    assert {text.kind for text in chosen} == set(KINDS)
    assert len({text.name for text in chosen}) == len(chosen) == 7
    assert all(probe.prompts()[text.name].length != "short" for text in chosen)


def test_labels_and_keys_tell_all_runs_apart():
    jobs = plan.theory_jobs((1.0, 9.0, 25.0), seed=0)
    jobs += plan.model_jobs(Subject("a", "a", "gpt2", "x", "y"), default_texts(), seed=0)
    assert plan.chosen(jobs, ()) == jobs
    assert len({job.stem for job in jobs}) == len({job.key for job in jobs}) == len(jobs)
    sizes = {group: sum(job.group == group for job in jobs) for group in {job.group for job in jobs}}
    assert min(size for group, size in sizes.items() if group != "a, repeated token") >= 6
    stage = plan.model_jobs(
        Subject("a-early", "a-early", "gpt2", "x", "y", stage=True), default_texts(), seed=0
    )
    assert {job.group for job in stage} == {"a-early"}


def test_a_group_brings_its_controls():
    jobs = plan.model_jobs(Subject("a", "a", "gpt2", "x", "y"), default_texts(), seed=0)
    jobs += plan.model_jobs(Subject("ab", "ab", "bert", "x", "y"), default_texts(), seed=0)
    assert {job.group.split(",")[0] for job in plan.chosen(jobs, ["a"])} == {"a"}
    assert len({job.group for job in plan.chosen(jobs, ["a"])}) == 6
    with pytest.raises(ValueError, match=r"no group 'b'.*'ab, other mask'"):
        plan.chosen(jobs, ["b"])
    with pytest.raises(ValueError, match="would be one file"):
        plan.chosen([*jobs, jobs[0]], ())


def test_a_model_that_makes_its_own_mask_has_no_run_under_another():
    groups = {
        family: {
            job.group for job in plan.model_jobs(Subject("a", "a", family, "x", "y"), default_texts(), seed=0)
        }
        for family in ("gpt_neo", "llama")
    }
    assert groups["llama"] - groups["gpt_neo"] == {"a, other mask"}


def test_all_changes_are_the_usual_ones_and_seven_more():
    subject = Subject("a", "a", "gpt2", "x", "y")
    usual, every = (
        plan.model_jobs(subject, default_texts(), seed=0, changes=asked) for asked in plan.CHANGES
    )
    assert every[: len(usual) - 1] == usual[:-1]
    common = {"model", "files", "text", "max_tokens", "seed"}
    settings = {
        job.group.removeprefix("a, "): {
            name: job.settings[name] for name in sorted(set(job.settings) - common)
        }
        for job in every[len(usual) - 1 : -1]
    }
    seen = {"attention": True, "frame": "layernorm"}
    assert settings == {
        "every coordinate": seen | {"every_coordinate": True},
        "what its matrices are given": seen | {"frame": "read"},
        "early feed-forward parts silent": seen | {"silenced_third": 0},
        "middle feed-forward parts silent": seen | {"silenced_third": 1},
        "late feed-forward parts silent": seen | {"silenced_third": 2},
        "random weights, half the range": seen | {"init": "random", "range_factor": 0.5},
        "random weights, twice the range": seen | {"init": "random", "range_factor": 2.0},
    }
    with pytest.raises(ValueError, match="changes must be one of usual, all, got 'al'"):
        plan.model_jobs(subject, default_texts(), seed=0, changes="al")


def test_a_family_without_an_initializer_range_has_no_other_one():
    groups = {
        family: {
            job.group
            for job in plan.model_jobs(Subject("a", "a", family, "x", "y"), default_texts(), 0, changes="all")
        }
        for family in ("t5", "llama", None)
    }
    others = {"a, random weights, half the range", "a, random weights, twice the range"}
    assert not groups["t5"] & others
    assert groups["llama"] >= others
    assert groups[None] >= others


def test_a_key_follows_settings_facts_and_weights():
    job = small(0)
    assert job.key == small(0).key
    others = [small(1), small(0, beta=5.0), small(0, "other"), replace(job, facts={"weights": "new"})]
    assert len({one.key for one in [job, *others]}) == 5


def test_a_killed_study_goes_on(tmp_path, monkeypatch):
    """The second run dies; the next call makes the second and third, and leaves the first as it is."""
    jobs = [small(seed) for seed in range(3)]
    made = []

    def deadly(**settings):
        if settings["seed"] == 1 and len(made) < 2:
            made.append("died")
            raise KeyboardInterrupt
        made.append(settings["seed"])
        return INSTRUMENTS["simulate"](**settings)

    monkeypatch.setattr("compare.study.jobs.INSTRUMENTS", {"simulate": deadly})

    def work(job):
        plan.work([job], tmp_path, Settings(draws=9))

    with pytest.raises(KeyboardInterrupt):
        list(Spread(work, jobs))
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["small-seed-0.nc"]
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    before = (tmp_path / "runs" / "small-seed-0.nc").stat().st_mtime_ns
    list(Spread(work, jobs))
    assert made == [0, "died", 1, 2]
    assert (tmp_path / "runs" / "small-seed-0.nc").stat().st_mtime_ns == before
    assert len(list((tmp_path / "measured").iterdir())) == 3
    plan.run(small(0, beta=5.0), tmp_path)
    assert (tmp_path / "runs" / "small-seed-0.nc").stat().st_mtime_ns != before


def test_many_tasks_are_spread_over_processes():
    """More tasks than one process is for: every result comes back; the first error of few tasks is raised here."""
    spread = Spread(neg, range(12))
    assert len(spread) == 12
    assert sorted(spread) == sorted(-number for number in range(12))
    with pytest.raises(TypeError):
        list(Spread(len, [[], None]))  # pyright: ignore[reportArgumentType]


def threads_and_digits_here(_):
    """Threads that every pool of BLAS and OpenMP in this process may use, and torch; the numbers of JAX."""
    return {pool["num_threads"] for pool in threadpool_info()} | {torch.get_num_threads()}, jnp.zeros(1).dtype


def test_a_process_computes_on_one_thread_and_in_64_bits(monkeypatch):
    """Threads that wait for each other took 7 times the processor time for the tables of a model."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("JAX_ENABLE_X64", raising=False)
    assert all(found == ({1}, np.float64) for found in Spread(threads_and_digits_here, range(6)))


def test_a_program_is_compiled_in_one_process():
    theory = plan.theory_jobs((1.0, 9.0, 25.0), seed=0)
    models = plan.model_jobs(Subject("a", "a", "gpt2", "x", "y"), default_texts(), seed=0)
    batches = plan.batches(theory + models)
    assert sorted(job.key for batch in batches for job in batch) == sorted(job.key for job in theory + models)
    homes: dict[str, list[int]] = {}
    for number, batch in enumerate(batches):
        for group in {job.group for job in batch}:
            homes.setdefault(group, []).append(number)
    assert all(len(places) == 1 for places in homes.values())
    same = ["SA, beta 1, d 3", "SA, beta 25, d 3", "SA from a blob, beta 1, d 3", "SA, beta 4 to 25, d 3"]
    assert len({homes[group][0] for group in same}) == 1
    apart = ["SA, beta 1, d 3", "SA causal, beta 25, d 3", "USA, beta 9, d 3", "SA with V = -I, beta 9, d 3"]
    assert len({homes[group][0] for group in apart}) == 4


def test_a_run_is_measured_from_memory_as_from_its_file(tmp_path):
    """Same bytes: a study that goes on from files must not differ from one that never stopped."""
    settings = Settings(draws=9)
    jobs = [small(0), replace(small(1), facts={"published": True})]
    for made in plan.work(jobs, tmp_path, settings, keep_attention=True):
        assert made.made is None  # points stay in the file
        kept = {preset: tmp_path / "measured" / f"{made.path.stem}.{preset}.nc" for preset in made.presets}
        before = {preset: path.read_bytes() for preset, path in kept.items()}
        for path in kept.values():
            path.unlink()
        again = complete(read_run(made.path, settings))
        assert {preset: path.read_bytes() for preset, path in kept.items()} == before
        assert str(again.facts) == str(made.facts)  # in the same order too: the page prints them
        np.testing.assert_array_equal(
            again.without_attention.points, made.without_attention.points, strict=True
        )


def test_a_table_is_read_as_it_was_written(tmp_path):
    """Numbers and flags to the bit, words, attributes; a file that was cut off is no table."""
    table = xr.Dataset(
        {
            "share": (("depth", "token"), np.array([[0.1, np.nan], [np.inf, -0.0]]), {"units": "1"}),
            "clusters": ("depth", np.array([3, -1])),
            "nested": ("depth", np.array([True, False])),
            "name": ("token", np.array(["β", ""], dtype=object)),
            "length": ((), np.float64(1 / 3)),
        },
        attrs={"key": "k", "dim": 3, "provenance": '{"text": "ß"}'},
    )
    path = tmp_path / "table.nc"
    keep_table(path, table)
    again = kept_table(path, "k")
    assert again is not None
    xr.testing.assert_identical(again, table)
    assert again["nested"].dtype == bool
    assert kept_table(path, "other") is None
    whole = path.read_bytes()
    for size in (0, 3, 100, len(whole) // 2, len(whole) - 8):
        path.write_bytes(whole[:size])
        assert kept_table(path) is None


def test_even_log_times_reach_over_all_mergers():
    found = sim.coalesce(sim.Attention(200.0), sim.uniform(6, 3, 1))
    assert isinstance(found, sim.Coalescence)
    times = even_log_times(found, 30)
    np.testing.assert_allclose(np.diff(times), np.diff(times)[0], rtol=1e-9)
    assert times[0] < found.log_times[0]
    assert times[-1] > found.log_times[-1]
    np.testing.assert_allclose(save_times(100.0, 5), [0.0, *np.geomspace(0.01, 100.0, 4)], rtol=1e-12)
    with pytest.raises(ValueError, match="until must be a time above 0"):
        save_times(-1.0, 5)


@pytest.mark.parametrize("start", ["uniform", "ring", "simplex", "caps", "blob"])
def test_starts_are_on_the_sphere(start):
    points = starting_points(start, 4, 5, seed=2)
    assert points.shape == (4, 5)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-12)
    with pytest.raises(ValueError, match="2 dimensions"):
        starting_points(start, 4, 1, seed=2)
