"""Samples of the attacks: `python -m tests.attacks.inputs` and `python -m tests.attacks.kills` are the whole."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and fork")


def attack(place, name, *flags):
    words = [sys.executable, "-m", f"tests.attacks.{name}", *flags]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=place, check=False)
    return done.returncode, done.stdout


def test_spoiled_inputs_end_in_a_true_result_or_one_line(tmp_path, monkeypatch, pytestconfig):
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    kinds = ["corpus t.jsonl", "corpus t.txt.gz", "arpa m.arpa.gz", "run run-cache", "cards", "results", "n-best"]
    code, out = attack(tmp_path, "inputs", "--inputs", "70", "--kinds", *kinds)
    assert code == 0, out
    assert "70 inputs" in out


def test_what_is_killed_and_begun_anew_has_the_same_bits(tmp_path, monkeypatch, pytestconfig):
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    code, out = attack(tmp_path, "kills", "--kills", "3", "--jobs", "train lstm", "export")
    assert code == 0, out
    assert "3 kills" in out
