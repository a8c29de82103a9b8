"""Processes that work end when they should, and say why where they should not have."""

import os
import signal
import sys
import time

import pytest

from compare.workers import Spread, Workers
from tests.helpers.sleepers import (
    Interrupting,
    begin,
    die,
    die_later_than_others_fail,
    living,
    process,
    refuse,
    sleep_and_say,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """Also where the tests run in the background, whose processes a shell makes deaf to them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path, end):
    parent, workers = begin(tmp_path)
    assert living(workers) == workers
    os.kill(parent.pid, end)  # the parent alone
    parent.communicate()
    until = time.monotonic() + 30
    while living(workers) and time.monotonic() < until:
        time.sleep(0.05)
    left = living(workers)
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert not left


def test_an_interrupt_is_one_line_and_ends_all(tmp_path):
    parent, workers = begin(tmp_path)
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == 130
    assert said == "Stopped: the same command goes on with what is finished.\n"
    assert not living(workers)


def test_an_interrupt_while_work_is_handed_out_ends_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        list(Spread(sleep_and_say, Interrupting([str(tmp_path)] * 6)))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_killed_names_the_likely_cause():
    with pytest.raises(RuntimeError, match=r"memory ran out.*run the same command again"):
        list(Spread(die, range(6)))


def test_a_worker_that_is_killed_while_a_failure_waits_for_it_names_the_cause():
    with pytest.raises(RuntimeError, match=r"memory ran out.*run the same command again"):
        list(Spread(die_later_than_others_fail, range(6)))


def test_one_pair_of_processes_serves_all_that_is_spread_inside_a_block():
    with Workers() as workers:
        first = set(Spread(process, range(6), workers))
        with pytest.raises(ValueError, match=r"^0$"):
            list(Spread(refuse, range(6), workers))
        everyone = first | set(Spread(process, range(60), workers))
    assert len(everyone) <= 2
    assert os.getpid() not in everyone
    assert not living([*everyone])


def test_no_process_is_begun_for_a_few_tasks_but_those_that_are_there_help():
    with Workers() as workers:
        assert set(Spread(process, range(5), workers)) == {os.getpid()}
        assert not workers.begun
        there = set(Spread(process, range(6), workers))
        assert set(Spread(process, range(2), workers)) <= there
        assert set(Spread(process, range(1), workers)) == {os.getpid()}


def test_who_leaves_a_block_in_the_middle_waits_for_nobody(tmp_path):
    def leave():
        with Workers() as workers:
            work = iter(Spread(process, range(6), workers))
            next(work)
            workers.pool.submit(sleep_and_say, str(tmp_path))
            raise KeyboardInterrupt  # while `work` is held, so that nobody but the block ends what is left

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert list(tmp_path.iterdir()) == []
