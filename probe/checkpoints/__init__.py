"""The code that trains small models of three families, and the folders of those that it has exported here.

Each subfolder, once exported, is one model as `save_pretrained` writes it (float16 safetensors, tokenizer), with
checkpoint.json: recipe, tokens seen, loss curve, held-out losses and those of n-gram models. manifest.json names
the corpus, its licences and the hash of every file. `python -m probe.training.train NAME` trains one.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def checkpoints() -> dict[str, Path]:
    """The folder of each embedded checkpoint by name, in alphabetical order; give a folder to `probe.extract`."""
    return {path.parent.name: path.parent for path in sorted(_PACKAGE.glob("*/model.safetensors"))}
