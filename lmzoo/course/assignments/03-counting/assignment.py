"""The checks of assignment 3: a small text is drawn for each check, and `lmzoo.models.ngram` says what is right."""

import random
from collections import Counter
from typing import Any

import numpy as np

from lmzoo.course.checks import Differential, Drawn, Figure
from lmzoo.course.remote import Question
from lmzoo.data.grammar import storyworld
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram

ORDERS = (2, 3, 4)
CONTEXTS = 50
V = 11


def checks(source: Any) -> dict[str, Any]:
    """A function for each check of the rubric, which draws its cases from `source(name)`, a random.Random."""
    return {
        "counts": lambda name: counts(source(name)),
        "maximum likelihood": lambda name: smoothed(source(name), "maximum_likelihood"),
        "add-k": lambda name: smoothed(source(name), "add_k"),
        "Jelinek-Mercer": lambda name: smoothed(source(name), "jelinek_mercer"),
        "Kneser-Ney": lambda name: smoothed(source(name), "kneser_ney"),
        "bits of a hidden text": lambda name: figure(source(name)),
    }


def text(source: random.Random, lines: int) -> list[int]:
    """Lines of a random Markov chain over V ids, each up to its `end`."""
    rows = [[source.random() ** 4 for _ in range(V - 1)] for _ in range(V)]
    tokens, before = [], V - 1
    for _ in range(lines):
        for _ in range(source.randint(1, 9)):
            before = source.choices(range(V - 1), rows[before])[0]
            tokens.append(before)
        tokens.append(V - 1)
        before = V - 1
    return tokens


def counted(tokens: list[int], vocab_size: int, order: int) -> list[dict[tuple[int, ...], int]]:
    """What `count` is to give."""
    end = vocab_size - 1
    tables: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order)]
    line = [end]
    for token in tokens:
        line.append(token)
        for n in range(1, min(order, len(line)) + 1):
            tables[n - 1][tuple(line[-n:])] += 1
        if token == end:
            line = [end]
    return [dict(table) for table in tables]


def counts(source: random.Random) -> Drawn:
    """Twelve texts of different lengths, one of them without a line."""
    given = [(text(source, lines), V, source.choice(ORDERS)) for lines in range(12)]
    return Drawn(Question("count", [(None, one) for one in given]), Differential([counted(*one) for one in given]))


def histories(source: random.Random, tokens: list[int], number: int) -> list[tuple[int, ...]]:
    """Four in five from the text, the others random and mostly unseen."""
    found: list[tuple[int, ...]] = []
    while len(found) < number:
        if len(found) % 5 == 4:
            found.append((V - 1, *(source.randrange(V - 1) for _ in range(source.randint(0, 6)))))
        else:
            found.append(history(tokens, source.randrange(len(tokens)), V - 1))
    return found


def history(tokens: list[int], position: int, end: int) -> tuple[int, ...]:
    """The `end` before the line of `tokens[position]`, and what the line has before it."""
    begin = position
    while begin and tokens[begin - 1] != end:
        begin -= 1
    return (end, *tokens[begin:position])


def smoothed(source: random.Random, function: str) -> Drawn:
    """Fifty histories, of models of orders 2 to 4."""
    parameter = source.choice([0.05, 0.3, 0.7, 2.0]) if function == "add_k" else source.choice([0.3, 0.6, 0.8])
    takes = (parameter,) if function in ("add_k", "jelinek_mercer") else ()
    given, cases, expected = [], [], []
    for n, order in enumerate(ORDERS):
        tokens = text(source, 120)
        given.append((counted(tokens, V, order), V, *takes))
        for one in histories(source, tokens, len(range(n, CONTEXTS, len(ORDERS)))):
            cases.append((n, (one,)))
            expected.append(right(function, tokens, order, parameter, one))
    return Drawn(Question(function, cases, given), Differential(expected, distributions=True))


def right(function: str, tokens: list[int], order: int, parameter: float, one: tuple[int, ...]) -> list[float]:
    """The distribution after a history, (V,), by lmzoo's model."""
    if function == "jelinek_mercer":
        return mixed(tokens, order, parameter, one)
    name = {"maximum_likelihood": "ml", "add_k": "add-k", "kneser_ney": "kneser-ney"}[function]
    return [float(p) for p in predicted(fitted(tokens, V, order, name, parameter), one)]


def mixed(tokens: list[int], order: int, weight: float, one: tuple[int, ...]) -> list[float]:
    """Jelinek and Mercer's sum of the relative frequencies of lmzoo's models of orders 1 to `order`."""
    p = np.full(V, 1 / V)
    tables = counted(tokens, V, order)
    for n in range(1, order + 1):
        context = one[len(one) - n + 1 :]
        if len(context) == n - 1 and any(ngram[:-1] == context for ngram in tables[n - 1]):
            p = weight * predicted(fitted(tokens, V, n, "ml", 1.0), one) + (1 - weight) * p
    return [float(x) for x in p]


def fitted(tokens: list[int], vocab_size: int, order: int, smoothing: str, k: float = 1.0) -> Ngram:
    """One of lmzoo's models, fitted."""
    ids = np.array(tokens, dtype=np.int32)
    return Ngram(order, smoothing, k).fit(Data.of(ids, np.zeros(0, dtype=np.int32), vocab_size))


def predicted(model: Ngram, one: tuple[int, ...]) -> Any:
    """P of each token after a history, (V,)."""
    with np.errstate(divide="ignore"):
        return np.exp(model.next_log_probs(model.advance(model.start(), np.array(one[1:], dtype=np.int32))))


def figure(source: random.Random) -> Drawn:
    """Bits per word of a hidden text by the student's own model: from add-one bigram, 0, to Kneser-Ney trigram, full.

    Both ends are measured while it grades, on the same words of a text that the grammar of storyworld writes for it.
    """
    grammar = storyworld()
    seed = source.getrandbits(64)
    train, hidden = (grammar.generate(size, f"{seed} {part}") for part, size in (("train", 25_000), ("hidden", 8_000)))
    words = sorted({word for part in (train, hidden) for document in part for word in document.split()})
    ids = {word: n for n, word in enumerate(words)}
    end = len(words)
    read, asked = ([n for line in part for n in (*(ids[w] for w in line.split()), end)] for part in (train, hidden))
    # In the text's order: a later history holds what came after an earlier one, which has been answered by then.
    positions = sorted(source.sample(range(len(asked)), 80))
    before, next_ones = [history(asked, n, end) for n in positions], [asked[n] for n in positions]

    def bits(smoothing: str, order: int) -> list[float]:
        model = fitted(read, end + 1, order, smoothing)
        at = [model.next_log_probs(model.advance(model.start(), np.array(h[1:], dtype=np.int32))) for h in before]
        return [float(-p[w] / np.log(2)) for p, w in zip(at, next_ones, strict=True)]

    # Rounding may not cost a point, so a thousandth above lmzoo's own bits is the target.
    baseline, best = bits("add-k", 2), bits("kneser-ney", 3)
    judge = Figure(next_ones, end + 1, float(np.mean(baseline)), 1.001 * float(np.mean(best)), best)
    return Drawn(Question("own_model", [(0, (one,)) for one in before], [(read, end + 1)]), judge)
