"""The reference hand-in of assignment 3: dictionaries and loops, as a student would write it."""

from collections import Counter, defaultdict


def count(tokens, vocab_size, order):
    end = vocab_size - 1
    tables = [Counter() for _ in range(order)]
    line = [end]
    for token in tokens:
        line.append(token)
        for n in range(1, min(order, len(line)) + 1):
            tables[n - 1][tuple(line[-n:])] += 1
        if token == end:
            line = [end]
    return tables


def by_context(table):
    followers = defaultdict(dict)
    for ngram, c in table.items():
        followers[ngram[:-1]][ngram[-1]] = c
    return followers


def interpolated(tables, vocab_size, step):
    """The recursion from 1/V up, over the contexts that were seen; `step` is one order of it."""
    tables = [by_context(table) for table in tables]

    def predict(history):
        p = [1 / vocab_size] * vocab_size
        for n in range(min(len(tables), len(history) + 1)):
            followers = tables[n].get(history[len(history) - n :])
            if followers:
                p = step(followers, p, n)
        return p

    return predict


def maximum_likelihood(tables, vocab_size):
    def step(followers, lower, n):
        total = sum(followers.values())
        return [followers.get(w, 0) / total for w in range(vocab_size)]

    return interpolated(tables, vocab_size, step)


def add_k(tables, vocab_size, k):
    followers, reach = by_context(tables[-1]), len(tables) - 1

    def predict(history):
        context = history[len(history) - reach :] if len(history) >= reach else None
        counts = followers.get(context, {})
        total = sum(counts.values()) + k * vocab_size
        return [(counts.get(w, 0) + k) / total for w in range(vocab_size)]

    return predict


def jelinek_mercer(tables, vocab_size, weight):
    def step(followers, lower, n):
        total = sum(followers.values())
        return [weight * followers.get(w, 0) / total + (1 - weight) * lower[w] for w in range(vocab_size)]

    return interpolated(tables, vocab_size, step)


def continuation(tables, vocab_size):
    """a(·): below the highest order the number of different words before; at the start of a line, c(·)."""
    adjusted = []
    for n, table in enumerate(tables, 1):
        if n == len(tables):
            adjusted.append(table)
            continue
        before = Counter(ngram[1:] for ngram in tables[n])
        adjusted.append({g: c if n > 1 and g[0] == vocab_size - 1 else before[g] for g, c in table.items()})
    return adjusted


def discount(table):
    once, twice = (sum(c == k for c in table.values()) for k in (1, 2))
    return once / (once + 2 * twice) if once and twice else 0.75


def kneser_ney(tables, vocab_size):
    return discounted(continuation(tables, vocab_size), vocab_size)


def discounted(adjusted, vocab_size):
    discounts = [discount(table) for table in adjusted]

    def step(followers, lower, n):
        d, total = discounts[n], sum(followers.values())
        p = [d * len(followers) / total * x for x in lower]
        for w, c in followers.items():
            p[w] += (c - d) / total
        return p

    return interpolated(adjusted, vocab_size, step)


def own_model(tokens, vocab_size):
    counts = continuation(count(tokens, vocab_size, 3), vocab_size)
    return discounted(counts, vocab_size)
