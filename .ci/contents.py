"""Compare the files of a source distribution and of a wheel with those of the tree.

python3 contents.py SDIST WHEEL, from the root of a checkout: the source distribution holds every file under version
control, the wheel every one that is imported or read at run time, and neither holds more.
"""

import subprocess
import sys
import tarfile
import zipfile

PACKAGED = ("metasphere.py", "sim/", "probe/", "compare/")


def difference(kind: str, found: set[str], expected: set[str]) -> list[str]:
    return [f"{kind} lacks {name}" for name in sorted(expected - found)] + [
        f"{kind} has {name}, which is not in the tree" for name in sorted(found - expected)
    ]


sdist, wheel = sys.argv[1:]
listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
tree = {name for name in listed.split("\0") if name}
with tarfile.open(sdist) as opened:
    source = {member.name.partition("/")[2] for member in opened if member.isfile()}
with zipfile.ZipFile(wheel) as opened:
    installed = {name for name in opened.namelist() if ".dist-info/" not in name}
faults = difference("sdist", source - {"PKG-INFO"}, tree)
faults += difference("wheel", installed, {name for name in tree if name.startswith(PACKAGED)})
print(*faults, f"{len(source)} files in the sdist, {len(installed)} in the wheel", sep="\n")
sys.exit(bool(faults))
