"""Certified bits: the size of a text compressed by a run and decompressed again in another process.

The evaluator trusts a model's own probabilities; a file needs no such trust. A model whose probabilities sum to more
than one cannot decode a file as short as they promise, so the two figures agree only for a valid distribution.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lmzoo
from lmzoo.compression import codec
from lmzoo.data import corpus as corpora
from lmzoo.drafts import temporary_folder
from lmzoo.errors import LmzooError, UsageError, naming
from lmzoo.evaluation.perplexity import Score, evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Progress
from lmzoo.runs import store
from lmzoo.runs.score import part_for

AGREED = 0.005  # relative excess of real bits over the evaluator's, beside `codec.END`, above which there is a note
SAMPLE = 20_000  # characters that a comparison certifies for each model


@dataclass(frozen=True)
class Certificate:
    """The size of a compressed text beside the evaluator's bits; it has been decompressed to the same bytes."""

    run: str
    model: str
    corpus: str
    split: str
    protocol: str
    tokenizer: str
    sha256: str  # of the text, in UTF-8
    characters: int
    bytes: int
    tokens: int
    bits: int  # of the range coder's output
    evaluated_bits: float
    file_bytes: int  # of the file with its header
    compress_seconds: float
    decompress_seconds: float  # of the other process, start and end included
    notes: list[str]

    @property
    def bits_per_character(self) -> float:
        """Real bits for each Unicode code point."""
        return self.bits / self.characters

    @property
    def excess(self) -> float:
        """The relative excess of the real bits over the evaluator's."""
        return self.bits / self.evaluated_bits - 1

    def to_json(self) -> dict[str, Any]:
        """The fields and the ratios, for `--json` and reports."""
        ratios = ("bits_per_character", "excess")
        return asdict(self) | {name: getattr(self, name) for name in ratios}


def certify(
    run: Path,
    corpus: str | corpora.Paths | None = None,
    split: str | None = None,
    characters: int | None = None,
    code: Path | None = None,
    mirror: str | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Compress `split` of `corpus` (None: the training corpus), or its first `characters`, and decompress it again.

    Part, text and protocol are the evaluator's. `code` is the file of a model from outside the package. Raises as
    `store.load`, `corpus.load`, `evaluate` and `codec.compress` do, and LmzooError where another text is decompressed.
    """
    progress = progress or Progress()
    text_model = store.load(run, code)
    provenance = store.read_provenance(run)
    source, part = part_for(run, corpus, split, provenance, mirror, progress)
    text = _beginning(part.text, characters, source.protocol)
    text_model.model.to("cpu").warm_up()
    with naming(run):
        score, file, seconds, seconds_back = _prove(run, text_model, text, source.protocol, code, progress)
    certificate = Certificate(
        run=str(run),
        model=text_model.name,
        corpus=source.name,
        split=part.split,
        **{key: getattr(score, key) for key in ("protocol", "tokenizer", "sha256", "characters", "bytes", "tokens")},
        bits=codec.payload_bits(file),
        evaluated_bits=score.bits,
        file_bytes=len(file),
        compress_seconds=seconds,
        decompress_seconds=seconds_back,
        notes=part.notes,
    )
    if certificate.bits > (1 + AGREED) * score.bits + codec.END:
        certificate.notes.append("it takes more bits than the evaluator says: the probabilities do not sum to one")
    return certificate


def sample_of(
    run: Path,
    text_model: TextModel,
    text: str,
    characters: int = SAMPLE,
    protocol: str = "stream",
    code: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Certified bits of the first `characters` of `text`, for a row of a comparison, errors included.

    `text_model` is the one saved in the folder `run`, and it is left on the CPU. Gives
    {"bits_per_character", "evaluator_bits_per_character", "characters", "seconds"}, or {"error"}.
    """
    began = time.perf_counter()
    text = _beginning(text, characters, protocol)
    try:
        if not text:
            raise UsageError("there is no text to compress")
        text_model.model.to("cpu").warm_up()
        score, file, *_ = _prove(run, text_model, text, protocol, code, progress or Progress())
    except LmzooError as error:
        return {"error": str(error)}
    return {
        "bits_per_character": codec.payload_bits(file) / len(text),
        "evaluator_bits_per_character": score.bits / len(text),
        "characters": len(text),
        "seconds": time.perf_counter() - began,
    }


def _prove(
    run: Path, text_model: TextModel, text: str, protocol: str, code: Path | None, progress: Progress
) -> tuple[Score, bytes, float, float]:
    """Score `text`, compress it, and decompress it in another process: the score, the file, the seconds of both."""
    score = evaluate(text_model, text, protocol)
    data = text.encode("utf-8", "surrogatepass")
    began = time.perf_counter()
    file = codec.compress(text_model, data, protocol, progress)
    seconds = time.perf_counter() - began
    with progress.task("decompressing in another process"):
        back, seconds_back = _elsewhere(run, file, code)
    _refuse_other(back, data)
    return score, file, seconds, seconds_back


def _beginning(text: str, characters: int | None, protocol: str) -> str:
    """The first `characters` of `text`; under `lines` only whole lines of them, at least one."""
    if characters is None or characters >= len(text):
        return text
    if protocol == "stream":
        return text[:characters]
    whole = text.rfind("\n", 0, characters) + 1
    return text[: whole or text.find("\n") + 1 or characters]


def _elsewhere(run: Path, file: bytes, code: Path | None) -> tuple[bytes, float]:
    """What a new process decompresses `file` to, and its seconds."""
    with temporary_folder(Path(tempfile.gettempdir())) as folder:
        folder.chmod(0o700)  # others may read what is in the system's folder
        packed, unpacked = folder / "text.lmz", folder / "text"
        packed.write_bytes(file)
        command = [sys.executable, "-P", "-m", "lmzoo", "decompress", str(run), str(packed), "--out", str(unpacked)]
        command += ["--quiet", *(["--code", str(code)] if code else [])]
        # The child imports the lmzoo that runs here, not one in the working folder.
        path = os.pathsep.join(filter(None, [str(Path(lmzoo.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
        began = time.perf_counter()
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise LmzooError(f"it could not be decompressed in a process of its own: {said[-1]}")
        return unpacked.read_bytes(), seconds


def _refuse_other(back: bytes, data: bytes) -> None:
    if back != data:
        at = codec.first_difference(back, data)
        raise LmzooError(f"another text came back: it differs from byte {at:,} on")
