"""What tests of several comparisons share."""

import pytest

from lmzoo.analysis import calibration, context_length


@pytest.fixture(scope="module")
def few_questions():
    """Comparisons of this process ask each model little; those of other processes ask all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context_length, "STRETCHES", 30)
        patch.setattr(calibration, "POSITIONS", 200)
        yield
