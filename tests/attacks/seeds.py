"""One small good input of each kind that lmzoo reads, and the commands that read it."""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import random
import shutil
import signal
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lmzoo.data import cards
from lmzoo.models import uniform


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


Call = Callable[[list[str]], int]  # runs a command line in this process: the exit code

ZSTD = next((name for name in ("compression.zstd", "backports.zstd") if _is_installed(name)), "")
TRAIN = "train uniform --out new --quiet --corpus"
NGRAM = "train ngram --order 2 --out new --quiet --corpus"
EVAL = "--split all --quiet --json"
NETWORK = "--preset tiny --device cpu --quiet --budget 6steps --tokenizer"


@dataclass(frozen=True)
class Kind:
    """A kind of input: what is copied for each attack, which files of it are spoiled, and what then reads it."""

    name: str
    copied: str  # files and folders, by white space
    spoiled: str  # patterns of files, by white space
    lines: str  # commands, of which one is drawn; "; " parts those that follow where it succeeds
    rewritten: bool = False  # a run, whose SHA256SUMS is made to fit half of the time, as a forger would
    truth: str = ""  # "GOT WANTED": where the command succeeds, two files that must then be equal
    code: bool = False  # a FILE.py, whose errors are its author's

    @property
    def commands(self) -> list[str]:
        """The lines."""
        return [line.strip() for line in self.lines.split("\n") if line.strip()]


def _corpus(name: str, more: str = "") -> Kind:
    lines = f"""
        {TRAIN} {name} --tokenizer byte
        {TRAIN} {name} --tokenizer bpe:270
        {NGRAM} {name} --tokenizer word:30
        {NGRAM} {name} --tokenizer char --lines
        corpora show {name}
        eval run-ngram --corpus {name} {EVAL}
        {more}"""
    return Kind(f"corpus {name}", f"{name} run-ngram", name, lines)


def _run(name: str, more: str = "") -> Kind:
    lines = f"""
        eval {name} --corpus t.txt {EVAL}
        generate {name} --length 4
        compress {name} t.txt --out new --quiet; decompress {name} new --out back --quiet
        {more}"""
    return Kind(f"run {name}", f"{name} t.txt", f"{name}/*", lines, rewritten=True)


def _arpa(name: str) -> Kind:
    read = f"import {name} --out new --quiet"
    lines = f"""
        {read}
        {read}; eval new --corpus t.txt --protocol lines {EVAL}
        {read}; generate new --length 4
        {read}; export new back.arpa --quiet"""
    return Kind(f"arpa {name}", f"{name} t.txt", name, lines)


def _about_words(name: str) -> str:
    return f"""
        neighbours {name} cat --quiet
        analogy {name} cat dog mat --quiet
        odd {name} cat dog mat --quiet
        map {name} cat dog mat --out map.svg --quiet"""


def _vectors(name: str) -> Kind:
    lines = f"""{_about_words(name)}
        import {name} --out new --quiet; neighbours new cat --quiet
        import {name} --corpus t.txt --out new --quiet; eval new --corpus t.txt {EVAL}"""
    return Kind(f"vectors {name}", f"{name} t.txt", name, lines)


def _compressed(run: str) -> Kind:
    file = f"t.{run}.lmz"
    line = f"decompress {run} {file} --out back --quiet"
    return Kind(f"compressed by {run}", f"{run} {file}", file, line, truth="back t.txt")


RUN_NGRAM = f"""explain run-ngram 'the cat'
    ngrams run-ngram
    export run-ngram new.arpa --quiet
    eval run-ngram run-classes --mix --corpus t.txt {EVAL}"""
RUN_PMI = f"""neighbours run-pmi cat --quiet
    eval run-pmi --corpus t.txt {EVAL}"""
SPLIT = f"""{NGRAM} split --tokenizer char
    corpora show split
    {TRAIN} t.txt --test split/test.txt --tokenizer byte"""
GPT2 = f"""import hf --out new --quiet
    import hf --out new --quiet; eval new --corpus t.txt {EVAL}"""
WEIGHTS = "model.safetensors"
RESUME = f"train lstm {NETWORK} char --corpus t.txt --out ck --resume"
LISTS = """rescore run-ngram --nbest n.jsonl --quiet --json
    rescore run-ngram --nbest n.jsonl --out o.jsonl --quiet; rescore run-ngram --nbest o.jsonl --quiet"""
QUESTIONS = """solve --questions q.jsonl --corpus t.txt --show 2 --quiet
    solve --questions q.jsonl --corpus t.txt --quiet --json"""
