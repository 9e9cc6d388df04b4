"""A sample of the attack on every reader; `python -m tests.attacks.readers 20000` is the whole."""

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("needs SIGALRM", allow_module_level=True)

from tests.attacks import readers


@pytest.mark.parametrize("reader", readers.READERS)
def test_a_mutated_file_gives_a_value_or_one_error(reader):
    assert not readers.failures(reader, 30)
