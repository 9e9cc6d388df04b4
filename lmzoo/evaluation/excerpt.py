"""The part of a test text that is looked into closely, so that no text is too long for it."""

from collections.abc import Sequence

import numpy as np

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.evaluation.perplexity import parts_of
from lmzoo.interface import Ids, LanguageModel

LARGEST = 1 << 20  # characters


def opening(text: str, longest: int = LARGEST) -> str:
    """`text`, or of a longer one its first lines (if they are longer still, its first characters)."""
    if len(text) <= longest:
        return text
    return text[: text.rfind("\n", longest // 2, longest) + 1 or longest]


def parts(model: LanguageModel, tokenizer: Tokenizer, text: str, protocol: str) -> Sequence[Ids]:
    """The ids of what the evaluator has `model` read from a fresh start: all of `text`, or each of its lines."""
    if not text:
        return []
    found = parts_of(tokenizer, text, protocol)
    return [np.concatenate(found)] if model.adapts else found
