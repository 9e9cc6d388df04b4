"""The reference hand-in of assignment 2, as a student would write it."""

import math
from collections import Counter, defaultdict
from itertools import pairwise


def count_pairs(words):
    counts = Counter()
    for tokens, times in words.items():
        for pair in pairwise(tokens):
            counts[pair] += times
    return counts


def best_pair(counts):
    most = max(counts.values(), default=0)
    if most < 2:
        return None
    return min(pair for pair in counts if counts[pair] == most)


def merge(tokens, pair, new):
    merged = []
    t = 0
    while t < len(tokens):
        if tuple(tokens[t : t + 2]) == tuple(pair):
            merged.append(new)
            t += 2
        else:
            merged.append(tokens[t])
            t += 1
    return merged


def learn(pieces, number):
    words = Counter(tuple(piece.encode("utf-8")) for piece in pieces)
    merges = []
    while len(merges) < number:
        pair = best_pair(count_pairs(words))
        if pair is None:
            break
        merges.append(pair)
        words = {tuple(merge(tokens, pair, 255 + len(merges))): times for tokens, times in words.items()}
    return merges


def encode(piece, merges):
    ranks = {tuple(pair): n for n, pair in enumerate(merges)}
    tokens = list(piece.encode("utf-8"))
    while True:
        first = min((ranks.get(pair, math.inf) for pair in pairwise(tokens)), default=math.inf)
        if first == math.inf:
            return tokens
        joined = []
        for token in tokens:
            if joined and ranks.get((joined[-1], token)) == first:
                joined[-1] = 256 + first
            else:
                joined.append(token)
        tokens = joined


def decode(tokens, merges):
    spellings = [bytes([byte]) for byte in range(256)]
    for a, b in merges:
        spellings.append(spellings[a] + spellings[b])
    return b"".join(spellings[token] for token in tokens).decode("utf-8", errors="replace")


def own_merges(train, valid, learned):
    """As many as are best for a text that they were not learned from."""
    numbers = [50, 100, 150, 200, 250, 300, 400, 500, len(learned)]
    return learned[: min(numbers, key=lambda n: bits(train, valid, learned[:n]))]


def bits(train, valid, merges):
    """Of `valid`, by a trigram with Witten and Bell's weights."""
    known = {piece: encode(piece, merges) for piece in {*train, *valid}}
    followers = defaultdict(Counter)
    read = [token for piece in train for token in known[piece]]
    for t, token in enumerate(read):
        for n in range(min(t, 2) + 1):
            followers[tuple(read[t - n : t])][token] += 1
    total = 0.0
    text = [token for piece in valid for token in known[piece]]
    for t, token in enumerate(text):
        p = 1 / (256 + len(merges))
        for n in range(min(t, 2) + 1):
            seen = followers.get(tuple(text[t - n : t]))
            if seen:
                p = (seen[token] + len(seen) * p) / (sum(seen.values()) + len(seen))
        total -= math.log2(p)
    return total
