"""Models in one GGUF file, whose weights are mostly quantised: read as plain numbers, and said to be rounded."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import lru_cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import torch

from probe.calls import RefusalError, quiet

SUFFIX = ".gguf"
_MAGIC = b"GGUF"


class Header(NamedTuple):
    """What a file says of its model.

    facts: as in config.json; a GGUF has no ``initializer_range``. quantisation: the types of its weights, that of most
    weights first.
    """

    facts: dict[str, Any]
    quantisation: str


def gguf_file(place: Path) -> Path | None:
    """The GGUF file at a path: the file itself, or the only one in a folder that has no config.json."""
    if place.is_file():
        return place if place.suffix == SUFFIX else None
    if (place / "config.json").exists():
        return None
    found = sorted(place.glob(f"*{SUFFIX}"))
    return found[0] if len(found) == 1 else None


def header(name: str, file: Path) -> Header:
    """What a GGUF file says of its model. Raises ValueError where it is not whole or not known."""
    state = file.stat()
    return _header(name, file, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _header(name: str, file: Path, size: int, changed: int) -> Header:
    del size, changed  # of the key: another file in the same place
    with _whole(name, file):
        import gguf

        weights = Counter[str]()
        for tensor in gguf.GGUFReader(file).tensors:
            weights[tensor.tensor_type.name] += int(tensor.n_elements)
            if tensor.data_offset + tensor.n_bytes > file.stat().st_size:
                raise EOFError(f"the tensor {tensor.name} ends behind the end of the file")
        return Header(dict(_loaded(file)["config"]), ", ".join(kind for kind, _ in weights.most_common()))


def dequantised(name: str, file: Path, config: Any, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The weights as numbers, by the names of transformers. Cost: their size in `dtype`, and 20 s a gigabyte.

    Raises ValueError for a kind of weights that cannot be read.
    """
    import transformers

    kinds = transformers.MODEL_FOR_CAUSAL_LM_MAPPING, transformers.MODEL_MAPPING
    with _whole(name, file):
        headed: Any = next(kind[type(config)] for kind in kinds if type(config) in kind)
        with torch.device("meta"):
            outline = headed._from_config(config)
        return _loaded(file, return_tensors=True, model_to_load=outline, torch_dtype=dtype)["tensors"]


def _loaded(file: Path, **options: Any) -> dict[str, Any]:
    """By transformers, without the progress bar that no setting of it turns off."""
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    with redirect_stderr(StringIO()):
        return load_gguf_checkpoint(str(file), **options)


@contextmanager
def _whole(name: str, file: Path) -> Iterator[None]:
    """Inside, whatever fails while the file is read is a ValueError of one line."""
    if find_spec("gguf") is None:
        raise RefusalError(
            f'{name} is a GGUF file, which needs one more package: pip install "metasphere[gguf]"'
        )
    with file.open("rb") as opened:
        if opened.read(len(_MAGIC)) != _MAGIC:
            raise RefusalError(f"{name} has a file {file.name} that is no GGUF: copy or download it again")
    try:
        with quiet():
            yield
    except (NotImplementedError, StopIteration) as error:
        raise RefusalError(f"{name} is a GGUF of a kind that is not known here ({_said(error)})") from error
    except Exception as error:
        known = "not supported" in str(error)
        fix = "give its safetensors" if known else "it may be cut short, so copy or download it again"
        raise RefusalError(f"{name} is a GGUF that cannot be read ({_said(error)}): {fix}") from error


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
