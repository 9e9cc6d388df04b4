"""The contract of a language model, as named checks that anyone may run.

`check_model` is what the test-suite runs over every model in the zoo and what `lmzoo check FILE.py` grades
homework with. The loop of `interface.LanguageModel.log_probs` is the definition of a score; everything faster is
compared with it. That one comparison finds a missing causal mask, an off-by-one and a dropped state.
"""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.errors import LmzooError, NotFittedError, UsageError
from lmzoo.interface import Data, Encoder, Ids, LanguageModel, Run

TOLERANCE = 1e-4  # nats: what float32 arithmetic in another order may cost
VOCAB_SIZE = 12  # of the practice text; 9 and 10 never occur in it, 11 is `end`


@dataclass(frozen=True)
class Check:
    """The outcome of one check: `message` is empty where it passed, else says what is wrong and why it matters."""

    name: str
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether the model keeps this part of the contract."""
        return not self.message


def practice_text(length: int, seed: int = 0) -> Ids:
    """Ids (length,) with something to learn: token 3t+1 (mod 9) follows t four times in five; some `end`s."""
    rng = np.random.default_rng(seed)
    tokens = np.empty(length, dtype=np.int32)
    token = 0
    for t in range(length):
        token = (3 * token + 1) % 9 if rng.random() < 0.8 else int(rng.integers(9))
        tokens[t] = token
    tokens[40::41] = VOCAB_SIZE - 1
    return tokens


def check_model(make: Callable[..., Any], steps: int = 50, **settings: Any) -> list[Check]:
    """Run the whole contract over `make(**settings)`: one `Check` for each part of it, in order.

    `steps` is the budget given to each of the two fits of a model that trains by steps.
    """
    results = list(_before_fitting(make, settings))
    train, valid = practice_text(3000), practice_text(500, seed=1)
    original = train.copy()
    model = None

    def fit() -> str:
        nonlocal model
        made = make(**settings)
        fitted = made.fit(Data.of(train, valid, VOCAB_SIZE), Run(steps=steps, seconds=60))
        model = made
        if fitted is not made:
            return "fit must return self, so that `Model().fit(…)` is a model"
        return "" if np.array_equal(train, original) else "fit changed the training ids it was given"

    results.append(_run("fit", fit))
    if model is None:
        return results
    results += [_run(name, partial(check, model)) for name, check in PROPERTIES.items()]
    results.append(_run("beats_uniform", lambda: _beats_uniform(model, train)))
    results.append(_run("saves_and_loads", lambda: _saves_and_loads(model, lambda: make(**settings))))

    def same_seed() -> str:
        again = make(**settings).fit(Data.of(train, valid, VOCAB_SIZE), Run(steps=steps, seconds=60))
        return _same(model, again, "two fits with the same seed and as many steps gave different models")

    results.append(_run("same_seed", same_seed))
    return results


def _run(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, check())
    except LmzooError as error:
        return Check(name, f"it raised {type(error).__name__}: {error}")
    except Exception as error:  # a student's model may raise anything: that is a finding, not a crash
        return Check(name, f"it raised {type(error).__name__}: {error}")


def _before_fitting(make: Callable[..., Any], settings: dict[str, Any]) -> Iterator[Check]:
    def constructor() -> str:
        began = time.perf_counter()
        model = make(**settings)
        extra = set(vars(model)) - {field.name for field in fields(model)}
        if extra:
            return f"the constructor set {', '.join(sorted(extra))}: it must only store its settings; learn in fit"
        slow = time.perf_counter() - began > 1
        return "the constructor took over a second: it must only store its settings" if slow else ""

    def config() -> str:
        model = make(**settings)
        copy = type(model).from_config(json.loads(json.dumps(model.config())))
        same = copy.config() == model.config()
        return "" if same else "a model made from its own config, through JSON, is not the same model"

    def unfitted() -> str:
        try:
            make(**settings).next_log_probs(make(**settings).start())
        except NotFittedError:
            return ""
        return "used before fit it must raise NotFittedError: keep what is learned in attributes ending in '_'"

    yield _run("constructor_only_stores", constructor)
    yield _run("config_round_trips", config)
    yield _run("unfitted_says_so", unfitted)


# The properties of a fitted model. Each takes ids to try it on, so that Hypothesis can choose them too.

UNSEEN = np.array([3, 9, 1, 10, 4, 11, 11, 0, 9], dtype=np.int32)


def _texts(model: LanguageModel) -> list[Ids]:
    v = model.vocab_size_
    return [practice_text(50, seed=2)] if v >= VOCAB_SIZE else [np.arange(50, dtype=np.int32) % v]


def sums_to_one(model: LanguageModel, text: Ids | None = None) -> str:
    """`next_log_probs` is (V,), finite, and sums to one: after nothing, one token, many, and unseen ones."""
    v = model.vocab_size_
    texts = [text] if text is not None else [UNSEEN[:0], *_texts(model), UNSEEN]
    for tokens in texts:
        state = model.start()
        for t in range(len(tokens) + 1):
            log_probs = model.next_log_probs(state)
            where = f"after {t} tokens ({tokens[max(0, t - 5) : t].tolist()} last)"
            if np.shape(log_probs) != (v,):
                return f"next_log_probs has shape {np.shape(log_probs)} {where}; it must be ({v},), one a token"
            if not np.isfinite(log_probs).all():
                token = int(np.flatnonzero(~np.isfinite(log_probs))[0])
                return (
                    f"log P of token {token} is {log_probs[token]} {where}: a probability of zero (or NaN) makes a "
                    "text impossible, so no bits can be given; smooth towards a shorter context"
                )
            total = float(np.exp(np.asarray(log_probs, dtype=np.float64)).sum())
            if abs(total - 1) > TOLERANCE:
                return (
                    f"the probabilities sum to {total:.6f} {where}, not 1: what is taken from seen words must be "
                    "exactly what is given to the others (check the back-off weight or the softmax)"
                )
            if t < len(tokens):
                state = model.advance(state, tokens[t : t + 1])
    return ""


def scoring_equals_stepping(model: LanguageModel, text: Ids | None = None) -> str:
    """`log_probs` gives what the loop over `next_log_probs` and `advance` gives."""
    for tokens in [text] if text is not None else _texts(model):
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
        after = model.advance(model.start(), tokens)
        message = _same_state(model, state, after, "log_probs and advance end in different states")
        if message:
            return message
    return ""


def cut_anywhere(model: LanguageModel, text: Ids | None = None, cut: int | None = None) -> str:
    """Reading a text in pieces is reading it whole."""
    for tokens in [text] if text is not None else _texts(model):
        whole, end = model.log_probs(tokens)
        for at in [cut] if cut is not None else (0, 1, len(tokens) // 2, len(tokens)):
            first, state = model.log_probs(tokens[:at])
            second, last = model.log_probs(tokens[at:], state)
            parts = np.concatenate([first, second])
            if not np.allclose(parts, whole, atol=TOLERANCE, rtol=0):
                t = int(np.argmax(np.abs(parts - whole)))
                return f"cut after {at} tokens, token {t} scores {parts[t]:.5f} instead of {whole[t]:.5f} nats"
            message = _same_state(model, last, end, f"cut after {at} tokens, the last state differs")
            message = message or _same_state(
                model,
                model.advance(model.advance(model.start(), tokens[:at]), tokens[at:]),
                end,
                f"advance in two pieces, cut after {at} tokens, is not advance in one",
            )
            if message:
                return message
    return ""


def states_are_values(model: LanguageModel, text: Ids | None = None) -> str:
    """Nothing changes a state it was given: one prefix can be continued many ways."""
    for tokens in [text] if text is not None else _texts(model):
        state = model.advance(model.start(), tokens[: len(tokens) // 2])
        before = np.array(model.next_log_probs(state))
        for token in range(min(model.vocab_size_, 4)):
            model.advance(state, np.array([token], dtype=np.int32))
            model.log_probs(tokens[len(tokens) // 2 :], state)
        if not np.allclose(before, model.next_log_probs(state), atol=TOLERANCE, rtol=0):
            return (
                "the prediction after a prefix changed when the prefix was continued: advance must return a new "
                "state and leave the old one as it was (is a list or cache changed in place?)"
            )
        if not np.allclose(model.log_probs(tokens)[0], model.log_probs(tokens)[0], atol=TOLERANCE, rtol=0):
            return "scoring the same text twice gave two answers: something is remembered outside the state"
    return ""


def future_never_matters(model: LanguageModel, text: Ids | None = None, cut: int | None = None) -> str:
    """The score of a token does not depend on the tokens after it."""
    for tokens in [text] if text is not None else _texts(model):
        at = len(tokens) // 2 if cut is None else cut
        other = tokens.copy()
        other[at:] = (other[at:] + 1) % model.vocab_size_
        a, b = model.log_probs(tokens)[0][:at], model.log_probs(other)[0][:at]
        if not np.allclose(a, b, atol=TOLERANCE, rtol=0):
            t = int(np.argmax(np.abs(a - b)))
            return (
                f"changing token {at} and later changed the score of token {t}: the model peeks at the future "
                "(is the causal mask missing?)"
            )
    return ""


def reach_is_true(model: LanguageModel, text: Ids | None = None) -> str:
    """Nothing older than `reach` tokens matters, but for how many they were."""
    if model.reach is None:
        return ""
    for tokens in [text] if text is not None else [np.tile(t, 1 + model.reach // len(t)) for t in _texts(model)]:
        old = len(tokens) - model.reach
        other = np.concatenate([(tokens[: max(old, 0)] + 1) % model.vocab_size_, tokens[max(old, 0) :]])
        if old > 0 and (
            message := _same_state(
                model,
                model.advance(model.start(), tokens),
                model.advance(model.start(), other),
                f"reach says {model.reach} tokens back, but an older token matters",
            )
        ):
            return message
    return ""


def empty_text(model: LanguageModel) -> str:
    """No tokens: shape (0,), and the state stays."""
    scores, state = model.log_probs(np.array([], dtype=np.int32))
    if np.shape(scores) != (0,):
        return f"log_probs of no tokens has shape {np.shape(scores)}, not (0,)"
    return _same_state(model, state, model.start(), "reading nothing changed the state")


def bad_id_is_named(model: LanguageModel) -> str:
    """An id outside the vocabulary is an error that names the id and the vocabulary's size."""
    v = model.vocab_size_
    for bad in (v, v + 7, -1):
        try:
            model.log_probs(np.array([0, bad], dtype=np.int32))
        except UsageError as error:
            if str(bad) in str(error) and str(v) in str(error):
                continue
            return f"the error for token id {bad} names not both the id and the vocabulary's size {v}: {error}"
        return f"token id {bad} is outside the vocabulary of {v} and went unnoticed: call interface.check_ids"
    return ""


