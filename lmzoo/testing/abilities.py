"""The abilities that have a contract: the checks of each, and what a model that has it says of some texts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.interface import Classifier, Decoder, Encoder, LanguageModel, MaskedModel, SentenceEncoder, TextToText
from lmzoo.testing import classifier, decoder, encoder, fitting, language_model, long_text, masked_model, text_to_text
from lmzoo.testing.practice import UNSEEN, Property


@dataclass(frozen=True)
class Ability:
    """The checks of one class of `lmzoo.interface`."""

    kind: type
    properties: tuple[Property, ...]  # of any fitted model
    first_use: Callable[[Any], Any]  # asks a model for something that only a fitted one can answer
    answers: Callable[[Any], list[Any]]  # its predictions for a text, as arrays: two equal models give the same
    learned: tuple[Property, ...] = ()  # of a model fitted on the practice text
    score: fitting.Score | None = None  # (model, text) → mean nats a token, where it gives tokens probabilities


ABILITIES = (
    Ability(Decoder, decoder.CHECKS + long_text.DECODER_CHECKS, decoder.first_use, decoder.answers),
    Ability(
        LanguageModel,
        language_model.CHECKS + long_text.CHECKS,
        lambda model: model.log_probs(UNSEEN),
        language_model.answers,
        (language_model.beats_uniform,),
        lambda model, text: float(np.mean(model.log_probs(text)[0])),
    ),
    Ability(TextToText, text_to_text.CHECKS, decoder.first_use, decoder.answers),
    Ability(
        MaskedModel,
        masked_model.CHECKS,
        lambda model: model.fill_log_probs(UNSEEN, masked_model.at(len(UNSEEN), 0)),
        masked_model.answers,
        (masked_model.fills_better_than_uniform,),
        lambda model, text: float(np.mean(model.pseudo_log_probs(text[:200]))),  # a pass for each token
    ),
    Ability(Encoder, encoder.CHECKS, lambda model: model.features(UNSEEN), encoder.features_answers),
    Ability(
        SentenceEncoder,
        encoder.SENTENCE_CHECKS,
        lambda model: model.encode_texts([UNSEEN]),
        encoder.encoding_answers,
    ),
    Ability(
        Classifier,
        classifier.CHECKS,
        lambda model: model.class_log_probs([(UNSEEN,)]),
        classifier.answers,
        (classifier.beats_chance,),
    ),
)


def abilities(kind: type) -> list[Ability]:
    """What a class of models can do. Raises UsageError for one with no ability that has a contract."""
    has = [ability for ability in ABILITIES if issubclass(kind, ability.kind)]
    if not has:
        raise UsageError(
            f"{kind.__name__} has no ability that could be checked: derive it from one of "
            f"{', '.join(ability.kind.__name__ for ability in ABILITIES[1:])} of lmzoo.interface"
        )
    if issubclass(kind, Decoder) and not issubclass(kind, LanguageModel | TextToText):
        raise UsageError(
            f"{kind.__name__} is a Decoder with no state to begin from: derive it from LanguageModel, which has "
            "start(), or from TextToText, which has start_after(source)"
        )
    return has


def first_questions(kind: type) -> dict[str, Callable[[Any], list[Any]]]:
    """The questions that a model may be asked first, by method."""
    asked: dict[str, Callable[[Any], list[Any]]] = {}
    if issubclass(kind, LanguageModel):
        asked["log_probs"] = lambda model: [model.log_probs(UNSEEN)[0]]
        asked["log_probs_many"] = lambda model: list(model.log_probs_many([UNSEEN, UNSEEN[:4]]))
        asked["distributions"] = lambda model: [model.distributions(UNSEEN)]
        asked["next_log_probs"] = lambda model: [model.next_log_probs(model.start())]
        asked["next_log_probs_many"] = lambda model: [model.next_log_probs_many([model.start()])]
    for ability in abilities(kind):
        asked.setdefault(f"its use as {ability.kind.__name__}", ability.answers)
    return asked
