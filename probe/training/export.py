"""Measures a trained model on held-out text and writes it into the package, if it beats the n-gram models."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Integer
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel

from probe.training import vocabulary
from probe.training.baselines import Counts, from_both, from_left, surprisal
from probe.training.objective import IGNORED, losses
from probe.training.recipes import POSITIONS, RECIPES, Recipe
from probe.training.vocabulary import CLS, MASK, SEP, SIZE

PACKAGE = Path(__file__).parent
WINDOWS = 96
SAMPLE_WINDOWS, SAMPLE_LENGTH = 4, 256
SAMPLE_PACKAGES = ("r-cran-janeaustenr", "bible-kjv-text", "dict-jargon")
HIDDEN_SHARE = 0.15
WEIGHTS = (5.0, 20.0, 50.0, 100.0, 200.0)


def load(folder: Path, causal: bool) -> PreTrainedModel:
    """The float16 checkpoint of a folder with its head, computed with in float32."""
    loader = AutoModelForCausalLM if causal else AutoModelForMaskedLM
    return loader.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()


def questions(
    tokens: Integer[np.ndarray, " count"], count: int, length: int, causal: bool
) -> tuple[Integer[np.ndarray, "count length"], Integer[np.ndarray, "count length"]]:
    """Evenly spaced windows and what is asked of them: the next token, or the tokens behind [MASK].

    Masked: [CLS] text [SEP], in which each text position is hidden with probability 0.15 (seeded) and always by
    [MASK]. Labels are -100 where nothing is asked.
    """
    starts = np.linspace(0, tokens.size - length - 1, count).astype(int)
    drawn = np.stack([tokens[start : start + length + 1] for start in starts]).astype(np.int64)
    if causal:
        return drawn[:, :-1], drawn[:, 1:]
    inputs = drawn[:, :-1].copy()
    inputs[:, 0], inputs[:, -1] = CLS, SEP
    hidden = np.random.default_rng(0).random(inputs.shape) < HIDDEN_SHARE
    hidden[:, [0, -1]] = False
    return np.where(hidden, MASK, inputs), np.where(hidden, inputs, IGNORED)


def model_loss(model: PreTrainedModel, inputs: np.ndarray, labels: np.ndarray) -> Float[np.ndarray, " asked"]:
    """Cross-entropy of the model in nats at each asked position, eight windows at a time."""
    with torch.no_grad():
        parts = [
            losses(model, torch.from_numpy(inputs[at : at + 8]), torch.from_numpy(labels[at : at + 8]))
            for at in range(0, len(inputs), 8)
        ]
    return torch.cat(parts).double().numpy()


def count_losses(counts: Counts, inputs: np.ndarray, labels: np.ndarray, causal: bool) -> dict[str, float]:
    """Cross-entropy of the n-gram models in nats at the same positions, from what the model sees too.

    The bigram model's pseudo-count is the best of five on these very positions, which favours the baseline. Masked
    text also gets the Markov chain's guess from both neighbours.
    """
    asked = labels != IGNORED
    truth, unigram = labels[asked], counts.unigram()
    seen = np.where((inputs == MASK) | (inputs == CLS) | (inputs == SEP), -1, inputs)
    before = seen if causal else np.roll(seen, 1, axis=1)
    left, right = before[asked], np.roll(seen, -1, axis=1)[asked]
    result = {"unigram": surprisal(np.broadcast_to(unigram, (truth.size, SIZE)), truth)}
    chains = [counts.bigram(weight) for weight in WEIGHTS]
    result["bigram"] = min(surprisal(from_left(unigram, chain, left), truth) for chain in chains)
    if not causal:
        result["both_neighbours"] = min(
            surprisal(from_both(unigram, chain, left, right), truth) for chain in chains
        )
    return result


def _public_domain(work: Path) -> Integer[np.ndarray, " count"]:
    """Held-out tokens of the public-domain sources, cut from the held-out sections."""
    inner = vocabulary.tokenizer(work, masked=False)
    sections = json.loads((work / "heldout.json").read_text())
    chosen = [text for _, package, text in sections if package in SAMPLE_PACKAGES]
    return np.concatenate([np.asarray(inner(text, truncation=False)["input_ids"]) for text in chosen])


def _measure(folder: Path, work: Path, counts: Counts, causal: bool) -> dict:
    model = load(folder, causal)
    heldout = np.load(work / "heldout.npy")
    inputs, labels = questions(heldout, WINDOWS, POSITIONS, causal)
    asked = model_loss(model, inputs, labels)
    result = {
        "windows": WINDOWS,
        "length": POSITIONS,
        "asked": int(asked.size),
        "model": float(asked.mean()),
        "standard_error": float(asked.std() / asked.size**0.5),
        **count_losses(counts, inputs, labels, causal),
    }
    inputs, labels = questions(_public_domain(work), SAMPLE_WINDOWS, SAMPLE_LENGTH, causal)
    result["sample"] = {
        "inputs": inputs.tolist(),
        "labels": labels.tolist(),
        "model": float(model_loss(model, inputs, labels).mean()),
        **count_losses(counts, inputs, labels, causal),
    }
    return result


def _write(folder: Path, recipe: Recipe, weights: dict, work: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = recipe.model()
    model.load_state_dict(weights)
    model.half().save_pretrained(folder)
    vocabulary.tokenizer(work, masked=recipe.mask_rate is not None).save_pretrained(folder)


def _stages(name: str, work: Path) -> Iterator[tuple[str, dict]]:
    """Folder name and state of each kept stage, the final one first."""
    for label in ("state", *RECIPES[name].keep):
        state = torch.load(work / name / f"{label}.pt", map_location="cpu")
        yield (name if label == "state" else f"{name}-{label}"), state


def export(name: str, work: Path) -> None:
    """Writes the checkpoint, and the stages kept on the way, as folders beside this module.

    Each folder holds config, tokenizer, float16 safetensors, and checkpoint.json: recipe, tokens seen, loss curve,
    and held-out losses beside those of the n-gram models, computed from the float16 weights as saved.

    Raises:
        ValueError: the final model does not beat the unigram and the bigram model; nothing is kept then.
    """
    recipe, causal = RECIPES[name], RECIPES[name].mask_rate is None
    counts = Counts.of(np.load(work / "train.npy"), SIZE)
    for folder_name, state in _stages(name, work):
        folder = work / "export" / folder_name
        _write(folder, recipe, state["model"], work)
        heldout = _measure(folder, work, counts, causal)
        if folder_name == name and heldout["model"] >= min(heldout["unigram"], heldout["bigram"]):
            raise ValueError(
                f"{name} has held-out loss {heldout['model']:.3f}, unigram {heldout['unigram']:.3f}, bigram "
                f"{heldout['bigram']:.3f}: add steps to its recipe and train on"
            )
        record = {
            "recipe": dataclasses.asdict(recipe),
            "steps": state["step"],
            "tokens": state["tokens"],
            "heldout": heldout,
            "curve": state.get("curve", []),
        }
        (folder / "checkpoint.json").write_text(json.dumps(record) + "\n")
        target = PACKAGE / folder_name
        target.mkdir(exist_ok=True)
        for file in folder.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    write_manifest(work)


def write_manifest(work: Path) -> None:
    """Writes manifest.json: the corpus with its licences and hashes, and the hash of each file of each checkpoint."""
    folders = sorted(path.parent for path in PACKAGE.glob("*/model.safetensors"))
    manifest = {
        "corpus": json.loads((work / "corpus.json").read_text()),
        "tokens": json.loads((work / "tokens.json").read_text()),
        "checkpoints": {
            folder.name: {
                file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())
            }
            for folder in folders
        },
    }
    (PACKAGE / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
