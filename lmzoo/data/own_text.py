"""A text of your own → train, valid and test: the split that its folder has, that flags give, or that a rule makes.

- A folder with files or sub-folders named train and validation (valid, val, dev) or test keeps that split:
  train.txt, wiki.train.tokens, corpus-test.txt, reviews_dev.jsonl, test/ with any number of files. Its other files are
  left out.
- What it lacks of validation and test is cut from the end of the training text, 5 % each.
- Two texts for one part, or a test text without a training text, is an error that asks for --train, --valid or --test.
- Any other folder is one text, its files joined in order of name, and is cut 90/5/5 (`split.at_ends`).
"""

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from lmzoo.data.reading import read_text
from lmzoo.data.sniff import Kind, unreadable
from lmzoo.data.split import at_ends
from lmzoo.errors import FormatError, UsageError, one_line
from lmzoo.files import json_lines
from lmzoo.interface import Progress

LEAST = 20  # characters: 5 % of fewer would be an empty split
LONG = 100  # characters: a shorter text can be in another by chance
LEAK = "a score on text that was seen before says nothing about unseen text"
PARTS = {"train": "training", "valid": "validation", "test": "test"}  # and what messages call them
LABELS = {
    "train": "train training",
    "valid": "valid validation val dev devel development eval evaluation heldout",
    "test": "test testing",
}
PART_OF = {label: part for part, labels in LABELS.items() for label in labels.split()}
ABOUT = re.compile(r"(readme|licen[cs]e|copying|notice|citation|authors|changelog)(\W.*)?", re.IGNORECASE)
Files = dict[str, list[Path]]  # of each part, in order


@dataclass(frozen=True)
class Paths:
    """Where the texts of a corpus are: its name, or a file or folder, and the parts that are given outright.

    `field` is the one of JSON lines that has the text (None: "text"; "": the lines are taken as they are).
    """

    corpus: str = ""
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    field: str | None = None

    @classmethod
    def of_flags(cls, corpus: str, default: str, **parts: str | os.PathLike[str] | None) -> "Paths":
        """The values of flags; where parts are given, a `corpus` that is the `default` was not."""
        given = {name: os.fspath(value) for name, value in parts.items() if value is not None}
        return cls("" if given and corpus == default else corpus, **given)

    @property
    def given(self) -> dict[str, Path]:
        """The parts that are given outright."""
        return {part: Path(path) for part in PARTS if (path := getattr(self, part))}

    @property
    def main(self) -> Path:
        """What the corpus is named after."""
        return Path(self.corpus or self.train or "")

    def to_json(self) -> dict[str, str]:
        """What was given, with absolute paths: where a run's provenance says to find its texts again."""
        paths = {
            name: path if "://" in path else str(Path(path).absolute())
            for name in ("corpus", *PARTS)
            if (path := getattr(self, name))
        }
        return paths | ({} if self.field is None else {"field": self.field})


@dataclass(frozen=True)
class OwnText:
    """The three texts, the rule of their split in words, and what a user should know of them."""

    texts: dict[str, str]
    rule: str
    notes: list[str]
    cut: bool  # all three were cut from one text


def load(paths: Paths, progress: Progress, short: bool = False) -> OwnText:
    """The texts at `paths`. One that is too short to be split is, if it may be `short`, all in train.

    Raises UsageError, OSError, and FormatError as `read_text` does.
    """
    files, left_out = _find(paths)
    notes: list[str] = []
    size = sum(file.stat().st_size for of in files.values() for file in of)
    with progress.task("reading", size) as task:
        documents = {
            part: [text for file in of for text in _documents(file, paths.field, notes, task)]
            for part, of in files.items()
        }
    texts = {part: _joined(of) for part, of in documents.items()}
    notes += _leaks(texts, documents)
    cut = files.keys() == {"train"}
    if cut and short and 0 < len(texts["train"]) < LEAST:
        return OwnText(texts | {"valid": "", "test": ""}, "too short to be split", notes, cut)
    texts, rule = _split(texts, documents["train"], files, paths)
    if left_out:
        rule += f"; left out: {_list(left_out, paths.main)}"
    if empty := [part for part in PARTS if not texts[part]]:
        raise UsageError(f"{paths.main} leaves nothing for {PARTS[empty[0]]} ({rule}): drop the empty files")
    return OwnText(texts, rule, notes, cut)


def read_parts(paths: Mapping[str, Path], field: str | None, progress: Progress) -> tuple[dict[str, str], list[str]]:
    """The text of each of these files or folders, whatever the other parts are; and notes. Raises as `load`."""
    notes: list[str] = []
    with progress.task("reading") as task:
        texts = {
            part: _joined([text for file in _below(path) for text in _documents(file, field, notes, task)])
            for part, path in paths.items()
        }
    return texts, notes


# ── Which files are which part ────────────────────────────────────────────────────────────────────


