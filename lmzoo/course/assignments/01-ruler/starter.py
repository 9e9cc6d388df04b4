"""Assignment 1, The ruler. Fill the holes; the handout has the formulas. NumPy may be used, lmzoo may not.

Log-probabilities are natural logarithms (nats), as models give them; all that you return is in bits.
"""

FAULTS = ("none", "nats", "characters", "first token", "tokens", "lines", "zeros")  # what is wrong with an evaluator
UNITS = ("token", "character", "byte", "word")


def total_bits(log_probs):
    """The bits of a text: the sum of -log2 P over its tokens. `log_probs`: ln P of each."""
    raise NotImplementedError("TODO 1: total_bits")


def bits_per(unit, bits, text, tokens):
    """The bits for each `unit`, one of UNITS, of a text (a str) that a tokenizer cut into so many `tokens`."""
    raise NotImplementedError("TODO 2: bits_per")


def perplexity(bits, text, protocol):
    """Perplexity per word under a protocol: "stream", or "lines", where the end of each line is a word as well."""
    raise NotImplementedError("TODO 3: perplexity")


def interval(bits, characters, picks):
    """(low, high): the 95 % bootstrap interval of bits per character.

    `bits` and `characters` are of each of K blocks; `picks` are the resamples: lists of K numbers of blocks.
    """
    raise NotImplementedError("TODO 4: interval")


def shannon_bounds(ranks):
    """(lower, upper) bounds of the entropy in bits per character; `ranks`: the guesses that each character took."""
    raise NotImplementedError("TODO 5: shannon_bounds")


def diagnose(pieces, log_probs, right, reported):
    """The fault, one of FAULTS, of the evaluator that `reported` these figures.

    `pieces`: the text of each token; `log_probs`: ln P of each; `right`: what parts 1 and 2 should have found,
    {"bits": …, "tokens": …, "characters": …, "bytes": …, "words": …}; `reported`: {"bits per byte": …, "perplexity per
    word": …}.
    """
    raise NotImplementedError("TODO 6: diagnose")


def own_model(tokens, vocab_size):
    """A function of a history that gives a list of V probabilities: what comes next, learned from `tokens`.

    Tokens are ids 0 … V-1 of characters; the last id, V-1, ends each document. A history is the tuple of the ids since
    the document began, the `end` of the document before first: (V-1, 4, 2) after a document's first two characters.
    """
    raise NotImplementedError("TODO 7: own_model")
