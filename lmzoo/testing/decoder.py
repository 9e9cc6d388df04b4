"""Checks of a Decoder: one distribution after each state, and states that are values.

A LanguageModel is tried from `start()`, a TextToText from `start_after` several sources.
"""

from typing import Any

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.interface import Decoder, Ids, LanguageModel, State, TextToText
from lmzoo.testing.practice import (
    UNSEEN,
    Property,
    batches,
    close,
    differing,
    in_vocabulary,
    texts_of_many_lengths,
    usual_text,
    wrong_distributions,
)

DRAWS = 400  # from each state


def starts(model: Decoder) -> list[State]:
    """The states to try a decoder from. Raises UsageError for one that offers none."""
    if isinstance(model, LanguageModel):
        return [model.start()]
    if isinstance(model, TextToText):
        return [model.start_after(source) for source in texts_of_many_lengths(model)]
    raise UsageError(f"{type(model).__name__} has no state to begin from: derive it from LanguageModel or TextToText")


def sums_to_one(model: Decoder, text: Ids | None = None) -> str:
    """`next_log_probs` is (V,), finite, and sums to one: after nothing, one token, many, and unseen ones."""
    texts = [UNSEEN[:0], usual_text(model), in_vocabulary(UNSEEN, model)] if text is None else [text]
    for start in starts(model):
        for tokens in texts:
            state = start
            for t in range(len(tokens) + 1):
                last = f" (the last: {tokens[max(0, t - 5) : t].tolist()})"
                where = f"next_log_probs after {t} tokens{last}" if t else "next_log_probs at the start"
                if message := wrong_distributions(model.next_log_probs(state), (model.vocab_size_,), where):
                    return message
                if t < len(tokens):
                    state = model.advance(state, tokens[t : t + 1])
    return ""


