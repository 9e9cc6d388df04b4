"""Scoring out of domain: is the text so unlike its training text that the figure says little else?

Two measurements, each with a threshold that no text of a model's own corpus comes near to:

    words outside the vocabulary     of a vocabulary of words, the share spelled in bytes, or read as `<unk>`; of
                                     English texts on other English texts 10 to 40 %, on their own test text 0 to 20 %
    bits of single characters        the entropy of the text's own character frequencies (Shannon 1948): a model that
                                     needs more knows less of the text than a table of its letters
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from lmzoo.data.corpus import Corpus
from lmzoo.evaluation.perplexity import LARGEST, Score
from lmzoo.evaluation.text_model import TextModel

MOST_UNKNOWN = 0.25  # of the words
MARGIN = 1.1  # times the entropy of the characters: a text of random letters leaves any model at the entropy itself


def notes(text_model: TextModel, corpus: Corpus, text: str, score: Score, provenance: Mapping[str, Any]) -> list[str]:
    """What is measured where `text`, of `corpus`, is out of the domain that a run was trained on, else nothing.

    `provenance` is the run's own: a text of the corpus that it was trained on is in domain whatever it needs.
    """
    if (provenance.get("sha256") or {}).get("train") == corpus.sha256["train"]:
        return []
    text, found = text[:LARGEST], []
    unknown, words = text_model.tokenizer.unknown_words(text)
    if words and len(unknown) / words >= MOST_UNKNOWN:
        found.append(f"{len(unknown) / words:.0%} of the words of this text are not in its vocabulary")
    bits, of_letters = score.bits_per_character, character_entropy(text)
    # A model without context (uniform, unigram) may need more bits than that on its own test text, too.
    if text_model.model.reach != 0 and MARGIN * of_letters < bits < np.inf:
        found.append(
            f"{bits:.2f} bits per character are more than the {of_letters:.2f} of the frequencies of its characters"
        )
    domain = provenance.get("corpus") or "another text"
    return [f"out of domain: {', and '.join(found)}; it was trained on {domain}"] if found else []


def character_entropy(text: str) -> float:
    """The entropy of the frequencies of single characters, in bits: 0 of an empty text."""
    shares = np.array(list(Counter(text).values())) / max(len(text), 1)
    return -float((shares * np.log2(shares)).sum())
