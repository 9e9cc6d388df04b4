"""Text for a real cluster of two processes to count: `tests/conftest.py` starts it once for all tests."""

import random

ENDS = (" ", " ", " ", " .\n")


def text(words=20_000, seed=1):
    """Random words of a small vocabulary: several ranges for two workers."""
    rng = random.Random(seed)
    return "".join(f"word{int(rng.expovariate(0.02))}{rng.choice(ENDS)}" for _ in range(words)) + "\n"