def many_texts(model: LanguageModel) -> str:
    """Texts scored together score as they do alone."""
    texts = [UNSEEN % model.vocab_size_, *_texts(model), UNSEEN[:0], UNSEEN[:1] % model.vocab_size_]
    together = model.log_probs_many(texts)
    alone = [model.log_probs(text)[0] for text in texts]
    if [len(t) for t in together] != [len(a) for a in alone]:
        return "log_probs_many gave arrays of other lengths than the texts"
    if not all(np.allclose(t, a, atol=TOLERANCE, rtol=0) for t, a in zip(together, alone, strict=True)):
        return "texts scored together score differently than alone (does padding leak, or state?)"
    first = [n % (len(text) + 1) for n, text in enumerate(alone)]
    parts = model.log_probs_many(texts, first)
    wanted = [scores[start:] for scores, start in zip(alone, first, strict=True)]
    if [len(p) for p in parts] != [len(w) for w in wanted]:
        return "log_probs_many, told at which tokens to begin, gave arrays of other lengths than what is left"
    same = all(np.allclose(p, w, atol=TOLERANCE, rtol=0) for p, w in zip(parts, wanted, strict=True))
    return "" if same else "tokens score otherwise where log_probs_many is told to begin with them"


def features_are_rows(model: LanguageModel) -> str:
    """What an encoder knows of a text is a finite vector for each of its tokens, and the same each time it is asked."""
    if not isinstance(model, Encoder):
        return ""
    for layer, name in enumerate(model.layer_names):
        for tokens in [*_texts(model), UNSEEN[:1] % model.vocab_size_, UNSEEN[:0]]:
            rows = np.asarray(model.features(tokens, layer))
            if rows.ndim != 2 or len(rows) != len(tokens):
                return f"features of {len(tokens)} tokens in {name!r} has shape {rows.shape}, not ({len(tokens)}, D)"
            if not np.isfinite(rows).all():
                token = int(np.argmin(np.isfinite(rows).all(axis=1)))
                return f"the features of token {token} in {name!r} are not all finite"
            if not np.array_equal(rows, model.features(tokens, layer)):
                return f"the features of the same text in {name!r} were others when asked again"
    return ""


