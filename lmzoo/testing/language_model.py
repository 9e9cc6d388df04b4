"""Checks of a LanguageModel: what scores a text gives what stepping through it gives, and the future is unknown."""

from typing import Any

import numpy as np

from lmzoo.interface import Ids, LanguageModel
from lmzoo.testing.decoder import different_states
from lmzoo.testing.ids import bad_ids_are_named
from lmzoo.testing.practice import (
    UNSEEN,
    VOCAB_SIZE,
    Property,
    batches,
    close,
    differing,
    in_vocabulary,
    practice_text,
    replace_from,
    usual_text,
)


def scoring_equals_stepping(model: LanguageModel, text: Ids | None = None) -> str:
    """`log_probs` gives what the loop over `next_log_probs` and `advance` gives."""
    tokens = usual_text(model) if text is None else text
    fast, state = model.log_probs(tokens)
    slow, _ = LanguageModel.log_probs(model, tokens)
    if np.shape(fast) != (len(tokens),):
        return f"log_probs of {len(tokens)} tokens has shape {np.shape(fast)}"
    wrong = differing(fast, slow)
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
    """`distributions` has the row of `next_log_probs` before each token, from any state, and `advance`'s state."""
    unseen = in_vocabulary(UNSEEN, model)
    # Its last two tokens differ: a state that stops before the last shows.
    tokens = np.append(usual_text(model), unseen[1]) if text is None else text
    after = model.advance(model.start(), unseen)
    for state, where in ((None, "the start"), (after, "a state")):
        expected = LanguageModel.distributions(model, tokens, state)
        both, end = model.distributions_and_state(tokens, state)
        for what, found in (("distributions", model.distributions(tokens, state)), ("distributions_and_state", both)):
            rows = np.asarray(found)
            if rows.shape != expected.shape:
                return f"{what} of {len(tokens)} tokens has rows of shape {rows.shape}, not (T, V)"
            if len(wrong := differing(rows, expected)):
                return (
                    f"{what} from {where} on: row {wrong[0] // model.vocab_size_} is not next_log_probs before that "
                    "token (an off-by-one, or a state that was not used?)"
                )
        if message := different_states(model, end, model.advance(model.start() if state is None else state, tokens)):
            return f"distributions_and_state from {where} on ends in another state than advance: {message}"
    return ""


