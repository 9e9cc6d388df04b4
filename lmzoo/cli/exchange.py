"""`lmzoo export` and `lmzoo import`: files of other toolkits."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, hold, say, show_facts, show_json, show_notes, show_wrapped
from lmzoo.cli.options import Json, Mirror, Quiet, Texts, option, run_argument
from lmzoo.drafts import reserved, try_to_write, write_atomically
from lmzoo.errors import LmzooError, UsageError, one_of
from lmzoo.files import sha256_of

if TYPE_CHECKING:
    from lmzoo.evaluation.text_model import TextModel

LAYOUTS = ("plain", "leading")
KENLM_MAX_ORDER = 6  # unless it is built with more: "but KenLM was compiled to support up to 6"


@command(
    "export",
    epilog="Example: lmzoo export runs/ptb-ngram ptb.arpa.gz; lmzoo export runs/glove vectors.txt; "
    "lmzoo export runs/gpt my-gpt",
)
def export_run(
    run: Annotated[
        Path, run_argument("Run of an n-gram, a gpt, bert, electra or word vectors: its folder, or its name in runs/.")
    ],
    # What to write: for an n-gram an ARPA file (.arpa.gz is compressed), for a gpt, bert or electra a folder, for word
    # vectors vectors.txt, vectors.bin (word2vec's formats), vectors.glove.txt or vectors.kv (gensim's).
    file: Path,
    # For word vectors: word2vec, word2vec-binary, glove or keyedvectors. [default: from the name of FILE]
    format: str | None = None,
    overwrite: bool = False,  # Replace an existing file or folder.
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a run in another toolkit's format.

    An n-gram as ARPA; word vectors as word2vec, GloVe or gensim; networks as Hugging Face's GPT, BERT or ELECTRA.
    """
    from lmzoo.embeddings.predictor import Association
    from lmzoo.formats import arpa
    from lmzoo.models.ngram import Ngram
    from lmzoo.runs import store

    kind = store.read_config(run)["model"] if (run / "config.json").is_file() and format is None else ""
    if kind in ("gpt", "bert", "electra"):
        return _export_network(run, kind, file, overwrite, as_json)
    hold(claimed_file(file, overwrite))
    text_model = store.load(run)
    model, tokenizer = text_model
    if isinstance(model, Association):
        return _export_vectors(run, text_model, file, format, overwrite, as_json, quiet)
    if format is not None:
        raise UsageError(f"{run}: --format is for word vectors, and this is a {model.name}: leave it out")
    if not isinstance(model, Ngram):
        raise UsageError(
            f"{run}: only an ngram, a gpt, bert, electra or word vectors can be exported, and this is a {model.name}"
        )
    counts = arpa.write(text_model, file, Bars(quiet), overwrite)
    facts = {"run": str(run), "file": str(file), "ngrams": counts, "bytes": file.stat().st_size}
    if as_json:
        return show_json(facts)
    say(f"wrote {file}: {sum(counts):,} n-grams of order 1 to {len(counts)}, {facts['bytes']:,} bytes; log10 p")
    if len(counts) > KENLM_MAX_ORDER:
        show_wrapped(
            f"note: KenLM as it is commonly built stops at order {KENLM_MAX_ORDER}: for this file, build it with "
            f"cmake -DKENLM_MAX_ORDER={len(counts)}, or export a model of a lower --order"
        )
    if not tokenizer.closed:
        show_wrapped(
            f"note: {tokenizer.spec} tokens are written as words: a space is ▁, and what cannot be shown is <0xNN>"
        )
    return None


def _export_vectors(
    run: Path, text_model: "TextModel", file: Path, kind: str | None, overwrite: bool, as_json: bool, quiet: bool
) -> None:
    from lmzoo.formats.vectors import model as vector_exchange

    kind = kind or vector_exchange.format_of(file)
    words, dimensions = vector_exchange.write(text_model, file, kind, Bars(quiet), overwrite)
    facts = {"run": str(run), "file": str(file), "format": kind, "words": words, "dimensions": dimensions}
    facts["bytes"] = file.stat().st_size
    line = f"wrote {file}: {words:,} words of {dimensions} numbers, {kind}, {facts['bytes']:,} bytes"
    show_facts(facts, as_json, line)


