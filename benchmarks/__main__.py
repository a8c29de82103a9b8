"""Everything that is measured, each in a process of its own, and one table of it at the end.

    python -m benchmarks               half an hour on an idle machine
    python -m benchmarks kernel sweep  these alone

Writes out/benchmarks/NAME.json for each and out/benchmarks/all.json for all. The load of the machine when each began
stands beside its lines: at a load above the number of cores, times on the clock say little.
"""

import json
import os
import subprocess
import sys

from benchmarks.lines import FOLDER, table

NAMES = ("kernel", "fast_sums", "simulate", "sweep", "coalesce", "measure", "extract", "compare")


def main(chosen: list[str]) -> None:
    unknown = set(chosen) - set(NAMES)
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(sorted(unknown))}: choose of {', '.join(NAMES)}")
    loads, lines = {}, []
    for name in chosen or NAMES:
        loads[name] = round(os.getloadavg()[0], 1)
        print(f"== {name}, load {loads[name]}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
        lines += json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["lines"]
    (FOLDER / "all.json").write_text(json.dumps({"load": loads, "lines": lines}, indent=1), encoding="utf-8")
    print(f"\n{table(lines)}")


if __name__ == "__main__":
    main(sys.argv[1:])
