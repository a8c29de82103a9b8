"""What `metasphere compare` takes with no arguments, from an empty folder, imports and all.

python -m benchmarks.compare
"""

import resource
import subprocess
import sys
import tempfile
import time

from benchmarks.lines import FOLDER, keep, line

TARGET = 120


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "metasphere", "compare", "--out", folder], check=True)
        clock, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    one = line(
        "metasphere compare, no arguments",
        f"{clock:.0f} s, {processor:.0f} s of processor time",
        clock,
        most=TARGET,
    )
    keep(FOLDER / "compare.json", [one], clock=clock, processor=processor)


if __name__ == "__main__":
    main()
