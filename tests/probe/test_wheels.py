"""Models in Python packages: parts that are put together once, and that must make the file that they should."""

import hashlib

import pytest

from probe.wheels import Wheel

CONTENT = b"GGUF and the rest of it"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Two packages with a part each, and a cache of its own."""
    for number, part in enumerate((CONTENT[:7], CONTENT[7:])):
        package = tmp_path / f"some_part{number}"
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit('this code must not run')")
        (package / f"net.gguf.part0{number}").write_bytes(part)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = tuple((f"some_part{number}", f"*.part0{number}") for number in range(2))
    return Wheel(files, "install it", hashlib.sha256(CONTENT).hexdigest())


def test_parts_are_put_together_once(wheel, tmp_path):
    place = wheel.place()
    assert place == tmp_path / "cache" / "metasphere" / "net.gguf"
    assert place.read_bytes() == CONTENT
    written = place.stat().st_mtime_ns
    assert wheel.place().stat().st_mtime_ns == written
    place.write_bytes(CONTENT[:5])  # of a disk that was full
    assert wheel.place().read_bytes() == CONTENT


def test_parts_of_another_file_are_refused(wheel, tmp_path):
    (tmp_path / "some_part1" / "net.gguf.part01").write_bytes(b"something else")
    with pytest.raises(ValueError, match="install them again"):
        wheel.place()
    assert list((tmp_path / "cache" / "metasphere").iterdir()) == []


def test_a_part_that_is_missing(wheel, tmp_path):
    (tmp_path / "some_part1" / "net.gguf.part01").unlink()
    assert not wheel.is_installed()
    assert wheel.place() is None
