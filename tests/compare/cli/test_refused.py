"""What cannot be done ends in one line that says what was given, exit code 2, and nothing is written."""

import json
import struct

import pytest
from click.testing import CliRunner

from compare.cli import main

GRID = "beta = [1.0, 4.0]\nd = 3\nn = 4\n"
HALF_GGUF = b"GGUF" + struct.pack("<IQQ", 3, 5, 7) + b"\x00" * 12


def model_folder(place, config, **files):
    place.mkdir()
    (place / "config.json").write_text(config)
    for name, content in files.items():
        (place / name.replace("_", ".")).write_bytes(content)


@pytest.fixture
def given(tmp_path):
    """A folder of inputs, none of which is any good, and one that is: a folder of results without a run."""
    for name, content in {
        "bytes.txt": b"\xff\xfe\xfa",
        "empty.txt": b"",
        "half.gguf": HALF_GGUF,
        "no.gguf": b"nothing of the kind",
        "file": b"",
        "half.toml": b"beta = [1, 4\n",
        "cat.txt": b"cat cat cat",
        "dot.txt": b".",
        "nul.txt": b"a\0b",
        "good.toml": GRID.encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "empty").mkdir()
    (tmp_path / "results" / "runs").mkdir(parents=True)
    (tmp_path / "broken" / "runs").mkdir(parents=True)
    (tmp_path / "broken" / "runs" / "one.nc").write_bytes(b"\x89HDF\r\n\x1a\n half")
    model_folder(tmp_path / "no-weights", json.dumps({"model_type": "gpt2"}))
    model_folder(tmp_path / "no-type", "{}")
    model_folder(tmp_path / "half-config", '{"model_type": "gp')
    model_folder(tmp_path / "pickle", json.dumps({"model_type": "gpt2"}), pytorch_model_bin=b"\x80\x04.")
    model_folder(tmp_path / "mamba", json.dumps({"model_type": "mamba"}), model_safetensors=b"{}")
    model_folder(
        tmp_path / "remote",
        json.dumps({"model_type": "own", "auto_map": {"AutoModel": "own.Model"}}),
        model_safetensors=b"{}",
    )
    return tmp_path


def grid_of(*lines):
    """The grid with lines in the place of those of the same name."""
    names = {line.split()[0] for line in lines}
    return "\n".join([line for line in GRID.splitlines() if line.split()[0] not in names] + list(lines))