CARDS = f"""@cards corpora
    @cards corpora show toy --mirror mirror
    @cards corpora fetch toy --mirror mirror
    @cards {TRAIN} made --tokenizer word:30
    @cards compare --preset none --out new"""
CODE = f"""eval run-mine --code mine.py --corpus t.txt {EVAL}
    train mine.py --corpus t.txt --tokenizer char --out new --quiet"""

KINDS = (
    _corpus("t.txt", f"{TRAIN} t.txt --tokenizer split; {NGRAM} t.txt --tokenizer split:min=2 --overwrite"),
    *(_corpus(f"t.txt{packing}") for packing in (".gz", ".bz2", ".xz", ".zip", *[".zst"] * bool(ZSTD))),
    _corpus("t16.txt"),
    _corpus("t.jsonl", f"{TRAIN} t.jsonl --field title --tokenizer char"),
    _corpus("t.json"),
    Kind("corpus split", "split t.txt", "split/* split/*/*", SPLIT),
    _arpa("m.arpa"),
    _arpa("m.arpa.gz"),
    _vectors("v.txt"),
    _vectors("v.glove.txt"),
    _vectors("v.bin"),
    _run("run-ngram", RUN_NGRAM),
    _run("run-bpe"),
    _run("run-cache"),
    _run("run-classes", "classes run-classes"),
    _run("run-lstm"),
    _run("run-mlp"),
    _run("run-gpt", "export run-gpt new --quiet; import new --out back --quiet"),
    _run("run-svd", _about_words("run-svd") + "\nexport run-svd new.bin --quiet; import new.bin --out back --quiet"),
    Kind("run run-pmi", "run-pmi t.txt", "run-pmi/*", RUN_PMI, rewritten=True),
    Kind(
        "checkpoint",
        "ck.unfinished t.txt run-lstm",
        "ck.unfinished/*",
        RESUME,
        truth=f"ck/{WEIGHTS} run-lstm/{WEIGHTS}",
    ),
    Kind("GPT-2 folder", "hf t.txt", "hf/*", GPT2),
    *(_compressed(run) for run in ("run-ngram", "run-lstm", "run-bpe")),
    Kind("n-best lists", "n.jsonl run-ngram", "n.jsonl", LISTS),
    Kind("questions", "q.jsonl t.txt", "q.jsonl", QUESTIONS),
    Kind("cards", "cards mirror", "cards/*.toml mirror/*", CARDS),
    Kind("results", "kept", "kept/*", "@kept"),
    Kind("code", "mine.py run-mine t.txt", "mine.py", CODE, code=True),
)


# ── Making them ───────────────────────────────────────────────────────────────────────────────────


RUNS = {
    "ngram": "ngram --order 3 --tokenizer word:30",
    "bpe": "ngram --order 2 --tokenizer bpe:270",
    "cache": "cache --tokenizer char",
    "classes": "classes --tokenizer word:30",
    "pmi": "pmi --tokenizer word:30",
    "svd": "svd --dimensions 4 --tokenizer word:30",
    "lstm": f"lstm {NETWORK} char",
    "mlp": f"mlp {NETWORK} char",
    "gpt": f"gpt {NETWORK} bpe:270",
    "mine": "mine.py --tokenizer char",
}


EXPORTS = {
    **{name: f"run-ngram {name}" for name in ("m.arpa", "m.arpa.gz")},
    **{name: f"run-svd {name}" for name in ("v.txt", "v.bin", "v.glove.txt")},
    "hf": "run-gpt hf",
}


def make(folder: Path, kinds: Sequence[Kind], call: Call) -> None:
    """Write what these kinds copy into `folder`, which becomes the working directory."""
    os.chdir(folder)
    wanted = " ".join(f" {kind.copied} {kind.truth} {kind.lines}" for kind in kinds).split()
    wanted += [EXPORTS[name].split()[0] for name in wanted if name in EXPORTS]
    rng = random.Random(7)
    animals, verbs = ("the cat", "the dog", "a small mouse", "the old house cat"), ("sat on", "ate", "saw 3")
    sentences = [f"{rng.choice(animals)} {rng.choice(verbs)} {rng.choice(animals)} ." for _ in range(120)]
    text = "".join(one + ("\n\n" if n % 7 == 6 else "\n") for n, one in enumerate(sentences)).replace("old", "mat café")
    _write_texts(text)
    Path("t.txt").write_text(text[:1500], encoding="utf-8")
    _write_tasks(sentences)
    _write_cards(text)
    own = Path(uniform.__file__).read_text("utf-8").replace("Uniform", "Mine")
    Path("mine.py").write_text(own, encoding="utf-8")
    commands = {f"run-{name}": f"train {settings}" for name, settings in RUNS.items()}
    commands = {run: f"{command} --corpus t.txt --out {run} --quiet" for run, command in commands.items()}
    commands |= {name: f"export {export} --quiet" for name, export in EXPORTS.items()}
    commands |= {f"t.{run}.lmz": f"compress {run} t.txt --out t.{run}.lmz --quiet" for run in commands if run in wanted}
    for name, command in commands.items():
        if name in wanted and call(command.split()):
            raise SystemExit(f"a good input was refused: lmzoo {command}")
    if "ck.unfinished" in wanted:
        _write_checkpoint(call)
    kept()


