"""Assignment 3, Counting. Fill the holes; the handout has the formulas. NumPy may be used, lmzoo may not.

Tokens are ids 0 … V-1, and the last one, V-1, ends a line. A history is the tuple of the ids since the line began, the
`end` of the line before first: (V-1, 4, 2) after a line's first two tokens, 4 and 2.
"""


def count(tokens, vocab_size, order):
    """The counts of all n-grams up to `order`: a list of dictionaries, tables[n - 1][(w1, …, wn)] = c(w1 … wn).

    Each line is preceded by one `end`, which is a context and is not counted itself.
    """
    raise NotImplementedError("TODO 1: count")


def maximum_likelihood(tables, vocab_size):
    """A function of a history that gives a list of V probabilities, c(hw) / c(h·)."""
    raise NotImplementedError("TODO 2: maximum_likelihood")


def add_k(tables, vocab_size, k):
    """A function of a history that gives a list of V probabilities, (c(hw) + k) / (c(h·) + kV)."""
    raise NotImplementedError("TODO 3: add_k")


def jelinek_mercer(tables, vocab_size, weight):
    """A function of a history that gives a list of V probabilities: `weight` for each relative frequency."""
    raise NotImplementedError("TODO 4: jelinek_mercer")


def kneser_ney(tables, vocab_size):
    """A function of a history that gives a list of V probabilities: interpolated, one discount for each order."""
    raise NotImplementedError("TODO 5: kneser_ney")


def own_model(tokens, vocab_size):
    """A function of a history that gives a list of V probabilities: the best model that you can count."""
    raise NotImplementedError("TODO 6: own_model")
