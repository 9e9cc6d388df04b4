"""Threads that sleep at OpenMP's barriers where another process needs the processor."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from lmzoo.neural import barriers


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    if not barriers.can_choose():
        pytest.skip("PyTorch does not use GNU's OpenMP here, or the environment sets its policy")
    yield
    barriers.spin()
    torch.set_num_threads(before)


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_sleep_and_spin_can_be_chosen_again_and_again_and_leave_no_thread_behind(two_threads):
    before = names()
    for _ in range(20):
        barriers.sleep()
        barriers.sleep()  # a second call does nothing
        assert barriers.asleep()
        assert names().count("barriers") == 1
        barriers.spin()
        assert not barriers.asleep()
        for thread in threading.enumerate():
            if thread.name == "barriers":  # on a busy machine it takes a moment to end
                thread.join(5)
        assert names() == before


def test_how_threads_wait_changes_no_digit(two_threads):
    torch.manual_seed(0)
    x, lstm = torch.randn(8, 32, 64), torch.nn.LSTM(64, 64, batch_first=True)
    barriers.spin()
    spinning = lstm(x)[0]
    barriers.sleep()
    assert torch.equal(lstm(x)[0], spinning)


@pytest.mark.parametrize("variable", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_a_policy_set_in_the_environment_is_kept(two_threads, monkeypatch, variable):
    monkeypatch.setenv(variable, "0")
    barriers.sleep()
    assert not barriers.asleep()


def test_threads_sleep_while_others_need_the_cores_and_spin_while_they_do_not(two_threads, monkeypatch):
    monkeypatch.setattr(barriers, "_load", None)
    monkeypatch.setattr(barriers, "BETWEEN", 0.0)
    barriers.adapt()
    assert barriers.asleep()  # nothing is known yet
    monkeypatch.setattr(barriers.Load, "others", lambda _: 0.0)
    barriers.adapt()
    assert not barriers.asleep()
    monkeypatch.setattr(barriers.Load, "others", lambda load: load.spare() + 0.1)
    barriers.adapt()
    assert barriers.asleep()


def test_the_load_is_that_of_other_processes_alone():
    load, began = barriers.Load(), time.process_time()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        while time.perf_counter() - load.since < 1:
            sum(range(10_000))
        others = load.others()
        other.kill()
    if not Path("/proc/stat").exists():
        assert others == 0.0
    else:  # beside tests that run at the same time: at least its share, and never more than there are cores
        own = time.process_time() - began
        assert 0.1 < others <= len(load.cores) + 0.1 - 0.5 * min(own, 1)
