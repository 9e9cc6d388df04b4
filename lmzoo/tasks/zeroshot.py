"""Tasks that a language model is asked without training: it ranks texts, and the likeliest is its answer.

Which texts these are stands in the cards of `corpora/tasks/` (see `_zeroshot_tasks`), and how they are ranked is one of
RULES. For a question q and an answer a, which has T tokens and C characters:

    sum          log P(a | q)                     Σ over the tokens of a; in BLiMP there is no q, and a is a sentence
    character    log P(a | q) / C                 so that long answers do not lose for being long
    pmi          log P(a | q) − log P(a | p)      p is what stands before an answer where nothing was asked: how much
                                                  more likely the question makes it (Holtzman et al. 2021, DC-PMI)
    alone        log P(a | p)                     the question is not shown at all: what beats chance here is in the
                                                  answers (Gururangan et al. 2018)
    threshold    log P(a) / T ≥ θ                 of one sentence: acceptable or not (Radford et al. 2018). θ is where
                                                  Matthews' correlation is highest on the training sentences

and of one right answer, LAMBADA's last word w after its passage:

    greedy       each token of w is the likeliest one after those before it
    filtered     the same, where no token that is a stop word (Radford et al. 2019), or no word, can be the first
    last-token   the last token of w is the likeliest one after those before it: easier, where words are long
    perplexity   exp of the mean of −log P(w | passage), all tokens of w together, where w is not read as `<unk>`

Of k candidates that are ranked first, each has earned 1/k of the credit; so has each of k likeliest tokens. A word that
the vocabulary lacks is spelled in several tokens and each must be the likeliest; one that is read as `<unk>` is never
found. A space before w belongs to w.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers.pretokenized import UNKNOWN
from lmzoo.data.tokenizers.pretokenized_text import ClosedVocabulary
from lmzoo.errors import ScoreError, TokenizerError
from lmzoo.evaluation.likelihood import Likelihood, greedy, likelihoods
from lmzoo.evaluation.statistics import credit, interval
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Model, Progress
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.zeroshot_items import Item, Protocol, Text, ZeroShotSet

Array = NDArray[Any]


@dataclass(frozen=True)
class Rule:
    """How items are scored, and what the score is called."""

    metric: str
    head: str  # what the head of a column says of it
    protocol: str  # what is compared, in words


RULES = {
    "sum": Rule("accuracy", "log P", "log P({c}), the sum over its tokens"),
    "character": Rule("accuracy", "per character", "log P({c}) per character"),
    "pmi": Rule("accuracy", "PMI", "log P({c}) less log P of the same after “{p}”"),
    "alone": Rule("accuracy", "answers alone", "log P of the answer after “{p}”, without the question"),
    "threshold": Rule("MCC", "per token", "log P({c}) per token, above a threshold fitted on the training sentences"),
    "greedy": Rule("accuracy", "last word, greedy", "each token of the last word is the likeliest"),
    "filtered": Rule(
        "accuracy", "last word, greedy, no stop words", "as greedy; stop words and marks cannot come first"
    ),
    "last-token": Rule("accuracy", "last token of the last word, greedy", "the last token is the likeliest"),
    "perplexity": Rule("perplexity", "last word, perplexity", "exp of −log P(the last word), mean over passages"),
}


class Asker:
    """A model that is asked: texts are written so that its tokenizer can read them, and scored once."""

    def __init__(self, text_model: TextModel, progress: Progress | None = None):
        self.text_model, self.progress = text_model, progress or Progress()
        self.model, self.tokenizer = text_model
        tokenizer = self.tokenizer
        self.closed = ClosedVocabulary(tokenizer) if tokenizer.spec.startswith("split") else None
        self._known: dict[Text, Likelihood] = {}
        self._continued: dict[tuple[str, Text], Array] = {}

    def likelihoods(self, texts: Sequence[Text]) -> dict[Text, Likelihood]:
        """log P of each continuation. Raises as `rescore.likelihoods` does."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        written = [self.written(text) for text in new]
        self._known.update(zip(new, likelihoods(self.text_model, written, self.progress), strict=True))
        return self._known

    def written(self, text: Text) -> Text:
        """The text as the tokenizer's corpus would have it, if it can read no other."""
        return self.closed.write(*text) if self.closed else text

    def continued(self, texts: Sequence[Text], stop_words: str) -> list[Array]:
        """See `rescore.greedy`, but what is read as <unk> is never found, and stop words cannot come first."""
        new = [text for text in texts if (stop_words, text) not in self._continued]
        if not new:
            return [self._continued[stop_words, text] for text in texts]
        written, stopped = [self.written(text) for text in new], self._stop_tokens(stop_words)
        found = greedy(self.text_model, written, stopped, self.progress)
        for text, shares in zip(new, found, strict=True):
            self._continued[stop_words, text] = shares * self.can_say(text[1])
        return [self._continued[stop_words, text] for text in texts]

    def can_say(self, words: str) -> bool:
        """Whether the vocabulary has these words, or can spell them."""
        return self.closed is None or self.closed.unknown(words) == 0

    def _stop_tokens(self, stop_words: str) -> Array:
        """Which tokens, with a space or without, are stop words, marks, <unk> or `end`: a mask (V,).

        A space alone is none of them, for where words are spelled they begin with it.
        """
        listed = {UNKNOWN, *stop_words.split()}
        words = ["".join(self.tokenizer.pieces([i])).strip(" ").lower() for i in range(self.tokenizer.vocab_size)]
        stopped = np.array([word in listed or (word != "" and not any(map(str.isalnum, word))) for word in words])
        stopped[self.tokenizer.end] = True
        return stopped