def _find(paths: Paths) -> tuple[Files, list[Path]]:
    """The files of each part, and those that were left out."""
    given = {part: _below(path) for part, path in paths.given.items()}
    taken: dict[str, str] = {}
    for part, file in [(part, file) for part, files in given.items() for file in files]:
        if taken.setdefault(os.path.realpath(file), part) != part:
            raise UsageError(
                f"{file} is given for {PARTS[taken[os.path.realpath(file)]]} and for {PARTS[part]}: leave one out"
            )
    if not paths.corpus:
        if "train" not in given:
            raise UsageError("--valid and --test go with --train or --corpus; --corpus FILE alone scores a file")
        return given, []
    root = Path(paths.corpus)
    files = [file for file in _below(root) if not taken or os.path.realpath(file) not in taken]
    found, left_out = _labelled(root, files, given) if root.is_dir() else ({"train": files}, [])
    if not (found | given)["train"]:
        raise UsageError(f"{root} has no file to train on" + ", apart from those that were given" * bool(given))
    return found | given, left_out


def _below(path: Path) -> list[Path]:
    """`path` itself, or the files below it in order of name, without hidden ones and those about the others."""
    if not path.is_dir():
        return [path]
    files, seen = [], set()
    for folder, inner, names in os.walk(path, onerror=_raise, followlinks=True):
        real = os.path.realpath(folder)
        inner[:] = [name for name in inner if not name.startswith(".") and real not in seen]
        files += [Path(folder, name) for name in names if not name.startswith(".") and real not in seen]
        seen.add(real)  # a link may lead to a folder above it
    files = sorted((file for file in files if file.is_file()), key=lambda file: file.parts)
    return [file for file in files if not ABOUT.fullmatch(file.name)] or files


def _raise(error: OSError) -> None:
    raise error


def _labelled(root: Path, files: list[Path], given: Collection[str]) -> tuple[Files, list[Path]]:
    """The files of a folder by the part that they are named after, and those left out; or all of them to train on."""
    candidates: dict[str, Files] = {}
    left_out = []
    for file in files:
        part, candidate = _label(file.relative_to(root).parts)
        if part and part not in given:
            candidates.setdefault(part, {}).setdefault(candidate, []).append(file)
        else:
            left_out.append(file)
    some = next((name for of_part in candidates.values() for name in of_part), "")
    if "train" not in candidates and "train" not in given:
        if candidates:
            raise UsageError(
                f"{root} has {some}, but no file or folder named train: give the training text with --train"
            )
        return {"train": left_out}, []
    if candidates.keys() == {"train"} and not given:
        if left_out:
            raise UsageError(
                f"{root} has {some} and also {_list(left_out, root)}, which may be for testing: give "
                f"--train {root / some}, or --train {root} to train on all"
            )
        return {"train": files}, []
    found = {part: _only(root, part, candidates[part]) for part in PARTS if part in candidates}
    labelled = [file for of_part in found.values() for file in of_part]
    others = [file for file in left_out if file.suffix in {file.suffix for file in labelled}]
    if len(others) > len(labelled) and not given:  # perhaps no split: training.md and testing.md among other texts
        raise UsageError(
            f"{root} has {some} and also {_list(others, root)}, whose names do not say for what: give --train, "
            f"--valid and --test, or --train {root} to train on all"
        )
    return found, left_out


def _label(names: Sequence[str]) -> tuple[str, str]:
    """The part that a path is named after, by its first name with a label, and the path up to there; or ("", "").

    The label stands between dots, alone or as the first or last of several words: wiki.test.tokens, corpus-test.txt,
    test-00000-of-00002.jsonl and test_de.txt have one, the-test-of-time.txt has none.
    """
    for depth, name in enumerate(names):
        words = [re.findall("[a-z]+", re.sub("[-_]of[-_]", "-", between)) for between in name.lower().split(".")]
        parts = {PART_OF[word] for of in words if of for word in (of[0], of[-1]) if word in PART_OF}
        if len(parts) == 1:
            return parts.pop(), "/".join(names[: depth + 1])
    return "", ""


def _only(root: Path, part: str, candidates: Files) -> list[Path]:
    """The files of the one candidate for a part, or of shards numbered from 0 or 1. Raises UsageError for others."""
    names = sorted(candidates, key=_numbers)
    varied = [set(column) for column in zip(*map(_numbers, names), strict=False) if len(set(column)) > 1]
    alike = len({re.sub(r"\d+", "#", name) for name in names}) == 1 and len(varied) == 1
    shards = alike and any(varied[0] == set(range(first, first + len(names))) for first in (0, 1))
    if len(names) > 1 and not shards:
        flag = f"--{part} {root / names[0]}"
        raise UsageError(f"{root} has two texts for {PARTS[part]}, {names[0]} and {names[1]}: say which, as in {flag}")
    return [file for name in names for file in candidates[name]]


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _list(files: Sequence[Path], root: Path) -> str:
    """'a.txt, b.txt, c.txt … (1,234 files)', named from `root`."""
    names = [file.relative_to(root) if file != root and file.is_relative_to(root) else file for file in files[:3]]
    return ", ".join(one_line(str(name)) for name in names) + f" … ({len(files):,} files)" * (len(files) > 3)


