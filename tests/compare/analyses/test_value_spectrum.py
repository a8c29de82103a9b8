"""W_V of a rotary model, whose three matrices are one: against what a lone token's attention writes."""

import numpy as np
import torch

from compare.analyses.value_spectrum import value_spectrum
from probe.families.gpt_neox import FAMILY
from tests.helpers.small_models import WIDTH, small_model


def test_value_spectrum_of_a_fused_matrix():
    model = small_model("gpt_neox", num_hidden_layers=2, shake=0)
    read, written = [], []
    block = model.layers[1]
    hooks = (
        block.input_layernorm.register_forward_hook(lambda *call: read.append(call[2])),
        block.attention.dense.register_forward_pre_hook(lambda module, given: written.append(given[0])),
    )
    with torch.no_grad():
        model(input_ids=torch.arange(40)[:, None])  # one token attends to itself alone, so W_V x is passed on
    for hook in hooks:
        hook.remove()
    inputs, outputs = (states[0].reshape(40, WIDTH).double().numpy() for states in (read, written))
    matrix = FAMILY.projections(model)[1].value.weight.detach().double().numpy()
    # biases are 0 in fresh weights; single precision
    np.testing.assert_allclose(inputs @ matrix.T, outputs, rtol=1e-4, atol=1e-6)
    told = value_spectrum((model, None))["singular_value"][1]
    np.testing.assert_allclose(told, np.linalg.svd(matrix, compute_uv=False), rtol=1e-12)