def ask(test_set: ZeroShotSet, asker: Asker) -> list[TaskResult]:
    """The model's results in a test_set of a task: one for each of its rules.

    What the model cannot do has a grade without a value whose note says why.
    """
    closed = asker.closed
    texts = ("".join(text) for item in test_set.items for text in item.candidates)
    share = closed.share_unknown(texts) if closed else 0.0
    if closed and share and not closed.reads_all:
        why = f"its vocabulary is closed and has no <unk> to read {share:.1%} of the words as"
        return [_refused(test_set, rule, why) for rule in test_set.protocol.rules]
    note = f"{share:.1%} of the words were read as <unk>" if share else ""
    results = []
    for rule in test_set.protocol.rules:
        try:
            results.append(_result(test_set, rule, asker, note))
        except (ScoreError, TokenizerError) as error:
            results.append(_refused(test_set, rule, str(error)))
    return results


def refuse(test_set: ZeroShotSet, model: Model) -> list[TaskResult]:
    """The results of a model that is no language model: none, and why."""
    why = f"{model.name or type(model).__name__} gives no probability to a text"
    return [_refused(test_set, rule, why) for rule in test_set.protocol.rules]


def head(protocol: Protocol, rule: str) -> str:
    """The head of the column: what is asked and, where it is asked in several ways, how."""
    return protocol.column if len(protocol.rules) == 1 else f"{protocol.column}, {RULES[rule].head}"


def published(test_sets: Sequence[ZeroShotSet]) -> list[dict[str, Any]]:
    """Others' figures, as JSON knows them, each with the head of the column that it belongs to."""
    return [
        {"task": head(test_set.protocol, figure.rule), **asdict(figure)}
        for test_set in test_sets
        for figure in test_set.protocol.published
    ]


def _refused(test_set: ZeroShotSet, rule: str, why: str) -> TaskResult:
    return _result_of(test_set, rule, test_set.items, None, note=why)


def _result_of(test_set: ZeroShotSet, rule: str, items: Sequence[Item], value: float | None, **more: Any) -> TaskResult:
    protocol = test_set.protocol
    scored = f"“{protocol.continuation}” after “{protocol.beginning}”" if protocol.beginning else protocol.continuation
    return TaskResult(
        task=more.pop("task", head(protocol, rule)),
        metric=RULES[rule].metric,
        value=value,
        chance=_chance(rule, items),
        items=len(items),
        training=len(test_set.training),
        kind="zero-shot",
        protocol=RULES[rule].protocol.format(c=scored, p=protocol.premise),
        details={"rule": rule},
        **more,
    )


def _chance(rule: str, items: Sequence[Item]) -> float | None:
    """What guessing gets; None where a guess would be among all words there are."""
    if RULES[rule].metric == "MCC":
        return 0.0
    if len(items) == 0 or len(items[0].candidates) == 1:
        return None
    return float(np.mean([1 / len(item.candidates) for item in items]))


def _result(test_set: ZeroShotSet, rule: str, asker: Asker, note: str) -> TaskResult:
    if rule == "threshold":
        return _by_threshold(test_set, rule, asker, note)
    if rule == "perplexity":
        return _perplexity(test_set, rule, asker, note)
    earned = _of_last_words(test_set, rule, asker) if rule in _LAST_WORD else _of_choices(test_set, rule, asker)
    value, spread = float(earned.mean()), interval(np.mean, earned)
    parts = {kind: _parts(test_set, rule, kind, earned) for kind in test_set.protocol.groups}
    return _result_of(test_set, rule, test_set.items, value, interval=spread, note=note, parts=parts)


def _parts(test_set: ZeroShotSet, rule: str, kind: str, earned: Array) -> list[TaskResult]:
    """A grade for each part of a kind, in order of name."""
    belongs = np.array([item.groups[kind] for item in test_set.items])
    grades = []
    for part in np.unique(belongs):
        here = np.flatnonzero(belongs == part)
        items = [test_set.items[i] for i in here]
        value, spread = float(earned[here].mean()), interval(np.mean, earned[here])
        grades.append(_result_of(test_set, rule, items, value, interval=spread, task=str(part)))
    return grades


