"""`lmzoo export` and `lmzoo import`: runs out to the files of other toolkits, and in from them."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from lmzoo._flags import Json, Quiet
from lmzoo._terminal import Bars, show_json, show_notes
from lmzoo.errors import UsageError, nearest

EXPORT_EPILOG = "Example: lmzoo export runs/ptb-ngram ptb.arpa.gz"
IMPORT_EPILOG = (
    "Example: lmzoo import ptb.arpa.gz --out runs/kenlm --layout leading; lmzoo eval runs/kenlm --corpus ptb"
)
LAYOUTS = ("plain", "leading")


def export_run(
    run: Annotated[Path, typer.Argument(help="Folder of an n-gram run.")],
    file: Annotated[Path, typer.Argument(help="ARPA file to write; .gz compresses it.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there already.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write an n-gram run as an ARPA file, which KenLM, SRILM and others read."""
    from lmzoo import arpa, store
    from lmzoo.models.ngram import Ngram

    _claim_file(file, overwrite)
    model, tokenizer = store.load(run)
    if not isinstance(model, Ngram):
        raise UsageError(f"{run}: only an ngram can be written as an ARPA file, and this is a {model.name}")
    counts = arpa.write(model, tokenizer, file, Bars(quiet))
    facts = {"run": str(run), "file": str(file), "ngrams": counts, "bytes": file.stat().st_size}
    if as_json:
        return show_json(facts)
    print(f"wrote {file}: {sum(counts):,} n-grams of order 1 to {len(counts)}, {facts['bytes']:,} bytes; log10 p")
    if not tokenizer.spec.startswith("split"):
        print(f"note: {tokenizer.spec} tokens are written as words: a space is ▁, and what cannot be shown is <0xNN>")
    return None


def import_file(
    file: Annotated[Path, typer.Argument(help="An ARPA file, plain or gzipped.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run to make.")],
    layout: Annotated[
        str,
        typer.Option(help="Of texts to be scored: plain, or leading: a space before every word, as in the PTB files."),
    ] = LAYOUTS[0],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there already.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read an n-gram model from an ARPA file, as KenLM, SRILM and others write it, and save it as a run."""
    from lmzoo import arpa, store

    if layout not in LAYOUTS:
        raise UsageError(f"no layout {layout!r}{nearest(layout, LAYOUTS)}; there are: {', '.join(LAYOUTS)}")
    store.claim(out, overwrite)
    model, tokenizer = arpa.read(file, Bars(quiet), layout)
    facts = {"run": str(out), **_provenance(file, model, tokenizer.vocab_size)}
    store.save(model, tokenizer, out, {key: value for key, value in facts.items() if key != "run"})
    if as_json:
        return show_json(facts)
    print(f"{file}: {facts['ngrams']:,} n-grams of order 1 to {model.order} over {tokenizer.vocab_size:,} words")
    show_notes(model.remarks)
    print(f"saved as {out}; score a text with: lmzoo eval {out} --corpus …")
    return None


def _claim_file(file: Path, overwrite: bool) -> None:
    """Make sure, before any work, that `file` can be made. Raises UsageError saying why it cannot."""
    from lmzoo import store

    if file.is_dir():
        raise UsageError(f"{file} is a folder: name a file in it, as in {file / 'model.arpa'}")
    if file.exists() and not overwrite:
        raise UsageError(f"{file} exists already: choose another name, or give --overwrite to replace it")
    if not file.parent.is_dir():
        raise UsageError(f"{file} cannot be written: there is no folder {file.parent}")
    try:
        store.try_to_write(file.parent)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}; choose another place") from None


def _provenance(file: Path, model: Any, vocab_size: int) -> dict[str, Any]:
    from lmzoo import _machine

    with file.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    return {
        "model": model.name,
        "config": model.config(),
        "imported_from": str(file.absolute()),
        "imported_sha256": digest,
        "tokenizer": "split",
        "vocab_size": vocab_size,
        "ngrams": len(model.trie_.words) - 1,
        "remarks": list(model.remarks),
        **_machine.provenance(),
    }