def cut_anywhere(model: Decoder, text: Ids | None = None, cut: int | None = None) -> str:
    """Reading a text in two pieces, either of which may be empty, is reading it whole."""
    tokens = usual_text(model) if text is None else text
    for start in starts(model):
        whole = model.advance(start, tokens)
        for at in (0, 1, len(tokens) // 2, len(tokens)) if cut is None else (cut,):
            pieces = model.advance(model.advance(start, tokens[:at]), tokens[at:])
            if message := different_states(model, pieces, whole):
                return f"advance over two pieces, cut after {at} tokens, is not advance over the whole: {message}"
    return ""


def states_are_values(model: Decoder, text: Ids | None = None) -> str:
    """No method changes a state it is given: one prefix can be continued many ways."""
    tokens = usual_text(model) if text is None else text
    prefix, rest = tokens[: len(tokens) // 2], tokens[len(tokens) // 2 :]
    for start in starts(model):
        state = model.advance(start, prefix)
        before = np.array(model.next_log_probs(state))
        for token in range(min(model.vocab_size_, 4)):
            single = np.array([token], dtype=np.int32)
            model.advance(state, single)
            model.advance_many([state, state], [single, rest])
            if isinstance(model, LanguageModel):
                model.log_probs(rest, state)
        if not close(before, model.next_log_probs(state)):
            return (
                "the prediction after a prefix changed when the prefix was continued: advance must return a new "
                "state and leave the old one as it was (is a list or cache changed in place?)"
            )
    if isinstance(model, LanguageModel) and not close(model.log_probs(tokens)[0], model.log_probs(tokens)[0]):
        return "scoring the same text twice gave two answers: the model keeps something outside its state"
    return ""


def advance_many_equals_the_loop(model: Decoder, texts: list[Ids] | None = None) -> str:
    """`advance_many` reads texts of different lengths, also empty ones, each from its own state, as `advance` does."""
    for what, batch in batches(model).items() if texts is None else [("of texts", texts)]:
        for start in starts(model):
            # Each text has a state of its own, none of them the last one's, so that mixing them up shows.
            states = [model.advance(start, usual_text(model)[: n % 3]) for n, _ in enumerate(batch)]
            together = list(model.advance_many(states, batch))
            if len(together) != len(states):
                return f"advance_many gave {len(together)} states for {len(states)} texts"
            for state, text, ours in zip(states, batch, together, strict=True):
                if message := different_states(model, ours, model.advance(state, text)):
                    return (
                        f"in a batch {what} advance_many and advance end in different states after a text of "
                        f"{len(text)} tokens (does padding leak, or the order of the texts?): {message}"
                    )
    return ""


def next_log_probs_many_equals_the_loop(model: Decoder) -> str:
    """`next_log_probs_many` gives one row of `next_log_probs` for each state, (B, V)."""
    for what, batch in batches(model).items():
        states = [model.advance(start, text) for start in starts(model) for text in batch]
        together = np.asarray(model.next_log_probs_many(states))
        alone = np.stack(
            [np.array(model.next_log_probs(state)) for state in states]
        )  # copies, of what may be one buffer
        if together.shape != alone.shape:
            return f"next_log_probs_many of {len(states)} states has shape {together.shape}, not {alone.shape}"
        wrong = differing(together, alone) // model.vocab_size_
        if len(wrong):
            return (
                f"next_log_probs_many gives state {wrong[0]} of {len(states)} another prediction than next_log_probs "
                f"(after texts {what})"
            )
    return ""


def draws_what_it_predicts(model: Decoder) -> str:
    """`draw` gives each token as often as `next_log_probs` says, and the same token for the same number."""
    if type(model).draw is Decoder.draw:
        return ""
    numbers = np.random.default_rng(0).random(DRAWS).tolist()
    for start in starts(model):
        for text in (UNSEEN[:0], usual_text(model)):
            state = model.advance(start, text)
            probs = np.exp(np.asarray(model.next_log_probs(state), np.float64))
            expected = DRAWS * probs / probs.sum()
            first, again = ([model.draw(state, u) for u in numbers] for _ in range(2))
            if first != again:
                return "draw gave two tokens for one state and number: chance may come from the number `u` only"
            counts = np.bincount(first, minlength=len(probs))
            wrong = np.abs(counts - expected) > np.where(expected > 0, 5 * np.sqrt(expected) + 2, 0)
            if wrong.any():
                token = int(np.argmax(wrong))
                return (
                    f"after {len(text)} tokens draw gave token {token} {counts[token]} times in {DRAWS}, and "
                    f"next_log_probs says {expected[token]:.0f}: what is sampled must be what is scored"
                )
    return ""


def different_states(model: Decoder, ours: State, theirs: State) -> str:
    """Says how the predictions after two states differ; "" if they do not."""
    x, y = (
        np.array(model.next_log_probs(ours)),
        np.array(model.next_log_probs(theirs)),
    )  # copies: see `predictions_share_no_buffer`
    if close(x, y):
        return ""
    token = int(np.argmax(np.abs(x - y)))
    return f"log P of token {token} is {x[token]:.5f} instead of {y[token]:.5f}"


def predictions_share_no_buffer(model: Decoder) -> str:
    """Each prediction is an array of its own, which the next prediction does not overwrite."""
    for start in starts(model):
        first = np.asarray(model.next_log_probs(start))
        before = first.copy()
        for token in range(min(model.vocab_size_, 5)):
            model.next_log_probs(model.advance(start, np.array([token], dtype=np.int32)))
        if not np.array_equal(first, before, equal_nan=True):
            return (
                "a prediction changed when another one was asked for: next_log_probs must return a new array each "
                "time, not one buffer for all"
            )
    return ""


def first_use(model: Decoder) -> Any:
    """The first prediction, which only a fitted model can give."""
    start = model.start() if isinstance(model, LanguageModel) else model.start_after(UNSEEN)
    return model.next_log_probs(start)


def answers(model: Decoder) -> list[Any]:
    """What a decoder predicts, for comparing it with a copy."""
    return [model.next_log_probs(model.advance(start, usual_text(model))) for start in starts(model)]


CHECKS: tuple[Property, ...] = (
    sums_to_one,
    predictions_share_no_buffer,
    cut_anywhere,
    states_are_values,
    advance_many_equals_the_loop,
    next_log_probs_many_equals_the_loop,
    draws_what_it_predicts,
)
