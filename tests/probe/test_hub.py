"""The hub: what is fetched, a main branch that moves, and a hub that takes a request and never answers."""

import shutil
import time

import pytest

import probe
from compare.reporting.verdict_table import columns
from compare.study import plan
from compare.study.plan import model_jobs
from compare.study.results import save_run
from compare.study.subjects import default_texts, subject, with_stages
from probe.checkpoints import checkpoints
from probe.loading import load, model_digest
from tests.helpers.saved_models import refused, rewrite, save_small_bert
from tests.helpers.stand_in_hub import HUB_ID, stand_in_hub

FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_small_bert(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def hub(saved, tmp_path, monkeypatch):
    """A hub with one model, an empty cache, and a short patience."""
    with stand_in_hub() as served:
        served.commits["main"] = FIRST, saved
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.endpoint)
        template = f"{served.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 1)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield served


def test_a_model_of_the_hub_is_that_of_its_folder(hub, saved):
    fetched, local = probe.extract(HUB_ID, "cat sat"), probe.extract(saved, "cat sat")
    assert (fetched.points == local.points).all()
    assert fetched.provenance["revision"] == FIRST
    assert not any("generation_config" in path for path in hub.asked)


def test_a_main_branch_that_moved_is_noticed(hub, saved, tmp_path):
    before = model_digest(HUB_ID)
    assert model_digest(HUB_ID) == before
    hub.commits["main"] = SECOND, saved
    assert load(HUB_ID).revision == SECOND
    assert model_digest(HUB_ID) != before
    assert model_digest(HUB_ID, FIRST) == before


def test_a_cached_model_does_not_wait_for_a_silent_hub(hub):
    load(HUB_ID)
    hub.silent.set()
    start = time.monotonic()
    assert load(HUB_ID).revision == FIRST
    assert time.monotonic() - start < 10
    asked = len(hub.asked)
    assert load(HUB_ID, revision=FIRST).revision == FIRST
    assert len(hub.asked) == asked


def test_a_silent_hub_and_an_empty_cache(hub):
    hub.silent.set()
    start = time.monotonic()
    message = refused(HUB_ID)
    assert time.monotonic() - start < 10
    assert "not reachable" in message
    assert "Timeout" in message


def test_a_cache_that_is_not_whole_is_not_taken_from_a_silent_hub(hub, tmp_path):
    load(HUB_ID)
    (file,) = (tmp_path / "cache").rglob("snapshots/*/model.safetensors")
    file.unlink()
    hub.silent.set()
    assert "not whole in the cache" in refused(HUB_ID)
    hub.silent.clear()
    assert load(HUB_ID, revision=FIRST).revision == FIRST


def test_a_revision_that_is_not_there(hub):
    message = refused(HUB_ID, revision="v2")
    assert "no revision 'v2'" in message
    load(HUB_ID)
    assert "no revision 'v2'" in refused(HUB_ID, revision="v2")


STAGES = {"step0": "gpt2-128-initial", "step800": "gpt2-128-early", "main": "gpt2-128"}


@pytest.fixture
def training(hub):
    """A hub that holds one model at three stages of its training."""
    hub.commits |= {
        stage: (str(number) * 40, checkpoints()[name])
        for number, (stage, name) in enumerate(STAGES.items(), 4)
    }
    return hub


def test_stages_of_training_are_models_of_their_own(training):
    for number, (stage, name) in enumerate(STAGES.items(), 4):
        found = probe.extract(f"{HUB_ID}@{stage}", "cat sat")
        assert (found.points == probe.extract(name, "cat sat").points).all()
        assert found.provenance["model"] == f"{HUB_ID}@{stage}"
        assert found.provenance["revision"] == str(number) * 40
    one, other = (subject(f"{HUB_ID}@{stage}") for stage in ("step0", "main"))
    jobs = [job for of in (one, other) for job in model_jobs(of, default_texts()[:1], 0, 16)]
    assert len({job.stem for job in jobs}) == len(jobs)
    assert one.files != other.files == subject(HUB_ID).files


def test_of_one_model_only_the_last_revision_is_no_stage(training, tmp_path):
    asked = [subject(f"{HUB_ID}@step0"), subject("gpt2-128"), subject(f"{HUB_ID}@step800"), subject(HUB_ID)]
    marked = with_stages(asked)
    assert [one.stage for one in marked] == [True, False, True, False]
    assert [one.facts.get("stage", False) for one in marked] == [True, False, True, False]
    stage, alone = (model_jobs(one, default_texts()[:1], 0, 16) for one in (marked[0], asked[0]))
    assert len(stage) < len(alone)  # which has its controls
    (run, *_) = (save_run(job.make(), plan.path_of(job, tmp_path)) for job in stage)
    (column,) = columns([run])
    assert (column.table, column.change) == ("changed", "")


def test_a_model_at_two_revisions_is_refused(training):
    assert "names a revision, and so does revision='main'" in refused(f"{HUB_ID}@step0", revision="main")
    assert load(f"{HUB_ID}@step0", revision="step0").revision == "4" * 40
    assert "no revision 'step9'" in refused(f"{HUB_ID}@step9")
    assert "no folder at" in refused(f"{HUB_ID}@")
    assert "revision 'main' is of the hub, but gpt2-128 is local" in refused("gpt2-128@main")


def test_pickles_only(hub, saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "pickles")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub.commits["main"] = SECOND, folder
    message = refused(HUB_ID)
    assert "pickled weights only (pytorch_model.bin)" in message
    assert not any("resolve" in path for path in hub.asked)


def test_a_changed_file_in_the_cache_changes_the_digest(hub, tmp_path):
    before = model_digest(HUB_ID)
    (config,) = (tmp_path / "cache").rglob("snapshots/*/config.json")
    rewrite(config, layer_norm_eps=1e-5)
    assert model_digest(HUB_ID) != before
