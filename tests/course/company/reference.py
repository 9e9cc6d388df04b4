"""The reference hand-in of assignment 4, as a student would write it."""

import math
from collections import Counter

import numpy as np


def cooccurrences(tokens, vocab_size, window):
    end = vocab_size - 1
    counts = Counter()
    text = [end, *tokens]
    for t, word in enumerate(text):
        for other in text[t + 1 : t + 1 + window]:
            counts[word, other] += 1
            counts[other, word] += 1
            if other == end:
                break
    return counts


def pmi(counts, smoothing):
    of_words, of_contexts = Counter(), Counter()
    for (word, context), n in counts.items():
        of_words[word] += n
        of_contexts[context] += n
    smoothed = {context: n**smoothing for context, n in of_contexts.items()}
    total = sum(smoothed.values())
    return {(w, c): math.log(n * total / (of_words[w] * smoothed[c])) for (w, c), n in counts.items()}


def positive(scores, shift):
    return {pair: max(0.0, score - math.log(shift)) for pair, score in scores.items()}


def svd_vectors(matrix, dimensions, power):
    u, s, _ = np.linalg.svd(np.array(matrix), full_matrices=False)
    return u[:, :dimensions] * s[:dimensions] ** power


def units(vectors):
    vectors = np.array(vectors)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def neighbours(vectors, word, number):
    vectors = units(vectors)
    cosines = vectors @ vectors[word]
    cosines[word] = -np.inf
    return np.argsort(-cosines)[:number]


def analogy(vectors, a, b, c):
    vectors = units(vectors)
    scores = vectors @ (vectors[b] - vectors[a] + vectors[c])
    scores[[a, b, c]] = -np.inf
    return int(np.argmax(scores))


def own_vectors(tokens, vocab_size):
    """PPMI of a window of two words, smoothed, to 50 dimensions; rare words have none."""
    end, often = vocab_size - 1, np.bincount(tokens, minlength=vocab_size) >= 5
    counts = np.zeros((vocab_size, vocab_size))
    text = np.array([end, *tokens])
    for distance in (1, 2):
        before, after = text[:-distance], text[distance:]
        if distance == 2:  # not across the end of a line
            inside = text[1:-1] != end
            before, after = before[inside], after[inside]
        np.add.at(counts, (before, after), 1)
        np.add.at(counts, (after, before), 1)
    smoothed = counts.sum(axis=0) ** 0.75
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.log(counts * smoothed.sum() / (counts.sum(axis=1, keepdims=True) * smoothed))
    rows = np.where(scores > 0, scores, 0)[often]
    u, s, _ = np.linalg.svd(rows, full_matrices=False)
    vectors = np.zeros((vocab_size, 50))
    vectors[often] = u[:, :50] * s[:50] ** 0.5
    return vectors