def _write_texts(text: str) -> None:
    data = text.encode()
    for suffix, pack in {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.items():
        Path(f"t.txt{suffix}").write_bytes(pack(data))
    if ZSTD:
        Path("t.txt.zst").write_bytes(import_module(ZSTD).compress(data))
    with zipfile.ZipFile("t.txt.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.txt", data)
    Path("t16.txt").write_text(text, encoding="utf-16")
    documents = [{"title": f"no. {n}", "text": part, "n": n} for n, part in enumerate(text.split("\n\n"))]
    Path("t.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents), encoding="utf-8")
    Path("t.json").write_text(json.dumps(documents), encoding="utf-8")
    parts = {"train.txt": data, "valid.txt": data[:500], "test.txt": data[500:1000], "more/README.txt": data}
    for name, part in parts.items():
        path = Path("split") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part)


def _write_tasks(sentences: list[str]) -> None:
    lists = [
        {
            "reference": one,
            "candidates": [{"text": one.replace("cat", "hat"), "score": -1.5}, {"text": one, "score": -2}],
        }
        for one in sentences[:40]
    ]
    choices = [{"label": "A", "text": "the dog"}, {"label": "B", "text": "a small mouse"}]
    asked = [{"question": {"stem": f"what did {n} cats eat ?", "choices": choices}, "answerKey": "B"} for n in range(5)]
    asked += [{"query": "Question: where did the cat sit ?", "choices": ["on the dog", "ate"], "gold": 0}] * 5
    for name, rows in {"n.jsonl": lists, "q.jsonl": asked}.items():
        Path(name).write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


TOY = """title = "Toy"
licence = "MIT"
citation = "nobody"
tokenizer = "word:30"
lines = true
note = "Small."

[[files]]
path = "toy.txt"
size = {size}
sha256 = "{sha256}"

[split]
rule = "characters"
cuts = [0.90, 0.95]
words = "first 90 % of characters train, next 5 % validation, last 5 % test"
"""

MADE = """title = "Made"
licence = "MIT"
citation = "nobody"
tokenizer = "word:30"

[generator]
grammar = "storyworld.grammar.toml"
seed = 1
train = 3_000
valid = 500
test = 500

[split]
words = "each split is drawn with a seed of its own"
"""


def _write_cards(text: str) -> None:
    Path("cards").mkdir()
    for path in cards.folder().glob("*.toml"):
        shutil.copy(path, "cards")
    data = text.encode()
    Path("cards/toy.toml").write_text(TOY.format(size=len(data), sha256=hashlib.sha256(data).hexdigest()))
    Path("cards/made.toml").write_text(MADE)
    Path("mirror").mkdir()
    Path("mirror/toy.txt").write_bytes(data)


def _write_checkpoint(call: Call) -> None:
    """Of a process that kills itself once it has written three."""
    from lmzoo.neural.training import checkpoint, trainer

    child = os.fork()
    if not child:
        write, written = checkpoint.write, []

        def write_and_die(*given: Any) -> None:
            write(*given)
            written.append(given)
            if len(written) == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        checkpoint.write = write_and_die
        trainer.CHECKPOINT_EVERY, trainer.CHECKPOINT_SHARE = 0.0, 1.0
        call(f"train lstm {NETWORK} char --corpus t.txt --out ck".split())
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        raise SystemExit("the training ended before its third checkpoint")


def kept() -> None:
    """The `@kept` command: two cached results, which come back as they were, or are computed again."""
    import numpy as np

    from lmzoo.runs.cache import ResultCache

    cache = ResultCache(Path("kept"))
    value = {"bits": 1.5, "rows": [[1, "a"], [2, None]]}
    assert cache.get("exam", {"seed": 1}, lambda: value) == value
    facts, arrays = cache.get_with_arrays("score", {"seed": 1}, lambda: (value, {"token_bits": np.arange(9.0)}))
    assert facts == value
    assert (arrays["token_bits"] == np.arange(9.0)).all()
