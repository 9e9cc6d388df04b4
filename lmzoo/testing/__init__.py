"""The contract of each ability, as named checks that anyone may run.

`check_model` is what the tests run over every registered model and what `lmzoo check FILE.py` grades homework with.
A check compares whatever is fast with the definition in `lmzoo.interface`: the loop of `LanguageModel.log_probs`,
say. That one comparison finds a missing causal mask, an off-by-one and a dropped state.
"""

from lmzoo.testing.contract import Check, check_model, check_names, properties
from lmzoo.testing.decoder import cut_anywhere, states_are_values, sums_to_one
from lmzoo.testing.encoder import features_see_no_future
from lmzoo.testing.language_model import (
    future_never_matters,
    many_texts,
    reach_is_true,
    scoring_cut_anywhere,
    scoring_equals_stepping,
)
from lmzoo.testing.practice import TOLERANCE, UNSEEN, VOCAB_SIZE, practice_examples, practice_text

__all__ = [
    "TOLERANCE",
    "UNSEEN",
    "VOCAB_SIZE",
    "Check",
    "check_model",
    "check_names",
    "cut_anywhere",
    "features_see_no_future",
    "future_never_matters",
    "many_texts",
    "practice_examples",
    "practice_text",
    "properties",
    "reach_is_true",
    "scoring_cut_anywhere",
    "scoring_equals_stepping",
    "states_are_values",
    "sums_to_one",
]
