"""Good files with mutations, for every reader: each must give a value or one LmzooError, at once and in little memory.

    python -m tests.attacks.readers 20000        all readers in turn; exit code 1 where one fails

Checksums are made right again, so that what is behind them is reached.
"""

import argparse
import gzip
import hashlib
import io
import json
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lmzoo import files, models
from lmzoo.compression import codec
from lmzoo.data import cards, corpus, task_cards, tokenizers
from lmzoo.data.grammar import Grammar
from lmzoo.errors import LmzooError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import arpa, gpt2, vectors
from lmzoo.interface import Data, Run
from lmzoo.runs import store
from lmzoo.tasks import multiple_choice, nbest

SECONDS, MEGABYTES = 5, 1500  # that one input may take, and the process
TEXT = "the cat sat on the mat. a dog lay on the log, and the cat saw it.\n" * 20
STRANGE = [0, -1, 1, 2**31, 2**63, 10**12, 1e308, "x" * 10, None, [], {}, True, "\ud800", [[[]]], float("nan")]
BYTES = [b"\xff" * 8, b"\0" * 8, b"99999999", struct.pack("<Q", 2**40), b"nan "]
NBEST = '{"reference": "a cat", "candidates": [{"text": "a cat", "score": -1.5}, {"text": "a", "score": -2}]}\n' * 2
QUESTIONS = '{"query": "q", "choices": ["a", "b"], "gold": 1}\n' * 2


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut, inserted, repeated, or replaced by large numbers; more often near the beginning."""
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 3, 10])):
        at, size = chance.randrange(chance.choice([len(data), min(len(data), 200)]) + 1), chance.randrange(1, 50)
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = chance.randbytes(1)
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = chance.randbytes(size)
            case 3:
                data[at:at] = data[at : at + size] * chance.randrange(1, 5)
            case 4 if chance.random() < 0.3:
                del data[at:]
            case _:
                data[at : at + 8] = chance.choice(
                    [b"\xff" * 8, b"\0" * 8, b"99999999", struct.pack("<Q", 2**40), b"nan "]
                )
    return bytes(data)


def mutated_json(text: str, chance: random.Random) -> str:
    """JSON with a value somewhere replaced by a strange one, or without it."""
    value = json.loads(text)
    node, place = value, []
    while isinstance(node, dict | list) and node and chance.random() < 0.85:
        key = chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
        place, node = [node, key], node[key]
    if place and chance.random() < 0.2:
        del place[0][place[1]]
    elif place:
        place[0][place[1]] = chance.choice(STRANGE)
    return json.dumps(value)


def mutate(path: Path, chance: random.Random) -> None:
    """Mutate a file in place: three of four JSON files as JSON."""
    if path.suffix == ".json" and chance.random() < 0.75:
        path.write_text(mutated_json(path.read_text(), chance))
    else:
        path.write_bytes(mutated(path.read_bytes(), chance))


# ── The readers ───────────────────────────────────────────────────────────────────────────────────


def trained(name: str, spec: str, **settings: object) -> TextModel:
    """A small model of TEXT."""
    cls, tokenizer = models.find(name), tokenizers.train(spec, TEXT)
    ids = tokenizer.encode(TEXT)
    model = cls.from_config({**getattr(cls, "PRESETS", {}).get("tiny", {}), **settings})
    return TextModel(model.fit(Data.of(ids, ids, tokenizer.vocab_size), Run(steps=2, device="cpu")), tokenizer)


def a_run(name: str, **settings: object) -> Callable[[Path], Callable[[random.Random], object]]:
    """The attack on a run of that model: one of its files, with checksums that are right."""

    def prepare(folder: Path) -> Callable[[random.Random], object]:
        good = store.save(trained(name, "word:20", **settings), folder / "good")

        def attack(chance: random.Random) -> object:
            shutil.rmtree(folder / "run", ignore_errors=True)
            run = Path(shutil.copytree(good, folder / "run"))
            mutate(run / chance.choice(store.FILES), chance)
            sums = (f"{hashlib.sha256((run / file).read_bytes()).hexdigest()}  {file}\n" for file in store.FILES)
            (run / store.SUMS).write_text("".join(sums))
            store.read_provenance(run)
            return evaluate(store.load(run), "the cat sat")

        return attack

    return prepare


def a_file(name: str, make: Callable[[Path], object], read: Callable[[Path], object]) -> Callable:  # type: ignore[type-arg]
    """The attack on a file that `make` writes and `read` reads."""

    def prepare(folder: Path) -> Callable[[random.Random], object]:
        make(folder / f"good-{name}")
        good, path = (folder / f"good-{name}").read_bytes(), folder / name

        def attack(chance: random.Random) -> object:
            path.write_bytes(good)
            mutate(path, chance)
            return read(path)

        return attack

    return prepare


def a_gpt2(folder: Path) -> Callable[[random.Random], object]:
    """The attack on a folder of Hugging Face's."""
    gpt2.write(trained("gpt", "bpe:300"), folder / "good")

    def attack(chance: random.Random) -> object:
        shutil.rmtree(folder / "theirs", ignore_errors=True)
        theirs = Path(shutil.copytree(folder / "good", folder / "theirs"))
        if chance.random() < 0.3:
            (theirs / "vocab.json").unlink()  # then tokenizer.json is read
        mutate(chance.choice(sorted(theirs.iterdir())), chance)
        return gpt2.read(theirs)

    return attack