def reach_is_true(model: LanguageModel, text: Ids | None = None) -> str:
    """Tokens further back than `reach` do not matter, except for their number."""
    if model.reach is None:
        return ""
    if text is None:
        text = usual_text(model)
        text = np.tile(text, 1 + model.reach // len(text))  # longer than what it reaches
    out_of_reach = max(len(text) - model.reach, 0)
    other = np.concatenate([replace_from(text[:out_of_reach], 0, model.vocab_size_), text[out_of_reach:]])
    message = different_states(model, model.advance(model.start(), text), model.advance(model.start(), other))
    return f"reach is {model.reach}, but a token further back matters: {message}" if message else ""


def empty_text(model: LanguageModel) -> str:
    """A text of no tokens has no scores, shape (0,), and leaves the state as it was."""
    scores, state = model.log_probs(np.array([], dtype=np.int32))
    if np.shape(scores) != (0,):
        return f"log_probs of no tokens has shape {np.shape(scores)}, not (0,)"
    message = different_states(model, state, model.start())
    return f"reading nothing changed the state: {message}" if message else ""


def empty_batch(model: LanguageModel) -> str:
    """A batch of no texts gives an empty list, and `distributions` of no tokens has shape (0, V)."""
    nothing = np.array([], dtype=np.int32)
    if len(model.log_probs_many([])) or len(model.advance_many([], [])):
        return "log_probs_many and advance_many of no texts must give an empty list"
    if np.shape(model.distributions(nothing)) != (0, model.vocab_size_):
        return f"distributions of no tokens has shape {np.shape(model.distributions(nothing))}, not (0, V)"
    return ""


def ids_of_any_kind(model: LanguageModel) -> str:
    """Ids are integers of any width, in arrays that may be views, or in a list: the same ids have the same scores."""
    tokens = usual_text(model).astype(np.int32)
    expected = np.array(model.log_probs(tokens)[0])
    model.advance(model.start(), tokens)
    if not np.array_equal(tokens, usual_text(model)):
        return "reading changed the ids that were given: work on a copy"
    spread = np.zeros(2 * len(tokens), dtype=np.int32)
    spread[::2] = tokens
    for what, ids in (
        ("of 64 bits", tokens.astype(np.int64)),
        ("of 16 bits without a sign", tokens.astype(np.uint16)),
        ("in a view of every second place of an array", spread[::2]),
        ("in an array read backwards", tokens[::-1].copy()[::-1]),
        ("in a list", tokens.tolist()),
    ):
        if not close(model.log_probs(ids)[0], expected) or not close(model.log_probs_many([ids])[0], expected):
            return f"ids {what} score differently than the same ids of 32 bits: convert them by check_ids or np.asarray"
    return ""


def bad_id_is_named(model: LanguageModel) -> str:
    """An id outside the vocabulary is an error that names the id and the vocabulary's size."""
    ways = (model.log_probs, lambda tokens: model.log_probs_many([tokens]), model.distributions)
    return next(filter(None, (bad_ids_are_named(model.vocab_size_, read) for read in ways)), "")


def many_texts(model: LanguageModel) -> str:
    """Texts scored together score as they do alone."""
    return _scored_together(model, ["of many lengths", "alone", "growing one by one"])


def texts_of_equal_length(model: LanguageModel) -> str:
    """Texts of equal length, which need no padding, score together as they do alone."""
    return _scored_together(model, ["of equal length", "of one token"])


def _scored_together(model: LanguageModel, kinds: list[str]) -> str:
    for kind in kinds:
        texts = batches(model)[kind]
        together = model.log_probs_many(texts)
        alone = [model.log_probs(text)[0] for text in texts]
        if [len(t) for t in together] != [len(a) for a in alone]:
            return f"log_probs_many gave arrays of other lengths than the texts, in a batch {kind}"
        for text, ours, theirs in zip(texts, together, alone, strict=True):
            if not close(ours, theirs):
                return (
                    f"a text of {len(text)} tokens scores differently in a batch {kind} than by itself (does padding "
                    "leak, or state, or the order of the texts?)"
                )
    return ""


def first_anywhere(model: LanguageModel) -> str:
    """`first` does not change the scores, wherever in a text it is: at the start, near the end, after the end."""
    for kind in ("of many lengths", "of equal length"):
        texts = batches(model)[kind]
        alone = [model.log_probs(text)[0] for text in texts]
        lengths = [len(text) for text in texts]
        for places in (
            [n % (length + 1) for n, length in enumerate(lengths)],
            *([min(n, length) for length in lengths] for n in (1, 2)),
            *([max(0, length - n) for length in lengths] for n in (5, 3, 2, 1, 0)),
        ):
            suffixes = model.log_probs_many(texts, places)
            expected = [scores[start:] for scores, start in zip(alone, places, strict=True)]
            if [len(s) for s in suffixes] != [len(e) for e in expected]:
                return "log_probs_many with `first` gave arrays of other lengths than the rest of each text"
            for start, length, ours, theirs in zip(places, lengths, suffixes, expected, strict=True):
                if not close(ours, theirs):
                    return f"log_probs_many gives the same tokens other scores with `first` {start} of {length} tokens"
    return ""


def beats_uniform(model: LanguageModel) -> str:
    """On its own training text the model needs no more bits than 1/V for every token."""
    mean = float(model.log_probs(practice_text(3000))[0].mean())
    if not mean >= -np.log(VOCAB_SIZE) - 1e-9:
        return (
            f"on its own training text it needs {-mean / np.log(2):.3f} bits a token; the uniform distribution, which "
            f"knows nothing, needs {np.log2(VOCAB_SIZE):.3f}"
        )
    return ""


def answers(model: LanguageModel) -> list[Any]:
    """The scores of a text, for comparing a model with its copy."""
    return [model.log_probs(usual_text(model))[0]]


CHECKS: tuple[Property, ...] = (
    scoring_equals_stepping,
    scoring_cut_anywhere,
    future_never_matters,
    distributions_equal_the_loop,
    reach_is_true,
    empty_text,
    empty_batch,
    ids_of_any_kind,
    bad_id_is_named,
    many_texts,
    texts_of_equal_length,
    first_anywhere,
)
