"""Checks of a MaskedModel: distributions at the blanks, and nothing of what the blanks hide."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.interface import Ids, MaskedModel
from lmzoo.testing.ids import bad_ids_are_named
from lmzoo.testing.practice import (
    VOCAB_SIZE,
    Property,
    close,
    long_text,
    practice_text,
    texts_of_many_lengths,
    usual_text,
    wrong_distributions,
)

Blanks = NDArray[np.bool_]


def at(length: int, *places: int) -> Blanks:
    """(length,) bool, True at `places`."""
    blanks = np.zeros(length, dtype=bool)
    blanks[list(places)] = True
    return blanks


def masked_texts(model: MaskedModel) -> Iterator[tuple[Ids, Blanks]]:
    """Texts of many lengths: no blank, the first, the last, every third, all of their tokens blank, and long ones."""
    for tokens in texts_of_many_lengths(model):
        length = len(tokens)
        yield tokens, np.zeros(length, dtype=bool)
        if length:
            yield tokens, at(length, 0)
            yield tokens, at(length, length - 1)
            yield tokens, np.arange(length) % 3 == 0
            yield tokens, np.ones(length, dtype=bool)
    tokens = long_text(model)
    cuts = [place for place in (64, 128, 256, 512, 1024) if place + 2 <= len(tokens)]
    for place in cuts:  # where networks cut a text
        yield tokens[: place + 2], at(place + 2, place - 1, place, place + 1)


def blanks_sum_to_one(model: MaskedModel, text: Ids | None = None, blanks: Blanks | None = None) -> str:
    """`fill_log_probs` is (H, V), one row for each blank, finite, and each row sums to one."""
    cases = masked_texts(model) if text is None or blanks is None else [(text, blanks)]
    for tokens, hidden in cases:
        what = f"fill_log_probs with {hidden.sum()} of {len(tokens)} tokens blank"
        rows = model.fill_log_probs(tokens, hidden)
        if message := wrong_distributions(rows, (int(hidden.sum()), model.vocab_size_), what):
            return message
    return ""


def blanks_hide_their_tokens(model: MaskedModel, text: Ids | None = None, blanks: Blanks | None = None) -> str:
    """The token under a blank does not matter, neither to its own row nor to another blank's."""
    cases = masked_texts(model) if text is None or blanks is None else [(text, blanks)]
    for tokens, hidden in cases:
        rows = model.fill_log_probs(tokens, hidden)
        for shift in (1, model.vocab_size_ // 2):  # to another token, and to another one again
            other = np.where(hidden, (tokens + shift) % model.vocab_size_, tokens).astype(tokens.dtype)
            if not close(rows, model.fill_log_probs(other, hidden)):
                return (
                    f"with {hidden.sum()} of {len(tokens)} tokens blank, changing the tokens under the blanks changed "
                    "the predictions: the model sees what it is asked for (replace every blank before encoding)"
                )
    return ""


def rows_follow_the_blanks(model: MaskedModel) -> str:
    """Rows come in the order of the blanks in the text: each resembles that of its own blank alone."""
    tokens = usual_text(model)
    straight = swapped = 0.0
    for first in range(20):
        i, j = first, first + 25  # far apart, so that hiding one changes little for the other
        both = model.fill_log_probs(tokens, at(len(tokens), i, j))
        alone = np.concatenate([model.fill_log_probs(tokens, at(len(tokens), place)) for place in (i, j)])
        straight += float(np.abs(both - alone).mean())
        swapped += float(np.abs(both[::-1] - alone).mean())
    if straight > 2 * swapped + 1e-3:
        return "with two blanks the first row fits the second blank: rows must come in the order of the text"
    return ""


def filling_repeats(model: MaskedModel) -> str:
    """The same question has the same answer, and neither tokens nor blanks are changed by asking."""
    for tokens, blanks in masked_texts(model):
        text, hidden = tokens.copy(), blanks.copy()
        rows = np.array(model.fill_log_probs(text, hidden))
        if not (np.array_equal(text, tokens) and np.array_equal(hidden, blanks)):
            return "fill_log_probs changed the tokens or blanks that it was given: work on a copy"
        if not close(rows, model.fill_log_probs(text, hidden)):
            return "filling the same blanks twice gave two answers (is dropout still on?)"
    return ""


def pseudo_log_probs_equal_the_definition(model: MaskedModel, text: Ids | None = None) -> str:
    """`pseudo_log_probs` hides one token at a time (Salazar et al. 2020, equation 2), (T,); also of no tokens."""
    for tokens in [*texts_of_many_lengths(model), long_text(model)[400:550]] if text is None else [text]:
        fast = np.asarray(model.pseudo_log_probs(tokens))
        slow = MaskedModel.pseudo_log_probs(model, tokens)
        if fast.shape != (len(tokens),):
            return f"pseudo_log_probs of {len(tokens)} tokens has shape {fast.shape}"
        if not close(fast, slow):
            t = int(np.argmax(np.abs(fast - slow)))
            return (
                f"pseudo_log_probs says {fast[t]:.5f} nats for token {t}; with that token alone blank, "
                f"fill_log_probs says {slow[t]:.5f} (hide one token a pass, and that one always)"
            )
        first = max(0, len(tokens) - 3)
        if not close(np.asarray(model.pseudo_log_probs(tokens, None, first)), slow[first:]):
            return (
                f"pseudo_log_probs from the token first={first} on is not what it says of those tokens among all: "
                "`first` leaves out the tokens before it, and changes nothing that is read"
            )
    return ""


def bad_masked_id_is_named(model: MaskedModel) -> str:
    """An id outside the vocabulary is an error that names the id and the vocabulary's size."""
    return bad_ids_are_named(model.vocab_size_, lambda tokens: model.fill_log_probs(tokens, at(len(tokens), 0)))


def fills_better_than_uniform(model: MaskedModel) -> str:
    """On its own training text the tokens under blanks are likelier on average than 1/V."""
    mean = float(np.mean(model.pseudo_log_probs(practice_text(200))))
    if not mean >= -np.log(VOCAB_SIZE) - 1e-9:
        return (
            f"on its own training text it gives a hidden token {mean:.3f} nats on average; the uniform distribution, "
            f"which knows nothing, gives {-np.log(VOCAB_SIZE):.3f}"
        )
    return ""


def answers(model: MaskedModel) -> list[Any]:
    """What fills every third token, for comparing a model with its copy."""
    tokens = usual_text(model)
    return [model.fill_log_probs(tokens, np.arange(len(tokens)) % 3 == 0)]


CHECKS: tuple[Property, ...] = (
    blanks_sum_to_one,
    blanks_hide_their_tokens,
    rows_follow_the_blanks,
    filling_repeats,
    pseudo_log_probs_equal_the_definition,
    bad_masked_id_is_named,
)
