"""`lmzoo compress`, `decompress` and `certify`: lossless compression by a run."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, hold, say, show_facts, show_json, show_notes, show_table, show_wrapped
from lmzoo.cli.exchange import claimed_file, write_file
from lmzoo.cli.options import Code, Json, Mirror, Quiet, RunFolder, Runs, Texts, whole
from lmzoo.errors import UsageError, naming, one_of
from lmzoo.files import read_file

if TYPE_CHECKING:
    from lmzoo.compression.certify import Certificate
    from lmzoo.evaluation.text_model import TextModel

SUFFIX = ".lmz"

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there already.")]


@command("compress", epilog="Example: lmzoo compress runs/storyworld-ngram letter.txt")
def compress_file(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file; best a text like the run's own.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.", show_default="FILE.lmz")] = None,
    overwrite: Overwrite = False,
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compress a file with a run's probabilities.

    Only the same run decompresses it, on the same kind of machine.
    """
    from lmzoo.compression import codec

    out = out or Path(f"{file}{SUFFIX}")
    hold(claimed_file(out, overwrite))
    data = _read(file)
    text_model = _load(run, code)
    with naming(file):
        packed = codec.compress(text_model, data, progress=Bars(quiet))
    write_file(out, packed, overwrite)
    facts = {
        "file": str(out),
        "bytes": len(packed),
        "original_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    share = f", {len(packed) / len(data):.1%}" if data else ""
    show_facts(facts, as_json, f"{file}: {len(data):,} bytes → {out}: {len(packed):,} bytes{share}")


@command("decompress", epilog="Example: lmzoo decompress runs/storyworld-ngram letter.txt.lmz --out letter.txt")
def decompress_file(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `lmzoo compress` wrote with this run.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write.", show_default="FILE without .lmz")
    ] = None,
    overwrite: Overwrite = False,
    code: Code = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Decompress a file to the same bytes, or say why not."""
    from lmzoo.compression import codec

    if out is None and file.suffix != SUFFIX:
        raise UsageError(f"{file} does not end in {SUFFIX}: name the file to write with --out")
    out = out or file.with_suffix("")
    hold(claimed_file(out, overwrite))
    packed = _read(file)
    text_model = _load(run, code)
    with naming(file):
        data = codec.decompress(text_model, packed, progress=Bars(quiet))
    write_file(out, data, overwrite)
    facts = {"file": str(out), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    show_facts(facts, as_json, f"{file} → {out}: {len(data):,} bytes")


@command("certify", epilog="Example: lmzoo certify runs/storyworld-ngram runs/storyworld-gpt --characters 100000")
def certify_runs(
    runs: Runs,
    corpus: Texts = None,  # A name, a text file or a folder to compress. [default: what the run was trained on]
    # train, valid, test, or all: the whole text. [default: test; all of a file that the run was not trained on]
    split: str | None = None,
    characters: Annotated[
        int | None,
        whole("--characters", "Only the first so many, 1 or more; of lines, those that are whole.", least=1),
    ] = None,
    code: Code = None,
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compress a text for real: bytes beside the evaluator's bits.

    Another process decompresses it.
    """
    from lmzoo.compression.certify import certify
    from lmzoo.data.corpus import SPLITS

    one_of("split", split or "all", (*SPLITS, "all"))
    bars = Bars(quiet)
    certificates = [
        certify(run, corpus, split, characters, code, mirror, bars) for run in bars.track("certifying", runs, str)
    ]
    return show_json([one.to_json() for one in certificates]) if as_json else _show(certificates)


def _show(certificates: "Sequence[Certificate]") -> None:
    columns = ("run", "real bits/char", "evaluator's", "excess", "bytes", "of", "seconds")
    rows = [
        [
            Path(one.run).name or one.run,
            f"{one.bits_per_character:.4f}",
            f"{one.evaluated_bits / one.characters:.4f}",
            f"{one.excess:+.2%}",
            f"{one.file_bytes:,}",
            f"{one.bytes:,}",
            f"{one.compress_seconds:.0f} + {one.decompress_seconds:.0f}",
        ]
        for one in certificates
    ]
    show_table(columns, rows, numbers_from=1)
    say("seconds: to compress, and to decompress in a new process")
    for one in certificates:
        say(f"{one.run}: {one.bits:,} bits over {one.characters:,} characters; every byte came back")
        show_wrapped(f"  {one.corpus} {one.split}, {one.protocol}, {one.tokenizer}; sha256 {one.sha256}")
        show_notes(one.notes)


def _load(run: Path, code: Path | None) -> "TextModel":
    """A run of a language model, on the CPU: only there are results the same every time."""
    from lmzoo.interface import LanguageModel
    from lmzoo.runs import store

    text_model = store.load(run, code)
    with naming(run):
        text_model.require(LanguageModel, "it can compress none")
    text_model.model.to("cpu")
    return text_model


def _read(file: Path) -> bytes:
    try:
        return read_file(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
