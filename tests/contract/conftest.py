"""The contract with little patience: a shorter long text, and the same questions again a few thousand times."""

import pytest

from lmzoo.testing import fitting, long_text, practice


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(long_text, "PATIENCE", 0.3)
    monkeypatch.setattr(long_text, "ASKED", 5000)
    monkeypatch.setattr(fitting, "PROSE", 3000)
    monkeypatch.setattr(fitting, "HELD_OUT", 1000)


@pytest.fixture
def short(monkeypatch):
    """For networks, whose windows in these tests are short."""
    monkeypatch.setattr(practice, "LONG", 600)
