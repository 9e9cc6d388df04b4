"""Checks of an Encoder (a vector a token) and of a SentenceEncoder (a vector a text)."""

from typing import Any

import numpy as np

from lmzoo.interface import Encoder, Ids, SentenceEncoder
from lmzoo.testing.practice import (
    Property,
    batches,
    close_vectors,
    long_text,
    replace_from,
    texts_of_many_lengths,
    usual_text,
)


def features_are_rows(model: Any) -> str:
    """A finite vector for each token in each layer, (T, D), and the same one when asked again."""
    last = len(model.layer_names) - 1
    for layer, name in enumerate(model.layer_names):
        for tokens in [*texts_of_many_lengths(model), *([long_text(model)] if layer == last else [])]:
            rows = np.asarray(model.features(tokens, layer))
            if rows.ndim != 2 or len(rows) != len(tokens):
                return f"features of {len(tokens)} tokens in {name!r} has shape {rows.shape}, not ({len(tokens)}, D)"
            if not np.isfinite(rows).all():
                token = int(np.argmin(np.isfinite(rows).all(axis=1)))
                return f"the features of token {token} in {name!r} are not all finite"
            if not np.array_equal(rows, model.features(tokens, layer)):
                return f"the features of the same text in {name!r} differed when asked again (is dropout still on?)"
    return ""


def layers_count_from_the_top(model: Any) -> str:
    """Layer -1 is the last of `layer_names`, -2 the one below it; the default is the last."""
    tokens = usual_text(model)
    depth = len(model.layer_names)
    if not close_vectors(np.asarray(model.features(tokens)), np.asarray(model.features(tokens, depth - 1))):
        return f"features without a layer are not those of the last one, {model.layer_names[-1]!r}"
    for layer, name in enumerate(model.layer_names):
        from_top = np.asarray(model.features(tokens, layer - depth))
        if not close_vectors(from_top, np.asarray(model.features(tokens, layer))):
            return f"layer {layer - depth} is not {name!r}, which is layer {layer} of {depth}"
    return ""


def many_features(model: Any) -> str:
    """Texts have the same features together as alone, in all layers, whatever their lengths."""
    for kind, texts in batches(model).items():
        layers = range(len(model.layer_names)) if kind == "of many lengths" else (len(model.layer_names) - 1,)
        for text, together in zip(texts, model.features_many(texts, layers), strict=True):
            for layer, rows in zip(layers, together, strict=True):
                if not close_vectors(np.asarray(rows), np.asarray(model.features(text, layer))):
                    return (
                        f"features_many gave a text of {len(text)} tokens in a batch {kind} other features in "
                        f"{model.layer_names[layer]!r} than features does (does padding leak, or the order of texts?)"
                    )
    return ""


def untrained_is_a_baseline(model: Any) -> str:
    """`untrained`, where there is one, has the same layers, repeats with its seed, and shares no weights."""
    tokens = usual_text(model)
    before = np.array(model.features(tokens))
    baseline = model.untrained(seed=1)
    if baseline is None:
        return ""
    if list(baseline.layer_names) != list(model.layer_names):
        return "the untrained model has other layers than the trained one: a probe could not compare them"
    if not np.array_equal(baseline.features(tokens), model.untrained(seed=1).features(tokens)):
        return "untrained with the same seed gave two different models"
    if not np.array_equal(before, model.features(tokens)):
        return "making an untrained model changed the trained one: they must share no weights"
    return ""


def features_see_no_future(model: Any, text: Ids | None = None, cut: int | None = None) -> str:
    """In a decoder the features of a token do not depend on the tokens after it."""
    if not isinstance(model, Encoder):  # so that a property can be tried on every language model
        return ""
    tokens = usual_text(model) if text is None else text  # type: ignore[arg-type]
    if text is None:
        tokens = np.concatenate([tokens, long_text(model)[:150]])  # type: ignore[arg-type]
    at = len(tokens) // 2 if cut is None else cut
    other = replace_from(tokens, at, model.vocab_size_)  # type: ignore[attr-defined]
    for layer, name in enumerate(model.layer_names):
        if not close_vectors(model.features(tokens, layer)[:at], model.features(other, layer)[:at]):
            return (
                f"changing token {at} and later changed the features of an earlier token in {name!r}: a probe "
                "would find what the model cannot have known when it read it"
            )
    return ""


def encodings_are_rows(model: Any) -> str:
    """`encode_texts` is (N, D), finite, also for an empty text, and the same when asked again."""
    texts = [*texts_of_many_lengths(model), long_text(model)]
    rows = np.asarray(model.encode_texts(texts))
    if rows.ndim != 2 or len(rows) != len(texts):
        return f"encode_texts of {len(texts)} texts has shape {rows.shape}, not ({len(texts)}, D)"
    if not np.isfinite(rows).all():
        text = int(np.argmin(np.isfinite(rows).all(axis=1)))
        return f"the vector of a text of {len(texts[text])} tokens is not all finite (a mean over no tokens?)"
    if not np.array_equal(rows, model.encode_texts(texts)):
        return "the same texts had other vectors when asked again (is dropout still on?)"
    return ""


def texts_encoded_together(model: Any) -> str:
    """A text has the same vector alone as among others, whatever their lengths."""
    for kind, texts in batches(model).items():
        for text, row in zip(texts, np.asarray(model.encode_texts(texts)), strict=True):
            if not close_vectors(row, np.asarray(model.encode_texts([text]))[0]):
                return (
                    f"encode_texts gave a text of {len(text)} tokens another vector in a batch {kind} than alone "
                    "(does padding leak, or a statistic of the batch?)"
                )
    return ""


def order_of_texts_does_not_matter(model: Any) -> str:
    """Texts in the opposite order have the same vectors, in the opposite order."""
    for texts in batches(model).values():
        forward, backward = np.asarray(model.encode_texts(texts)), np.asarray(model.encode_texts(texts[::-1]))
        if not close_vectors(forward, backward[::-1]):
            break
    else:
        return ""
    return "in another order the texts have other vectors (are rows sorted by length and not put back?)"


def features_answers(model: Encoder) -> list[Any]:
    """The features of a text in each layer, for comparing a model with its copy."""
    return [model.features(usual_text(model), layer) for layer in range(len(model.layer_names))]  # type: ignore[arg-type]


def encoding_answers(model: SentenceEncoder) -> list[Any]:
    """The vectors of some texts, for comparing a model with its copy."""
    return [model.encode_texts(texts_of_many_lengths(model))]  # type: ignore[arg-type]


CHECKS: tuple[Property, ...] = (
    features_are_rows,
    layers_count_from_the_top,
    many_features,
    untrained_is_a_baseline,
)
SENTENCE_CHECKS: tuple[Property, ...] = (
    encodings_are_rows,
    texts_encoded_together,
    order_of_texts_does_not_matter,
)