def _export_network(run: Path, kind: str, folder: Path, overwrite: bool, as_json: bool) -> None:
    from lmzoo import models
    from lmzoo.runs import store

    models.find(kind)  # raises, naming what to install, where PyTorch is missing
    from lmzoo.formats import bert, electra, gpt2, gpt_forms

    hold(gpt2.claimed(folder, overwrite))
    text_model = store.load(run)
    if kind == "bert":
        files, architecture = bert.write(text_model, folder, overwrite), "BertForMaskedLM"
    elif kind == "electra":
        files = electra.write(text_model, folder, overwrite)
        part = text_model.model.part
        architecture = electra.PARTS.get(part) or " and ".join(electra.PARTS.values())
    else:
        files, architecture = gpt2.write(text_model, folder, overwrite), gpt_forms.of(text_model.model).architecture
    size = sum((folder / name).stat().st_size for name in files)
    if as_json:
        return show_json({"run": str(run), "folder": str(folder), "files": files, "bytes": size})
    show_wrapped(f"wrote {folder}: {', '.join(files)}, {size:,} bytes; transformers loads it as {architecture}")
    if not {"tokenizer.json", "vocab.txt"} & {Path(name).name for name in files}:
        spec = text_model.tokenizer.spec
        show_wrapped(f"note: transformers has no tokenizer like {spec}: encode with lmzoo")
    return None


