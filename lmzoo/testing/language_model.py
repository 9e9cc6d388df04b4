"""Checks of a LanguageModel: what scores a text gives what stepping through it gives, and the future is unknown."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lmzoo.interface import Ids, LanguageModel
from lmzoo.testing.decoder import different_states
from lmzoo.testing.ids import bad_ids_are_named
from lmzoo.testing.practice import (
    TOLERANCE,
    UNSEEN,
    VOCAB_SIZE,
    close,
    in_vocabulary,
    practice_text,
    replace_from,
    texts_of_many_lengths,
    usual_text,
    wrong_distributions,
)


def scoring_equals_stepping(model: LanguageModel, text: Ids | None = None) -> str:
    """`log_probs` gives what the loop over `next_log_probs` and `advance` gives."""
    tokens = usual_text(model) if text is None else text
    fast, state = model.log_probs(tokens)
    slow, _ = LanguageModel.log_probs(model, tokens)
    if np.shape(fast) != (len(tokens),):
        return f"log_probs of {len(tokens)} tokens has shape {np.shape(fast)}"
    wrong = np.flatnonzero(~np.isclose(fast, slow, atol=TOLERANCE, rtol=0))
    if len(wrong):
        t = int(wrong[0])
        return (
            f"log_probs says {fast[t]:.5f} nats for token {t}, stepping says {slow[t]:.5f}: scoring and "
            "sampling would use different models (an off-by-one, a missing mask or a dropped state)"
        )
    message = different_states(model, state, model.advance(model.start(), tokens))
    return f"log_probs and advance end in different states: {message}" if message else ""


def scoring_cut_anywhere(model: LanguageModel, text: Ids | None = None, cut: int | None = None) -> str:
    """Scoring a text in two pieces, the second from the state after the first, is scoring it whole."""
    tokens = usual_text(model) if text is None else text
    whole, end = model.log_probs(tokens)
    for at in (0, 1, len(tokens) // 2, len(tokens)) if cut is None else (cut,):
        first, state = model.log_probs(tokens[:at])
        second, last = model.log_probs(tokens[at:], state)
        pieces = np.concatenate([first, second])
        if not close(pieces, whole):
            t = int(np.argmax(np.abs(pieces - whole)))
            return f"cut after {at} tokens, token {t} scores {pieces[t]:.5f} instead of {whole[t]:.5f} nats"
        if message := different_states(model, last, end):
            return f"cut after {at} tokens, log_probs ends in another state: {message}"
    return ""


def future_never_matters(model: LanguageModel, text: Ids | None = None, cut: int | None = None) -> str:
    """The score of a token does not depend on the tokens after it."""
    tokens = usual_text(model) if text is None else text
    at = len(tokens) // 2 if cut is None else cut
    other = replace_from(tokens, at, model.vocab_size_)
    a, b = model.log_probs(tokens)[0][:at], model.log_probs(other)[0][:at]
    if close(a, b):
        return ""
    t = int(np.argmax(np.abs(a - b)))
    return (
        f"changing token {at} and later changed the score of token {t}: the model peeks at the future "
        "(is the causal mask missing?)"
    )


def distributions_equal_the_loop(model: LanguageModel, text: Ids | None = None) -> str:
    """`distributions` has, for each token, the row of `next_log_probs` before it: (T, V), from any state."""
    tokens = usual_text(model) if text is None else text
    after = model.advance(model.start(), in_vocabulary(UNSEEN, model))
    for state, where in ((None, "the start"), (after, "a state")):
        rows = np.asarray(model.distributions(tokens, state))
        if rows.shape != (len(tokens), model.vocab_size_):
            return f"distributions of {len(tokens)} tokens has shape {rows.shape}, not (T, V)"
        wrong = np.flatnonzero(
            ~np.isclose(rows, LanguageModel.distributions(model, tokens, state), atol=TOLERANCE, rtol=0)
        )
        if len(wrong):
            return (
                f"distributions from {where} on: row {wrong[0] // model.vocab_size_} is not next_log_probs before that "
                "token (an off-by-one, or a state that was not used?)"
            )
    return ""


def reach_is_true(model: LanguageModel, text: Ids | None = None) -> str:
    """No token further back than `reach` matters, except for how many there were."""
    if model.reach is None:
        return ""
    if text is None:
        text = usual_text(model)
        text = np.tile(text, 1 + model.reach // len(text))  # longer than what it reaches
    out_of_reach = max(len(text) - model.reach, 0)
    other = np.concatenate([replace_from(text[:out_of_reach], 0, model.vocab_size_), text[out_of_reach:]])
    message = different_states(model, model.advance(model.start(), text), model.advance(model.start(), other))
    return f"reach says {model.reach} tokens back, but an older token matters: {message}" if message else ""


def empty_text(model: LanguageModel) -> str:
    """No tokens: no scores, shape (0,), and the state stays."""
    scores, state = model.log_probs(np.array([], dtype=np.int32))
    if np.shape(scores) != (0,):
        return f"log_probs of no tokens has shape {np.shape(scores)}, not (0,)"
    message = different_states(model, state, model.start())
    return f"reading nothing changed the state: {message}" if message else ""


def long_text(model: LanguageModel) -> str:
    """In a text of 1,000 tokens too, a score is that of stepping, and the probabilities sum to one."""
    tokens = in_vocabulary(practice_text(1000, seed=3), model)
    scores, _ = model.log_probs(tokens)
    for t in (499, 999):  # two places only: a step from the start for each token would take too long
        row = np.asarray(model.next_log_probs(model.advance(model.start(), tokens[:t])))
        if message := wrong_distributions(row, (model.vocab_size_,), f"next_log_probs after {t} tokens"):
            return message
        if not close(scores[t], row[tokens[t]]):
            return f"in a long text log_probs says {scores[t]:.5f} nats for token {t}, stepping {row[tokens[t]]:.5f}"
    return ""


def bad_id_is_named(model: LanguageModel) -> str:
    """An id outside the vocabulary is an error that names the id and the vocabulary's size."""
    return bad_ids_are_named(model.vocab_size_, model.log_probs)