def features_see_no_future(model: LanguageModel, text: Ids | None = None, cut: int | None = None) -> str:
    """The features of a token do not depend on the tokens after it."""
    for tokens in ([text] if text is not None else _texts(model)) if isinstance(model, Encoder) else []:
        at = len(tokens) // 2 if cut is None else cut
        other = tokens.copy()
        other[at:] = (other[at:] + 1) % model.vocab_size_
        for layer, name in enumerate(model.layer_names):
            if not _same_rows(model.features(tokens, layer)[:at], model.features(other, layer)[:at]):
                return (
                    f"changing token {at} and later changed the features of an earlier token in {name!r}: a probe "
                    "would find what the model cannot have known when it read it"
                )
    return ""


def many_features(model: LanguageModel) -> str:
    """Texts have the same features together as alone, in all layers."""
    if not isinstance(model, Encoder):
        return ""
    texts = [UNSEEN % model.vocab_size_, *_texts(model), UNSEEN[:0], UNSEEN[:1] % model.vocab_size_]
    layers = range(len(model.layer_names))
    for text, together in zip(texts, model.features_many(texts, layers), strict=True):
        for layer, rows in zip(layers, together, strict=True):
            if not _same_rows(rows, model.features(text, layer)):
                return (
                    f"features_many gave a text of {len(text)} tokens other features in "
                    f"{model.layer_names[layer]!r} than features does (does padding leak, or the order of texts?)"
                )
    return ""


