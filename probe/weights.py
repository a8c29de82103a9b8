"""Read weights into a bare model: every tensor of its config, and none of its backbone left over."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from probe.architectures import options_of
from probe.calls import one_line

_UNREAD = ("masked_bias", "mask_token", "position_ids", "inv_freq")  # what models once kept as tensors
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}
_SPARE = 64


def stored(name: str, files: list[Path]) -> dict[str, torch.Tensor]:
    """The tensors of safetensors files, by name. Raises ValueError where they cannot be read."""
    tensors: dict[str, torch.Tensor] = {}
    with one_line(name):
        for file in files:
            tensors |= load_file(file)
    return tensors


def filled(
    name: str, tensors: dict[str, torch.Tensor], architecture: Any, config: Any, dtype: torch.dtype
) -> Any:
    """The bare model of a class and a config, in evaluation mode, with tensors by name.

    Heads for a task are left out. What the config asks for is held against the tensors before it is given memory.

    Raises ValueError where a tensor is missing or has another shape, and where one of the backbone has no place; other
    exceptions as they come from the libraries that read the files.
    """
    _check_shapes(name, _outline(name, architecture, config, 2 * len(tensors) + _SPARE), tensors)
    with one_line(name):
        model, found = architecture.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            output_loading_info=True,
            attn_implementation="eager",
            dtype=dtype,
            local_files_only=True,
            **options_of(architecture),
        )
    if missing := found["missing_keys"]:
        raise ValueError(
            f"the weights of {name} lack {len(missing)} tensors that its config asks for, such as {min(missing)}: "
            "save the model again with model.save_pretrained"
        )
    unread = [key for key in found["unexpected_keys"] if not _is_mask(tensors.get(key))]
    if left := [key for key in unread if _is_of_backbone(key, model)]:
        raise ValueError(
            f"the weights of {name} hold {len(left)} tensors of the model itself that its config has no place for, "
            f"such as {min(left)}, so it would compute something else than was trained: give the config that it was "
            "trained with, merge adapters, and save it again with model.save_pretrained"
        )
    return model


def _outline(name: str, architecture: Any, config: Any, most: int) -> nn.Module:
    """The model without memory for its tensors, refused as soon as it has more of them than `most`."""
    seen = 0

    def count(module: nn.Module, parameter: str, value: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > most:
            raise OverflowError

    handle = nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        with one_line(name), torch.device("meta"):
            return architecture._from_config(config, **options_of(architecture))
    except ValueError:
        if seen <= most:
            raise
        raise ValueError(
            f"the weights of {name} lack most of the tensors that its config asks for, which are over {most}: give "
            "the config that belongs to them"
        ) from None
    finally:
        handle.remove()


def _check_shapes(name: str, outline: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Hold what the config asks for against what the files have, where both have the same name."""
    stored = {_own_name(key, outline): tensor for key, tensor in tensors.items()}
    for key, asked in outline.state_dict().items():
        if key in stored and stored[key].shape != asked.shape:
            raise ValueError(
                f"{name} cannot be loaded: its config asks for {key} of shape {tuple(asked.shape)}, its weights hold "
                f"{tuple(stored[key].shape)}: give the config that belongs to the weights"
            )


def _own_name(key: str, model: Any) -> str:
    """The name of a stored tensor within the bare model: without prefix, and with today's last word."""
    *path, last = key.removeprefix(f"{model.base_model_prefix}.").split(".")
    return ".".join([*path, _OLD_NAMES.get(last, last)])


def _is_mask(tensor: torch.Tensor | None) -> bool:
    """Whether a tensor is a mask over pairs of tokens, (1, 1, n, n), which no weight is."""
    return (
        tensor is not None
        and tensor.ndim == 4
        and tensor.shape[:2] == (1, 1)
        and tensor.shape[2] == tensor.shape[3]
    )


def _is_of_backbone(key: str, model: Any) -> bool:
    """Whether a tensor stands in a part that the bare model has, as no head for a task does."""
    parts = key.split(".")
    inner = parts[parts.index(model.base_model_prefix) + 1 :] if model.base_model_prefix in parts else parts
    return inner[:1] != [] and inner[0] in dict(model.named_children()) and inner[-1] not in _UNREAD
