"""Trains one checkpoint: `python -m probe.training.train FAMILY`, resumable after a kill."""

import json
import os
import time
from pathlib import Path

import click
import numpy as np
import torch
from jaxtyping import Integer
from transformers import PreTrainedModel

from probe.training import corpus, export, vocabulary
from probe.training.objective import example, losses
from probe.training.recipes import POSITIONS, RECIPES, Phase, Recipe

REPORT_EVERY = 50
SAVE_EVERY = 250


def grow(recipe: Recipe, model: PreTrainedModel, blocks: int) -> PreTrainedModel:
    """A model of `blocks` blocks that starts from the weights of a shallower one.

    BERT's blocks are stacked again, block i taking the weights of block i mod (old depth) (progressive stacking,
    Gong et al., ICML 2019). ALBERT's one block is applied more often.
    """
    shallow, weights = model.config.num_hidden_layers, model.state_dict()
    deeper = recipe.model(blocks)
    for name in list(deeper.state_dict()):
        before, layer, after = name.partition(".layer.")
        if layer:
            block, _, rest = after.partition(".")
            weights[name] = model.state_dict()[f"{before}{layer}{int(block) % shallow}.{rest}"]
    deeper.load_state_dict(weights)
    return deeper


def _placed(model: PreTrainedModel, device: str) -> PreTrainedModel:
    torch.nn.Module.to(model, device)
    return model.train()


def _optimiser(recipe: Recipe, model: PreTrainedModel) -> torch.optim.AdamW:
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=recipe.betas, eps=1e-8, fused=True)


def _phase(recipe: Recipe, step: int) -> tuple[Phase, int]:
    """The phase that a step of the whole training falls in, and the step counted from that phase's start."""
    for phase in recipe.phases:
        if step < phase.steps:
            return phase, step
        step -= phase.steps
    raise ValueError(f"the recipe ended {step} steps before this one: ask for a step inside its phases")


def _save(path: Path, content: dict) -> None:
    torch.save(content, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def train(
    recipe: Recipe,
    tokens: Integer[np.ndarray, " count"],
    heldout: Integer[np.ndarray, " kept"],
    folder: Path,
    minutes: float = float("inf"),
) -> bool:
    """Trains from the last state saved in `folder`, or from fresh weights; returns whether the recipe is complete.

    folder/state.pt holds weights, AdamW moments, step and loss curve; it is replaced every 250 steps and at the end.
    Batches depend on (seed, step) alone and nothing else is random, so a resumed run follows an unbroken one.
    Products run in bfloat16 by autocast, over float32 weights. The weights of the steps named in `recipe.keep` are
    written beside the state as NAME.pt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    saved = torch.load(folder / "state.pt", map_location=device) if (folder / "state.pt").exists() else None
    torch.manual_seed(recipe.seed)
    model = _placed(recipe.model(saved["blocks"] if saved else recipe.phases[0].blocks), device)
    optimiser = _optimiser(recipe, model)
    step, seen, curve = 0, 0, []
    if saved:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        step, seen, curve = saved["step"], saved["tokens"], saved["curve"]
    total, began = sum(phase.steps for phase in recipe.phases), time.monotonic()
    recent, lap, lap_seen = [], began, seen
    while step < total and time.monotonic() - began < 60 * minutes:
        for label, at in recipe.keep.items():
            if step == at:
                _save(folder / f"{label}.pt", {"model": model.state_dict(), "step": step, "tokens": seen})
        phase, inner = _phase(recipe, step)
        blocks = phase.blocks or recipe.blocks
        if model.config.num_hidden_layers != blocks:
            model = _placed(grow(recipe, model, blocks), device)
            optimiser = _optimiser(recipe, model)
        model.set_attn_implementation("eager" if phase.length <= 128 else "sdpa")
        for group in optimiser.param_groups:
            group["lr"] = phase.rate_at(inner)
        mask_rate = 0.0 if phase.left_neighbour else recipe.mask_rate
        generator = np.random.default_rng((recipe.seed, step))
        inputs, labels = example(tokens, mask_rate, phase.length, phase.batch, generator)
        highest = POSITIONS - phase.length if phase.anywhere else 0
        offsets = torch.from_numpy(generator.integers(0, highest + 1, phase.batch))
        with torch.autocast(device, torch.bfloat16):
            loss = losses(model, inputs.to(device), labels.to(device), offsets.to(device)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        optimiser.zero_grad()
        step, seen = step + 1, seen + inputs.numel()
        recent.append(loss.item())
        if step % REPORT_EVERY == 0 or step == total:
            row = {"step": step, "tokens": seen, "blocks": blocks, "train": float(np.mean(recent))}
            now = time.monotonic()
            speed = (seen - lap_seen) / (now - lap)
            recent, lap, lap_seen = [], now, seen
            if step % SAVE_EVERY == 0 or step == total:
                inputs, labels = example(heldout, recipe.mask_rate, 128, 64, np.random.default_rng(0))
                with torch.no_grad(), torch.autocast(device, torch.bfloat16):
                    row["heldout"] = losses(model, inputs.to(device), labels.to(device)).mean().item()
            curve.append(row)
            print(json.dumps(row), f"{speed:.0f} tokens/s", flush=True)
        if step % SAVE_EVERY == 0 or step == total:
            _save(
                folder / "state.pt",
                {
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "blocks": blocks,
                    "step": step,
                    "tokens": seen,
                    "curve": curve,
                },
            )
    return step == total


@click.command()
@click.argument("family", type=click.Choice(sorted(RECIPES)))
@click.option("--work", type=click.Path(path_type=Path), default=Path("build/checkpoints"), show_default=True)
@click.option("--threads", default=2, show_default=True, help="Threads of torch.")
@click.option("--minutes", default=float("inf"), help="Stop after this long; the same command then goes on.")
def main(family: str, work: Path, threads: int, minutes: float) -> None:
    """Builds what is missing (corpus, vocabulary), trains FAMILY to the end of its recipe, and exports it.

    Corpus, logs and optimiser states stay in the folder WORK. The finished checkpoint is measured against n-gram
    models and written into this package only if it beats them.
    """
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "corpus.json").exists():
        corpus.build(work)
    if not (work / "tokens.json").exists():
        vocabulary.learn(work)
    tokens, heldout = np.load(work / "train.npy"), np.load(work / "heldout.npy")
    if train(RECIPES[family], tokens, heldout, work / family, minutes):
        export.export(family, work)
    else:
        click.echo(f"{family} is not finished: the same command goes on from the last saved state")


if __name__ == "__main__":
    main()