@command(
    "import",
    epilog="Example: lmzoo import ptb.arpa.gz --out runs/kenlm --layout leading; lmzoo eval runs/kenlm --corpus ptb; "
    "lmzoo import glove.6B.100d.txt --out runs/glove6b; lmzoo import gpt2 --out runs/gpt2",
)
def import_file(
    # An ARPA file or word vectors (GloVe's, or word2vec's text or binary format), compressed or not; a folder with a
    # GPT-2, GPT-1, BERT, RoBERTa, ELECTRA or T5 as saved by Hugging Face transformers; or gpt2, downloaded as
    # corpora are (from LMZOO_MIRROR, if that has it in gpt2/).
    file: str,
    out: Annotated[Path, option("--out", "Folder to save the run in.")],
    # For ARPA files, the layout of texts to score: plain, or leading (spaces before words, as in PTB).
    layout: str = LAYOUTS[0],
    kind: str | None = None,  # For word vectors: glove or word2vec. [default: glove if the file has no header]
    corpus: Texts = None,  # For word vectors: the text to fit their predictor on; a name, a file or a folder.
    mirror: Mirror = None,
    overwrite: bool = False,  # Replace the run in that folder.
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read another toolkit's model and save it as a run.

    An ARPA file of n-grams, word vectors of word2vec, GloVe or gensim, or a GPT, BERT, RoBERTa, ELECTRA or T5.
    """
    from lmzoo.formats import vectors
    from lmzoo.interface import MaskedModel, TextToText
    from lmzoo.runs import store

    one_of("layout", layout, LAYOUTS)
    hold(store.claimed(out, overwrite))
    path = Path(file)
    if path.suffix == ".safetensors" and path.is_file():
        raise UsageError(f"{path} has weights alone: give the folder that has its config.json and tokenizer too")
    is_gpt = path.is_dir() or (file.startswith("gpt2") and not path.exists())
    has_vectors = not is_gpt and (kind is not None or vectors.recognises(path))
    if (kind or corpus) and not has_vectors:
        raise UsageError(f"--{'kind' if kind else 'corpus'} is for word vectors, which {file} has not: leave it out")
    if is_gpt:
        text_model, facts = _read_gpt2(path, quiet)
        summary = f"{facts['parameters']:,} parameters over {text_model.tokenizer.vocab_size:,} tokens"
    elif has_vectors:
        from lmzoo.formats.vectors import model as vector_exchange

        text_model, facts = vector_exchange.read(path, kind, corpus, mirror, Bars(quiet))
        facts = _origin(path) | facts
        summary = f"{facts['words']:,} words of {facts['dimensions']} numbers, {facts['format']}"
    else:
        from lmzoo.formats import arpa

        text_model = arpa.read(path, Bars(quiet), layout)
        model, tokenizer = text_model
        facts = _origin(path) | {"ngrams": len(model.trie_.words) - 1}
        summary = f"{facts['ngrams']:,} n-grams of order 1 to {model.order} over {tokenizer.vocab_size:,} words"
    facts = _provenance(text_model) | facts
    store.save(text_model, out, facts, overwrite=overwrite)
    if as_json:
        return show_json({"run": str(out), **facts})
    say(f"{file}: {summary}")
    show_notes(text_model.model.remarks)
    use = f"score a text with: lmzoo eval {out} --corpus …"
    if isinstance(text_model.model, TextToText):
        use = f'see what it writes with: lmzoo generate {out} --prompt "…"'
    if isinstance(text_model.model, MaskedModel):
        fills = getattr(text_model.model, "fills", True)
        use = f'fill blanks with: lmzoo fill {out} "The [MASK] …"' if fills else f"probe it with: lmzoo probe {out}"
    say(f"saved as {out}; {use}")
    return None


def _read_gpt2(folder: Path, quiet: bool) -> "tuple[TextModel, dict[str, Any]]":
    from lmzoo import models

    models.find("gpt")  # raises, naming what to install, where PyTorch is missing
    from lmzoo.formats import bert, electra, gpt2, t5

    if not folder.is_dir():
        folder = gpt2.fetch(str(folder), Bars(quiet))
    kind: Any = next((one for one in (bert, electra, t5) if one.is_one(folder)), gpt2)
    text_model: TextModel = kind.read(folder)
    first = electra.weight_folders(folder)[0] if kind is electra else folder
    origin = _origin(first / gpt2.weight_files(first)[0])
    return text_model, origin | {"parameters": text_model.model.size()[0]}


@contextmanager
def claimed_file(file: Path, overwrite: bool) -> Iterator[None]:
    """Hold the place of a file from before any work until it is written. Raises UsageError where it cannot be."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name a file in it, as in {file / 'model.arpa'}")
    if not file.parent.is_dir():
        raise UsageError(f"{file} cannot be written: there is no folder {file.parent}")
    with ExitStack() as stack:
        try:
            if file.exists() and not file.is_file():
                raise UsageError(f"{file} is a device or a pipe, which is not replaced: write a file")
            stack.enter_context(reserved(file))
            if file.exists() and not overwrite:
                raise UsageError(f"{file} exists already: choose another name, or give --overwrite to replace it")
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}; choose another place") from None
        yield


def check_folder(folder: Path) -> None:
    """Raise UsageError where nothing can be written into `folder`, or it cannot be made: before any work."""
    try:
        try_to_write(folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}; choose another --out") from None


def write_file(file: Path, contents: bytes, overwrite: bool) -> None:
    """Write `file` atomically. Raises LmzooError, and TakenError where something has come there meanwhile."""
    try:
        write_atomically(file, contents, overwrite)
    except OSError as error:
        raise LmzooError(f"{file} could not be written: {error.strerror}") from None


def _origin(file: Path) -> dict[str, Any]:
    return {"imported_from": str(file.absolute()), "imported_sha256": sha256_of(file)}


def _provenance(text_model: "TextModel") -> dict[str, Any]:
    from lmzoo.runs import provenance

    model, tokenizer = text_model
    return {
        "model": model.name,
        "config": model.config(),
        "tokenizer": tokenizer.spec,
        "vocab_size": tokenizer.vocab_size,
        "remarks": list(model.remarks),
        **provenance.provenance(),
    }
