"""The command line: `lmzoo --help`. Each command computes facts, then shows them as text or as JSON.

Heavy modules are imported where they are used, so that help is there at once.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from lmzoo.cli import check, classes, compare, compress, console, exchange, ngrams, probe, rescore, solve, zeroshot
from lmzoo.cli.console import Bars, Commands, show_json, show_notes, show_scores, show_table
from lmzoo.cli.options import (
    Budget,
    Code,
    Compile,
    CorpusName,
    Device,
    Json,
    Memory,
    Mirror,
    ModelCommands,
    Precision,
    Quiet,
    Refit,
    Resume,
    Runs,
    Seed,
    TensorBoard,
    TokenizerSpec,
    number,
    parse_budget,
    parse_memory,
    whole,
)
from lmzoo.cli.vectors import VECTOR_COMMANDS, add_vector_commands
from lmzoo.errors import LmzooError, UsageError, nearest

CardName = Annotated[str, typer.Argument(help="A name from `lmzoo corpora`.")]


class _Lmzoo(Commands):
    order = (
        "compare",
        "train",
        "eval",
        "generate",
        "models",
        "corpora",
        "check",
        "explain",
        "ngrams",
        "classes",
        *VECTOR_COMMANDS,
        "zeroshot",
        "solve",
        "probe",
        "rescore",
        "certify",
        "compress",
        "decompress",
        "export",
        "import",
    )


app = typer.Typer(
    cls=_Lmzoo,
    help="Every kind of language model in history, trained on the same text, scored by one ruler.",
    epilog="Start with `lmzoo compare`: it trains, scores and leaves a report to open. Then `lmzoo train ngram`, "
    "and `lmzoo generate` to let it write.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with `arguments` (None: those it was called with) and exit with its code."""
    console.run(app, arguments)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        from lmzoo import __version__

        print(f"lmzoo {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")


def _train(
    name: str,
    settings: dict[str, str],
    *,
    corpus: CorpusName = "storyworld",
    tokenizer: TokenizerSpec = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/CORPUS-MODEL")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there already.")] = False,
    refit: Refit = False,
    budget: Budget = None,
    device: Device = "auto",
    precision: Precision = "auto",
    compiled: Compile = "auto",
    resume: Resume = False,
    tensorboard: TensorBoard = None,
    memory: Memory = None,
    seed: Seed = 0,
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    from lmzoo import models
    from lmzoo.data import corpus as corpora
    from lmzoo.evaluation.perplexity import evaluate
    from lmzoo.interface import LanguageModel, Run
    from lmzoo.runs import store
    from lmzoo.runs import train as training

    model = models.find(name)
    models.make(model, settings)  # what is wrong with the words is said before anything is read
    _one_of("precision", precision, PRECISIONS)
    _one_of("answer to --compile", compiled, ("auto", "yes", "no"))
    if resume and not model.resumes:
        raise UsageError(f"{name} is not trained by steps, so there is nothing to resume: train it without --resume")
    out = out or Path("runs") / f"{Path(corpus).stem}-{Path(name).stem}"
    run = Run(
        seed,
        device,
        precision=precision,
        compile=compiled,
        memory=parse_memory(memory),
        folder=training.unfinished(out),
        resume=resume,
        tensorboard=tensorboard,
        progress=Bars(quiet),
        **parse_budget(budget),
    )
    training.claim(out, resume, overwrite)
    source = corpora.load(corpus, mirror=mirror, refit=refit, progress=run.progress)
    text = training.encode(source, tokenizer, run)
    with run.progress.task(f"training {name}"):
        fitted = training.fit(name, settings, text, run)
    if console.process():  # of several, the first one does the rest
        return None
    training.save(fitted, text, out)
    facts = {"run": str(out), **fitted.provenance}
    if isinstance(fitted.model, LanguageModel) and not refit:
        try:
            valid = evaluate(fitted.model, text.tokenizer, source.valid, source.protocol)
            facts["valid_bits_per_character"] = valid.bits_per_character
        except LmzooError as error:
            facts["remarks"].append(f"no bits on the validation text: {error}")
    if as_json:
        return show_json(facts)
    count, unit = fitted.model.size()
    print(
        f"{fitted.model.name} learned {len(text.train):,} tokens of {source.name} ({text.tokenizer.spec}, "
        f"V = {text.tokenizer.vocab_size:,}) in {facts['training_seconds']:.2f} s: {count:,} {unit}"
    )
    if "steps" in facts:
        print(
            f"{facts['steps']:,} steps, {facts['tokens_read']:,} tokens read "
            f"({facts['tokens_read'] / len(text.train):.2f} times the text) on {facts['device']} in "
            f"{facts['precision']}; the curve is in {out / store.METRICS}"
        )
    show_notes(facts["remarks"])
    if "valid_bits_per_character" in facts:
        print(f"validation: {facts['valid_bits_per_character']:.4f} bits per character")
    print(f"saved as {out}; score it with: lmzoo eval {out}")
    return None