# ── Candidates ────────────────────────────────────────────────────────────────────────────────────


def _of_choices(test_set: ZeroShotSet, rule: str, asker: Asker) -> Array:
    """What each item earns, (N,): 1/k where the right candidate is one of the k that are ranked first."""
    items, asked = test_set.items, rule in ("pmi", "alone")
    texts = [text for item in items for text in (*item.candidates, *(item.premises if asked else ()))]
    found = asker.likelihoods(texts)
    scores = np.full((len(items), max(len(item.candidates) for item in items)), -np.inf)
    for n, item in enumerate(items):
        pairs = zip(item.candidates, item.premises if asked else item.candidates, strict=True)
        scores[n, : len(item.candidates)] = [_score(rule, text, found[text], found[other]) for text, other in pairs]
    return credit(scores, np.array([item.right for item in items]))


def _score(rule: str, text: Text, given: Likelihood, unasked: Likelihood) -> float:
    """The equations at the top: a is the continuation of `text`; `unasked` is what is made of it after p."""
    if rule == "character":
        return given.log_prob / max(1, len(text[1].strip()))
    return {
        "sum": given.log_prob,
        "pmi": given.log_prob - unasked.log_prob,
        "alone": unasked.log_prob,
    }[rule]


# ── A threshold ───────────────────────────────────────────────────────────────────────────────────


def _by_threshold(test_set: ZeroShotSet, rule: str, asker: Asker, note: str) -> TaskResult:
    groups = (test_set.training, test_set.items)
    found = asker.likelihoods([item.candidates[0] for items in groups for item in items])
    (known, labels), (scores, truth) = (
        (np.array([found[item.candidates[0]].per_token for item in items]), np.array([item.right for item in items]))
        for items in groups
    )
    accepted = (scores >= best_threshold(known, labels)).astype(int)
    spread = interval(mcc, truth, accepted)
    return _result_of(test_set, rule, test_set.items, float(mcc(truth, accepted)), interval=spread, note=note)


def best_threshold(scores: Array, labels: Array) -> float:
    """θ for which `scores` (N,) ≥ θ agrees best, by Matthews' correlation, with `labels` (N,) of 0 and 1."""
    cuts = np.unique(scores)
    order = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    positive, negative = ((len(some) - np.searchsorted(some, cuts)).astype(float) for some in order)
    accepted, all_ = positive + negative, len(scores)
    right, wrong = len(order[0]), len(order[1])
    spread = np.sqrt(accepted * (all_ - accepted) * right * wrong)
    agreement = np.divide(positive * wrong - negative * right, spread, out=np.zeros_like(spread), where=spread > 0)
    return float(cuts[int(np.argmax(agreement))])


def mcc(truth: Array, answers: Array, axis: int = -1) -> Array:
    """Matthews' (1975) correlation of 0s and 1s along `axis`; 0 where all of one kind are the same."""
    both = (truth * answers).mean(axis=axis)
    p, q = truth.mean(axis=axis), answers.mean(axis=axis)
    spread = np.sqrt(p * (1 - p) * q * (1 - q))
    found: Array = np.divide(both - p * q, spread, out=np.zeros_like(spread), where=spread > 0)
    return found


# ── The last word ─────────────────────────────────────────────────────────────────────────────────


def _of_last_words(test_set: ZeroShotSet, rule: str, asker: Asker) -> Array:
    """What each passage earns, (N,)."""
    texts = [item.candidates[0] for item in test_set.items]
    return np.array([_LAST_WORD[rule](shares) for shares in asker.continued(texts, test_set.protocol.stop_words)])


_LAST_WORD: dict[str, Callable[[Array], float]] = {
    "greedy": lambda shares: shares[0].prod(),
    "filtered": lambda shares: shares[1].prod(),
    "last-token": lambda shares: shares[0, -1],
}


def _perplexity(test_set: ZeroShotSet, rule: str, asker: Asker, note: str) -> TaskResult:
    if not asker.model.is_distribution:
        return _refused(test_set, rule, "its scores do not sum to one: they can rank words, and have no perplexity")
    items = [item for item in test_set.items if asker.can_say(item.candidates[0][1])]
    if not items:
        return _refused(test_set, rule, "its vocabulary has none of the last words")
    if len(items) < len(test_set.items):  # <unk> stands for many words, and is cheaper than any of them
        note += (
            f"; the other {1 - len(items) / len(test_set.items):.1%} of the last words are <unk> to it, and left out"
        )
    texts = [item.candidates[0] for item in items]
    found = asker.likelihoods(texts)
    nats = -np.array([found[text].log_prob for text in texts])
    return _result_of(test_set, rule, items, float(_exp_mean(nats)), interval=interval(_exp_mean, nats), note=note)


def _exp_mean(nats: Array, axis: int = -1) -> Array:
    found: Array = np.exp(nats.mean(axis=axis))
    return found
