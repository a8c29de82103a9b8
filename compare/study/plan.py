"""The runs of the main job: the theory; trained models on texts, their controls, and the dynamics that they learned."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from compare.study.jobs import Job
from compare.study.names import in_words
from compare.study.results import SavedRun, Settings, complete, run_of, save_run
from compare.study.simulations import check_simulation
from compare.study.subjects import Subject, Text

TOKENS = 64
DIMENSION = 3
HIGH_DIMENSION = 16
UNTIL = 1000.0
DEPTHS = 25
SEEDS = 7
SWEEP = (20.0, 40.0, 80.0, 160.0)
SWEEP_TOKENS = 36
SWEEP_DEPTHS = 49
COUNTED = (4.0, 9.0, 25.0)
MAX_TOKENS = 96
CHANGES = ("usual", "all")
NAMED = 5


def theory_jobs(betas: Sequence[float], seed: int, seeds: int = SEEDS) -> list[Job]:
    """Groups of idealised dynamics, each from `seeds` independent starts.

    SA from uniform points on S^2 at each beta; the largest beta in 16 dimensions, from four caps, and under a causal
    mask; USA at the middle beta; a blob, which meets at a known rate, and with V = -I, whose energy must fall; uniform
    points over several beta, for the number of clusters; and caps followed to the last merger over a sweep of beta,
    for the length of plateaus.
    """
    for beta in betas:
        check_simulation("SA", beta, "uniform", TOKENS, DIMENSION, seed, UNTIL, DEPTHS)
    largest, middle = max(betas), sorted(betas)[len(betas) // 2]
    common = {"kind": "SA", "start": "uniform", "tokens": TOKENS, "dimension": DIMENSION, "until": UNTIL}
    changes: dict[str, dict[str, Any]] = {
        f"SA, beta {in_words(beta)}, d {DIMENSION}": {"beta": beta} for beta in betas
    }
    changes |= {
        f"SA, beta {in_words(largest)}, d {HIGH_DIMENSION}": {"beta": largest, "dimension": HIGH_DIMENSION},
        f"SA from caps, beta {in_words(largest)}, d 4": {"beta": largest, "start": "caps", "dimension": 4},
        f"SA causal, beta {in_words(largest)}, d {DIMENSION}": {"beta": largest, "causal": True},
        f"USA, beta {in_words(middle)}, d {DIMENSION}": {"beta": middle, "kind": "USA"},
        f"SA from a blob, beta {in_words(min(betas))}, d {DIMENSION}": {"beta": min(betas), "start": "blob"},
        f"SA with V = -I, beta {in_words(middle)}, d {DIMENSION}": {
            "beta": middle,
            "start": "blob",
            "repulsive": True,
        },
    }
    numbers = range(seed, seed + seeds)
    sweep = {"kind": "SA", "start": "caps", "tokens": SWEEP_TOKENS, "dimension": 4, "depths": SWEEP_DEPTHS}
    jobs = [
        Job(
            f"SA from caps, beta {beta:g}, d 4, to the last merger, seed {number}",
            f"SA from caps, beta {SWEEP[0]:g} to {SWEEP[-1]:g}, d 4",
            "coalesce",
            sweep | {"beta": beta, "seed": number},
            {"published": False},
        )
        for beta, own in _own_seeds(SWEEP, seed, seeds)
        for number in own
    ]
    counted = f"SA, beta {COUNTED[0]:g} to {COUNTED[-1]:g}, d {DIMENSION}"
    plan = [(group, group, change, numbers) for group, change in changes.items()]
    plan += [
        (f"{counted}: beta {beta:g}", counted, {"beta": beta}, own)
        for beta, own in _own_seeds(COUNTED, seed, seeds)
    ]
    return jobs + [
        Job(
            f"{name}, seed {number}",
            group,
            "simulate",
            common | change | {"depths": DEPTHS, "seed": number},
            {"published": number == seed and name == group},
        )
        for name, group, change, own in plan
        for number in own
    ]


def _own_seeds(betas: Sequence[float], seed: int, seeds: int) -> list[tuple[float, range]]:
    """Other seeds at each beta, so that the runs of a sweep are independent of each other."""
    return [
        (beta, range(seed + place * seeds, seed + (place + 1) * seeds)) for place, beta in enumerate(betas)
    ]


def model_jobs(
    subject: Subject,
    texts: Sequence[Text],
    seed: int,
    max_tokens: int | None = MAX_TOKENS,
    changes: str = "usual",
) -> list[Job]:
    """A model on every text, and its controls, each with one thing changed.

    On the sphere that attention reads: as trained; with random weights; with shuffled tokens; under the other mask;
    and its attention and norms alone. On the raw sphere, for the published definitions: as trained, with random
    weights, and the repeated token on the first text. Random weights and shuffling take another seed for each text.

    With ``"all"`` changes, on the sphere that attention reads besides: with every coordinate, and what its matrices are
    given; with silent feed-forward parts in a third of the blocks; and, where the family has an initializer range, with
    random weights of half and twice of it. Raises ValueError for other `changes`.
    """
    if changes not in CHANGES:
        raise ValueError(f"changes must be one of {', '.join(CHANGES)}, got {changes!r}")
    seen = {"frame": "layernorm", "attention": True}
    raw = {"frame": "raw", "attention": True}
    random = "random weights"
    plan: list[tuple[str | None, str, dict[str, Any], bool]] = [
        (None, "extract", seen, False),
        (None, "extract", raw, False),
    ]
    if not subject.stage:
        plan += [
            (random, "extract", seen | {"init": "random"}, True),
            (random, "extract", {"frame": "raw", "init": "random"}, True),
            ("shuffled tokens", "extract", {"frame": "layernorm", "control": "shuffled"}, True),
        ]
        if subject.takes_mask:
            plan.append(("other mask", "extract", seen | {"other_mask": True}, False))
        if subject.has_operators:
            plan.append(("attention alone", "layer_by_layer", {"attention": True}, False))
        if changes == "all":
            plan += [
                (change, "extract", options, "init" in options)
                for change, options in more_changes().items()
                if subject.has_range or "range_factor" not in options
            ]
    jobs = [
        _model_job(
            subject,
            text,
            change,
            instrument,
            options | ({"seed": seed + number} if seeded else {}),
            max_tokens,
        )
        for change, instrument, options, seeded in plan
        for number, text in enumerate(texts)
    ]
    if subject.stage:
        return jobs
    repeated = {"frame": "raw", "control": "repeated"}
    return [*jobs, _model_job(subject, texts[0], "repeated token", "extract", repeated, max_tokens)]


def more_changes() -> dict[str, dict[str, Any]]:
    """The changes beyond the usual ones: whether a verdict hangs on the treatment, and where clusters come back.

    On the spheres with every coordinate, and of what the matrices are given, there are no controls, so that H7, which
    needs them, is not asked there.
    """
    seen = {"frame": "layernorm", "attention": True}
    silent = {
        f"{place} feed-forward parts silent": seen | {"silenced_third": third}
        for third, place in enumerate(("early", "middle", "late"))
    }
    random = {
        f"random weights, {times} the range": seen | {"init": "random", "range_factor": factor}
        for times, factor in (("half", 0.5), ("twice", 2.0))
    }
    return {
        "every coordinate": seen | {"every_coordinate": True},
        "what its matrices are given": {"frame": "read", "attention": True},
        **silent,
        **random,
    }


def _model_job(
    subject: Subject,
    text: Text,
    change: str | None,
    instrument: str,
    options: dict[str, Any],
    max_tokens: int | None,
) -> Job:
    """A run of a model with one thing changed in it, or nothing where None; its provenance says so."""
    group = f"{subject.name}, {change}" if change else subject.name
    frame = ", raw" if options.get("frame") == "raw" else ""
    settings = {"model": subject.given, "files": subject.files, "text": text.text, "max_tokens": max_tokens}
    facts = {"prompt": text.name, "prompt_class": text.kind, "change": change, **subject.facts}
    return Job(f"{group}, {text.name}{frame}", group, instrument, settings | options, facts)


def chosen(jobs: Iterable[Job], groups: Sequence[str]) -> list[Job]:
    """The jobs of some groups by name, that of a model with its controls; all where no group is named.

    Raises ValueError for a group that is not there, and where two jobs would be one file.
    """
    jobs = list(jobs)
    there = dict.fromkeys(job.group for job in jobs)
    for group in groups:
        if group not in there:
            some = get_close_matches(group, there, NAMED, 0)
            raise ValueError(
                f"no group {group!r} in this study: choose from {', '.join(map(repr, some))} and "
                f"{len(there) - len(some)} more, or name its model by --model"
            )
    whole = [job for job in jobs if job.group in groups and not job.facts.get("change")]
    models = {job.settings["model"] for job in whole if "model" in job.settings}
    kept = [job for job in jobs if not groups or job.group in groups or job.settings.get("model") in models]
    for stem, count in Counter(job.stem for job in kept).items():
        if count > 1:
            raise ValueError(f"{count} runs would be one file, {stem}.nc: give models and texts other names")
    return kept


def run(job: Job, directory: Path) -> Path:
    """Make a run and save it as `directory`/runs/STEM.nc, unless the file there is already its result."""
    path = path_of(job, directory)
    found = run_of(job.key, path)
    if found is None or not found.facts.get("attention_kept", True):
        save_run(job.make(), path)
    return path


def path_of(job: Job, directory: Path) -> Path:
    """The file of a run in a folder of results."""
    return directory / "runs" / f"{job.stem}.nc"


def work(
    jobs: Sequence[Job], directory: Path, settings: Settings, keep_attention: bool = False
) -> list[SavedRun]:
    """Make runs and all their measurements, unless they are there.

    Attention is most of a run, and nothing reads it once it has been measured: it is kept only where that is asked for.
    """
    return [complete(_run(job, path_of(job, directory), settings, keep_attention)) for job in jobs]


def _run(job: Job, path: Path, settings: Settings, keep_attention: bool) -> SavedRun:
    found = run_of(job.key, path, settings)
    is_kept = found is not None and found.facts.get("attention_kept", True)
    if found is not None and (is_kept or (found.can_be_measured and not keep_attention)):
        return found
    return save_run(job.make(), path, settings, keep_attention)


def batches(jobs: Iterable[Job]) -> list[list[Job]]:
    """The jobs that one process should do after each other: they share compiled code, or a model that is loaded.

    Simulations of one program, whatever their beta, start and seed; of models, the jobs of one group.
    """
    found: dict[Any, list[Job]] = {}
    for job in jobs:
        found.setdefault(_shared(job), []).append(job)
    return list(found.values())


def _shared(job: Job) -> Hashable:
    """What makes the program of a simulation; the group of a model's run."""
    if "model" in job.settings:
        return job.group
    varied = ("beta", "start", "seed")
    return job.instrument, *((name, value) for name, value in job.settings.items() if name not in varied)