COMMANDS = {
    "simulate --beta=-1": "beta",
    "simulate --beta nan": "beta",
    "simulate --beta inf": "beta",
    "simulate --tokens 0": "tokens",
    "simulate --tokens 1000000000": "1000000000",
    "simulate --tokens 20000": "GiB",
    "simulate --until 0": "until",
    "simulate --until=-3": "until",
    "simulate --until nan": "until",
    "simulate --depths 1": "depths",
    "simulate --depths 1000000000000": "depths",
    "simulate --dimension 0": "dimension",
    "simulate --seed=-1": "seed",
    "simulate --kind XSA": "XSA",
    "simulate --start simplex --tokens 9 --dimension 3": "simplex",
    "simulate --max-steps 0": "max-steps",
    "simulate --out {0}/file": "file",
    "simulate --out=": "--out",
    "simulate --depths 200000": "GiB",
    "coalesce --beta=-1": "beta",
    "coalesce --beta nan": "beta",
    "coalesce --tokens 1": "tokens",
    "coalesce --tokens 1000000000": "tokens",
    "coalesce --dimension 1": "dimension",
    "compare --prompt nobody": "nobody",
    "compare --file {0}/none.txt": "none.txt",
    "compare --file {0}/empty": "empty",
    "compare --file {0}/bytes.txt": "UTF-8",
    "compare --file {0}/empty.txt --model gpt2-128": "empty.txt",
    "compare --file {0}/cat.txt --model gpt2-128": "cat-",
    "compare --file {0}/dot.txt --file {0}/cat.txt --model bert-128": "dot-",
    "compare --file {0}/nul.txt --model gpt2-128": "NUL",
    "compare --draws 3": "draws",
    "compare --limits medium": "medium",
    "compare --changes some": "some",
    "compare --max-tokens 0 --model gpt2-128": "max-tokens",
    "compare --max-tokens=-4 --model gpt2-128": "max-tokens",
    "compare --seeds 0": "seeds",
    "compare --beta nan": "beta",
    "compare --group nobody": "nobody",
    "compare --model {0}/none": "none",
    "compare --model {0}/empty": "config.json",
    "compare --model {0}/no-weights": "weights",
    "compare --model {0}/half-config": "config.json",
    "compare --out {0}/file": "file",
    "report {0}/none": "none",
    "report {0}/file": "file",
    "report {0}/results": "no runs",
    "report {0}/broken": "one.nc",
    "explore {0}/none": "none",
    "explore {0}/results": "no runs",
    "explore {0}/broken --run one": "one.nc",
    "probe gpt2-128 --text a --prompt river_code": "more than one text",
    "probe gpt2-128 --text=": "no token",
    "probe gpt2-128 --text \udce9": "UTF-8",
    "probe gpt2-128 --file {0}/nul.txt": "NUL",
    "probe gpt2-128 --prompt all": "one text",
    "probe gpt2-128 --prompt=": "choose from",
    "probe gpt2-128 --prompt river_code --max-tokens 1000000000 --frame raw --file {0}/cat.txt": "more than one text",
    "probe gpt2-128 --text a --max-tokens 0": "max-tokens",
    "probe gpt2-128 --text a --frame curved": "curved",
    "probe gpt2-128 --text a --revision main": "revision",
    "probe {0}/no-type --text a": "no-type",
    "probe {0}/pickle --text a": "pickle",
    "probe {0}/mamba --text a": "mamba",
    "probe {0}/remote --text a": "own",
    "probe {0}/half.gguf --text a": "half.gguf",
    "probe {0}/no.gguf --text a": "no.gguf",
    "doctor {0}/none": "none",
    "doctor {0}/empty": "empty",
    "experiment nobody": "nobody",
    "calibrate --seed=-1": "seed",
    "calibrate --out {0}/file": "file",
    "hypotheses H1": "H1",
    "sweep {0}/half.toml": "TOML",
    "sweep {0}/empty": "empty",
    "sweep": "GRID",
    "sweep collapse_speed --workers 0": "workers",
    "sweep {0}/good.toml --scheduler nowhere": "nowhere",
    "sweep {0}/good.toml --scheduler tcp://127.0.0.1:9": "refused",
}
GRIDS = {
    "beta = []": "beta",
    "beta = -1.0": "beta",
    "beta = nan": "beta",
    "beta = [1.0, 1.0]": "beta",
    'beta = "warm"': "beta",
    "d = 1": "d must",
    "d = 2.5": "d must",
    "n = 1": "n must",
    "n = 10000000000": "GiB",
    "n = 500000000": "GiB",
    "gamma = 3": "gamma",
    "times = [2.0, 1.0]": "times",
    "times = [0.0]": "times",
    "until = -1": "until",
    "seeds = 0": "seeds",
    "seeds = 100000000000": "seeds",
    'seeds = "many"': "seeds",
    'kind = "XSA"': "XSA",
    'observe = "mood"': "mood",
    "observe = []": "observe",
    'start = "none.npy"': "none.npy",
    'norm = "none"': "norm",
    'dtype = "float16"': "float16",
    "rtol = 0": "rtol",
    "radius = 4": "radius",
}


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refused(arguments, word, given):
    before = everything(given)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert word in line
    assert len(line) < 600
    assert everything(given) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_cannot_be_done(command, given):
    arguments = command.format(given).split()
    if arguments[0] not in ("report", "explore", "doctor", "hypotheses") and "--out" not in command:
        arguments += ["--out", str(given / "new")]
    refused(arguments, COMMANDS[command], given)


@pytest.mark.parametrize("line", GRIDS)
def test_a_grid_that_cannot_be_run(line, given):
    (given / "grid.toml").write_text(grid_of(line))
    refused(["sweep", str(given / "grid.toml"), "--out", str(given / "new")], GRIDS[line], given)
