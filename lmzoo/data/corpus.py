"""A name or a path → three texts, train, valid and test, with their source and sha256.

A name has a card, a TOML file in `corpora/` with licence, citation, files, split and counts. Anything else is a path:
a text file or a folder of them.

    corpus = load("shakespeare")
    corpus.train, corpus.valid, corpus.test      three strings, unchanged

A text is never shuffled, trimmed or translated: line ends and byte-order marks stay as in the file.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmzoo.data import download, own_text
from lmzoo.data.cards import SPLITS, Card, cards, find, folder
from lmzoo.data.download import Obtained
from lmzoo.data.own_text import Paths
from lmzoo.data.split import RULES
from lmzoo.drafts import write_atomically
from lmzoo.errors import FormatError, UsageError, nearest
from lmzoo.files import TEXTS, read_file, read_json
from lmzoo.interface import Progress

if TYPE_CHECKING:
    from lmzoo.data.grammar import Grammar

__all__ = ["SPLITS", "Card", "Corpus", "Paths", "cards", "describe", "fetch", "grammar_of", "load", "trained_on"]


@dataclass(frozen=True)
class Corpus:
    """Three texts and their provenance, as `load` returns them."""

    name: str
    title: str
    licence: str
    citation: str
    lines: bool
    tokenizer: str  # "" for a text of one's own: chosen by what the text is (`tokenizers.choose`)
    train: str = field(repr=False)
    valid: str = field(repr=False)
    test: str = field(repr=False)
    split: str  # the rule of the split, in words
    source: str  # where the text comes from; for a path, with the rule of the split
    sha256: dict[str, str] = field(repr=False)  # of the UTF-8 bytes of each split
    floor_bits: dict[str, float] | None = None  # exact -log2 P(split) under the grammar that generated it, if known
    refit: bool = False  # the validation text is in the training text too: settings were chosen before
    notes: tuple[str, ...] = ()  # what to know of a text of one's own: that its parts leak, or hold no plain text
    paths: Paths | None = None  # of a text of one's own: where it is, to load it again
    cut: bool = False  # one text of one's own, which was cut into the three by a rule
    alone: bool = False  # with `lines`: a network too is trained on each line alone, not on the lines before it

    @property
    def protocol(self) -> str:
        """How it is scored: "lines" (every line alone) or "stream" (context carries on)."""
        return "lines" if self.lines else "stream"

    @property
    def whole(self) -> str:
        """The three texts as one."""
        return self.train + ("" if self.refit else self.valid) + self.test

    @property
    def sizes(self) -> dict[str, dict[str, int]]:
        """{"train": {"characters", "lines"}, "valid": …, "test": …}."""
        texts = {split: getattr(self, split) for split in SPLITS}
        return {split: {"characters": len(text), "lines": _count_lines(text)} for split, text in texts.items()}

    @property
    def split_in_words(self) -> str:
        """The sizes of the three texts and the rule of the split, in a line."""
        of = {key: " / ".join(f"{size[key]:,}" for size in self.sizes.values()) for key in ("characters", "lines")}
        alone = "; one line is one text" if self.alone else ""
        refit = "; validation is in train too" if self.refit else ""
        return (
            f"train / validation / test: {of['characters']} characters, {of['lines']} lines; {self.split}{alone}{refit}"
        )


def load(
    name_or_path: str | os.PathLike[str] | Paths,
    *,
    mirror: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    refit: bool = False,
    lines: bool = False,
    short: bool = False,
    progress: Progress | None = None,
) -> Corpus:
    """The corpus of that name, else the text file or folder of text files at that path, or at those `Paths`.

    A generated one is of the size that its name ends in, "storyworld:2MB": so many characters of training text.
    A named one is looked for in `cache` (default: LMZOO_CACHE, else the system's folder for caches), then in `mirror`
    (a folder or URL; default: LMZOO_MIRROR), then at its public address. `refit` appends the validation text to the
    training text, for the final fit once settings are chosen (`valid` stays, but is no longer unseen). `lines`: each
    line is a text of its own (a name, a query), in training and in scoring. `short`: a text of one's own may be too
    short to be split; all of it is in `train` then. Raises DownloadError where no source has it whole, UsageError
    where there is no such corpus or its text is empty, not UTF-8, or too short to split.
    """
    paths = name_or_path if isinstance(name_or_path, Paths) else Paths(os.fspath(name_or_path))
    card = find(paths.corpus)
    if card and paths == Paths(paths.corpus):
        corpus = _from_card(card, _mirror(mirror), cache_folder(cache), progress or Progress())
    elif card:
        raise UsageError(
            f"{card.name} has its own split: --train, --valid, --test and --field are for texts of your own"
        )
    else:
        corpus = _from_paths(paths, progress or Progress(), short)
    corpus = replace(corpus, lines=True, alone=True) if lines else corpus
    return _refitted(corpus) if refit else corpus


def is_here(name_or_path: str | os.PathLike[str] | Paths) -> bool:
    """Whether `load` needs no network for it: it is generated, in the cache or a mirror's folder, or one's own file."""
    paths = name_or_path if isinstance(name_or_path, Paths) else Paths(os.fspath(name_or_path))
    card = find(paths.corpus)
    if card is None:
        return all(path.exists() for path in (paths.main, *paths.given.values()))
    folders = [cache_folder(), *(Path(mirror).expanduser() for mirror in [_mirror(None)] if mirror)]
    return bool(card.generator) or all(any((one / file.path).is_file() for one in folders) for file in card.files)


def fetch(
    name: str,
    *,
    mirror: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[Obtained]:
    """Every file of the corpus `name`, checked and added to the cache; the built-in one has none: it is generated.

    `cached` is False for a file where the cache cannot be written, which does not matter while a mirror has it. Raises
    as `load` does.
    """
    card = find(name)
    if card is None:
        raise UsageError(_unknown(name))
    if card.generator:
        _from_card(card, "", cache_folder(cache), progress or Progress())
    return [download.obtain(f, cache_folder(cache), _mirror(mirror), progress) for f in card.files]


def trained_on(provenance: Mapping[str, Any]) -> Paths:
    """The corpus that a run with this provenance was trained on."""
    parts = provenance.get("corpus_parts") or {
        "corpus": provenance.get("corpus_path") or provenance.get("corpus") or ""
    }
    return Paths(**{one.name: str(parts[one.name]) for one in fields(Paths) if one.name in parts})


def describe(corpus: Corpus) -> dict[str, dict[str, int]]:
    """{"train": {"characters", "bytes", "lines", "words"}, "valid": …, "test": …}.

    Characters are Unicode code points, bytes those of UTF-8, words are separated by white space; a last line without
    a line end counts.
    """
    return {split: _counts(getattr(corpus, split)) for split in SPLITS}


def _counts(text: str) -> dict[str, int]:
    # In pieces of a megabyte: the words of text8 as one list would take more than a gigabyte.
    starts = range(0, len(text), 1 << 20)
    cut_words = sum(1 for i in starts if i and not text[i - 1].isspace() and not text[i].isspace())
    return {
        "characters": len(text),
        "bytes": len(text.encode()),
        "lines": _count_lines(text),
        "words": sum(len(text[i : i + starts.step].split()) for i in starts) - cut_words,
    }


def _count_lines(text: str) -> int:
    return text.count("\n") + (text != "" and not text.endswith("\n"))


def _mirror(mirror: str | os.PathLike[str] | None) -> str:
    return os.environ.get("LMZOO_MIRROR", "") if mirror is None else os.fspath(mirror)


def cache_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """The folder of downloaded files: `cache`, else LMZOO_CACHE, else the system's folder for caches."""
    if cache := cache or os.environ.get("LMZOO_CACHE"):
        return Path(cache).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("lmzoo")


def _exists(name: str) -> bool:
    try:
        return name != "" and Path(name).exists()
    except OSError:  # a name too long for a file is no file
        return False


def _unknown(name: str) -> str:
    known = list(cards())
    return (
        f"no corpus, file or folder is called {name!r}{nearest(name.partition(':')[0], known)} "
        f"(corpora: {', '.join(known)}; or the path of a text file or a folder of text files)"
    )


# ── A corpus with a card ──────────────────────────────────────────────────────────────────────────


def _from_card(card: Card, mirror: str, cache: Path, progress: Progress) -> Corpus:
    if card.generator:
        texts, floor, source = _generated(card, cache, progress)
        return _corpus(card, texts, source, floor)
    obtained = [download.obtain(file, cache, mirror, progress) for file in card.files]
    texts_of_files = [
        _without_columns(_decoded(o.contents, o.file.path, card.encoding), o.file.columns) for o in obtained
    ]
    if card.split["rule"] == "files":
        texts = {o.file.split: text for o, text in zip(obtained, texts_of_files, strict=True)}
    else:
        pieces = RULES[card.split["rule"]]("".join(texts_of_files), card.split.get("cuts", []))
        texts = dict(zip(SPLITS, pieces, strict=True))
    unsure = [f", of unconfirmed sha256 {o.sha256}" for o in obtained if not o.file.sha256]
    return _corpus(card, texts, "; ".join(o.origin for o in obtained) + "".join(unsure))


def _corpus(card: Card, texts: dict[str, Any], source: str, floor: dict[str, float] | None = None) -> Corpus:
    same = {key: getattr(card, key) for key in ("name", "title", "licence", "citation", "lines", "alone", "tokenizer")}
    rule = card.split.get("words", "")
    return Corpus(**same, **texts, split=rule, source=source, sha256=_hashes(texts), floor_bits=floor)


def _hashes(texts: dict[str, str]) -> dict[str, str]:
    return {split: hashlib.sha256(text.encode()).hexdigest() for split, text in texts.items()}


def _refitted(corpus: Corpus) -> Corpus:
    train, valid = corpus.train, corpus.valid
    if corpus.lines and not train.endswith("\n"):
        train += "\n"  # else its last line and the first of the validation text would become one
    floor = corpus.floor_bits and corpus.floor_bits | {"train": corpus.floor_bits["train"] + corpus.floor_bits["valid"]}
    hashes = corpus.sha256 | _hashes({"train": train + valid})
    return replace(corpus, train=train + valid, sha256=hashes, floor_bits=floor, refit=True)


def _decoded(contents: bytes, name: str, encoding: str) -> str:
    try:
        return contents.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{name} is not {encoding.upper()}, as its card says: {error.reason} at byte {error.start:,}"
        ) from error