PRECISIONS = ("auto", "float32", "bfloat16")


class _Train(ModelCommands):
    action = staticmethod(_train)


train_app = typer.Typer(
    cls=_Train,
    help="Train a model on a corpus and save it as a run. `lmzoo train MODEL --help` lists the model's own flags; "
    "a FILE.py of your own works wherever a model's name does.",
    epilog="Example: lmzoo train ngram --corpus shakespeare --tokenizer char --order 6 --out runs/shakespeare-6gram",
    subcommand_metavar="MODEL [FLAGS]...",
)
app.add_typer(train_app, name="train")


@train_app.callback(invoke_without_command=True)
def _which_model(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise UsageError("say which model: lmzoo train MODEL, as in `lmzoo train ngram`; `lmzoo models` lists them")


@app.command("eval", epilog="Example: lmzoo eval runs/storyworld-ngram runs/storyworld-uniform")
def evaluate_runs(
    runs: Runs,
    corpus: Annotated[
        str | None,
        typer.Option(help="A name, a text file or a folder to score.", show_default="what the run was trained on"),
    ] = None,
    split: Annotated[str, typer.Option(help="train, valid, test, or all: the whole text.")] = "test",
    protocol: Annotated[
        str | None,
        typer.Option(help="stream (context carries on) or lines (each alone).", show_default="the corpus's own"),
    ] = None,
    mix: Annotated[
        bool, typer.Option("--mix", help="And all of them as one, with weights fitted on the validation text.")
    ] = False,
    code: Code = None,
    device: Device = "auto",
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score runs: bits per character and byte, perplexities, and everything they were divided by."""
    from lmzoo.data.corpus import SPLITS
    from lmzoo.evaluation.perplexity import PROTOCOLS
    from lmzoo.runs import train as training

    _one_of("split", split, (*SPLITS, "all"))
    _one_of("protocol", protocol or PROTOCOLS[0], PROTOCOLS)
    if mix and len(runs) < 2:
        raise UsageError("--mix needs two runs or more: lmzoo eval RUN RUN --mix")
    bars = Bars(quiet)
    scored = []
    with bars.task("scoring", len(runs)):
        for folder in runs:
            scored.append(training.score_run(folder, corpus, split, protocol, code, mirror, bars, device))
            bars.advance(1)
    rows = [one.row for one in scored]
    if mix:
        rows.append(training.mix_runs(scored, bars))
    return show_json(rows) if as_json else show_scores(rows)


def _one_of(kind: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"no {kind} {value!r}{nearest(value, known)}; there are: {', '.join(known)}")


@app.command("generate", epilog="Example: lmzoo generate runs/storyworld-ngram --prompt 'The cat' --temperature 0.8")
def generate_text(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    prompt: Annotated[str, typer.Option(help="The text to go on from.")] = "",
    length: Annotated[int, whole("--length", help="Tokens to write, 0 or more.")] = 200,
    temperature: Annotated[
        float | None, number("--temperature", help="Below 1 safer, above 1 wilder; 0 takes the likeliest. [default: 1]")
    ] = None,
    top_k: Annotated[int | None, whole("--top-k", help="Choose among the k likeliest tokens only, 1 or more.")] = None,
    top_p: Annotated[
        float | None, number("--top-p", help="Choose among the likeliest that reach p together, above 0 up to 1.")
    ] = None,
    beam: Annotated[
        int | None, whole("--beam", help="Write the likeliest text: beam search that keeps so many, 1 or more.")
    ] = None,
    seed: Seed = 0,
    code: Code = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Let a run write: what is sampled is what is scored."""
    if beam is not None and (temperature, top_k, top_p) != (None, None, None):
        raise UsageError("--beam looks for the likeliest text: it goes without --temperature, --top-k and --top-p")
    import numpy as np

    from lmzoo.evaluation import generation
    from lmzoo.interface import LanguageModel
    from lmzoo.runs import store

    model, text_tokenizer = store.load(run, code)
    if not isinstance(model, LanguageModel):
        raise UsageError(f"{run}: {model.name} gives no probability to a text, so it cannot write one")
    model.to(device)
    ids = text_tokenizer.encode(prompt) if prompt else np.array([], dtype=np.int32)
    settings: dict[str, Any]
    tokens: Iterable[int]
    if beam is None:
        temperature = 1.0 if temperature is None else temperature
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        tokens = generation.generate(model, ids, length, **settings)
    else:
        tokens, log_prob = generation.beam_search(model, ids, length, beam)
        settings = {"beam": beam, "log_probability": log_prob}  # nats
    if as_json:
        written = list(tokens)
        text = "".join(generation.stream(written, text_tokenizer.decode, ids.tolist()))
        return show_json({"run": str(run), "prompt": prompt, "text": text, "tokens": written, **settings})
    sys.stdout.write(prompt)
    for piece in generation.stream(tokens, text_tokenizer.decode, ids.tolist()):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return None


@app.command("models")
def list_models(as_json: Json = False) -> None:
    """The animals: what models there are, oldest idea first."""
    from lmzoo import models

    facts = [models.about(name) for name in models.names()]
    if as_json:
        return show_json(facts)
    rows = [[fact["name"], str(fact["year"]), fact["paper"], fact["summary"]] for fact in facts]
    show_table(("model", "year", "paper", "in one line"), rows, numbers_from=4)
    return None


corpora_app = typer.Typer(
    cls=Commands,
    help="The texts: what corpora there are; fetch one, show one.",
    epilog="Example: lmzoo corpora show storyworld",
)
app.add_typer(corpora_app, name="corpora")


@corpora_app.callback(invoke_without_command=True)
def list_corpora(context: typer.Context, as_json: Json = False) -> None:
    """List the corpora that have a card. Any text file or folder of text files is a corpus too."""
    from lmzoo.data import corpus

    if context.invoked_subcommand:
        return None
    cards = list(corpus.cards().values())
    if as_json:
        return show_json([{k: v for k, v in vars(card).items() if k != "files"} for card in cards])
    rows = [[card.name, card.title, card.tokenizer, card.protocol, card.licence] for card in cards]
    show_table(("corpus", "title", "tokenizer", "protocol", "licence"), rows, numbers_from=5)
    return None


@corpora_app.command("fetch")
def fetch_corpus(name: CardName, mirror: Mirror = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Download a corpus (or take it from the mirror), check it and keep it."""
    from lmzoo.data import corpus

    files = corpus.fetch(name, mirror=mirror, progress=Bars(quiet))
    facts = [
        {"path": file.file.path, "source": file.source, "sha256": file.sha256, "cached": file.cached} for file in files
    ]
    if as_json:
        return show_json(facts)
    for fact in facts:
        print(f"{fact['path']}  {fact['sha256']}  from {fact['source']}")
    if not facts:
        print(f"{name} is built in: there is nothing to fetch")
    return None


@corpora_app.command("show")
def show_corpus(
    name: Annotated[str, typer.Argument(help="A name from `lmzoo corpora`, a text file or a folder.")],
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Licence, citation, split, counts and a few lines of a corpus."""
    from lmzoo.data import corpus

    text = corpus.load(name, mirror=mirror, progress=Bars(quiet))
    counts = corpus.describe(text)
    facts = {key: getattr(text, key) for key in ("name", "title", "licence", "citation", "source", "split")}
    facts |= {"protocol": text.protocol, "tokenizer": text.tokenizer, "floor_bits": text.floor_bits}
    if as_json:
        return show_json({**facts, "counts": counts, "sha256": text.sha256})
    for key, value in facts.items():
        if value and key != "floor_bits":
            print(f"{key:10} {value}")
    rows = []
    for split, row in counts.items():
        floor = f"{text.floor_bits[split] / row['characters']:.4f}" if text.floor_bits else "–"
        rows.append([split, *[f"{n:,}" for n in row.values()], floor, text.sha256[split][:12] + "…"])
    show_table(("split", *next(iter(counts.values())), "true bits/char", "sha256"), rows, numbers_from=1)
    print(text.train[:400].rstrip() + " …")
    return None


# Commands for one kind of model stand in files of their own.
app.command("check", epilog=check.EPILOG)(check.check_file)
app.command("compare", epilog=compare.EPILOG)(compare.compare_models)
app.command("explain", epilog=ngrams.EXPLAIN_EPILOG)(ngrams.explain_text)
app.command("ngrams", epilog=ngrams.NGRAMS_EPILOG)(ngrams.list_ngrams)
app.command("classes", epilog=classes.EPILOG)(classes.show_classes)
add_vector_commands(app)
app.command("zeroshot", epilog=zeroshot.EPILOG)(zeroshot.ask_zeroshot)
app.command("solve", epilog=solve.EPILOG)(solve.solve_questions)
app.command("probe", epilog=probe.EPILOG)(probe.probe_runs)
app.command("rescore", epilog=rescore.EPILOG)(rescore.rescore_lists)
app.command("certify", epilog=compress.CERTIFY_EPILOG)(compress.certify_runs)
app.command("compress", epilog=compress.COMPRESS_EPILOG)(compress.compress_file)
app.command("decompress", epilog=compress.DECOMPRESS_EPILOG)(compress.decompress_file)
app.command("export", epilog=exchange.EXPORT_EPILOG)(exchange.export_run)
app.command("import", epilog=exchange.IMPORT_EPILOG)(exchange.import_file)