def many_texts(model: LanguageModel) -> str:
    """Texts scored together score as they do alone, from any of their tokens on."""
    texts = texts_of_many_lengths(model)
    together = model.log_probs_many(texts)
    alone = [model.log_probs(text)[0] for text in texts]
    if [len(t) for t in together] != [len(a) for a in alone]:
        return "log_probs_many gave arrays of other lengths than the texts"
    if not all(close(t, a) for t, a in zip(together, alone, strict=True)):
        return "texts scored together score differently than alone (does padding leak, or state?)"
    first = [n % (len(text) + 1) for n, text in enumerate(alone)]
    suffixes = model.log_probs_many(texts, first)
    expected = [scores[start:] for scores, start in zip(alone, first, strict=True)]
    if [len(s) for s in suffixes] != [len(e) for e in expected]:
        return "log_probs_many with `first` gave arrays of other lengths than the rest of each text"
    same = all(close(s, e) for s, e in zip(suffixes, expected, strict=True))
    return "" if same else "log_probs_many gives the same tokens other scores when `first` is set"


def beats_uniform(model: LanguageModel) -> str:
    """On its own training text the model needs no more bits than 1/V for every token."""
    mean = float(model.log_probs(practice_text(3000))[0].mean())
    if mean < -np.log(VOCAB_SIZE) - 1e-9:
        return (
            f"on its own training text it needs {-mean / np.log(2):.3f} bits a token; the uniform distribution, which "
            f"knows nothing, needs {np.log2(VOCAB_SIZE):.3f}"
        )
    return ""


def answers(model: LanguageModel) -> list[Any]:
    """The scores of a text, for comparing a model with its copy."""
    return [model.log_probs(usual_text(model))[0]]


CHECKS: dict[str, Callable[[Any], str]] = {
    "scoring_equals_stepping": scoring_equals_stepping,
    "scoring_cut_anywhere": scoring_cut_anywhere,
    "future_never_matters": future_never_matters,
    "distributions_equal_the_loop": distributions_equal_the_loop,
    "reach_is_true": reach_is_true,
    "empty_text": empty_text,
    "long_text": long_text,
    "bad_id_is_named": bad_id_is_named,
    "many_texts": many_texts,
}
