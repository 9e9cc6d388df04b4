"""Zero-shot while pre-training (Radford et al. 2018, figure 2): questions of the grammar at points of one training."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from lmzoo.report.table import DASH, MINUS, Cell, Table, amount
from lmzoo.report.transfer.experiment import Experiment, Found, Lab, Start
from lmzoo.report.transfer_figures import numbered_curves
from lmzoo.runs import store
from lmzoo.runs.cache import ResultCache
from lmzoo.tasks import targeted
from lmzoo.tasks.finetuning.grid import Point
from lmzoo.tasks.phenomena import GROUPS
from lmzoo.tasks.suite import EXAM_SEED

ITEMS = 50  # questions about each phenomenon
ALL = "all"


@dataclass(frozen=True)
class Moment:
    """What a run had read, and how far it had come from guessing (0) to always being right (1), by group."""

    run: str
    tokens: int
    scores: dict[str, float]


def run(lab: Lab) -> Found:
    """A row for each point of each run that has checkpoints."""
    moments: list[Moment] = []
    assert lab.grammar and lab.corpus
    questions = targeted.questions(lab.grammar, EXAM_SEED, lab.corpus.train, ITEMS)
    work = [(start, point["step"], point["tokens"]) for start in kept(lab) for point in start.provenance["checkpoints"]]
    for start, step, tokens in lab.progress.track("asking checkpoints", work):
        scores = _kept_scores(lab, start, step, questions)
        if scores:
            moments.append(Moment(start.name, tokens, scores))
    groups = [name for name in (*GROUPS, ALL) if any(name in one.scores for one in moments)]
    curves = {
        start.name: [
            (float(one.tokens), Point(start.name, ALL, "score", 0, (value,), value, None, 0))
            for one in moments
            if one.run == start.name and (value := one.scores[ALL]) is not None
        ]
        for start in kept(lab)
    }
    lines = [
        (f"{one.run}, {amount(one.tokens)} tokens", [_cell(one.scores.get(group)) for group in groups])
        for one in moments
    ]
    return Found(
        sentence(moments),
        [("Questions of the grammar, without any training on them: how far from guessing (0) to all right (100).",
          Table("", groups, lines))],
        partial(numbered_curves, curves, lab.families, "tokens read", "zero-shot score"),
        "The mean over the exam's phenomena at points of each training: 0 is guessing, 1 is all right.",
        {"moments": [vars(one) for one in moments]},
    )  # fmt: skip


def kept(lab: Lab) -> list[Start]:
    """The runs that were kept at points of their training."""
    return [one for one in lab.starts if one.provenance.get("checkpoints")]


def sentence(moments: list[Moment]) -> str:
    """Of each run, what half of the way and the end have."""
    said = []
    for name in dict.fromkeys(one.run for one in moments):
        of_run = [one for one in moments if one.run == name]
        end = of_run[-1].scores[ALL]
        half = next(one for one in of_run if one.scores[ALL] >= end / 2)
        said.append(
            f"{name} comes {100 * end:.0f} % of the way from guessing, half of that by {amount(half.tokens)} tokens"
        )
    return f"{'; '.join(said)}." if said else "No checkpoint could be asked."


def _kept_scores(lab: Lab, start: Start, step: int, questions: targeted.Questions) -> dict[str, float]:
    folder = store.checkpoint(start.folder, step)
    assert lab.corpus
    key = {"model": store.digest(folder), "corpus": lab.corpus.sha256, "seed": EXAM_SEED, "items": ITEMS}
    scores: dict[str, float] = ResultCache(lab.cells / "checkpoints").get(
        "checkpoints", key, partial(_scores, folder, lab.run.device, questions)
    )
    return scores


def _scores(folder: Path, device: str, questions: targeted.Questions) -> dict[str, float]:
    text_model = store.load(folder, device=device)
    results = [one for one in targeted.ask(text_model, questions) if one.value is not None]
    ways = {one.task: ((one.value or 0) - (one.chance or 0)) / (1 - (one.chance or 0)) for one in results}
    groups = {one.group: fmean(ways[other.task] for other in results if other.group == one.group) for one in results}
    return groups | ({ALL: fmean(ways.values())} if ways else {})


def _cell(value: float | None) -> Cell:
    return Cell(DASH) if value is None else Cell(f"{100 * value:.0f}".replace("-", MINUS), number=value)


experiment = Experiment(
    "checkpoints",
    "Zero-shot while pre-training",
    40,
    "What a network knows before any fine-tuning, at points of its pre-training: it is asked which of several "
    "continuations is likelier. Radford et al. (2018) compare a transformer and an LSTM so.",
    lambda lab: "" if kept(lab) and lab.grammar else "a run of storyworld with --checkpoints",
    run,
)
