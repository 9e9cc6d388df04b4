"""Checks of a Classifier: one distribution over the classes for each text, whatever stands beside it."""

from typing import Any

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.interface import Classifier, Ids, Run
from lmzoo.testing.fitting import Fit, practice_data
from lmzoo.testing.ids import bad_ids_are_named
from lmzoo.testing.practice import (
    Property,
    batches,
    close,
    long_text,
    practice_examples,
    texts_of_many_lengths,
    wrong_distributions,
)

Texts = list[tuple[Ids, ...]]


def practice_texts(model: Classifier) -> Texts:
    """Texts of many lengths, also an empty and a long one, as a classifier takes them: one segment each."""
    return [(text,) for text in (*texts_of_many_lengths(model), long_text(model))]


def classes_sum_to_one(model: Classifier) -> str:
    """`class_log_probs` is (N, C), finite, and each row sums to one."""
    texts = practice_texts(model)
    classes = len(practice_examples(3).classes)
    return wrong_distributions(model.class_log_probs(texts), (len(texts), classes), "class_log_probs")


def texts_classified_together(model: Classifier) -> str:
    """A text has the same classes alone as among others, whatever their lengths."""
    for kind, texts in batches(model).items():
        for text, row in zip(texts, np.asarray(model.class_log_probs([(text,) for text in texts])), strict=True):
            if not close(row, np.asarray(model.class_log_probs([(text,)]))[0]):
                return (
                    f"class_log_probs gave a text of {len(text)} tokens another row in a batch {kind} than alone "
                    "(does padding leak, or a statistic of the batch?)"
                )
    return ""


def order_of_examples_does_not_matter(model: Classifier) -> str:
    """Texts in the opposite order have the same rows, in the opposite order."""
    for batch in batches(model).values():
        texts = [(text,) for text in batch]
        forward, backward = np.asarray(model.class_log_probs(texts)), np.asarray(model.class_log_probs(texts[::-1]))
        if not close(forward, backward[::-1]):
            return "in another order the texts have other classes (are rows sorted by length and not put back?)"
    return ""


def bad_text_id_is_named(model: Classifier) -> str:
    """An id outside the vocabulary is an error that names the id and the vocabulary's size."""
    return bad_ids_are_named(model.vocab_size_, lambda tokens: model.class_log_probs([(tokens,)]))


def beats_chance(model: Classifier) -> str:
    """On its own training examples the right class is likelier on average than 1/C."""
    examples = practice_examples(150)
    rows = np.asarray(model.class_log_probs(examples.texts))
    mean = float(rows[np.arange(len(rows)), examples.labels].mean())
    if not mean >= -np.log(len(examples.classes)) - 1e-9:
        return (
            f"on its own training examples the right class has {mean:.3f} nats on average; guessing among "
            f"{len(examples.classes)} classes gives {-np.log(len(examples.classes)):.3f}"
        )
    return ""


def class_without_examples(fit: Fit, run: Run) -> str:
    """A class that no example has still has its column, or is refused in an error that names it."""
    fitted, classes = fit(practice_data()), ("low", "middle", "high", "absent")
    try:
        fitted.fit_labels(practice_examples(60, classes=classes), practice_examples(12, 1, classes), run)
    except UsageError as error:
        if "absent" in str(error):
            return ""
        return f"the error for a class without examples does not name the class, 'absent': {error}"
    texts = practice_texts(fitted)
    message = wrong_distributions(fitted.class_log_probs(texts), (len(texts), len(classes)), "class_log_probs")
    return f"a class without training examples: {message}" if message else ""


def answers(model: Classifier) -> list[Any]:
    """The classes of some texts, for comparing a model with its copy."""
    return [model.class_log_probs(practice_texts(model))]


CHECKS: tuple[Property, ...] = (
    classes_sum_to_one,
    texts_classified_together,
    order_of_examples_does_not_matter,
    bad_text_id_is_named,
)
