"""Import every module of the installed packages, each from where the wheel was installed."""

import importlib
import pkgutil
import sys

import metasphere

names = ["metasphere"]
for package in metasphere.PACKAGES:
    path = importlib.import_module(package).__path__
    names += [package, *(each.name for each in pkgutil.walk_packages(path, f"{package}."))]
for name in names:
    module = importlib.import_module(name)
    if not str(module.__file__).startswith(sys.prefix):
        sys.exit(f"{name} was loaded from {module.__file__}, outside of {sys.prefix}")
print(f"{len(names)} modules load")
