"""The reference hand-in: interpolated Kneser-Ney by dictionaries, as a student would write it."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from lmzoo.interface import LanguageModel, check_ids


@dataclass
class KneserNey(LanguageModel):
    """Absolute discounting of continuation counts."""

    order: int = 3

    @property
    def reach(self):
        return self.order - 1

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.end_ = data.vocab_size - 1
        tables = [Counter() for _ in range(self.order)]
        line = [self.end_]
        for token in data.train.tolist():
            line.append(token)
            for n in range(1, min(self.order, len(line)) + 1):
                tables[n - 1][tuple(line[-n:])] += 1
            if token == self.end_:
                line = [self.end_]
        counts = [self.adjusted(tables, n) for n in range(1, self.order + 1)]
        self.discounts_ = [self.discount(table) for table in counts]
        self.followers_ = [self.by_context(table) for table in counts]
        return self

    def adjusted(self, tables, n):
        """a(·) of the n-grams: the different words before each; of the longest, and at the start of a line, c(·)."""
        if n == self.order:
            return tables[n - 1]
        before = Counter(ngram[1:] for ngram in tables[n])
        return {
            ngram: count if n > 1 and ngram[0] == self.end_ else before[ngram] for ngram, count in tables[n - 1].items()
        }

    def discount(self, table):
        once, twice = (sum(count == k for count in table.values()) for k in (1, 2))
        return once / (once + 2 * twice) if once and twice else 0.75

    def by_context(self, table):
        followers = {}
        for ngram, count in table.items():
            followers.setdefault(ngram[:-1], {})[ngram[-1]] = count
        return followers

    def start(self):
        return (self.end_,)

    def advance(self, state, tokens):
        for token in check_ids(tokens, self.vocab_size_).tolist():
            state = (self.end_,) if token == self.end_ else (*state, token)
        return state[len(state) - self.reach :] if len(state) > self.reach else state

    def next_log_probs(self, state):
        p = np.full(self.vocab_size_, 1 / self.vocab_size_)
        for n in range(min(len(state), self.reach) + 1):
            p = self.interpolated(p, state[len(state) - n :])
        return np.log(p)

    def interpolated(self, lower, context):
        followers = self.followers_[len(context)].get(context)
        if followers is None:
            return lower
        discount = self.discounts_[len(context)]
        counts = np.array(list(followers.values()), dtype=float)
        total = counts.sum()
        p = discount * len(counts) / total * lower
        p[list(followers)] += (counts - discount) / total
        return p
