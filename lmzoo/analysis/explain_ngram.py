"""How an n-gram model computes each probability: counts, weights and back-off, and what followed a context in training.

Everything is derived from p, γ and the counts in the model's trie: α(w | h) = p(w | h) − γ(h) · p(w | h⁻) where a
smoothing interpolates, and p(w | h) where it backs off. Kneser & Ney's continuation counts a(hw) are the number of
n-grams that end in hw. A pruned model does not have all n-grams, so c(h·), a(·) and the discounts are None.
"""

import math
from typing import Any

import numpy as np

from lmzoo.errors import UsageError, in_range
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, Ids
from lmzoo.ngrams.smoothing import SMOOTHINGS, KneserNey

NOISE = 3e-7  # of p: the float32 rounding error of an α that is 0


def explain(text_model: TextModel, text: str) -> list[dict[str, Any]]:
    """How each of the T tokens of `text` gets its probability, read from the start state: T dicts.

    Each has `token`, `probability`, `log_probability` (nats), `bits` and `log10` (None for a probability of 0),
    `history` (the tokens within the model's reach), `context` (as much of it as occurred in training), `order` of the
    longest n-gram used, `formula` of the smoothing, `starts` (texts or lines whose beginning was
    counted), `terms` (one for each order from the longest context down, see
    `Reader.term`) and `sum`, the terms as one expression. Raises UsageError for a model without n-grams, or no text.
    """
    reader = Reader(text_model)
    tokens = text_model.tokenizer.encode(text_model.tokenizer.normalize(text))
    if len(tokens) == 0:
        raise UsageError("there is no text to explain: give a few words, as in lmzoo explain RUN 'the cat sat'")
    read = np.concatenate([[reader.end], tokens]).astype(np.int32)
    state = reader.after(read[:1])
    facts = []
    for t, token in enumerate(tokens.tolist(), start=1):
        facts.append(reader.explain(state, token, reader.reachable(read[:t])))
        state = reader.trie.walk(read[t : t + 1], state)[1]
    return facts


def trace(text_model: TextModel, tokens: Ids, place: int, top: int = 5) -> dict[str, Any]:
    """How the token at one `place` of `tokens` (T,) gets its probability, as in `explain`: for a page, in milliseconds.

    Each of its `terms` also says how often anything followed its context, `occurrences`, and what did most often,
    `followers`, at most `top`: [token, count]. A model without counts has None, and the most probable. Raises
    UsageError for a model without n-grams, or no such place.
    """
    reader = Reader(text_model)
    in_range("place", place, 0, below=len(tokens))
    read = np.concatenate([[reader.end], tokens[: place + 1]]).astype(np.int32)
    state = reader.after(read[:-1])
    fact = reader.explain(state, int(read[-1]), reader.reachable(read[:-1]))
    for term in fact["terms"]:
        here = reader.children(state)
        term["occurrences"] = int(reader.trie.counts[here].sum(dtype=np.int64)) if reader.counted else None
        ranked = reader.trie.counts[here] if reader.counted else reader.trie.probs[here]
        best = np.argsort(-ranked, kind="stable")[:top]
        names = [reader.name(word) for word in reader.trie.words[here][best].tolist()]
        counts = ranked[best].tolist() if reader.counted else [None] * len(names)
        term["followers"] = [list(pair) for pair in zip(names, counts, strict=True)]
        state = int(reader.trie.fallback[state])
    return fact


def continuations(text_model: TextModel, text: str, top: int = 20, everything: bool = False) -> dict[str, Any]:
    """The tokens that followed `text` in training, anywhere in a line, most frequent first, at most `top` of them.

    `context` is the longest end of `text` that was followed by something; `total` how often, `kinds` by how many
    different tokens (None in a model without counts); `left` the probability of all other tokens (None where scores are
    no probabilities). Each of `next` has `token`, `count` and `probability`. With `everything` they are the most
    probable of all tokens, seen or not. Raises UsageError for a model without n-grams, or `top` below 1.
    """
    reader = Reader(text_model)
    in_range("top", top, 1)
    tokens = text_model.tokenizer.encode(text_model.tokenizer.normalize(text))
    state = reader.after(tokens)
    trie, here = reader.trie, reader.children(state)
    listed = (trie.counts[here] > 0) | (not reader.counted)
    words, counts, probs = (column[here][listed] for column in (trie.words, trie.counts, trie.probs))
    left = max(0.0, 1 - float(probs.sum(dtype=np.float64))) if reader.is_distribution else None
    facts = {"asked": reader.names(tokens.tolist()), "context": reader.names(reader.path(state)), "left": left}
    facts |= {"total": int(counts.sum()) if reader.counted else None, "kinds": len(words)}
    if everything:
        seen = np.zeros(reader.vocab_size, dtype=np.int64)
        seen[words] = counts
        probs, words, counts = trie.distribution(state, reader.vocab_size), np.arange(reader.vocab_size), seen
        order = np.lexsort((words, -counts, -probs))[:top]
    else:
        order = np.lexsort((words, -probs, -counts))[:top]
    columns = (words[order].tolist(), counts[order].tolist(), probs[order].tolist())
    return facts | {
        "next": [
            {"token": reader.name(word), "id": word, "count": count if reader.counted else None, "probability": p}
            for word, count, p in zip(*columns, strict=True)
        ]
    }


