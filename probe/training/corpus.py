"""The training text: fetched by package name from Debian, cleaned, split, and written down in a manifest."""

import gzip
import hashlib
import json
import random
import re
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SECTION_CHARACTERS = 8000
HELD_OUT_EVERY = 40
SPLIT_SEED = 20


def _gzipped(path: Path) -> Iterator[str]:
    """A compressed text without the lines of its drawn tables."""
    text = gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace")
    yield "".join(line for line in text.splitlines(True) if not line.lstrip().startswith(tuple("|+│├┌└─")))


def _plain(path: Path) -> Iterator[str]:
    yield path.read_text("utf-8", errors="replace")


def _latex(path: Path) -> Iterator[str]:
    raw = gzip.decompress(path.read_bytes())
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\\section" in text or "\\begin{" in text:
        yield text


def _manual_page(path: Path) -> Iterator[str]:
    """Text of a roff page: macro names, comments and font changes removed, headings and words kept."""
    lines = []
    for line in gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace").splitlines():
        if line.startswith((".so", '.\\"', "'\\\"")):
            continue
        heading = re.match(r"\.S[HS]\s+(.*)", line)
        if heading:
            line = "\n" + heading[1].strip('"')
        elif line.startswith((".P", ".LP", ".TP", ".IP", ".br", ".sp")):
            line = ""
        else:
            line = re.sub(r"^\.[A-Za-z]+\s*", "", line)
        line = re.sub(r"\\f(\[[^]]*\]|\(..|.)", "", line)
        line = re.sub(r"\\\((co|em|bu|lq|rq|aq|dq|cq|oq)", "", line)
        line = line.replace("\\-", "-").replace("\\&", "").replace("\\(", "").replace("\\ ", " ")
        lines.append(line.replace('"', "") if line.startswith('"') else line)
    yield re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _character_vectors(path: Path) -> Iterator[str]:
    """The novels of an R data file: each record is a length, then a compressed serialised character vector."""
    raw = path.read_bytes()
    while raw:
        inflate = zlib.decompressobj()
        record = inflate.decompress(raw[4:])
        raw = inflate.unused_data
        lines, offset = [], record.index(b"\x00\x00\x00\x10") + 8
        while record[offset + 3 : offset + 4] == b"\x09":
            size = int.from_bytes(record[offset + 4 : offset + 8], "big")
            lines.append(record[offset + 8 : offset + 8 + size].decode("utf-8"))
            offset += 8 + size
        yield "\n".join(lines)


def _verses(path: Path) -> Iterator[str]:
    """The King James Version, printed by the reader that its package comes with, one verse a line."""
    reader = path.parents[3] / "bible-kjv" / "usr" / "bin" / "bible"
    printed = subprocess.run(
        [reader, "-f", "Gen1:1-Rev22:21"], cwd=path.parent, capture_output=True, check=True
    )
    yield re.sub(r"^\S+ ", "", printed.stdout.decode("utf-8"), flags=re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """One Debian package: which of its files are read, as which class of text, under which licence."""

    package: str
    text_class: str
    files: str
    read: Callable[[Path], Iterator[str]]
    licence: str
    limit: int
    tools: tuple[str, ...] = ()


SOURCES = (
    Source(
        "r-cran-janeaustenr",
        "prose",
        "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb",
        _character_vectors,
        "public domain (Jane Austen, 1811 to 1818); the package itself: MIT",
        4_000_000,
    ),
    Source(
        "bible-kjv-text",
        "prose",
        "usr/lib/bible.data",
        _verses,
        "public domain (King James Version, 1611); the data file: free use with its legend",
        1_500_000,
        tools=("bible-kjv",),
    ),
    Source(
        "dict-jargon", "encyclopaedic", "usr/share/dictd/jargon.dict.dz", _gzipped, "public domain", 1_500_000
    ),
    Source(
        "dict-foldoc", "encyclopaedic", "usr/share/dictd/foldoc.dict.dz", _gzipped, "GFDL-1.1+", 2_000_000
    ),
    Source("manpages-de", "german", "usr/share/man/de/man*/*.gz", _manual_page, "GPL-3+", 2_500_000),
    Source(
        "debian-reference-de",
        "german",
        "usr/share/debian-reference/debian-reference.de.txt.gz",
        _gzipped,
        "GPL-2+",
        1_000_000,
    ),
    Source("libpython3.11-stdlib", "code", "usr/lib/python3.11/[a-z]*.py", _plain, "PSF-2.0", 1_800_000),
    Source(
        "libpython3.11-stdlib", "code", "usr/lib/python3.11/[a-z]*/[_a-z]*.py", _plain, "PSF-2.0", 1_200_000
    ),
    *(
        Source(
            package,
            "latex",
            "usr/share/doc/texlive-doc/**/*.tex.gz",
            _latex,
            "LPPL-1.3+ and other free licences",
            limit,
        )
        for package, limit in (
            ("texlive-latex-base-doc", 1_200_000),
            ("texlive-latex-recommended-doc", 1_500_000),
            ("texlive-lang-german", 600_000),
        )
    ),
)


def _fetch(package: str, packages: Path) -> Path:
    """Downloads and unpacks a package once; returns its archive."""
    packages.mkdir(parents=True, exist_ok=True)
    if not list(packages.glob(f"{package}_*.deb")):
        subprocess.run(["apt-get", "download", package], cwd=packages, check=True, capture_output=True)
    (archive,) = packages.glob(f"{package}_*.deb")
    if not (packages / package).is_dir():
        subprocess.run(["dpkg-deb", "-x", archive.name, package], cwd=packages, check=True)
    return archive


def _sections(text: str) -> list[str]:
    """Cuts a document at line ends into pieces of at least SECTION_CHARACTERS (the last may be shorter)."""
    pieces, piece, size = [], [], 0
    for line in text.splitlines(keepends=True):
        piece.append(line)
        size += len(line)
        if size >= SECTION_CHARACTERS:
            pieces.append("".join(piece))
            piece, size = [], 0
    return pieces + (["".join(piece)] if size > 200 else [])


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build(work: Path) -> None:
    """Writes work/train.json, work/heldout.json (lists of [class, package, text]) and work/corpus.json (the manifest).

    Every 40th section of a source, after a seeded shuffle of its sections, is held out. Each source is read up to
    its own limit, so that the classes stay in proportion. Cost: about 150 MB of downloads, then some seconds.

    Raises:
        CalledProcessError: a package is not to be had (run `apt-get update` first).
    """
    train, heldout, manifest = [], [], []
    for source in SOURCES:
        archive = _fetch(source.package, work / "packages")
        for tool in source.tools:
            _fetch(tool, work / "packages")
        paths = sorted((work / "packages" / source.package).glob(source.files))
        sections, files, size = [], 0, 0
        shuffled = random.Random(SPLIT_SEED).sample(paths, len(paths))
        for path in shuffled:
            if size >= source.limit or path.is_symlink():
                continue
            files += 1
            for text in source.read(path):
                for section in _sections(text):
                    if size < source.limit:
                        sections.append(section)
                        size += len(section.encode())
        random.Random(SPLIT_SEED).shuffle(sections)
        for index, section in enumerate(sections):
            (heldout if index % HELD_OUT_EVERY == 0 else train).append(
                [source.text_class, source.package, section]
            )
        manifest.append(
            {
                "package": source.package,
                "version": archive.stem.split("_")[1],
                "archive_sha256": _hash(archive.read_bytes()),
                "class": source.text_class,
                "files": source.files,
                "files_read": files,
                "licence": source.licence,
                "bytes": size,
                "text_sha256": _hash("".join(sections).encode()),
            }
        )
    random.Random(SPLIT_SEED).shuffle(train)
    for name, content in (("train", train), ("heldout", heldout), ("corpus", manifest)):
        (work / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False, indent=1))
