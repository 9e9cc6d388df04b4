"""When a training does not fit into memory: what takes the most of it, and the batch that would fit."""

from collections.abc import Callable

import torch

from lmzoo.errors import LmzooError


def or_what_fits(
    step: Callable[[], None], batch: int, sizes: Callable[[], dict[str, int]], fits: Callable[[int], None]
) -> None:
    """Do `step`. Where memory does not suffice, raise LmzooError with the largest of `sizes` (what → numbers kept) and
    the largest half, quarter … of `batch` with which `fits` goes through.
    """
    try:
        return step()
    except RuntimeError as error:
        if not _is_lack_of_memory(error):
            raise
    # Out of the handler, so that what the failed step held on to is free.
    known = sizes()
    largest = max(known, key=lambda what: known[what])
    halves = [batch >> n for n in range(1, batch.bit_length())]
    fitting = next((rows for rows in halves if _goes_through(fits, rows)), None)
    advice = f"--batch {fitting} fits" if fitting else "not even a batch of one fits: take a smaller window or model"
    raise LmzooError(f"out of memory: the most goes to {largest}; {advice}")


def _is_lack_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


def _goes_through(fits: Callable[[int], None], rows: int) -> bool:
    try:
        fits(rows)
    except RuntimeError as error:
        if not _is_lack_of_memory(error):
            raise
        return False
    return True
