"""Assignment 2, Tokens. Fill the holes; the handout has the rules. NumPy may be used, lmzoo may not.

A token is a number. 0 … 255 are the bytes; 256 is what the first merge makes, 257 what the second makes, and so on.
A list of merges is a list of pairs of tokens, the first learned first.
"""


def count_pairs(words):
    """How often each pair of tokens stands side by side: {(a, b): count}.

    `words`: {tokens: how often}, where tokens is a tuple. Pairs that overlap count each: (7, 7, 7) has (7, 7) twice.
    """
    raise NotImplementedError("TODO 1: count_pairs")


def best_pair(counts):
    """The pair to merge next, or None where no pair occurs twice. Of equally frequent ones it is the smallest."""
    raise NotImplementedError("TODO 2: best_pair")


def merge(tokens, pair, new):
    """The list of `tokens` with each `pair` in it replaced by the token `new`, from the left."""
    raise NotImplementedError("TODO 3: merge")


def learn(pieces, number):
    """The first `number` merges of a text, or fewer where no pair is left that occurs twice.

    `pieces`: the text, cut into strings across whose borders nothing is merged.
    """
    raise NotImplementedError("TODO 4: learn")


def encode(piece, merges):
    """The tokens of a string, by these merges, the oldest first."""
    raise NotImplementedError("TODO 5: encode")


def decode(tokens, merges):
    """The string of these tokens; bytes that are no UTF-8 become U+FFFD."""
    raise NotImplementedError("TODO 6: decode")


def own_merges(train, valid, learned):
    """The merges with which a trigram needs the fewest bits for a hidden text of the same kind.

    `train`: the pieces of the text from which the trigram is learned, and from which `learned` are: all merges, until
    no pair occurs twice; `valid`: the pieces of another text of the kind, to choose by.
    """
    raise NotImplementedError("TODO 7: own_merges")
