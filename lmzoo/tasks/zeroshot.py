"""Zero-shot tasks: a language model ranks texts without training, and the highest-ranked candidate is its answer.

Which texts these are is said by the cards of `corpora/tasks/` (see `zeroshot_items.py`), and how they are ranked by one
of RULES there. For a question q and an answer a of T tokens and C characters:

    sum          log P(a | q)                     Σ over the tokens of a; in BLiMP there is no q, and a is a sentence
    character    log P(a | q) / C                 so that length does not count against an answer
    pmi          log P(a | q) − log P(a | p)      p is the premise, what stands before an answer without a question
                                                  (Holtzman et al. 2021, DC-PMI)
    alone        log P(a | p)                     without the question: what beats chance here is in the answers
                                                  (Gururangan et al. 2018)
    threshold    log P(a) / T ≥ θ                 of one sentence: acceptable or not (Radford et al. 2018). θ maximises
                                                  Matthews' correlation on the training sentences

and for LAMBADA's last word w of a passage:

    greedy       each token of w is the most likely one after those before it
    filtered     the same, where no stop word (Radford et al. 2019) and no punctuation can be the first token
    last-token   the last token of w is the most likely one after those before it
    perplexity   exp of the mean of −log P(w | passage), all tokens of w together

Among k candidates, or k tokens, tied for first, the right one earns 1/k. A masked model ranks candidates by
pseudo-log-likelihood; the last-word rules need a language model.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lmzoo.data.tokenizers.normalizer import UNKNOWN
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.likelihood import Likelihood, greedy
from lmzoo.evaluation.statistics import credit, interval
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Array, LanguageModel, Progress
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.scoring import PSEUDO, continuation_scores, is_pseudo
from lmzoo.tasks.zeroshot_items import RULES, Item, Text, ZeroShotCard, ZeroShotSet


class Asker:
    """A model that is asked: texts are normalized for its tokenizer, and each is scored once."""

    def __init__(self, text_model: TextModel, progress: Progress | None = None):
        self.text_model, self.progress = text_model, progress or Progress()
        self.tokenizer = text_model.tokenizer
        self._scores: dict[Text, Likelihood] = {}
        self._continued: dict[tuple[str, Text], Array] = {}

    def scores(self, texts: Sequence[Text]) -> dict[Text, Likelihood]:
        """The score of each continuation: see `continuation_scores`."""
        new = [text for text in dict.fromkeys(texts) if text not in self._scores]
        normalized = [self._normalize(text) for text in new]
        scores = continuation_scores(self.text_model, normalized, self.progress)
        self._scores.update(zip(new, scores, strict=True))
        return self._scores

    def continued(self, texts: Sequence[Text], stop_words: str) -> list[Array]:
        """Whether greedy decoding gives each continuation, (2, C): see `greedy`. Words read as <unk> are never given.

        In the second row, stop words cannot come first.
        """
        new = [text for text in texts if (stop_words, text) not in self._continued]
        if new:
            normalized = [self._normalize(text) for text in new]
            shares = greedy(self.text_model, normalized, self._stop_tokens(stop_words), self.progress)
            for text, of_text in zip(new, shares, strict=True):
                self._continued[stop_words, text] = of_text * self.can_say(text[1])
        return [self._continued[stop_words, text] for text in texts]

    def can_say(self, words: str) -> bool:
        """Whether the vocabulary has these words, or can spell them."""
        return self.tokenizer.unknown_share([words]) == 0

    def _normalize(self, text: Text) -> Text:
        beginning, continuation = text
        return self.tokenizer.normalize(beginning), self.tokenizer.normalize(continuation, beginning)

    def _stop_tokens(self, stop_words: str) -> Array:
        """The tokens, with a space or without, that are stop words, punctuation, <unk> or `end`: a mask (V,)."""
        listed = {UNKNOWN, *stop_words.split()}
        words = ["".join(self.tokenizer.pieces([i])).strip(" ").lower() for i in range(self.tokenizer.vocab_size)]
        # A space alone is no stop word: where words are spelled, they begin with it.
        stopped = np.array([word in listed or (word != "" and not any(map(str.isalnum, word))) for word in words])
        stopped[self.tokenizer.end] = True
        return stopped


def ask(test_set: ZeroShotSet, asker: Asker) -> list[TaskResult]:
    """The model's results on a test set, one for each of its rules.

    Where the model cannot be scored by a rule, the result has no value, and its note says why.
    """
    tokenizer = asker.tokenizer
    share = tokenizer.unknown_share("".join(text) for item in test_set.items for text in item.candidates)
    if share and tokenizer.unknown is None:
        why = f"its vocabulary is closed and has no <unk> to read {share:.1%} of the words as"
        return [_refused(test_set, rule, why) for rule in test_set.card.rules]
    notes = [PSEUDO] if is_pseudo(asker.text_model) else []
    notes += [f"{share:.1%} of the words were read as <unk>"] if share else []
    results = []
    for rule in test_set.card.rules:
        try:
            results.append(_ask_by(rule, test_set, asker, "; ".join(notes)))
        except (ScoreError, UsageError) as error:
            results.append(_refused(test_set, rule, str(error)))
    return results


def heading(card: ZeroShotCard, rule: str) -> str:
    """The heading of a column: the task and, where it has several rules, the rule."""
    return card.column if len(card.rules) == 1 else f"{card.column}, {RULES[rule].heading}"


def published(test_sets: Sequence[ZeroShotSet]) -> list[dict[str, Any]]:
    """Figures from the literature, as JSON, each with the heading of the column it belongs to."""
    return [
        {"task": heading(test_set.card, figure.rule), **asdict(figure)}
        for test_set in test_sets
        for figure in test_set.card.published
    ]


def _refused(test_set: ZeroShotSet, rule: str, why: str) -> TaskResult:
    return _result(test_set, rule, test_set.items, None, note=why)


def _result(
    test_set: ZeroShotSet, rule: str, items: Sequence[Item], metric: Callable[..., Any] | None, *columns: Array,
    **more: Any,
) -> TaskResult:  # fmt: skip
    """The `metric` of `columns` (N,), with its confidence interval; None: the model was refused."""
    card = test_set.card
    scored = f"“{card.continuation}” after “{card.beginning}”" if card.beginning else card.continuation
    return TaskResult(
        task=more.pop("task", heading(card, rule)),
        metric=RULES[rule].metric,
        value=None if metric is None else float(metric(*columns)),
        interval=None if metric is None else interval(metric, *columns),
        chance=_chance(rule, items),
        items=len(items),
        training=len(test_set.training),
        kind="zero-shot",
        protocol=RULES[rule].protocol.format(c=scored, p=card.premise),
        details={"rule": rule},
        **more,
    )


def _chance(rule: str, items: Sequence[Item]) -> float | None:
    """What guessing scores; None where a guess would be among all words."""
    if RULES[rule].metric == "MCC":
        return 0.0
    if len(items) == 0 or len(items[0].candidates) == 1:
        return None
    return float(np.mean([1 / len(item.candidates) for item in items]))


def _ask_by(rule: str, test_set: ZeroShotSet, asker: Asker, note: str) -> TaskResult:
    if rule == "threshold":
        return _by_threshold(test_set, rule, asker, note)
    if rule == "perplexity":
        return _perplexity(test_set, rule, asker, note)
    earned = (_last_words if rule in _LAST_WORD else _choices)(test_set, rule, asker)  # (N,)
    parts = {kind: _parts(test_set, rule, kind, earned) for kind in test_set.card.groups}
    return _result(test_set, rule, test_set.items, np.mean, earned, note=note, parts=parts)


def _parts(test_set: ZeroShotSet, rule: str, kind: str, earned: Array) -> list[TaskResult]:
    """A result for each group of a kind, in order of name."""
    group_of = np.array([item.groups[kind] for item in test_set.items])
    results = []
    for group in np.unique(group_of):
        in_group = np.flatnonzero(group_of == group)
        items = [test_set.items[i] for i in in_group]
        results.append(_result(test_set, rule, items, np.mean, earned[in_group], task=str(group)))
    return results


# ── Candidates ────────────────────────────────────────────────────────────────────────────────────


def _choices(test_set: ZeroShotSet, rule: str, asker: Asker) -> Array:
    """What each item earns, (N,): 1/k where the right candidate is among k tied for first, else 0."""
    items, with_premise = test_set.items, rule in ("pmi", "alone")
    texts = [text for item in items for text in (*item.candidates, *(item.premises if with_premise else ()))]
    known = asker.scores(texts)
    scores = np.full((len(items), max(len(item.candidates) for item in items)), -np.inf)
    for n, item in enumerate(items):
        pairs = zip(item.candidates, item.premises if with_premise else item.candidates, strict=True)
        scores[n, : len(item.candidates)] = [_score(rule, text, known[text], known[other]) for text, other in pairs]
    return credit(scores, np.array([item.right for item in items]))


def _score(rule: str, text: Text, given_question: Likelihood, given_premise: Likelihood) -> float:
    """The equations at the top; a is the continuation of `text`."""
    if rule == "character":
        return given_question.log_prob / max(1, len(text[1].strip()))
    return {
        "sum": given_question.log_prob,
        "pmi": given_question.log_prob - given_premise.log_prob,
        "alone": given_premise.log_prob,
    }[rule]


# ── A threshold ───────────────────────────────────────────────────────────────────────────────────


def _by_threshold(test_set: ZeroShotSet, rule: str, asker: Asker, note: str) -> TaskResult:
    groups = (test_set.training, test_set.items)
    known = asker.scores([item.candidates[0] for items in groups for item in items])
    (training_scores, training_labels), (scores, truth) = (
        (np.array([known[item.candidates[0]].per_token for item in items]), np.array([item.right for item in items]))
        for items in groups
    )
    accepted = (scores >= best_threshold(training_scores, training_labels)).astype(int)
    return _result(test_set, rule, test_set.items, mcc, truth, accepted, note=note)


def best_threshold(scores: Array, labels: Array) -> float:
    """θ for which `scores` (N,) ≥ θ agrees best, by Matthews' correlation, with `labels` (N,) of 0 and 1."""
    cuts = np.unique(scores)
    of_ones, of_zeros = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    # How many of each class a cut accepts, (cuts,): those with a score of at least the cut.
    positive, negative = ((len(scored) - np.searchsorted(scored, cuts)).astype(float) for scored in (of_ones, of_zeros))
    accepted, total = positive + negative, len(scores)  # (cuts,)
    right, wrong = len(of_ones), len(of_zeros)
    spread = np.sqrt(accepted * (total - accepted) * right * wrong)
    agreement = np.divide(positive * wrong - negative * right, spread, out=np.zeros_like(spread), where=spread > 0)
    return float(cuts[int(np.argmax(agreement))])