def _same_rows(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays of features are the same, but for float32 arithmetic in another order."""
    size = max(1.0, float(np.abs(a).max(initial=0)))
    return a.shape == b.shape and bool(np.allclose(a, b, atol=TOLERANCE * size, rtol=0))


PROPERTIES: dict[str, Callable[[LanguageModel], str]] = {
    "sums_to_one": sums_to_one,
    "scoring_equals_stepping": scoring_equals_stepping,
    "cut_anywhere": cut_anywhere,
    "states_are_values": states_are_values,
    "future_never_matters": future_never_matters,
    "reach_is_true": reach_is_true,
    "empty_text": empty_text,
    "bad_id_is_named": bad_id_is_named,
    "many_texts": many_texts,
    "features_are_rows": features_are_rows,
    "features_see_no_future": features_see_no_future,
    "many_features": many_features,
}


def _beats_uniform(model: LanguageModel, train: Ids) -> str:
    mean = float(model.log_probs(train)[0].mean())
    if mean < -np.log(VOCAB_SIZE) - 1e-9:
        return (
            f"on its own training text it spends {-mean / np.log(2):.3f} bits a token; knowing nothing costs "
            f"{np.log2(VOCAB_SIZE):.3f}"
        )
    return ""


def _saves_and_loads(model: LanguageModel, make: Callable[[], LanguageModel]) -> str:
    file = io.BytesIO()
    np.savez(file, **model.arrays())  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = make().restore(dict(arrays))
    return _same(model, again, "arrays → restore lost something: it scores differently once loaded")


def _same(a: LanguageModel, b: LanguageModel, otherwise: str) -> str:
    for tokens in _texts(a):
        if not np.array_equal(a.log_probs(tokens)[0], b.log_probs(tokens)[0]):
            return otherwise
    return ""


def _same_state(model: LanguageModel, a: Any, b: Any, otherwise: str) -> str:
    x: NDArray[Any] = np.asarray(model.next_log_probs(a))
    y: NDArray[Any] = np.asarray(model.next_log_probs(b))
    if np.allclose(x, y, atol=TOLERANCE, rtol=0):
        return ""
    token = int(np.argmax(np.abs(x - y)))
    return f"{otherwise}: log P of token {token} is {x[token]:.5f} there and {y[token]:.5f} here"