def _without_columns(text: str, columns: int) -> str:
    if not columns:
        return text
    return "\n".join(line.split("\t", columns)[-1] for line in text.split("\n"))


# ── A text of your own ────────────────────────────────────────────────────────────────────────────


def _from_paths(paths: Paths, progress: Progress, short: bool) -> Corpus:
    main = paths.main
    if paths == Paths(field=paths.field or ""):
        raise UsageError("--field is for a text of your own: give --corpus or --train too")
    if not _exists(paths.corpus) and (paths.corpus or not paths.given):
        raise UsageError(_unknown(paths.corpus))
    if missing := [f"--{part} {path}" for part, path in paths.given.items() if not _exists(str(path))]:
        raise UsageError(f"{missing[0]}: there is no such file or folder")
    try:
        own = own_text.load(paths, progress, short)
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or main}: {error.strerror}") from error
    card = Card(main.name, str(main), "your own", "", "", {"words": own.rule})
    corpus = _corpus(card, own.texts, f"{'folder' if main.is_dir() else 'file'} {main} ({own.rule})")
    return replace(corpus, notes=tuple(own.notes), paths=paths, cut=own.cut)


# ── The built-in corpus ───────────────────────────────────────────────────────────────────────────


def _generated(card: Card, cache: Path, progress: Progress) -> tuple[dict[str, str], dict[str, float], str]:
    """The texts of a grammar and -log2 P of each, generated once and then read from the cache."""
    from lmzoo.data import grammar

    recipe = card.generator
    path = folder() / recipe["grammar"]
    try:
        inputs = [*map(read_file, (path, grammar.__file__)), json.dumps(recipe).encode()]
    except OSError as error:
        raise FormatError(f"cannot read the grammar {path}: {error.strerror}") from error
    key = hashlib.sha256(b"\0".join(inputs)).hexdigest()
    file = cache / card.name.partition(":")[0] / f"{key[:16]}.json"
    generated = _read_generated(file)
    if generated is None:
        generated = _generate(grammar.Grammar.load(path), recipe, progress)
        with suppress(OSError):
            write_atomically(file, json.dumps(generated).encode())
    return generated["texts"], generated["floor_bits"], f"generated from {path.name}, seed {recipe['seed']}"


