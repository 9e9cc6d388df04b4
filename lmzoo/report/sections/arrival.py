"""What is learned when: knowledge and bits at points of the training of a recurrent network and of a transformer.

The networks were kept at log-spaced points of their training (`Run.checkpoints`). Every point is asked the same
questions, in groups: those of the grammar exam or, where a comparison was given it, BLiMP; and is scored on the
beginning of the test text. Beside them stand n-grams that counted as many tokens as the first network had read. They
do not read a text twice, so their curves end where the text does.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from lmzoo import models
from lmzoo.comparison.context import Context
from lmzoo.comparison.entry import Entry, scored
from lmzoo.comparison.results import Comparison
from lmzoo.errors import LmzooError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.statistics import wilson
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Run
from lmzoo.report.arrival_figure import PROBES, Arrival, Curve, Grade, Group, Point, data, figure, half
from lmzoo.report.section import Section
from lmzoo.report.table import DASH, Cell, Table, amount, percent
from lmzoo.runs import store
from lmzoo.tasks import grammar_probes, targeted, zeroshot
from lmzoo.tasks.phenomena import GROUPS
from lmzoo.tasks.probing.datasets import TEST, TRAIN, VALID, ProbeSet
from lmzoo.tasks.suite import EXAM_SEED

T = TypeVar("T")
POINTS = 10  # of each training
ITEMS = 50  # questions about each phenomenon: ± 7 % in a group, as more would take too long
TEXTS = 80  # of each part of a probe's set: training, validation, test
PAIRS = 2010  # of BLiMP: 30 of each of its 67 sets
CHARACTERS = 20_000  # of the test text
FAMILIES = ("recurrent", "transformer")  # the best network of each
EXAM, DISTANCES = "the grammar exam", ("local", "near", "long")
PROBE = "{}, a probe"  # the name of one among the phenomena
NGRAMS = {"bigram": {"order": "2"}, "5-gram": {"order": "5"}}
# The fields of linguistics under which Warstadt et al. 2020 (table 4) have BLiMP's phenomena.
FIELDS = {
    "morphology": ("anaphor_agreement", "determiner_noun_agreement", "irregular_forms", "subject_verb_agreement"),
    "syntax": ("argument_structure", "ellipsis", "filler_gap_dependency", "island_effects"),
    "semantics": ("npi_licensing", "quantifiers"),
    "syntax and semantics": ("binding", "control_raising"),
}


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Asked:
    """A phenomenon, and what is known of the questions about it."""

    name: str
    group: str
    items: int
    chance: float
    ceiling: float


@dataclass(frozen=True)
class Scores:
    """What a model has at one point: bits, and the accuracy in each phenomenon."""

    bits_per_character: float
    accuracy: dict[str, float]


@dataclass(frozen=True)
class Job:
    """A model that has read so many tokens, to be scored: what it depends on, and how it is got."""

    tokens: int
    key: Mapping[str, Any]
    load: Callable[[], TextModel]


class Test:
    """What every point is asked: questions from the grammar of a generated text, else BLiMP where it is given."""

    def __init__(self, context: Context):
        self.context, self.corpus = context, context.corpus
        self.exam = context.exam
        blimp = [one for one in context.tests.zeroshot if one.task == "blimp"]
        self.pairs = blimp[0].limited(PAIRS) if blimp and not self.exam else None
        self.name = EXAM if self.exam else "BLiMP" if self.pairs else ""
        text = self.corpus.test[:CHARACTERS]
        end = text.rfind("\n\n") + 2 if "\n\n" in text else text.rfind("\n") + 1
        self.beginning = text[:end] if end and len(text) == CHARACTERS else text

    @cached_property
    def questions(self) -> targeted.Questions:
        """The first of the exam: fewer than where each model is asked once."""
        assert self.exam
        return {name: items[:ITEMS] for name, items in self.exam.questions.items()}

    @cached_property
    def probes(self) -> list[ProbeSet]:
        """Fewer texts than where each model is probed once."""
        return [first(one, TEXTS) for one in self.context.own_probes]

    def cached(self, kind: type[T], key: Mapping[str, Any], compute: Callable[[], Any]) -> T:
        """What `compute` returns, cached by what it depends on beside `key`."""
        asked = {"pairs": self.pairs.digest()} if self.pairs else {"seed": EXAM_SEED, "items": ITEMS, "texts": TEXTS}
        of = {"text": self.corpus.sha256, "protocol": self.corpus.protocol, "until": len(self.beginning)}
        return self.context.cached(kind, {**key, **of, **asked}, compute)

    def phenomena(self) -> list[Asked]:
        """What is asked, by group, in the order in which groups are expected to be learned."""
        if self.exam:
            ceilings = targeted.ceiling(self.questions, self.exam.grammar)
            asked = [Asked(r.task, r.group, r.items, r.chance or 0.0, r.value or 1.0) for r in ceilings]
            asked.sort(key=lambda one: GROUPS.index(one.group))
            chances = {PROBE.format(one.task): 1 / len(one.classes) for one in self.probes}
            return asked + [Asked(name, PROBES, TEXTS, chance, 1.0) for name, chance in chances.items()]
        counts = Counter(item.groups["phenomenon"] for item in self.pairs.items) if self.pairs else Counter[str]()
        fields = [(field, name) for field, names in FIELDS.items() for name in names if counts[name]]
        return [Asked(name, field, counts[name], 0.5, 1.0) for field, name in fields]

    def source(self) -> list[float]:
        """Bits per character of the source of the text; none where it is not known."""
        if not self.exam:
            return []
        grammar = self.exam.grammar
        bits = [grammar.log2_prob(document) for document in grammar.documents(self.beginning)]
        return [-math.fsum(bits) / len(self.beginning)]

    def score(self, load: Callable[[], TextModel]) -> Scores:
        """Of a model."""
        text_model = load()
        score = evaluate(text_model, self.beginning, self.corpus.protocol)
        results = targeted.ask(text_model, self.questions) if self.exam else []
        if self.pairs:
            results = list(zeroshot.ask(self.pairs, zeroshot.Asker(text_model))[0].parts["phenomenon"])
        if self.exam:
            probed = grammar_probes.evaluate(text_model, self.probes)
            results += [replace(result, task=PROBE.format(result.task)) for result in probed]
        return Scores(score.bits_per_character, {r.task: r.value for r in results if r.value is not None})


def first(probes: ProbeSet, count: int) -> ProbeSet:
    """Of each part the first `count` texts, in which the classes take turns."""
    chosen = [n for part in (TRAIN, VALID, TEST) for n in (probes.parts == part).nonzero()[0][:count].tolist()]
    texts = [probes.texts[0][n] for n in chosen]
    return replace(probes, texts=(texts,), labels=probes.labels[chosen], parts=probes.parts[chosen])


def compute(entries: Sequence[Entry], context: Context) -> Arrival | None:
    """Of networks that were kept at points of their training on this text; None where there are none."""
    networks = _networks(entries, context)
    if not networks:
        return None
    test = Test(context)
    work = _ngrams(entries, networks[0], context)
    work += [((one.label, one.model.title, one.row.model, one.row.family), _kept(one, context)) for one in networks]
    with context.progress.task("what is learned when", sum(len(jobs) for _, jobs in work)) as task:
        asked = test.cached(list[Asked], {"asked": test.name}, test.phenomena)
        groups = [_group(name, [one for one in asked if one.group == name])
                  for name in dict.fromkeys(one.group for one in asked)]  # fmt: skip
        curves = []
        for (label, title, model, family), jobs in work:
            task.doing(label)
            points = []
            for job in jobs:
                with suppress(LmzooError):  # a model that cannot be scored, as of too little text, is no point
                    scores = test.cached(Scores, job.key, partial(test.score, job.load))
                    points.append(_point(job.tokens, scores, groups))
                task.advance(1)
            curves.append(Curve(label=label, model=model, title=title, family=family, points=tuple(points)))
        source = test.cached(list[float], {"source": True}, test.source)
    curves = [one for one in curves if one.points]
    return Arrival(test.name, tuple(groups), tuple(curves), len(test.beginning), source[0] if source else None)


Named = tuple[str, str, str, str]  # label, title, model and family of a curve


def _networks(entries: Sequence[Entry], context: Context) -> list[Entry]:
    """The best of each of FAMILIES, by year, of those with checkpoints, trained on this text with this tokenizer."""
    own = context.corpus.sha256["train"], context.text.tokenizer.spec
    best: dict[str, Entry] = {}
    for entry in sorted(scored(entries), key=lambda one: one.row.bits):
        known = entry.row.provenance or {}
        if known.get("checkpoints") and (known["sha256"]["train"], entry.tokenizer.spec) == own:
            best.setdefault(entry.row.family, entry)
    return sorted((best[name] for name in FAMILIES if name in best), key=lambda one: one.row.year or 0)


def _kept(entry: Entry, context: Context) -> list[Job]:
    """The points of a training."""
    jobs = []
    for point in (entry.row.provenance or {})["checkpoints"]:
        assert entry.folder
        folder = store.checkpoint(entry.folder, point["step"])
        jobs.append(Job(point["tokens"], {"model": store.digest(folder)}, partial(_load, folder, entry, context)))
    return jobs


def _load(folder: Path, entry: Entry, context: Context) -> TextModel:
    text_model = store.load(folder, entry.code)
    text_model.model.to(context.run.device)
    return text_model


def _ngrams(entries: Sequence[Entry], first: Entry, context: Context) -> list[tuple[Named, list[Job]]]:
    """N-grams of as many tokens as a network had read at each of its points, at most all that there are."""
    read = [point["tokens"] for point in (first.row.provenance or {})["checkpoints"]]
    amounts = sorted({min(tokens, len(context.text.train)) for tokens in read})
    work = []
    for title, settings in NGRAMS.items():
        model = models.make(models.find("ngram"), settings)
        label = next((one.label for one in entries if one.row.config == model.config()), model.label)
        key = {"ngram": model.config(), "tokenizer": context.text.tokenizer.spec}
        jobs = [Job(n, {**key, "tokens": n}, partial(_counted, settings, n, context)) for n in amounts]
        work.append(((label, title, model.name, model.family), jobs))
    return work


def _counted(settings: dict[str, str], tokens: int, context: Context) -> TextModel:
    model = models.make(models.find("ngram"), settings)
    data = replace(context.text.data, train=context.text.train[:tokens], refit=False)
    return TextModel(model.fit(data, Run(seed=context.run.seed)), context.text.tokenizer)


def _group(name: str, asked: Sequence[Asked]) -> Group:
    chance, ceiling = (fmean([getattr(one, what) for one in asked]) for what in ("chance", "ceiling"))
    return Group(name, tuple(one.name for one in asked), sum(one.items for one in asked), chance, ceiling)


def _point(tokens: int, scores: Scores, groups: Sequence[Group]) -> Point:
    return Point(tokens, scores.bits_per_character, tuple(_grade(scores, group) for group in groups))


def _grade(scores: Scores, group: Group) -> Grade | None:
    of_each = tuple(scores.accuracy[name] for name in group.phenomena if name in scores.accuracy)
    if len(of_each) < len(group.phenomena):
        return None
    mean = fmean(of_each)
    return Grade(mean, wilson(mean * group.items, group.items), of_each)


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────


def table(facts: Arrival, _: Comparison) -> list[Table]:
    """When each group is half learned, and all figures at each point."""
    halves = []
    for curve in facts.curves if facts.groups else ():
        tokens = [half(curve, group, n) for n, group in enumerate(facts.groups)]
        halves.append((curve.label, [Cell(DASH) if one is None else Cell(amount(one), "", one) for one in tokens]))
    lines = []
    for curve in facts.curves:
        for one in curve.points:
            grades = [Cell(percent(g.accuracy), DASH.join(map(percent, g.interval)), g.accuracy) if g else Cell(DASH)
                      for g in one.grades]  # fmt: skip
            bits = Cell(f"{one.bits_per_character:.3f}", "", one.bits_per_character)
            lines.append((curve.label, [Cell(amount(one.tokens), "", one.tokens), bits, *grades]))
    names = [group.name for group in facts.groups]
    tables = [Table("half learned", names, halves)] if halves else []
    return [*tables, Table("model", ("tokens read", "bits/char", *names), lines)]


def findings(facts: Arrival, _: Comparison) -> list[str]:
    """That a network learned short dependencies before long ones, where it did."""
    if facts.test != EXAM:
        return []
    places = [n for n, group in enumerate(facts.groups) if group.name in DISTANCES]
    reached = {
        curve.label: [half(curve, facts.groups[n], n) or math.inf for n in places]
        for curve in facts.curves
        if curve.family in FAMILIES
    }
    ordered = {label: tokens for label, tokens in reached.items() if tokens == sorted(tokens) and tokens[1] < math.inf}
    if not ordered:
        return []
    label = min(ordered, key=lambda one: ordered[one][::-1])  # the one that learned what is far first
    local, near, far = ("not yet" if one == math.inf else f"after {amount(one)}" for one in ordered[label])
    return [
        f"Short dependencies are learned before long ones: in {label}, local phenomena are halfway from chance to the "
        f"source {local} tokens, near ones {near}, long ones {far}."
    ]


section = Section(
    "arrival", "What is learned when", 10, "knowledge", facts=Arrival, compute=compute, table=table, figure=figure,
    data=data, findings=findings, checkpoints=POINTS,
)  # fmt: skip
