"""Assignment 4, Company. Fill the holes; the handout has the formulas. NumPy may be used, lmzoo may not.

Tokens are ids 0 … V-1, and the last one, V-1, ends a line. A table of pairs is a dictionary {(word, context): number};
a pair that is not in it has 0. Vectors are a list of V lists of D numbers, or an array (V, D).
"""


def cooccurrences(tokens, vocab_size, window):
    """How often each context stands within `window` tokens of each word, before it or after it: {(word, context): n}.

    An `end` is a word and a context like others, but nothing beyond it is. One stands before the first token.
    """
    raise NotImplementedError("TODO 1: cooccurrences")


def pmi(counts, smoothing):
    """The pointwise mutual information, in nats, of the pairs that were seen. `smoothing`: the power of contexts."""
    raise NotImplementedError("TODO 2: pmi")


def positive(scores, shift):
    """max(0, score - ln shift) of each pair in a table of PMI."""
    raise NotImplementedError("TODO 3: positive")


def svd_vectors(matrix, dimensions, power):
    """U_D Σ_D^power, (V, D), of a matrix (V, C) given as a list of V lists; D is `dimensions`."""
    raise NotImplementedError("TODO 4: svd_vectors")


def neighbours(vectors, word, number):
    """The ids of the `number` words whose vectors have the highest cosine with that of `word`, the highest first."""
    raise NotImplementedError("TODO 5: neighbours")


def analogy(vectors, a, b, c):
    """The id of the word that is to c as b is to a."""
    raise NotImplementedError("TODO 6: analogy")


def own_vectors(tokens, vocab_size):
    """The best vectors (V, D) that you can make from a text: D is your choice, 300 at most."""
    raise NotImplementedError("TODO 7: own_vectors")
