"""What is known of a model before it is loaded, and that a run depends on every file of it."""

import pytest

import compare.study.plan as plan
from compare.study.subjects import Subject, default_texts, subject
from tests.helpers.saved_models import rewrite, save_small_bert


def test_a_changed_config_makes_a_new_run_and_keeps_the_weights(tmp_path):
    folder = save_small_bert(tmp_path / "small")
    before, texts = subject(str(folder)), default_texts()
    rewrite(folder / "config.json", num_attention_heads=1)
    after = subject(str(folder))
    assert (after.name, after.weights) == (before.name, before.weights)
    first, second = (plan.model_jobs(of, texts, seed=0) for of in (before, after))
    assert [job.label for job in first] == [job.label for job in second]
    assert not {job.key for job in first} & {job.key for job in second}


@pytest.mark.parametrize(
    ("family", "known"), [("gpt2", True), ("gpt_neox", True), ("mamba", False), (None, False)]
)
def test_operators_are_followed_where_the_family_has_them(family, known):
    one = Subject("a", "a", family, "x", "y")
    groups = {job.group for job in plan.model_jobs(one, default_texts(), seed=0)}
    assert one.has_operators == known
    assert ("a, attention alone" in groups) == known