def a_compressed(folder: Path) -> Callable[[random.Random], object]:
    """The attack on a compressed file, whose checksum is right."""
    model = trained("ngram", "char", order=2)
    good = codec.compress(model, TEXT[:200].encode())

    def attack(chance: random.Random) -> object:
        body = bytearray(mutated(good[:-4], chance))
        body[8:28] = good[8:28]  # the model and the machine
        return codec.decompress(model, bytes(body) + struct.pack("<I", zlib.crc32(body)))

    return attack


def a_card(folder: Path) -> Callable[[random.Random], object]:
    """The attack on every TOML file of the package."""
    good = [*sorted(cards.folder().glob("*.toml")), *sorted(cards.folder().glob("tasks/*.toml"))]

    def attack(chance: random.Random) -> object:
        one, path = chance.choice(good), folder / "card.toml"
        path.write_bytes(mutated(one.read_bytes(), chance))
        if one.name.endswith(".grammar.toml"):
            return Grammar.load(path).generate(50, 1) if chance.random() < 0.1 else None  # takes long
        if one.parent.name == "tasks":
            return cards.read(path, task_cards.Task)
        return cards.read(path, cards.Card) if one.name.count(".") == 1 else files.read_toml(path, dict)

    return attack


def _zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", TEXT)
    return packed.getvalue()


def _binary_vectors(path: Path) -> object:
    row = np.array([1, 2], "<f4").tobytes()
    return path.write_bytes(b"3 2\n" + b"".join(word + b" " + row + b"\n" for word in (b"the", b"cat", b"dog")))


def _load(path: Path) -> object:
    return corpus.load(str(path))


READERS = {
    "run of ngram": a_run("ngram", order=3),
    "run of classes": a_run("classes"),
    "run of svd": a_run("svd"),
    "run of pmi": a_run("pmi"),
    "run of lstm": a_run("lstm"),
    "gpt2": a_gpt2,
    "compressed": a_compressed,
    "cards": a_card,
    "arpa": a_file("x.arpa", lambda path: arpa.write(trained("ngram", "word:20", order=3), path), arpa.read),
    "vectors": a_file("v.txt", lambda path: path.write_text("3 2\nthe 1 2\ncat 1 0.5\ndog 3 1e-3\n"), vectors.read),
    "binary vectors": a_file("v.bin", _binary_vectors, vectors.read),
    "JSON lines": a_file("c.jsonl", lambda path: path.write_text('{"text": "a cat sat on a mat"}\n' * 9), _load),
    "UTF-16": a_file("c.txt", lambda path: path.write_bytes(TEXT.encode("utf-16")), _load),
    "gzip": a_file("c.gz", lambda path: path.write_bytes(gzip.compress(TEXT.encode())), _load),
    "zip": a_file("c.zip", lambda path: path.write_bytes(_zipped()), _load),
    "n-best": a_file("n.jsonl", lambda path: path.write_text(NBEST), nbest.load),
    "questions": a_file("q.jsonl", lambda path: path.write_text(QUESTIONS), multiple_choice.load),
}


# ── The attack ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _at_most(seconds: int):  # type: ignore[no-untyped-def]
    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def failures(reader: str, count: int, seed: int = 0) -> list[str]:
    """What is wrong after `count` mutated inputs of a reader: tracebacks and hangs, in words."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="lmzoo-attack-") as folder:
        attack = READERS[reader](Path(folder))
        for number in range(count):
            try:
                with _at_most(SECONDS):
                    attack(random.Random(f"{reader} {seed} {number}"))
            except (LmzooError, MemoryError) as error:  # the command line says one line of either
                if len(str(error)) > 100_000:
                    wrong.append(f"{reader} {number}: an error of {len(str(error)):,} characters")
            except Exception:
                wrong.append(f"{reader} {number}: {traceback.format_exc(limit=-3)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return wrong if peak < MEGABYTES else [*wrong, f"{reader}: {peak:,.0f} MB"]


def main() -> int:
    """Attack all readers; print what failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="mutated inputs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", nargs="*", default=list(READERS), metavar="READER", help=", ".join(READERS))
    asked = parser.parse_args()
    each, found = -(-asked.count // len(asked.readers)), []
    for reader in asked.readers:
        began = time.perf_counter()
        found += (new := failures(reader, each, asked.seed))
        print(f"{reader:16} {each:,} inputs, {len(new)} failures, {time.perf_counter() - began:.0f} s", flush=True)
    print(*found, sep="\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{each * len(asked.readers):,} inputs: {len(found)} failures; {peak:,.0f} MB at most")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
