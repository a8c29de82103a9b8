"""What extraction costs beside the model's own forward pass, and whether the largest GPT-2 fits in memory.

    python -m benchmarks.extract

Random weights throughout: time and memory depend on shapes only. Writes a temporary folder of 6 GB.

Each ratio is measured twice: as it comes, and with memory kept, where the process reuses what it has freed. On a
virtual machine that hands free memory back to its host, the first touch of the 300 MB of rows of a 512-token text
takes up to 0.7 s of kernel time, which the forward pass alone, with its small arrays, is spared. The forward pass is
the model's own under eager attention, which rows need; it returns the last state only, which is what the target is
set against. A second ratio is to the same pass asked to keep its states and rows by itself.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

import probe
from benchmarks.lines import FOLDER, keep, line
from probe.calls import quiet
from probe.inputs import text_inputs
from probe.loading import LoadedModel, load

TARGET_RATIO = 1.3
TARGET_GIBIBYTES = 12
REPEATS = 7
SHAPES = {
    "gpt2": ("GPT2Config", {}),
    "bert-base-uncased": ("BertConfig", {}),
    "albert-base-v2": (
        "AlbertConfig",
        {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    ),
    "12 blocks of width 128": ("GPT2Config", {"n_embd": 128, "n_head": 4}),
}
KEPT = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "16000000000"}  # of glibc
LARGEST = {"n_embd": 1600, "n_layer": 48, "n_head": 25}
FAMILIES = {"GPT2Config": "GPT2Model", "BertConfig": "BertModel", "AlbertConfig": "AlbertModel"}


def make_tokenizer() -> Any:
    """Words w0 to w511, so that a text has as many tokens as words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"[UNK]": 0} | {f"w{number}": number + 1 for number in range(512)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def make_model(config_name: str, changes: dict[str, Any]) -> Any:
    import transformers

    config = getattr(transformers, config_name)(**changes)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = getattr(transformers, FAMILIES[config_name])
        return made._from_config(config, attn_implementation="eager").eval()


def text_of(tokens: int) -> str:
    return " ".join(f"w{number}" for number in range(tokens))


def seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Wall time, and processor time, which other programs on the machine disturb less."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def overhead(loaded: LoadedModel, tokens: int) -> dict[str, float]:
    """Medians over passes that take turns: the model alone, the model keeping its outputs, and all of `extract`."""
    text = text_of(tokens)
    inputs = text_inputs(loaded, text, None, None, 0)

    def forward() -> None:
        with torch.inference_mode():
            loaded.model(**inputs.arguments)

    def keeping() -> None:
        with torch.inference_mode():
            loaded.model(**inputs.arguments, output_hidden_states=True, output_attentions=True)

    def extraction() -> None:
        probe.extract(loaded, text, frame="layernorm", attention=True, sublayers=True)

    calls = (forward, keeping, extraction)
    for call in calls:
        call()
    passes = [[number for call in calls for number in seconds(call)] for _ in range(REPEATS)]
    forward_wall, forward_processor, _, keeping_processor, wall, processor = map(median, zip(*passes))
    return {
        "forward_s": forward_wall,
        "extract_s": wall,
        "ratio": wall / forward_wall,
        "processor_ratio": processor / forward_processor,
        "to_keeping": processor / keeping_processor,
    }


def peak_memory() -> float:
    """GiB at most resident in a fresh process that loads a folder of gpt2-xl shapes and extracts 512 tokens."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(Path(temporary) / "largest")
        in_fresh_process("make", folder)
        return json.loads(in_fresh_process("extract", folder))["peak_gib"]


def in_fresh_process(step: str, subject: str, **environment: str) -> str:
    command = [sys.executable, "-m", "benchmarks.extract", step, subject]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    ).stdout


def run_step(step: str, subject: str) -> None:
    """What a fresh process does: `subject` names shapes, or a folder of the largest ones."""
    if step == "overhead":
        loaded = load((make_model(*SHAPES[subject]), make_tokenizer()))
        print(json.dumps({tokens: overhead(loaded, tokens) for tokens in (128, 512)}))
    elif step == "make":
        make_model("GPT2Config", LARGEST).save_pretrained(subject, max_shard_size="2GB")
        make_tokenizer().save_pretrained(subject)
    else:
        trajectory = probe.extract(subject, text_of(512), attention=True)
        assert trajectory.points.shape == (49, 512, 1600)
        print(json.dumps({"peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


def main() -> None:
    lines = []
    for name in SHAPES:
        for memory, environment in (("as it comes", {}), ("memory kept", KEPT)):
            measured = json.loads(in_fresh_process("overhead", name, **environment))
            for tokens, found in measured.items():
                print(
                    f"{name}, {tokens} tokens, {memory}: forward {found['forward_s']:.3f} s, extract "
                    f"{found['extract_s']:.3f} s, ratio {found['ratio']:.2f}, of processor time "
                    f"{found['processor_ratio']:.2f} (target {TARGET_RATIO}), to a pass that keeps its outputs "
                    f"{found['to_keeping']:.2f}",
                    flush=True,
                )
                lines.append(
                    line(
                        f"extract, {name}, {tokens} tokens, {memory}",
                        f"{found['extract_s']:.3f} s",
                        found["ratio"],
                        rival=f"a forward pass, {found['forward_s']:.3f} s",
                        most=TARGET_RATIO,
                    )
                )
    peak = peak_memory()
    lines.append(line("extract, gpt2-xl shapes, 512 tokens", f"{peak:.1f} GiB", peak, most=TARGET_GIBIBYTES))
    keep(FOLDER / "extract.json", lines)


if __name__ == "__main__":
    run_step(*sys.argv[1:]) if len(sys.argv) == 3 else main()
