"""The contract with little patience: a shorter long text, and the same questions again a few thousand times."""

import pytest

from lmzoo.testing import practice


@pytest.fixture(autouse=True)
def _little_patience(little_patience):
    pass


@pytest.fixture
def short(monkeypatch):
    """For networks, whose windows in these tests are short."""
    monkeypatch.setattr(practice, "LONG", 600)
