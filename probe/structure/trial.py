"""What a model is tried with before it is read: a few random tokens, or an image of noise."""

from typing import Any

import numpy as np
import torch

from probe.structure.blocks import NotReadableError

TOKENS = 8
_VOCABULARY = 1000


def trial_inputs(model: Any) -> dict[str, Any]:
    """Arguments of a bare model, the same each time."""
    config = model.config.get_text_config()
    random = np.random.default_rng(0)
    if model.main_input_name == "pixel_values":
        shape = (1, config.num_channels, *np.broadcast_to(config.image_size, 2).tolist())
        return {"pixel_values": torch.from_numpy(random.standard_normal(shape)).to(model.device, model.dtype)}
    if model.main_input_name != "input_ids":
        raise NotReadableError(f"it reads {model.main_input_name}, and neither text nor an image")
    tokens = min(TOKENS, getattr(config, "max_position_embeddings", None) or TOKENS)
    order = random.permutation(min(config.vocab_size, _VOCABULARY)).tolist()
    ordinary = [number for number in order if number != getattr(config, "pad_token_id", None)] or order
    ids = np.resize(ordinary, tokens)
    return {"input_ids": torch.from_numpy(ids[None]).to(model.device), "use_cache": False}
