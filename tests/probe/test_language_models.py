"""Fields of real language models, against their own attention on a text."""

import numpy as np
import pytest

import probe
from probe.learned_operators import shortening
from probe.loading import load
from tests.helpers.small_models import written_by_attention

TOKENS = 256

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "blocks"), [("smollm2", 30), ("gemma3-270m", 18)])
def test_rows_and_written_are_those_of_the_model(name, blocks):
    """To 1e-5 and 1e-4 of the largest, in all layers; in single precision 2.4e-6 and 2e-6 were measured of SmolLM2."""
    if not probe.models()[name].available:
        pytest.skip(f"the packages of {name} are not installed")
    loaded = load(name)
    options = {"frame": "layernorm", "attention": True, "max_tokens": TOKENS}
    with written_by_attention(loaded) as written:
        trajectory = probe.extract(loaded, probe.prompts()["lamp_prose"].text, **options)
    reads = trajectory.points * shortening(trajectory)[..., None]
    fields = probe.operators(loaded, tokens=len(trajectory.tokens))
    assert trajectory.attention is not None
    assert len(fields) == blocks
    for field, z, weights, after in zip(fields, reads, trajectory.attention, written, strict=False):
        np.testing.assert_allclose(field.weights(z), weights, rtol=0, atol=1e-5)
        np.testing.assert_allclose(field.attend(z), after, rtol=0, atol=1e-4 * np.abs(after).max())
