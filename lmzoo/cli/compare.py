"""`lmzoo compare`: the first thing to type, and all that most people need."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lmzoo.cli import options
from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, hold, interruptible, say, show, show_json, show_wrapped, width
from lmzoo.cli.exchange import check_folder
from lmzoo.errors import UsageError, one_line


@command(
    "compare",
    epilog="Examples: lmzoo compare; lmzoo compare uniform ngram:order=3 ./mine.py runs/mine --corpus shakespeare",
)
def compare_models(
    contestants: Annotated[
        list[str] | None,
        typer.Argument(
            parser=options.read_contestant,
            metavar="MODEL|RUN|FILE.py...",
            help="Models (ngram, or with settings ngram:order=3,smoothing=ml), runs, or FILE.py of your own.",
            show_default="those of the preset",
        ),
    ] = None,
    corpus: options.CorpusName = "storyworld",
    tokenizer: options.TokenizerSpec = None,
    budget: options.Budget = None,
    # Which models to compare where none is named: laptop, own (for a text of your own) or gpu; models and budgets are
    # in corpora/compare.presets.toml. [default: by machine and text]
    preset: str | None = None,
    seeds: int = 1,  # Train each model with this many seeds, and show the standard deviation.
    device: options.Device = "auto",
    # Folder of the report. [default: reports/CORPUS, or with the models that you name reports/CORPUS-MODEL-…]
    out: Path | None = None,
    overwrite: bool = False,  # Replace a report on other models or another corpus.
    slides: bool = False,  # Also draw each figure for a slide (16:9) with its data (CSV), in the folder slides.
    redraw: Path | None = None,  # Write the report in this folder again from its results.json, and do nothing else.
    lines: options.Lines = False,
    refit: options.Refit = False,
    words: bool = False,  # Also evaluate word vectors on word similarity and analogies; downloads the test sets.
    # Also evaluate tasks: all, or comma-separated names of probes (sst2, trec …), zero-shot tasks (blimp, lambada …)
    # and rescoring; downloads the test sets. [default: none]
    tasks: str | None = None,
    # Also train each model on 1/64, 1/32 … of the training text, and fit power laws. Takes several times as long.
    curves: bool = False,
    # Also fine-tune each network on few labels that the grammar of the text wrote (10 to 240 of two sets, 3 seeds),
    # beside the same from scratch and baselines: about four minutes of one core with the default models.
    transfer: bool = False,
    people: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Games that people have played on such text, as the page of lmzoo serve saves them: a band in the "
            "history, and what the models need for the same characters. May be repeated.",
        ),
    ] = None,
    # Also compress the beginning of the test text with each model, decompress it in another process, and show the bits
    # of the file.
    certify: bool = False,
    exact: options.Exact = False,
    # Where models are trained, scored and tested: local:N for N processes here, the ADDRESS of a Dask scheduler, or
    # slurm:FILE. Workers must be able to read the corpus, and a FILE.py of yours. [default: this machine, without Dask]
    cluster: str | None = None,
    limit: int = 0,  # Use at most this many items of each test set; 0: all.
    seed: options.Seed = 1,
    mirror: options.Mirror = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train models on one text, score them, and write a report."""
    from lmzoo.comparison import compare, place
    from lmzoo.comparison.entry import check_spec
    from lmzoo.comparison.on_cluster import Elsewhere
    from lmzoo.comparison.presets import preset as choose_preset
    from lmzoo.comparison.side_by_side import workers
    from lmzoo.compression import codec
    from lmzoo.data import corpus as corpora
    from lmzoo.data import task_cards
    from lmzoo.evaluation.people import read as read_people
    from lmzoo.interface import Run
    from lmzoo.report import page as report
    from lmzoo.report import terminal
    from lmzoo.report.section import sections
    from lmzoo.report.sections.curves import SHARES
    from lmzoo.tasks import suite

    if redraw:
        with Bars(quiet).task("drawing the report"):
            page = report.redraw(redraw, slides)
        say(f"report: {page}")
        return
    if contestants and preset:
        raise UsageError("--preset says which models to compare, and so do you: leave one out")
    if not 1 <= seeds <= 100:
        raise UsageError(f"--seeds must be 1 to 100, not {seeds}")
    choose_preset(preset, device)  # raises for a wrong name before anything is read
    if certify:
        codec.need_coder()
    options.parse_budget(budget)
    for spec in contestants or ():
        check_spec(spec)
    progress = Bars(quiet)
    source = corpora.load(corpus, mirror=mirror, refit=refit, lines=lines, progress=progress)
    for_here = choose_preset(preset, device, own=source.paths is not None)
    chosen_preset = None if contestants else for_here
    spend = options.parse_budget(budget or for_here.budget)
    run = Run(seed=seed, device=device, exact=exact, progress=progress, **spend)
    sessions = read_people(people or [], source.name)
    if transfer and not corpora.grammar_of(source):
        raise UsageError(f"--transfer takes labels that a grammar wrote, as of storyworld, and {source.name} has none")
    specs = contestants or list(chosen_preset.models if chosen_preset else ())
    for spec in () if contestants else specs:
        check_spec(spec)
    folder = out or place.default(source, specs, chosen_preset)
    if not overwrite:
        place.refuse_other(folder, source, specs)
    check_folder(folder)
    word_tests = task_cards.fetch("words", mirror, run.progress) if words else None
    tests = suite.read(tasks, limit, mirror, run.progress) if tasks is not None else None
    processes = workers(specs, seeds, run)
    team = None
    if cluster:
        from lmzoo.cluster import connect

        with progress.task(f"connecting to {cluster}"):
            team = Elsewhere(hold(connect(cluster, progress)), mirror, tasks, limit, words, transfer, sessions)
    with interruptible("the same command goes on from what is finished"):
        comparison = compare.compare(
            specs,
            source,
            folder,
            run,
            tokenizer,
            word_tests=word_tests,
            tests=tests,
            seeds=seeds,
            shares=SHARES if curves else (),
            certified=certify,
            sections=sections(),
            processes=processes,
            cluster=team,
            transfer=transfer,
            people=sessions,
        )
    comparison.preset = {**asdict(chosen_preset), "budget": budget or chosen_preset.budget} if chosen_preset else None
    with run.progress.task("drawing the report"):
        page = report.write(folder, comparison, slides, processes)
    if as_json:
        show_json(comparison.to_json())
    else:
        show_wrapped(f"{source.name}: {source.split_in_words}")
        if comparison.reading:
            show_wrapped(comparison.reading)
        show(terminal.table(comparison, width()))
        for note in comparison.untested:
            show_wrapped(f"not computed: {one_line(note)}")
        say("", f"report: {page}")
    if all(row.error for row in comparison.rows):
        raise typer.Exit(1)
