"""Processes that work for a long time, in a parent that can be ended in any way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from compare.cli.group import main
from compare.workers import Spread


def sleep(folder: str) -> None:
    """Say who sleeps, then sleep for two minutes."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(120)


def sleep_and_say(folder: str) -> None:
    """Sleep for some seconds, then say that the sleep is over."""
    time.sleep(8)
    Path(folder, str(os.getpid())).touch()


class Interrupting(list):
    """Tasks, the third of which interrupts the process that takes it."""

    def __iter__(self):
        for place, task in enumerate(super().__iter__()):
            if place == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield task


def die(number: int) -> None:
    os.kill(os.getpid(), 9)


def die_later_than_others_fail(number: int) -> None:
    if number:
        raise ValueError(number)
    time.sleep(1)
    die(number)


@main.command()
@click.argument("folder")
def rest(folder: str) -> None:
    list(Spread(sleep, [folder] * 6))


def begin(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A parent in a process group of its own, and the processes that work for it, once all of them do."""
    parent = subprocess.Popen(
        [sys.executable, "-c", f"from tests.helpers.sleepers import main; main(['rest', {str(folder)!r}])"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(workers := [int(path.name) for path in folder.iterdir()]) < 2:
        assert parent.poll() is None
        time.sleep(0.1)
    return parent, workers


def living(workers: list[int]) -> list[int]:
    return [worker for worker in workers if Path(f"/proc/{worker}").exists() and not _is_zombie(worker)]


def _is_zombie(worker: int) -> bool:
    try:
        return Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def process(task):
    return os.getpid()


def refuse(task):
    """Fail, the first task later than those that begin beside it."""
    time.sleep(0 if task else 1)
    raise ValueError(task)
