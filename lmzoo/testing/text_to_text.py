"""Checks of a TextToText model's sources; that of its targets is the decoder's, from `start_after`."""

import numpy as np

from lmzoo.interface import TextToText
from lmzoo.testing.ids import bad_ids_are_named
from lmzoo.testing.practice import Property, close, texts_of_many_lengths


def sources_stay_apart(model: TextToText) -> str:
    """A state belongs to its own source: reading another source, or the same one again, leaves it as it was."""
    sources = texts_of_many_lengths(model)
    originals = [source.copy() for source in sources]
    states = [model.start_after(source) for source in sources]
    if not all(np.array_equal(source, original) for source, original in zip(sources, originals, strict=True)):
        return "start_after changed the source it was given"
    for source, state in zip(sources, states, strict=True):
        with_others_read = np.array(model.next_log_probs(state))
        if not close(with_others_read, model.next_log_probs(model.start_after(source))):
            return (
                f"the prediction after a source of {len(source)} tokens is another one once other sources have been "
                "read: keep the encoded source in the state, not in the model"
            )
    return ""


def bad_source_id_is_named(model: TextToText) -> str:
    """A source id outside the vocabulary is an error that names the id and the vocabulary's size."""
    return bad_ids_are_named(model.vocab_size_, model.start_after)


CHECKS: tuple[Property, ...] = (
    sources_stay_apart,
    bad_source_id_is_named,
)
