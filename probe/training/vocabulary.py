"""A byte-level byte-pair vocabulary, learned on the training text and shared by the three families."""

import hashlib
import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SIZE = 2048
SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "<|endoftext|>")
PAD, CLS, SEP, MASK, END = range(len(SPECIAL))


def learn(work: Path) -> None:
    """Learns the vocabulary from work/train.json; writes work/tokenizer.json, work/train.npy and work/heldout.npy.

    The arrays are 16-bit token ids, an end-of-text token after each section; their hashes go to work/tokens.json.
    """
    sections = {name: json.loads((work / f"{name}.json").read_text()) for name in ("train", "heldout")}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for _, _, text in sections["train"]), trainer)
    tokenizer.save(str(work / "tokenizer.json"))
    summary = {}
    for name, content in sections.items():
        encodings = tokenizer.encode_batch([text for _, _, text in content])
        tokens = np.concatenate([np.asarray([*encoding.ids, END], np.uint16) for encoding in encodings])
        np.save(work / f"{name}.npy", tokens)
        text_bytes = sum(len(text.encode()) for _, _, text in content)
        summary[name] = {
            "tokens": int(tokens.size),
            "bytes": text_bytes,
            "sha256": hashlib.sha256(tokens.tobytes()).hexdigest(),
        }
    (work / "tokens.json").write_text(json.dumps(summary, indent=1))


def tokenizer(work: Path, masked: bool) -> PreTrainedTokenizerFast:
    """The tokenizer that is saved with a model: masked models read [CLS] text [SEP], causal models the bare text."""
    inner = Tokenizer.from_file(str(work / "tokenizer.json"))
    if not masked:
        return PreTrainedTokenizerFast(
            tokenizer_object=inner,
            model_max_length=512,
            bos_token=SPECIAL[END],
            eos_token=SPECIAL[END],
            pad_token=SPECIAL[PAD],
        )
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=512,
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        pad_token="[PAD]",
    )
