"""`lmzoo fill RUN TEXT`: what a masked model would put into the blanks of a text."""

from pathlib import Path
from typing import Annotated

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_notes, show_table, show_wrapped
from lmzoo.cli.options import Code, Device, Json, Mirror, Quiet, RunFolder, Seed
from lmzoo.errors import UsageError, naming, one_line

AROUND = 24  # characters of the text that are shown on either side of a blank


@command("fill", epilog="Example: lmzoo fill runs/bert 'The [MASK] sat on the mat.'")
def fill_blanks(
    run: RunFolder,
    text: Annotated[
        str, typer.Argument(help="A text with [MASK] for each blank: one token, or of a t5 a span of any length.")
    ] = "",
    top: int = 5,  # Tokens to show for each blank, 1 or more.
    # Without a text: the bits that the run needs for a hidden token of its corpus's test text, beside those that the
    # grammar which wrote the text needs (storyworld): the exact floor.
    measure: bool = False,
    blanks: int = 200,  # Blanks to measure, 10 or more.
    seed: Seed = 0,
    mirror: Mirror = None,
    code: Code = None,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fill the blanks of a text, the likeliest tokens first.

    Blanks are filled each by itself, with all others hidden.
    """
    from lmzoo.data.tokenizers.lower_bpe import LOSSY
    from lmzoo.evaluation import blanks as filling
    from lmzoo.interface import SpanFiller
    from lmzoo.runs import store

    if measure == bool(text):
        raise UsageError("give a text with [MASK] in it, or --measure" + (", not both" if text else ""))
    if measure:
        return _measure(run, blanks, seed, mirror, code, device, as_json, quiet)
    text_model = store.load(run, code, device)
    if isinstance(text_model.model, SpanFiller):
        with naming(run):
            spans = filling.fill_spans(text_model, text)
        if as_json:
            return show_json({"run": str(run), "model": text_model.name, "text": text, "spans": spans})
        parts = text.split(filling.MASK)
        places = [f"{parts[n][-AROUND:]}{filling.MASK}{parts[n + 1][:AROUND]}" for n in range(len(spans))]
        written = [one_line(span.replace(" ", "␣"), 40) for span in spans]
        rows = [[one_line(one, len(one)), span] for one, span in zip(places, written, strict=True)]
        return show_table(("blank", "what it writes"), rows, numbers_from=2)
    with naming(run):
        filled = filling.fill(text_model, text, top)
    notes = [LOSSY] if text_model.tokenizer.lossy else []
    if as_json:
        found = [{"position": one.position, "tokens": one.tokens} for one in filled]
        return show_json({"run": str(run), "model": text_model.name, "text": text, "blanks": found, "notes": notes})
    parts = text.split(filling.MASK)
    for n, one in enumerate(filled):
        print("\n" if n else "", end="")
        around = f"{parts[n][-AROUND:]}{filling.MASK}{parts[n + 1][:AROUND]}"
        around = one_line(around, len(around))
        rows = [[name.replace(" ", "␣"), f"{100 * p:.1f} %"] for name, p in one.tokens.items()]
        show_table((around, "probability"), rows, numbers_from=1)
    show_notes(notes)
    return None


def _measure(
    run: Path, blanks: int, seed: int, mirror: str | None, code: Path | None, device: str, as_json: bool, quiet: bool
) -> None:
    from dataclasses import asdict

    from lmzoo.data import corpus as corpora
    from lmzoo.evaluation import blank_bits
    from lmzoo.runs import store
    from lmzoo.runs.train import corpus_for

    bars = Bars(quiet)
    text_model = store.load(run, code, device)
    corpus = corpus_for(run, None, store.read_provenance(run), mirror, bars)
    grammar = corpora.grammar_of(corpus)
    if grammar is None:
        raise UsageError(f"{run} was trained on {corpus.name}, which no grammar wrote: its blanks have no known floor")
    with naming(run):
        found = blank_bits.measure(text_model, corpus, grammar, blanks, seed, bars)
    if as_json:
        return show_json({"run": str(run), **asdict(found)})
    rows = [
        [str(run), f"{found.bits:.3f}", _range(found.bits_interval)],
        ["the grammar", f"{found.floor:.3f}", ""],
        ["above it", f"{found.bits - found.floor:.3f}", _range(found.above_interval)],
    ]
    show_table(("", "bits/blank", "95 % interval"), rows, numbers_from=1)
    show_wrapped(
        f"note: {found.blanks:,} tokens ({found.tokenizer}) of the test text of {found.corpus}, each hidden alone in "
        "its document; bits of hidden tokens are no bits per character"
    )
    return None


def _range(bounds: tuple[float, float] | None) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else ""
