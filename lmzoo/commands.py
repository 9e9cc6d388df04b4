"""The command line: `lmzoo --help`. Results go to stdout, progress and errors to stderr.

Exit codes: 0 done, 1 it failed, 2 wrong usage or input, 130 interrupted. Heavy modules are imported where they are
used, so that help is there at once.
"""

import inspect
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lmzoo import __version__
from lmzoo.errors import LmzooError, UsageError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Mirror = Annotated[
    str | None,
    typer.Option(envvar="LMZOO_MIRROR", help="Folder or URL to take corpora from, laid out as CORPUS/FILE."),
]
CorpusName = Annotated[str, typer.Option("--corpus", help="A name from `lmzoo corpora`, a text file or a folder.")]
TokenizerSpec = Annotated[
    str | None,
    typer.Option("--tokenizer", help="byte, char, word:K, bpe:K, split or gpt2.", show_default="the corpus's own"),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="Wall-clock for each model that trains by steps: 90s, 3m, 1h. (Counting takes what it takes.)",
        show_default="the model's own",
    ),
]
Refit = Annotated[
    bool,
    typer.Option("--refit", help="Train on train + validation: for the last fit, once settings are chosen."),
]
Code = Annotated[Path | None, typer.Option(help="The FILE.py of a model of your own, to load a run that it made.")]