def has_table(model: Any) -> bool:
    """Whether a model has a table of n-grams over its tokens: one over classes of words has not."""
    trie = vars(model).get("trie_")
    return trie is not None and trie.children[1] == 1 + model.vocab_size_


class Reader:
    """A model's trie and the properties of its smoothing."""

    def __init__(self, text_model: TextModel) -> None:
        """Raises UsageError where the model has no table of n-grams over its tokens."""
        model, self.tokenizer = text_model
        if not has_table(model):
            raise UsageError(
                f"{model.name or type(model).__name__} has no table of n-grams to look into: only a model that counts "
                "can be explained so, like one by `lmzoo train ngram`"
            )
        trie = model.trie_
        self.trie, self.vocab_size = trie, model.vocab_size_
        self.reach = int(getattr(model, "reach", 0) or 0)  # tokens of left context
        self.longest = len(self.path(len(trie.words) - 1))  # the highest order of any n-gram
        self.counted = bool(trie.counts[0] > 0)  # a model read from a file has no counts
        self.smoothing: str = vars(model).get("smoothing_", "")  # the one chosen by `auto`
        smoothing = SMOOTHINGS.get(self.smoothing)
        pruned = float(getattr(model, "prune", 0)) > 0  # pruning changes γ and not p, so α = p − γ p(w | h⁻) is off
        cut = any(part.strip("0 ") for part in str(getattr(model, "cutoffs", "")).split(","))
        # How many texts, or lines, of the training text have their beginning listed.
        start = self.after(np.array([self.end]))
        self.starts = int(trie.counts[self.children(start)].sum()) if self.counted and start else None
        self.complete = smoothing is not None and not pruned and not cut  # it has all n-grams
        # Where it backs off, a listed p is final: no lower-order term is added.
        self.backs_off = smoothing is None or smoothing.backs_off or pruned
        self.is_distribution = smoothing is None or smoothing.is_distribution

    @property
    def end(self) -> int:
        """The token that ends a line or text, which the start state has just read."""
        return self.vocab_size - 1

    # ── Walking the trie ──────────────────────────────────────────────────────────────────────────

    def after(self, tokens: Array) -> int:
        """The node of the longest suffix of `tokens` (T,) that was followed by something."""
        return int(self.trie.walk(np.asarray(tokens, dtype=np.int32), 0)[1])

    def path(self, node: int) -> list[int]:
        """The words of the n-gram at `node`, oldest first."""
        words: list[int] = []
        while node:
            words.append(int(self.trie.words[node]))
            node = int(np.searchsorted(self.trie.children, node, side="right")) - 1
        return words[::-1]

    def children(self, node: int) -> slice:
        """The nodes of the n-grams that extend the one at `node`."""
        return slice(int(self.trie.children[node]), int(self.trie.children[node + 1]))

    def extended(self, nodes: Array, word: int) -> Array:
        """The nodes of the n-grams that extend one of `nodes` (N,) by `word`: at most N."""
        nodes = nodes[nodes < len(self.trie.gammas)]
        low, stop = self.trie.children[nodes].astype(np.int64), self.trie.children[nodes + 1].astype(np.int64)
        high = stop
        while (low < high).any():  # all binary searches at once
            middle = (low + high) >> 1
            below = (low < high) & (self.trie.words[np.minimum(middle, len(self.trie.words) - 1)] < word)
            low, high = np.where(below, middle + 1, low), np.where(below, high, np.maximum(middle, low))
        candidates = low[low < stop]
        return candidates[self.trie.words[candidates] == word]

    def reachable(self, read: Array) -> list[int]:
        """The left context within reach at the end of `read` (T,): it does not cross the start of a line."""
        ends = np.flatnonzero(read == self.end)
        first = max(len(read) - self.reach, int(ends[-1]) if len(ends) else 0)
        return read[first:].tolist()

    def name(self, token: int) -> str:
        """A token with visible spaces."""
        return self.tokenizer.token(token).replace(" ", "␣")

    def names(self, context: list[int]) -> list[str]:
        """The tokens of a context; a </s> among them is the start of a line, <s>."""
        return ["<s>" if (name := self.name(token)) == "</s>" else name for token in context]

    # ── The sum ───────────────────────────────────────────────────────────────────────────────────

    def explain(self, state: int, token: int, history: list[int]) -> dict[str, Any]:
        """The facts on `token` read in the context `state`."""
        contexts = [state]
        while contexts[-1]:
            contexts.append(int(self.trie.fallback[contexts[-1]]))
        terms: list[dict[str, Any]] = []
        p, written = 1 / self.vocab_size, f"1/{self.vocab_size}"
        for context in reversed(contexts):
            terms.append(self.term(context, token, p))
            p, written = terms[-1]["probability"], _written(terms[-1], written)
        log_p = math.log(p) if p > 0 else None
        return {
            "token": self.name(token),
            "id": token,
            "history": self.names(history),
            "context": self.names(self.path(state)),
            "order": max((term["order"] for term in terms if term["seen"]), default=0),
            "smoothing": self.smoothing,
            "formula": _FORMULAS.get(self.smoothing, _LISTED) if self.complete else _LISTED,
            "is_distribution": self.is_distribution,
            "vocabulary": self.vocab_size,
            "starts": self.starts,
            "probability": p,
            "log_probability": log_p,
            "bits": None if log_p is None else -log_p / math.log(2),
            "log10": None if log_p is None else log_p / math.log(10),
            "terms": terms[::-1],
            "sum": written,
        }

    def term(self, context: int, token: int, lower: float) -> dict[str, Any]:
        """One order of the recursion: p(w | h) = α + γ · p(w | h⁻), `lower` being p(w | h⁻).

        `context` h, `seen` (hw occurred in training), `count` c(hw), `adjusted` a(hw), `total` c(h·) or a(h·), `kinds`
        N₁₊(h·), the `weight` of the smoothing and its `weight_name`, `alpha`, `gamma`, `probability`, and `backed_off`
        (p is α alone).
        """
        words = self.path(context)
        nodes = self.extended(np.array([context]), token)
        node = int(nodes[0]) if len(nodes) else -1
        count = int(self.trie.counts[node]) if node >= 0 else 0
        seen = node >= 0 and (count > 0 or not self.counted)
        gamma = float(self.trie.gammas[context])
        p = float(self.trie.probs[node]) if node >= 0 else gamma * lower
        alpha = 0.0
        if seen:
            alpha = p if self.backs_off else p - gamma * lower
            alpha = 0.0 if alpha < NOISE * p else alpha
        facts = {"order": len(words) + 1, "context": self.names(words), "seen": seen}
        facts |= self._counts(context, words, token) if self.counted else dict.fromkeys(_COUNTS)
        if self.counted:
            facts["count"] = count
        facts |= {"alpha": alpha, "gamma": gamma, "probability": p, "backed_off": seen and self.backs_off}
        return facts | self._weight(facts)

    def _counts(self, context: int, words: list[int], token: int) -> dict[str, Any]:
        """a(hw), c(h·) or a(h·), and N₁₊(h·)."""
        if not self.complete:
            return dict.fromkeys(_COUNTS)
        here = self.children(context)
        adjusted = issubclass(SMOOTHINGS[self.smoothing], KneserNey)
        counts = self._adjusted(here, words) if adjusted else self.trie.counts[here]
        of_token = int(counts[self.trie.words[here] == token].sum())
        return {
            "adjusted": of_token if adjusted else None,
            "total": int(counts.sum(dtype=np.int64)),
            "kinds": int((counts > 0).sum()),
        }

    def _adjusted(self, here: slice, words: list[int]) -> Array:
        """a(hx) of the n-grams hx at `here`: the number of different words before each.

        n-grams of the highest order, and those at the start of a line, keep their counts: nothing precedes them.
        """
        counts = self.trie.counts[here]
        if len(words) + 1 == self.longest or words[:1] == [self.end]:
            return counts
        before = np.arange(1, 1 + self.vocab_size)  # every word v, then every v·h
        for word in words:
            before = self.extended(before, word)
        before = before[before < len(self.trie.gammas)]
        first, stop = self.trie.children[before].astype(np.int64), self.trie.children[before + 1].astype(np.int64)
        length = stop - first
        every = np.repeat(first - np.cumsum(length) + length, length) + np.arange(length.sum())  # every v·h·x
        kinds = np.bincount(self.trie.words[every], minlength=self.vocab_size)[self.trie.words[here]]
        return np.where(kinds > 0, kinds, counts)

    def _weight(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The parameter of the smoothing: a discount D, Katz's ratio d, or Jelinek & Mercer's λ."""
        name = _WEIGHTS.get(self.smoothing)
        if name is None or not self.complete or not (facts["seen"] or name == "λ"):
            return {"weight": None, "weight_name": None}
        count = facts["count"] if facts["adjusted"] is None else facts["adjusted"]
        discounted = facts["alpha"] * facts["total"]
        weight = {"D": count - discounted, "d": discounted / max(count, 1), "λ": 1 - facts["gamma"]}[name]
        return {"weight": weight, "weight_name": name}


_LISTED = "p(w|h) as listed where there is hw, else γ(h) p(w|h⁻)"
_BACKING_OFF = "p(w|h) = α(w|h) where hw was seen, else γ(h) p(w|h⁻)"
_FORMULAS = {
    "ml": "p(w|h) = c(hw) / c(h·), and p(w|h⁻) where h was never seen",
    "add-k": "p(w|h) = α(w|h) + γ(h) / V, α(w|h) = c(hw) / (c(h·) + kV)",
    "jelinek-mercer": "p(w|h) = α(w|h) + γ(h) p(w|h⁻), α(w|h) = λ c(hw) / c(h·)",
    "witten-bell": "p(w|h) = α(w|h) + γ(h) p(w|h⁻), α(w|h) = c(hw) / (c(h·) + N₁₊(h·))",
    "absolute": "p(w|h) = α(w|h) + γ(h) p(w|h⁻), α(w|h) = (c(hw) − D) / c(h·)",
    "katz": f"{_BACKING_OFF}, α(w|h) = d c(hw) / c(h·)",
    "kneser-ney": "p(w|h) = α(w|h) + γ(h) p(w|h⁻), α(w|h) = (a(hw) − D) / a(h·)",
    "modified-kneser-ney": "p(w|h) = α(w|h) + γ(h) p(w|h⁻), α(w|h) = (a(hw) − D) / a(h·)",
    "stupid-backoff": f"{_BACKING_OFF.replace('p(', 's(')}, α(w|h) = c(hw) / c(h·)",
}
_MEANINGS = {
    "c(": "c(hw): how often w followed h in training; c(h·): how often anything did",
    "a(": "a(hw): words seen before hw (of the longest n-grams c(hw)); a(h·): their sum",
    "N₁₊(": "N₁₊(h·): the number of different words seen after h",
    "D": "D: the discount, taken from each count",
    "d ": "d: the share of its count that Katz's discounting leaves to hw",
    "λ": "λ: the weight of the longer context",
    "k": "k: what is added to each count",
    "γ(": "γ(h): what is left of the probability for h⁻, h without its oldest word",
    "V": "V: the size of the vocabulary",
}
_COUNTS = ("count", "adjusted", "total", "kinds")
_WEIGHTS = {"absolute": "D", "kneser-ney": "D", "modified-kneser-ney": "D", "katz": "d", "jelinek-mercer": "λ"}


def legend(fact: dict[str, Any]) -> list[str]:
    """A line for each symbol in the formula of `explain` and in its table."""
    shown = fact["formula"] + " c(" * any(term["count"] is not None for term in fact["terms"]) + " γ("
    lines = [meaning for symbol, meaning in _MEANINGS.items() if symbol in shown]
    three = ": of 1, of 2, and of 3 and more" if fact["smoothing"] == "modified-kneser-ney" else ""
    return [line + three * line.startswith("D:") for line in lines]


def _written(term: dict[str, Any], lower: str) -> str:
    """α + γ·(lower), without terms of 0 and factors of 1: short enough to check by hand."""
    if term["backed_off"] or (term["seen"] and term["gamma"] == 0):
        return number(term["alpha"])
    left = lower
    if term["gamma"] != 1:
        left = f"{number(term['gamma'])}·({lower})" if "+" in lower else f"{number(term['gamma'])}·{lower}"
    return f"{number(term['alpha'])} + {left}" if term["alpha"] else left


def number(value: float) -> str:
    """Five significant digits: '0.01234', '3.2e-07'."""
    return f"{value:.5g}"
