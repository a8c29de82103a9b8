"""ViT, from a random config: a family added by one file, whose tokens are patches of an image."""

import numpy as np
import pytest
import torch

import probe
from probe.controls import controls
from tests.helpers.small_models import small_model


@pytest.fixture(scope="module")
def model():
    return small_model("vit", head=True, image_size=(8, 12), num_channels=3)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(1).standard_normal((3, 8, 12))


def test_states_and_rows_are_those_of_the_model(model, image, tmp_path):
    pixels = torch.from_numpy(image[None]).float()
    with torch.no_grad():
        outputs = model(pixel_values=pixels, output_hidden_states=True, output_attentions=True)
    trajectory = probe.extract((model, None), image, attention=True)
    states = trajectory.points * trajectory.norms[..., None]
    np.testing.assert_allclose(states, torch.cat(outputs.hidden_states), rtol=1e-6, atol=1e-6)
    assert trajectory.attention is not None
    np.testing.assert_allclose(trajectory.attention[:-1], torch.cat(outputs.attentions), atol=1e-6)
    assert trajectory.tokens == ("[CLS]", "0,0", "0,1", "0,2", "1,0", "1,1", "1,2")
    np.testing.assert_array_equal(np.flatnonzero(trajectory.special), [0])
    assert trajectory.provenance["image_sha256"]
    model.save_pretrained(tmp_path / "vit")  # a folder without a tokenizer
    again = probe.extract(tmp_path / "vit", image)
    np.testing.assert_array_equal(again.points, trajectory.points)


def test_a_patch_is_named_by_its_place(model, image):
    """Changing the pixels of row 1, column 2 moves that token's embedding only."""
    changed = image.copy()
    changed[:, 4:8, 8:12] += 1
    first, second = (probe.extract((model, None), each) for each in (image, changed))
    moved = np.abs(first.points[0] - second.points[0]).max(axis=1) > 1e-6
    assert [name for name, moves in zip(first.tokens, moved) if moves] == ["1,2"]


def test_controls_of_an_image(model, image):
    assert list(controls((model, None), image)) == ["trained", "random 0", "causal"]


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 12)])
def test_an_image_of_another_shape_is_refused(model, shape):
    with pytest.raises(ValueError, match=r"\(3, 8, 12\)"):
        probe.extract((model, None), np.zeros(shape))


def test_text_and_options_of_texts_are_refused(model, image):
    with pytest.raises(ValueError, match="reads image, got text"):
        probe.extract((model, None), "a cat")
    with pytest.raises(ValueError, match="of texts"):
        probe.extract((model, None), image, control="shuffled")
    with pytest.raises(ValueError, match="NaN"):
        probe.extract((model, None), np.full((3, 8, 12), np.nan))
