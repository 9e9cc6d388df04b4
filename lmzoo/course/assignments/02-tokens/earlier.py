"""Parts 1 to 3 as they should be: part 4 is graded with these, so that nobody pays twice for one mistake."""

from itertools import pairwise


def count_pairs(words):
    counts = {}
    for tokens, times in words.items():
        for pair in pairwise(tokens):
            counts[pair] = counts.get(pair, 0) + times
    return counts


def best_pair(counts):
    most = max(counts.values(), default=0)
    return min(pair for pair, count in counts.items() if count == most) if most > 1 else None


def merge(tokens, pair, new):
    merged, t = [], 0
    while t < len(tokens):
        found = tuple(tokens[t : t + 2]) == tuple(pair)
        merged.append(new if found else tokens[t])
        t += 2 if found else 1
    return merged
