"""What a model reads: the token ids of a text, as written or rearranged as a control, or the pixels of an image."""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from probe.calls import quiet
from probe.loading import LoadedModel
from probe.texts import prompts

CONTROLS = ("shuffled", "repeated")


class Inputs(NamedTuple):
    """One text or image for one model.

    arguments: of the model, without its mask. tokens: what each token stands for. special: which of them the
    tokenizer, or a class token of the model, adds. facts: for the provenance.
    """

    arguments: dict[str, Any]
    tokens: list[str]
    special: Bool[np.ndarray, " token"]
    facts: dict[str, Any]


def text_inputs(
    loaded: LoadedModel, text: str, max_tokens: int | None, control: str | None, seed: int
) -> Inputs:
    """The tokens of a text, without a byte order mark, rearranged where a control is asked for."""
    text = storable(text.removeprefix("\ufeff"))
    ids, special = _tokenised(loaded, text, max_tokens)
    ids = rearranged(np.asarray(ids), special, control, seed)
    digest = hashlib.sha256(text.encode()).hexdigest()
    names = loaded.tokenizer.convert_ids_to_tokens(ids.tolist())
    return Inputs(
        {"input_ids": torch.tensor(ids[None], device=loaded.model.device), "use_cache": False},
        [readable(loaded.tokenizer, name) for name in names],
        special,
        {
            "prompt": next((name for name, prompt in prompts().items() if prompt.sha256 == digest), None),
            "text_sha256": digest,
            "token_ids": ids.tolist(),
            "max_tokens": max_tokens,
        },
    )


def storable(text: str) -> str:
    """The text; ValueError where no file can hold it: with NUL, or with bytes that were no UTF-8."""
    if "\0" in text:
        raise ValueError(f"the text has the character NUL at {text.index(chr(0))}: take it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text is not Unicode at {error.start} ({text[error.start]!a}): give it in UTF-8"
        ) from error
    return text


def readable(tokenizer: Any, token: str) -> str:
    """The characters that a token stands for: of a byte alphabet, where Ġ is a space; of SentencePiece, where ▁ is.

    A part of a character is U+FFFD; a WordPiece that goes on with a word keeps its ##.
    """
    return token.replace("▁", " ") if "▁" in token else tokenizer.convert_tokens_to_string([token])


def rearranged(
    ids: Int[np.ndarray, " token"], special: Bool[np.ndarray, " token"], control: str | None, seed: int
) -> Int[np.ndarray, " token"]:
    """The token ids of a control; special ones stay where they are, and so does the number of tokens.

    ``"shuffled"``: the ordinary tokens in random order, so that the same words make no text. ``"repeated"``: the
    first ordinary token in the place of each of them, so that only position tells them apart. None: as they are.
    """
    if control not in (None, *CONTROLS):
        raise ValueError(f"control must be None or one of {', '.join(CONTROLS)}, got {control!r}")
    ordinary = ids[~special]
    if control == "shuffled":
        ordinary = np.random.default_rng(seed).permutation(ordinary)
    elif control == "repeated":
        ordinary = np.full_like(ordinary, ordinary[0])
    result = ids.copy()
    result[~special] = ordinary
    return result


def _tokenised(
    loaded: LoadedModel, text: str, max_tokens: int | None
) -> tuple[list[int], Bool[np.ndarray, " token"]]:
    """Token ids, and which of them the tokenizer added."""
    tokenizer, config = loaded.tokenizer, loaded.model.config.get_text_config()
    added = tokenizer.num_special_tokens_to_add()
    if max_tokens is not None and max_tokens <= added:
        raise ValueError(
            f"max_tokens must be above the {added} tokens that the tokenizer adds, got {max_tokens}"
        )
    with quiet():
        encoded = tokenizer(
            text, truncation=max_tokens is not None, max_length=max_tokens, return_special_tokens_mask=True
        )
    ids, special = encoded["input_ids"], np.asarray(encoded["special_tokens_mask"], bool)
    if special.all():
        raise ValueError(f"the text {text[:20]!r} has no token: give at least one word")
    most = loaded.family.positions(config)
    if most is not None and len(ids) > most:
        raise ValueError(
            f"the text has {len(ids)} tokens, but {loaded.name} takes {most}: shorten it, or read its first ones by "
            f"max_tokens={most} (--max-tokens {most})"
        )
    if max(ids) >= config.vocab_size:
        raise ValueError(
            f"the tokenizer gives token {max(ids)}, but {loaded.name} knows {config.vocab_size} only: "
            "give the tokenizer that the model was trained with"
        )
    return ids, special


def image_inputs(loaded: LoadedModel, image: Float[np.ndarray, "channel height width"]) -> Inputs:
    """The patches of an image, behind the class token, named by row and column."""
    config = loaded.model.config
    expected = (config.num_channels, *np.broadcast_to(config.image_size, 2).tolist())
    if image.shape != expected or not np.isfinite(image).all():
        raise ValueError(
            f"{loaded.name} reads one image of shape {expected} without NaN or infinity, got {image.shape}: resize and "
            "normalise the pixels as its image processor does"
        )
    rows, columns = np.array(expected[1:]) // np.broadcast_to(config.patch_size, 2)
    patches = [f"{row},{column}" for row in range(rows) for column in range(columns)]
    pixels = torch.tensor(image[None], dtype=loaded.model.dtype, device=loaded.model.device)
    return Inputs(
        {"pixel_values": pixels},
        ["[CLS]", *patches],
        np.arange(1 + len(patches)) == 0,
        {"prompt": None, "image_sha256": hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()},
    )
