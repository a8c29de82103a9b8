"""Run every command of a README: its bash blocks in one shell, each of its Python blocks in a fresh interpreter.

Of a block marked `bash no-run`, which needs a network or the reader's own data, only the commands are checked to exist.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

readme = Path(sys.argv[1])
root = readme.resolve().parent
environment = {**os.environ, "PATH": f"{root / '.venv' / 'bin'}:{os.environ['PATH']}", "MPLBACKEND": "agg"}
blocks = re.findall(r"^```(\w+)([^\n]*)\n(.*?)^```", readme.read_text(encoding="utf-8"), re.M | re.S)
ran = 0
for language, mark, body in blocks:
    if "no-run" in mark:
        for word in set(re.findall(r"^metasphere (\w+)", body, re.M)):
            subprocess.run(
                ["metasphere", word, "--help"], env=environment, check=True, stdout=subprocess.DEVNULL
            )
        continue
    python = str(root / ".venv" / "bin" / "python")
    command = {"bash": ["bash", "-euxc", body], "python": [python, "-W", "error", "-c", body]}.get(language)
    if command:
        subprocess.run(command, cwd=root, env=environment, check=True)
        ran += 1
print(f"README: {ran} blocks ran")
sys.exit(ran == 0)
