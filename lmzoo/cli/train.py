"""`lmzoo train MODEL`: train a model on a corpus and save it as a run."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli import options
from lmzoo.cli.app import add_group
from lmzoo.cli.console import Bars, hold, process, say, show_json, show_notes, show_wrapped
from lmzoo.cli.model_flags import ModelCommands
from lmzoo.errors import LmzooError, UsageError, in_range, one_of

if TYPE_CHECKING:
    from lmzoo.data.tokenizers import Tokenizer
    from lmzoo.formats.vectors.start import Source
    from lmzoo.interface import Model, Start
    from lmzoo.runs.train import Fitted, Text

MOST_CHECKPOINTS = 1000
PRECISIONS = ("auto", "float32", "bfloat16")
FROM = (
    "Go on from the weights of this run, of the same model, on the text of --corpus: with its tokenizer and, for those "
    "not given, its settings, and a learning rate that rises and falls anew."
)
VECTORS = (
    "Begin with these word vectors as embeddings: a file in the format of word2vec or GloVe, or a run of word2vec, "
    "glove or svd. Tokens without one are drawn with the vectors' mean and deviation."
)


@options.with_flags
def _train(
    name: str,
    settings: dict[str, str],
    *,
    corpus: options.CorpusName = "storyworld",
    tokenizer: options.TokenizerSpec = None,
    out: Path | None = None,  # Folder to save the run in. [default: runs/CORPUS-MODEL]
    overwrite: bool = False,  # Replace the run in that folder.
    lines: options.Lines = False,
    refit: options.Refit = False,
    parent: Annotated[Path | None, options.run_option("--from", FROM)] = None,
    vectors: Annotated[Path | None, options.run_option("--vectors", VECTORS, "FILE|RUN")] = None,
    # embeddings: those of --from or --vectors stay as they are. [default: all is trained]
    freeze: str | None = None,
    budget: options.Budget = None,
    device: options.Device = "auto",
    # float32, bfloat16, or auto: bfloat16 for matrix products where the hardware is faster with it.
    precision: str = "auto",
    compiled: options.Compile = "auto",
    # What each process started by torchrun has of a network: a copy (replicated) or a share of its weights, gradients
    # and optimiser state (sharded: FSDP, for transformers that are too large for one device).
    parallel: str = "replicated",
    # Keep the model at so many points of its training, evenly on a logarithmic scale (of ten, each has read twice as
    # much as the one before). Each is a run itself, OUT/checkpoints/stepN, that every command can be given.
    checkpoints: int = 0,
    resume: bool = False,  # Resume the training to --out that was interrupted or killed.
    tensorboard: Path | None = None,  # Folder for TensorBoard logs, written during training.
    # Approximate memory limit (500M, 1G) of models that can work out of core (ngram, pmi, svd, glove). [default: no
    # limit]
    memory: str | None = None,
    # Where the training text is read and counted (ngram, pmi, svd, glove): local:N for N processes here, the ADDRESS of
    # a Dask scheduler, or slurm:FILE. The result is the same. [default: this process]
    cluster: str | None = None,
    seed: options.Seed = 0,
    mirror: options.Mirror = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    from lmzoo import models
    from lmzoo.data import corpus as corpora
    from lmzoo.evaluation.perplexity import evaluate
    from lmzoo.interface import LanguageModel, Run
    from lmzoo.runs import train as training
    from lmzoo.runs.store import RUNS

    model = models.find(name)
    start, known = _start(name, settings, parent, vectors, freeze, tokenizer)
    made = models.make(model, settings, start.config if start else None)  # raises before anything is read
    table = _vectors(made, vectors, quiet)
    one_of("precision", precision, PRECISIONS)
    one_of("answer to --compile", compiled, ("auto", "yes", "no"))
    one_of("answer to --parallel", parallel, ("replicated", "sharded"))
    in_range("checkpoints", checkpoints, 0, MOST_CHECKPOINTS)
    if not model.resumes and (resume or checkpoints):
        nothing, flag = ("to resume", "--resume") if resume else ("between its start and its end", "--checkpoints")
        raise UsageError(f"{name} is not trained by steps, so there is nothing {nothing}: leave {flag} out")
    if cluster and not model.on_cluster:
        raise UsageError(f"{name} cannot be counted on a cluster: {', '.join(_on_cluster())} can; leave --cluster out")
    out = out or RUNS / f"{corpus.main.stem.replace(':', '-')}-{Path(name).stem}"
    run = Run(
        seed,
        device,
        precision=precision,
        compile=compiled,
        memory=options.parse_memory(memory),
        parallel=parallel,
        folder=training.unfinished(out),
        resume=resume,
        start=start,
        checkpoints=checkpoints,
        tensorboard=tensorboard,
        progress=Bars(quiet),
        **options.parse_budget(budget),
    )
    if not process():  # of several processes, the first saves and prints
        hold(training.claimed(out, resume, overwrite))
    elsewhere = None
    if cluster:
        from lmzoo.cluster import connect
        from lmzoo.data import remote_corpus

        with run.progress.task(f"connecting to {cluster}"):
            run.cluster = hold(connect(cluster, run.progress))
        elsewhere = remote_corpus.load(corpus, run.cluster, refit, lines)
    source = elsewhere or corpora.load(corpus, mirror=mirror, refit=refit, lines=lines, progress=run.progress)
    text = training.encode(source, tokenizer, run, known)
    if table:
        from lmzoo.formats.vectors import start as begun

        run.start = begun.start(table, made, text.tokenizer, seed, freeze is not None)
    with run.progress.task(f"training {name}"):
        fitted = training.fit(name, settings, text, run)
    if process():
        return None
    training.save(fitted, out, overwrite)
    facts = {"run": str(out), **fitted.provenance}
    if isinstance(fitted.model, LanguageModel) and not refit:
        try:
            with run.progress.task("scoring the validation text"):  # minutes, of a long text by word vectors
                valid = evaluate(fitted.text_model, source.valid, source.protocol)
            facts["valid_bits_per_character"] = valid.bits_per_character
        except LmzooError as error:
            facts["remarks"].append(f"no bits on the validation text: {error}")
    for name in ("valid_nats_per_blank", "valid_nats_per_target"):
        if losses := [row[name] for row in fitted.model.history if name in row]:
            facts[name] = min(losses)  # the weights of the lowest one were kept
    return show_json(facts) if as_json else _show(fitted, text, facts, out)


def _start(
    name: str, settings: dict[str, str], parent: Path | None, vectors: Path | None, freeze: str | None, spec: str | None
) -> "tuple[Start | None, Tokenizer | None]":
    """The run that the training goes on from, and its tokenizer; None: it begins anew."""
    from lmzoo.runs import start

    one_of("part to freeze", freeze or "embeddings", ("embeddings",))
    if vectors or parent:
        start.find(name, "--vectors" if vectors else "--from")
    elif freeze:
        raise UsageError("--freeze would leave the embeddings as chance drew them: give --from or --vectors too")
    if vectors and parent:
        raise UsageError(f"{parent} has embeddings already: leave --vectors or --from out")
    return start.going_on(parent, name, settings, spec, freeze is not None) if parent else (None, None)


def _vectors(model: "Model", place: Path | None, quiet: bool) -> "Source | None":
    """The word vectors to begin with, which fit the model."""
    if place is None:
        return None
    from lmzoo.formats.vectors import start

    source = start.read(place, Bars(quiet))
    start.check_width(source, model)
    return source


def _on_cluster() -> list[str]:
    from lmzoo import models

    return [name for name in models.names() if models.find(name).on_cluster]


def _show(fitted: "Fitted", text: "Text", facts: dict[str, Any], out: Path) -> None:
    """What was trained on what, and how the run is scored."""
    from lmzoo.interface import TextToText
    from lmzoo.runs import store

    source = text.corpus
    show_wrapped(f"{source.name}: {source.split_in_words}")
    if text.reading:
        show_wrapped(text.reading)
    count, unit = fitted.model.size()
    show_wrapped(
        f"{fitted.model.name} learned {len(text.train):,} tokens of {source.name} ({text.tokenizer.spec}, "
        f"V = {text.tokenizer.vocab_size:,}) in {facts['training_seconds']:.2f} s: {count:,} {unit}"
    )
    if "steps" in facts:
        show_wrapped(
            f"{facts['steps']:,} steps, {facts['tokens_read']:,} tokens read "
            f"({facts['tokens_read'] / len(text.train):.2f} times the text) on {facts['device']} in "
            f"{facts['precision']}; the curve is in {out / store.METRICS}"
        )
    if points := facts.get("checkpoints"):
        first = store.checkpoint(out, points[0]["step"])
        say(f"{len(points)} checkpoints are in {first.parent}, each a run, as in: lmzoo eval {first}")
    show_notes(facts["remarks"])
    if "valid_bits_per_character" in facts:
        say(f"validation: {facts['valid_bits_per_character']:.4f} bits per character")
    if (nats := facts.get("valid_nats_per_blank")) is not None:
        say(f"validation: {nats:.3f} nats per blank ({nats / math.log(2):.3f} bits of a hidden token)")
        return say(f'saved as {out}; see it fill blanks with: lmzoo fill {out} "The [MASK] …"')
    if (nats := facts.get("valid_nats_per_target")) is not None:
        say(f"validation: {nats:.3f} nats per token of a target")
    if isinstance(fitted.model, TextToText):
        return say(f'saved as {out}; see what it writes with: lmzoo generate {out} --prompt "…"')
    return say(f"saved as {out}; score it with: lmzoo eval {out}")


class _Train(ModelCommands):
    action = staticmethod(_train)


train_app = typer.Typer(
    cls=_Train,
    help="Train a model on a corpus and save it as a run.\n\n`lmzoo train MODEL --help` lists the model's own flags; "
    "a FILE.py works wherever a model's name does.",
    epilog="Example: lmzoo train ngram --corpus shakespeare --tokenizer char --order 6 --out runs/shakespeare-6gram",
    subcommand_metavar="MODEL [FLAGS]...",
)
add_group("train", train_app)


@train_app.callback(invoke_without_command=True)
def _which_model(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise UsageError("which model? lmzoo train MODEL, as in `lmzoo train ngram`; `lmzoo models` lists them")