def grammar_of(corpus: Corpus) -> "Grammar | None":
    """The grammar that generated a corpus; None for any other corpus."""
    from lmzoo.data.grammar import Grammar

    card = find(corpus.name) if corpus.floor_bits else None
    if card is None or not card.generator:
        return None
    return Grammar.load(folder() / card.generator["grammar"])


def _generate(source: "Grammar", recipe: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from lmzoo.data import ambiguity

    ambiguity.refuse(source, recipe["seed"])
    texts, floor = {}, {}
    with progress.task("generating the corpus", sum(recipe[split] for split in SPLITS)) as task:
        for split in SPLITS:  # each has its own seed: one can grow without changing the others
            documents, logs = [], []
            for document, log2_prob in source.draw(recipe[split], f"{recipe['seed']}/{split}"):
                documents.append(document)
                logs.append(log2_prob)
                if len(documents) % 100 == 0:  # to draw a bar takes as long as to write a document
                    task.advance(sum(map(len, documents[-100:])))
            texts[split], floor[split] = "".join(documents), -math.fsum(logs)
    return {"texts": texts, "floor_bits": floor, "sha256": _hashes(texts)}


def _read_generated(path: Path) -> dict[str, Any] | None:
    try:
        generated = read_json(path, dict[str, Any], TEXTS)
        return generated if generated["sha256"] == _hashes(generated["texts"]) else None
    except (OSError, UsageError, KeyError, TypeError, AttributeError):
        return None  # missing or damaged: generate it again