def mcc(truth: Array, answers: Array, axis: int = -1) -> Array:
    """Matthews' (1975) correlation of 0s and 1s along `axis`; 0 where one of them is constant."""
    both = (truth * answers).mean(axis=axis)
    p, q = truth.mean(axis=axis), answers.mean(axis=axis)
    spread = np.sqrt(p * (1 - p) * q * (1 - q))
    return np.divide(both - p * q, spread, out=np.zeros_like(spread), where=spread > 0)


# ── The last word ─────────────────────────────────────────────────────────────────────────────────


def _last_words(test_set: ZeroShotSet, rule: str, asker: Asker) -> Array:
    """What each passage earns, (N,)."""
    texts = [item.candidates[0] for item in test_set.items]
    return np.array([_LAST_WORD[rule](shares) for shares in asker.continued(texts, test_set.card.stop_words)])


_LAST_WORD: dict[str, Callable[[Array], float]] = {
    "greedy": lambda shares: shares[0].prod(),
    "filtered": lambda shares: shares[1].prod(),
    "last-token": lambda shares: shares[0, -1],
}


def _perplexity(test_set: ZeroShotSet, rule: str, asker: Asker, note: str) -> TaskResult:
    if not asker.text_model.require(LanguageModel, "it has no perplexity").is_distribution:
        return _refused(test_set, rule, "its scores do not sum to one: they can rank words, and have no perplexity")
    items = [item for item in test_set.items if asker.can_say(item.candidates[0][1])]
    if not items:
        return _refused(test_set, rule, "its vocabulary has none of the last words")
    if len(items) < len(test_set.items):  # <unk> stands for many words, and is likelier than any of them
        unknown = 1 - len(items) / len(test_set.items)
        note += f"; the other {unknown:.1%} of the last words are <unk> to it, and left out"
    texts = [item.candidates[0] for item in items]
    known = asker.scores(texts)
    nats = -np.array([known[text].log_prob for text in texts])
    return _result(test_set, rule, items, _exp_mean, nats, note=note)


def _exp_mean(nats: Array, axis: int = -1) -> Array:
    return np.exp(nats.mean(axis=axis))
