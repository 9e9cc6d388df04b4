"""Comparisons that ask each model little: how much is asked is no matter of these tests."""

import pytest

from lmzoo.analysis import calibration, context_length


@pytest.fixture(scope="module", autouse=True)
def _few_questions():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context_length, "STRETCHES", 30)
        patch.setattr(calibration, "POSITIONS", 200)
        yield