# ── What is in them ───────────────────────────────────────────────────────────────────────────────


def _documents(file: Path, field: str | None, notes: list[str], task: Progress) -> list[str]:
    """The text of a file, or of each object in JSON lines or a JSON array."""
    text, kind = read_text(file, progress=task)
    if kind.name == "html":
        notes.append(f"{file} is an HTML page: its tags are text too")
    if kind.name in ("jsonl", "json") and field != "":
        return _records(file, text, kind, field or "text", notes)
    if field:
        raise UsageError(f"--field {field} is for JSON lines, and {file} is {kind.words}")
    return [text]


def _records(file: Path, text: str, kind: Kind, field: str, notes: list[str]) -> list[str]:
    """That field of each object, a document; where any has several lines, a blank line ends each."""
    if kind.name == "json":
        records = _parsed(text, str(file))
        if not isinstance(records, list):
            raise unreadable(file, kind, "a text")
        named = ((f"{file}, object {n:,}", record) for n, record in enumerate(records, 1))
    else:
        named = ((where, _parsed(line, where)) for line, where in json_lines(text, file, "texts"))
    texts = [_field(record, field, where).rstrip("\n") for where, record in named]
    if halves := sum(len(re.findall("[\ud800-\udfff]", text)) for text in texts):
        notes.append(f"{file} has {halves:,} halves of surrogate pairs, which are no characters: each became U+FFFD")
        texts = [re.sub("[\ud800-\udfff]", "\ufffd", text) for text in texts]
    end = "\n\n" if any("\n" in text for text in texts) else "\n"
    return [text + end for text in texts if text]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not valid JSON: {one_line(str(error))}") from None


def _field(record: Any, field: str, where: str) -> str:
    if not isinstance(record, dict):
        raise FormatError(f"{where} is not an object with a field {field!r} but {json.dumps(record):.40}")
    if field not in record:
        there = ", ".join(record) or "none"
        raise FormatError(f"{where} has no field {field!r}, only {there:.200}: --field NAME says which is the text")
    if not isinstance(record[field], str):
        raise FormatError(f"{where}: its field {field!r} is not text but {json.dumps(record[field]):.40}")
    return str(record[field])


def _joined(documents: Sequence[str]) -> str:
    """The documents joined; a line end is added where one is missing, else two lines would become one."""
    return "".join(_ended(documents))


def _ended(documents: Sequence[str]) -> list[str]:
    return [text if text.endswith("\n") or not text else text + "\n" for text in documents[:-1]] + [*documents[-1:]]


# ── Splitting ─────────────────────────────────────────────────────────────────────────────────────


def _split(texts: dict[str, str], documents: Sequence[str], files: Files, paths: Paths) -> tuple[dict[str, str], str]:
    """The three texts, what is missing cut from the end of the training text with its `documents`; and the rule."""
    missing = [part for part in ("valid", "test") if part not in texts]
    rule = "; ".join(f"{PARTS[part]}: {_list(files[part], paths.main)}" for part in PARTS if part in files)
    if missing:
        train = texts["train"]
        if len(train) < LEAST:
            have = f"has {len(train)} character{'' if len(train) == 1 else 's'}" if train else "is empty"
            raise UsageError(f"{paths.main} {have}: a corpus needs at least {LEAST} to be split 90/5/5 %")
        cuts = [1 - 0.05 * n for n in range(len(missing), 0, -1)]
        pieces, where = at_ends(train, cuts, list(accumulate(map(len, _ended(documents)))))
        texts = texts | dict(zip(["train", *missing], pieces, strict=True))
        if len(missing) == 2:
            rule = f"first 90 % of characters train, next 5 % validation, last 5 % test, cut {where}"
            rule += f"; {len(files['train']):,} files joined in order of name" * (len(files["train"]) > 1)
        else:
            rule += f"; {PARTS[missing[0]]}: the last 5 % of the training text, cut {where}"
    elif not texts["train"].endswith("\n"):
        texts = texts | {"train": texts["train"] + "\n"}  # `refit` appends the validation text
    if len(documents) > len(files["train"]):
        rule += f"; each document is the field {paths.field or 'text'!r} of a JSON object"
    return texts, rule


def _leaks(texts: dict[str, str], documents: dict[str, list[str]]) -> list[str]:
    """Notes on texts that are in two parts."""
    notes = []
    for part, other in [("test", "train"), ("valid", "train"), ("test", "valid")]:
        if part not in texts or other not in texts:
            continue
        less, more = sorted((part, other), key=lambda one: len(texts[one].strip()))
        whole = texts[less].strip()
        known = {text.strip() for text in documents[other] if len(text) >= LONG}
        again = sum(text.strip() in known for text in documents[part])
        if len(whole) >= LONG and whole in texts[more]:
            notes.append(f"the {PARTS[less]} text is in the {PARTS[more]} text, whole: {LEAK}")
        elif again:
            of = f"{again:,} of the {len(documents[part]):,} documents"
            notes.append(f"{of} of the {PARTS[part]} text are in the {PARTS[other]} text too: {LEAK}")
    return notes