app = typer.Typer(
    help="Every kind of language model in history, trained on the same text, scored by one ruler.",
    epilog="Start with `lmzoo compare`: it trains, scores and leaves a report to open.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; every error that is ours becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a sampled lone surrogate is no reason to stop
    try:
        app()
    except LmzooError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted; nothing half-written was left", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # as `| head` wants it
        raise SystemExit(1) from None
    except MemoryError:
        _fail("out of memory: a smaller --order, vocabulary or corpus needs less", 1)


def _fail(message: str, code: int) -> None:
    print(f"lmzoo: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"lmzoo {__version__}")
        raise typer.Exit


@app.command("models")
def list_models(as_json: Json = False) -> None:
    """The animals: what models there are, oldest idea first."""
    from lmzoo import models

    facts = [models.about(name) for name in models.names()]
    if as_json:
        return _print_json(facts)
    table = _table("model", "year", "paper", "in one line")
    for fact in facts:
        table.add_row(fact["name"], str(fact["year"]), fact["paper"], fact["summary"])
    return _print(table)


corpora_app = typer.Typer(help="The texts: what corpora there are; fetch one, show one.", no_args_is_help=False)
app.add_typer(corpora_app, name="corpora")


@corpora_app.callback(invoke_without_command=True)
def list_corpora(context: typer.Context, as_json: Json = False) -> None:
    """List the corpora that have a card. Any text file or folder of text files is a corpus too."""
    from lmzoo import corpus

    if context.invoked_subcommand:
        return None
    cards = list(corpus.cards().values())
    if as_json:
        return _print_json([{k: v for k, v in vars(card).items() if k != "files"} for card in cards])
    table = _table("corpus", "title", "tokenizer", "protocol", "licence")
    for card in cards:
        table.add_row(card.name, card.title, card.tokenizer, card.protocol, card.licence)
    return _print(table)


@corpora_app.command("fetch")
def fetch_corpus(name: str, mirror: Mirror = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Download a corpus (or take it from the mirror), check it and keep it."""
    from lmzoo import corpus
    from lmzoo._terminal import Bars

    files = corpus.fetch(name, mirror=mirror, progress=Bars(quiet))
    facts = [
        {"path": file.file.path, "source": file.source, "sha256": file.sha256, "cached": file.cached} for file in files
    ]
    if as_json:
        return _print_json(facts)
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
    from lmzoo import corpus
    from lmzoo._terminal import Bars

    text = corpus.load(name, mirror=mirror, progress=Bars(quiet))
    counts = corpus.describe(text)
    facts = {key: getattr(text, key) for key in ("name", "title", "licence", "citation", "source", "split")}
    facts |= {"protocol": text.protocol, "tokenizer": text.tokenizer, "floor_bits": text.floor_bits}
    if as_json:
        return _print_json({**facts, "counts": counts, "sha256": text.sha256})
    for key, value in facts.items():
        if value and key != "floor_bits":
            print(f"{key:10} {value}")
    table = _table("split", *next(iter(counts.values())), "true bits/char", "sha256")
    for split, row in counts.items():
        floor = text.floor_bits and text.floor_bits.get(split)
        figures = [f"{n:,}" for n in row.values()]
        table.add_row(
            split,
            *figures,
            f"{floor / row['characters']:.4f}" if floor else "–",
            text.sha256[split][:12] + "…",
        )
    _print(table)
    print(text.train[:400].rstrip() + " …")
    return None


class _Models(TyperGroup):
    """One subcommand for each model, made when asked for: its flags are the fields of the model's dataclass."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        from lmzoo import models

        return models.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return _train_command(cmd_name)


train_app = typer.Typer(
    cls=_Models,
    help="Train a model on a corpus and save it as a run. `lmzoo train MODEL --help` lists the model's own flags; "
    "a FILE.py of your own works wherever a model's name does.",
    epilog="Example: lmzoo train ngram --corpus shakespeare --tokenizer char --order 6 --out runs/shakespeare-6gram",
    no_args_is_help=True,
)
app.add_typer(train_app, name="train")


@train_app.callback()
def _train_root() -> None:
    pass


def _train_command(name: str) -> Any:
    from lmzoo import models

    model = models.find(name)
    settings = models.settings(model)

    def train(**flags: Any) -> None:
        chosen = {setting.name: str(flags.pop(setting.name)) for setting in settings}
        _train(name, chosen, **flags)

    own = [
        inspect.Parameter(
            setting.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=setting.default,
            annotation=Annotated[
                setting.type, typer.Option(help=setting.help, rich_help_panel=f"{model.name}'s own settings")
            ],
        )
        for setting in settings
    ]
    common = [p for p in inspect.signature(_train).parameters.values() if p.kind is p.KEYWORD_ONLY]
    train.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    train.__annotations__ = {p.name: p.annotation for p in [*own, *common]}
    train.__doc__ = f"{inspect.getdoc(model)}\n\n{model.paper}." if model.paper else inspect.getdoc(model)
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    one.command(name, epilog=f"Example: lmzoo train {name} --corpus shakespeare --out runs/mine")(train)
    command = typer.main.get_command(one)
    command.name = name
    return command


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
    seed: Seed = 0,
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    from lmzoo import corpus as corpora
    from lmzoo import models, store
    from lmzoo import train as training
    from lmzoo._terminal import Bars
    from lmzoo.evaluate import evaluate
    from lmzoo.interface import LanguageModel, Run

    models.make(models.find(name), settings)  # a wrong setting is said before anything is read
    out = out or Path("runs") / f"{Path(corpus).stem}-{Path(name).stem}"
    store.claim(out, overwrite)
    run = Run(seed=seed, seconds=parse_budget(budget), progress=Bars(quiet))
    source = corpora.load(corpus, mirror=mirror, refit=refit, progress=run.progress)
    text = training.encode(source, tokenizer, run)
    with run.progress.task(f"training {name}"):
        fitted = training.fit(name, settings, text, run)
    training.save(fitted, text, out)
    facts = {"run": str(out), **fitted.provenance}
    if isinstance(fitted.model, LanguageModel) and not refit:
        try:
            valid = evaluate(fitted.model, text.tokenizer, source.valid, source.protocol)
            facts["valid_bits_per_character"] = valid.bits_per_character
        except LmzooError as error:
            facts["remarks"].append(f"no bits on the validation text: {error}")
    if as_json:
        return _print_json(facts)
    count, unit = fitted.model.size()
    print(
        f"{fitted.model.name} learned {len(text.train):,} tokens of {source.name} ({text.tokenizer.spec}, "
        f"V = {text.tokenizer.vocab_size:,}) in {fitted.seconds:.2f} s: {count:,} {unit}"
    )
    for remark in facts["remarks"]:
        print(f"note: {remark}")
    if "valid_bits_per_character" in facts:
        print(f"validation: {facts['valid_bits_per_character']:.4f} bits per character")
    print(f"saved as {out}; score it with: lmzoo eval {out}")
    return None


@app.command("eval")
def evaluate_runs(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    corpus: Annotated[
        str | None, typer.Option(help="What to score.", show_default="what the run was trained on")
    ] = None,
    split: Annotated[str, typer.Option(help="train, valid, test, or all: the whole text.")] = "test",
    protocol: Annotated[str | None, typer.Option(help="stream or lines.", show_default="the corpus's own")] = None,
    code: Code = None,
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score runs: bits per character and byte, perplexities, and everything they were divided by."""
    from lmzoo._terminal import Bars

    bars = Bars(quiet)
    rows = []
    with bars.task("scoring", len(runs)):
        for folder in runs:
            rows.append(_evaluate_run(folder, corpus, split, protocol, code, mirror, bars))
            bars.advance(1)
    if as_json:
        return _print_json(rows)
    table = _table("run", "bits/char", "95 % interval", "bits/byte", "ppl/token", "ppl/word", "tokens/s")
    for row in rows:
        low, high = row["interval"] or (None, None)
        per_word = row["perplexity_per_word"]
        table.add_row(
            Path(row["run"]).name,
            f"{row['bits_per_character']:.4f}",
            f"{low:.3f}–{high:.3f}" if low is not None else "–",
            f"{row['bits_per_byte']:.4f}",
            f"{row['perplexity_per_token']:.2f}",
            f"{per_word:.2f}" if per_word else "–",
            f"{row['tokens_per_second']:,.0f}",
        )
    _print(table)
    for row in rows:
        counts = ", ".join(f"{row[key]:,} {key}" for key in ("characters", "bytes", "tokens", "words"))
        print(f"{row['run']}: {row['bits']:,.1f} bits over {counts}")
        print(f"  {row['corpus']} {row['split']}, {row['protocol']}, {row['tokenizer']}; sha256 {row['sha256']}")
        if row["replaced"]:
            print(f"  {row['replaced']:,} unknown words were read as <unk>: that text was scored")
    return None


def _evaluate_run(
    folder: Path,
    corpus: str | None,
    split: str,
    protocol: str | None,
    code: Path | None,
    mirror: str | None,
    bars: Any,
) -> dict[str, Any]:
    from lmzoo import corpus as corpora
    from lmzoo import store
    from lmzoo.evaluate import block_bits, evaluate, interval
    from lmzoo.interface import LanguageModel

    if split not in (*corpora.SPLITS, "all"):
        raise UsageError(f"no split {split!r}: there are {', '.join(corpora.SPLITS)} and all")
    model, text_tokenizer = store.load(folder, code)
    provenance = store.read_provenance(folder)
    name = corpus or provenance.get("corpus")
    if not name:
        raise UsageError(f"{folder} does not say what it was trained on: give --corpus")
    if not isinstance(model, LanguageModel):
        raise UsageError(f"{folder}: {model.name} gives no probability to a text, so it has no bits")
    source = corpora.load(provenance.get("source_path") or name, mirror=mirror, progress=bars)
    text = source.train + source.valid + source.test if split == "all" else getattr(source, split)
    score = evaluate(model, text_tokenizer, text, protocol or source.protocol)
    count, unit = model.size()
    return {
        "run": str(folder),
        "model": model.name,
        "corpus": source.name,
        "split": split,
        **score.to_json(),
        "interval": interval(*block_bits(score, text_tokenizer)),
        "reach": model.reach,
        "adapts_at_test_time": False,
        "size": {"count": count, "unit": unit, "bytes": store.bytes_on_disk(folder)},
        "trained_on_this_text": source.sha256.get(split) in provenance.get("sha256", {}).values()
        and split in ("train", "all"),
        "provenance": provenance,
    }


@app.command("compare")
def compare_models(
    contestants: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models (ngram, or with settings ngram:order=3,smoothing=ml), runs, or FILE.py of your own.",
            show_default="the whole story",
        ),
    ] = None,
    corpus: CorpusName = "storyworld",
    tokenizer: TokenizerSpec = None,
    budget: Budget = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.", show_default="reports/CORPUS")] = None,
    refit: Refit = False,
    seed: Seed = 1,
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train models on the same text, score them by one ruler, and leave a report to open."""
    from lmzoo import compare, report
    from lmzoo import corpus as corpora
    from lmzoo._terminal import Bars
    from lmzoo.interface import Run

    run = Run(seed=seed, seconds=parse_budget(budget), progress=Bars(quiet))
    source = corpora.load(corpus, mirror=mirror, refit=refit, progress=run.progress)
    folder = out or Path("reports") / source.name
    comparison = compare.compare(contestants or compare.DEFAULT, source, folder, run, tokenizer)
    page = report.write(folder, comparison)
    if as_json:
        return _print_json(comparison)
    _print(report.table(comparison))
    print(f"\nreport: {page}")
    if all(row["error"] for row in comparison["rows"]):
        raise typer.Exit(1)
    return None


@app.command("generate")
def generate_text(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    prompt: Annotated[str, typer.Option(help="The text to go on from.")] = "",
    length: Annotated[int, typer.Option(min=0, help="Tokens to write.")] = 200,
    temperature: Annotated[float, typer.Option(help="Below 1 bolder, above 1 wilder, 0 greedy.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Choose among the k likeliest tokens only.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling: the likeliest that reach p together.")] = None,
    seed: Seed = 0,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Let a run write: what is sampled is what is scored."""
    import numpy as np

    from lmzoo import sample, store
    from lmzoo.interface import LanguageModel

    model, text_tokenizer = store.load(run, code)
    if not isinstance(model, LanguageModel):
        raise UsageError(f"{run}: {model.name} gives no probability to a text, so it cannot write one")
    ids = text_tokenizer.encode(prompt) if prompt else np.array([], dtype=np.int32)
    settings: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    tokens = sample.generate(model, ids, length, **settings)
    if as_json:
        written = list(tokens)
        text = text_tokenizer.decode(written)
        return _print_json({"run": str(run), "prompt": prompt, "text": text, "tokens": written, **settings})
    sys.stdout.write(prompt)
    for piece in sample.stream(tokens, text_tokenizer.decode):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return None


@app.command("check")
def check_file(
    model: Annotated[str, typer.Argument(help="The FILE.py of a model of your own, or a model's name.")],
    as_json: Json = False,
) -> None:
    """Grade a model against the contract: one line for each check, and what is wrong where one fails."""
    from lmzoo import models, testing

    results = testing.check_model(models.find(model))
    passed = sum(result.passed for result in results)
    if as_json:
        _print_json([{"check": r.name, "passed": r.passed, "message": r.message} for r in results])
    else:
        from rich.markup import escape

        for result in results:
            mark = "[green]✓[/]" if result.passed else "[red]✗[/]"
            _print(f"{mark} {result.name.replace('_', ' ')}{': ' + escape(result.message) if result.message else ''}")
        print(f"{passed} of {len(results)} checks passed")
    if passed < len(results):
        raise typer.Exit(1)


def parse_budget(text: str | None) -> float | None:
    """'90s', '3m', '1h' or '45' → seconds. Raises UsageError for anything else, and for nothing at all."""
    if text is None:
        return None
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < float("inf"):
        raise UsageError(f"a budget is a time above zero, like 90s, 3m or 1h, not {text!r}")
    return seconds


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(renderable: Any) -> None:
    from rich.console import Console

    Console().print(renderable, soft_wrap=isinstance(renderable, str))
