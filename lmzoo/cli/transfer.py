"""`lmzoo transfer`: what pre-training is worth, by experiments, as a report."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmzoo.cli import finetune, label_sets
from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, interruptible, say, show_json, show_notes, show_wrapped
from lmzoo.cli.exchange import check_folder
from lmzoo.cli.options import Code, Count, Device, Json, Mirror, Quiet, Runs
from lmzoo.errors import LmzooError, one_line, one_of


@command(
    "transfer",
    epilog="Example: lmzoo transfer runs/story-gpt runs/story-lstm --labels 10,30,100,300,1000 --vectors svd",
)
def transfer_runs(
    runs: Runs,
    tasks: str | None = None,  # As of `lmzoo finetune`, which says what there is.
    # Names with commas: few (labels), ablation, layers, checkpoints, steps (of ULMFiT), domains, supervision, suite.
    # [default: all that can be done with these runs and tasks, but steps]
    experiments: str | None = None,
    labels: str = "10,100,1000",  # Numbers of labels, as of `lmzoo finetune`.
    seeds: int = 5,  # So many draws of the labels and of first weights.
    settings: finetune.Settings = None,
    vectors: finetune.Vectors = None,
    limit: Count = 0,  # Test on at most so many texts, the same for all; 0: all.
    out: Path | None = None,  # Folder of the report. [default: reports/transfer-RUN-…]
    device: Device = "auto",
    mirror: Mirror = None,
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what pre-training is worth, and write a report.

    Each cell is kept as it ends: the same command, interrupted or killed, goes on from there.
    """
    from lmzoo.interface import Run
    from lmzoo.report.transfer import experiment, page
    from lmzoo.runs import store

    wanted = [name.strip() for name in experiments.split(",")] if experiments else []
    for name in wanted:
        one_of("experiment", name, [one.id for one in experiment.experiments()])
    bars, named = Bars(quiet), label_sets.names(tasks, files=True)
    plan = finetune.planned(labels, seeds, limit)
    how = finetune.tuning(settings, None)
    runs = list(dict.fromkeys(runs))
    loaded = finetune.load(runs, code, device)
    finetune.check_layers(loaded, how.get("transfer", -1))
    starts = experiment.named(
        [experiment.Start(one, run, store.read_provenance(run)) for one, run in zip(loaded, runs, strict=True)]
    )
    folder = out or Path("reports") / "transfer-{}".format(
        "-".join(re.sub(r"[^\w.-]", "-", one.name) for one in loaded)
    )
    check_folder(folder)
    sets = label_sets.read(named, starts[0].provenance, mirror, bars, finetune.written(plan))
    corpus, grammar = _source(starts[0].provenance, mirror, bars)
    lab = experiment.Lab(
        starts, sets, plan.sizes, plan.seeds, plan.cells, plan.features, how, Run(device=device, progress=bars), limit,
        finetune.vector_rows(vectors, bars), corpus, grammar, bars,
    )  # fmt: skip
    todo, missing = page.chosen(lab, wanted)
    with interruptible(finetune.KEPT):
        finished = page.done(lab, todo)
    title = f"What pre-training is worth: {', '.join(','.join(sets).split(','))}"
    index = page.write(folder, title, lab, finished)
    if as_json:
        return show_json(page.facts(lab, finished))
    for one in finished:
        show_wrapped(f"{one.experiment.title}: {one_line(one.error or one.found.said, 2000)}")
    for lack in missing:
        show_wrapped(f"not done: {lack}")
    show_notes(finetune.heads(loaded))
    return say("", f"report: {index}")


def _source(provenance: Mapping[str, Any], mirror: str | None, bars: Bars) -> Any:
    """The corpus of a run and the grammar that wrote it; None where it cannot be had, or no grammar wrote it."""
    from lmzoo.data import corpus as corpora
    from lmzoo.tasks import grammar_probes

    name = str(provenance.get("corpus", ""))
    if name.partition(":")[0] != grammar_probes.ALL:
        return None, None
    try:
        corpus = corpora.load(name, mirror=mirror, progress=bars)
    except LmzooError:
        return None, None
    return corpus, corpora.grammar_of(corpus)
