"""The class of transformers that a kind of model is read with: the bare one, without a head for its task."""

import inspect
from typing import Any

_CROSSED = (
    "has an encoder and a decoder that attends to it, and one stack of blocks alone can be read: give a model that is "
    "one of the two, such as T5EncoderModel"
)


def architecture_of(model_type: Any, name: str) -> Any:
    """The class for the ``model_type`` of a config; of encoder-decoders that of the encoder, where there is one.

    Raises ValueError, which names the model, for a kind that transformers does not know, and for an encoder-decoder
    without such a class.
    """
    import transformers

    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        raise ValueError(
            f"{name} is of the family {model_type!r}, which is not known to transformers {transformers.__version__}: "
            "give a model that it knows"
        )
    config = transformers.CONFIG_MAPPING[model_type]
    encoder = transformers.MODEL_FOR_TEXT_ENCODING_MAPPING.get(config, None)
    if getattr(config, "is_encoder_decoder", False) is True:
        if encoder is None:
            raise ValueError(f"{name} ({model_type}) {_CROSSED}")
        return encoder
    found = transformers.MODEL_MAPPING.get(config, None)
    if not isinstance(found, type):
        raise ValueError(
            f"{name} ({model_type}) has no bare model in transformers: give a single transformer"
        )
    return found


def refuse_crossed(model: Any, name: str) -> None:
    """Raises ValueError for a model one part of which attends to another."""
    config = model.config
    both = getattr(config, "is_encoder_decoder", False) and getattr(model, "decoder", None) is not None
    if both or getattr(config, "add_cross_attention", False):
        raise ValueError(f"{name} ({config.model_type}) {_CROSSED}")


def options_of(architecture: Any) -> dict[str, Any]:
    """Arguments of the class: without the pooler that some have, which makes no state."""
    given = inspect.signature(architecture.__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in given else {}
