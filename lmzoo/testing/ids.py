"""The check that an id outside the vocabulary is refused, for whatever reads ids."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.interface import Ids


def bad_ids_are_named(vocab_size: int, read: Callable[[Ids], Any]) -> str:
    """Reading V, V+7 or -1 must raise a UsageError that names the id and V."""
    for bad in (vocab_size, vocab_size + 7, -1):  # NumPy would take -1 for the last token without a word
        try:
            read(np.array([0, bad], dtype=np.int32))
        except UsageError as error:
            if str(bad) in str(error) and str(vocab_size) in str(error):
                continue
            return f"the error for token id {bad} does not name both the id and the vocabulary's size: {error}"
        return f"token id {bad} is outside the vocabulary of {vocab_size} and went unnoticed: call interface.check_ids"
    return ""
