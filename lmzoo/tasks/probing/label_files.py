"""How the files of a labelled set become texts, labels and parts: lines of columns, CSV, XML, words with tags.

A card in `corpora/tasks/` says which; a file of one's own is a TSV whose first line names the columns.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.errors import FormatError, nearest, one_of
from lmzoo.files import TEXTS, read_text
from lmzoo.interface import Array

TRAIN, VALID, TEST, UNSPLIT = 0, 1, 2, -1
PARTS = {"train": TRAIN, "valid": VALID, "test": TEST, "unsplit": UNSPLIT}
OUTSIDE = "O"  # the tag of a word in no span (Ramshaw & Marcus 1995)

Row = tuple[dict[str, str], str]  # the fields of an example, and where it stands


@dataclass(frozen=True)
class ProbeCard:
    """How the files of a task become a probe set: a `[[probe]]` table of its card."""

    column: str  # the heading of its column
    files: Mapping[str, str | tuple[str, ...]]  # part (train, valid, test, unsplit) → files, by their stems
    # lines of columns; csv; xml, whose elements have attributes and texts; conll, a word a line; conllu, of 10 columns
    format: str = "lines"
    fields: tuple[str, ...] = ()  # the columns of a line, which CSV names itself
    separator: str = "\t"
    rest: bool = False  # whether the last column is the rest of the line, separators and all
    header: bool = False  # whether the first line names the columns
    element: str = ""  # of XML: the example
    values: Mapping[str, str] = field(default_factory=dict)  # of XML: what to read in place of these names and values
    # The field of the text, or the two of a pair, or the beginning and its continuations; or a pattern: "{p} {why}".
    texts: tuple[str, ...] = ()
    label: str = "label"  # the field of the label: a class's number or name, or a number where the metric is Pearson
    classes: tuple[str, ...] = ()
    metric: str = "accuracy"  # F1 is that of spans, whose tags are O, B-TYPE and I-TYPE
    # Of lines of words with tags ("the/at dog/nn"), instead of fields:
    tags: tuple[tuple[str, ...], ...] = ()  # (class, beginnings of tags, …): the first that fits
    cuts: tuple[tuple[int, ...], ...] = ()  # examples with which validation, test and the next training part begin
    words: Mapping[str, int] = field(default_factory=dict)  # part → how many words are drawn
    by_name: bool = False  # whether only who names the task gets it, not who asks for all


@dataclass(frozen=True)
class Labelled:
    """What is read: as a `ProbeSet` has it."""

    texts: tuple[list[str], ...]
    labels: Array
    parts: Array
    classes: tuple[str, ...]


def read(card: ProbeCard, contents: Mapping[str, str]) -> Labelled:
    """The examples in files by their stems. Raises FormatError, naming file and line."""
    if card.tags:
        return _tagged(card, contents)
    if card.format in ("conll", "conllu"):
        return _words(card, contents)
    texts: tuple[list[str], ...] = tuple([] for _ in card.texts)
    labels: list[Any] = []
    parts: list[int] = []
    for part, stem in _files(card):
        for row, where in _ROWS[card.format](card, contents[stem], stem):
            labels.append(_label(card, row[card.label], where))
            parts.append(PARTS[part])
            for column, name in zip(texts, card.texts, strict=True):
                column.append(name.format_map(row) if "{" in name else row[name])
    of_parts = _cut(card, len(parts)) if card.cuts else np.array(parts)
    return Labelled(texts, np.array(labels), of_parts, card.classes)


def _files(card: ProbeCard) -> list[tuple[str, str]]:
    stems = {part: (files,) if isinstance(files, str) else files for part, files in card.files.items()}
    return [(part, stem) for part, several in stems.items() for stem in several]


def _cut(card: ProbeCard, count: int) -> Array:
    """The part of each of `count` examples that are in order."""
    part_of = np.full(count, TRAIN)
    for valid, test, end in card.cuts:
        part_of[valid:test], part_of[test:end] = VALID, TEST
    return part_of


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")  # not splitlines: in TREC and MR other line ends stand within sentences


def _line_rows(card: ProbeCard, text: str, stem: str) -> Iterator[Row]:
    for number, line in enumerate(_lines(text), 1):
        if number > 1 or not card.header:
            where = f"{stem}, line {number}"
            yield _fields(card, line, where), where


def _fields(card: ProbeCard, line: str, where: str) -> dict[str, str]:
    values = line.split(card.separator, len(card.fields) - 1 if card.rest else -1)
    if card.separator == " " and card.format == "lines":  # only the text, which is last, has spaces; it may be empty
        first, _, rest = line.partition(" ")
        values = [first, rest.strip()]
    if len(values) != len(card.fields):
        raise FormatError(f"{where} has {len(values)} columns where {len(card.fields)} are expected")
    return dict(zip(card.fields, values, strict=True))


def _csv_rows(card: ProbeCard, text: str, stem: str) -> Iterator[Row]:  # noqa: ARG001
    lines = csv.reader(text.split("\n"), strict=True)
    try:
        names = next(lines)
        for values in filter(None, lines):
            where = f"{stem}, line {lines.line_num}"
            if len(values) != len(names):
                raise FormatError(f"{where} has {len(values)} columns where {len(names)} are expected")
            yield dict(zip(names, values, strict=True)), where
    except csv.Error as error:
        raise FormatError(f"{stem}, line {lines.line_num} is not CSV: {error}") from None


def _xml_rows(card: ProbeCard, text: str, stem: str) -> Iterator[Row]:
    from xml.etree import ElementTree

    try:  # of a published file whose hash was checked: it defines no entities
        examples = ElementTree.fromstring(text.encode()).iter(card.element)
    except ElementTree.ParseError as error:
        raise FormatError(f"{stem} is not XML: {error}") from None
    for number, example in enumerate(examples, 1):
        fields = dict(example.attrib) | {part.tag: " ".join((part.text or "").split()) for part in example}
        known = {card.values.get(name, name): card.values.get(value, value) for name, value in fields.items()}
        yield known, f"{stem}, {card.element} {number}"


_ROWS = {"lines": _line_rows, "csv": _csv_rows, "xml": _xml_rows}


def _label(card: ProbeCard, value: str, where: str) -> int | float:
    try:
        if card.metric == "Pearson":
            return float(value)
        return int(value) if value.isdigit() and value not in card.classes else card.classes.index(value.lower())
    except ValueError:
        names = f" or a class ({', '.join(card.classes)})" if card.classes else ""
        raise FormatError(f"{where} has the label {value[:20]!r}, which is not a number{names}") from None


# ── Words with tags ───────────────────────────────────────────────────────────────────────────────


def _tagged(card: ProbeCard, contents: Mapping[str, str]) -> Labelled:
    """Sentences of words with tags, drawn from each part until it has enough words."""
    ((_, stem),) = _files(card)
    lines = _lines(contents[stem])
    part_of = _cut(card, len(lines))
    order, sizes = np.random.default_rng(0).permutation(len(lines)), np.array([line.count(" ") + 1 for line in lines])
    drawn: list[int] = []
    for part, most in card.words.items():
        of_part = order[part_of[order] == PARTS[part]]
        drawn += of_part[np.cumsum(sizes[of_part]) <= most].tolist()
    sentences = [[pair.rpartition("/")[::2] for pair in lines[n].split(" ")] for n in drawn]
    coarser = [[(word, coarse(tag, card.tags)) for word, tag in sentence] for sentence in sentences]
    return _of_sentences(card, coarser, part_of[drawn])


def _words(card: ProbeCard, contents: Mapping[str, str]) -> Labelled:
    """Sentences with a word and its tag on each line, and a blank line between them."""
    sentences: list[list[tuple[str, str]]] = []
    parts: list[int] = []
    for part, stem in _files(card):
        sentence: list[tuple[str, str]] = []
        for number, line in enumerate([*_lines(contents[stem]), ""], 1):
            if line.strip():
                if card.format == "conll" or line.partition("\t")[0].isdigit():  # else a comment, or words in one
                    row = _fields(card, line, f"{stem}, line {number}")
                    sentence.append((row[card.texts[0]], row[card.label]))
            elif sentence:
                sentences.append(sentence)
                parts.append(PARTS[part])
                sentence = []
    return _of_sentences(card, sentences, np.array(parts))


def _of_sentences(card: ProbeCard, sentences: Sequence[Sequence[tuple[str, str]]], part_of: Array) -> Labelled:
    tags = [tag for sentence in sentences for _, tag in sentence]
    classes = span_classes(tags) if card.metric == "F1" else tuple(sorted(set(tags)))
    number = {name: n for n, name in enumerate(classes)}
    texts = [" ".join(word for word, _ in sentence) for sentence in sentences]
    parts = np.repeat(part_of, [len(sentence) for sentence in sentences])
    return Labelled((texts,), np.array([number[tag] for tag in tags]), parts, classes)


def span_classes(tags: Sequence[str]) -> tuple[str, ...]:
    """O, B-A, I-A, B-B, I-B, …: the order that `metrics.span_f1` needs. Raises FormatError for another kind of tag."""
    for tag in dict.fromkeys(tags):
        if tag != OUTSIDE and tag[:2] not in ("B-", "I-"):
            raise FormatError(f"the tag {tag[:20]!r} is none of a span, which are O, B-TYPE and I-TYPE")
    kinds = sorted({tag[2:] for tag in tags if tag != OUTSIDE})
    return (OUTSIDE, *(begin + kind for kind in kinds for begin in ("B-", "I-")))


def coarse(tag: str, classes: Sequence[Sequence[str]]) -> str:
    """The class of a fine-grained tag: np$ → NOUN, pps+bez → PRON; "." where no beginning fits, as of `` ."""
    return next((name for name, *beginnings in classes if tag.startswith(tuple(beginnings))), ".")


# ── A file of one's own ───────────────────────────────────────────────────────────────────────────

OWN = ("text", "text2", "label", "split")  # the columns that it may have


def read_own(path: Path) -> Labelled:
    """A TSV whose first line names its columns: text and label, and if wanted text2 and split (train, valid, test).

    A label is a class, by name or whole number. Raises FormatError naming the line, OSError and UsageError as
    `read_text` does.
    """
    lines = [(n, line.rstrip("\r")) for n, line in enumerate(read_text(path, TEXTS).split("\n"), 1) if line.strip()]
    names = _own_columns(path, lines[0][1].split("\t") if lines else [])
    columns: dict[str, list[str]] = {name: [] for name in names}
    for number, line in lines[1:]:
        values = line.split("\t")
        if len(values) != len(names):
            raise FormatError(f"{path}, line {number} has {len(values)} columns where {len(names)} are expected")
        for name, value in zip(names, values, strict=True):
            columns[name].append(_own_value(name, value.strip(), f"{path}, line {number}"))
    classes = _own_classes(path, columns["label"])
    number_of = {name: n for n, name in enumerate(classes)}
    parts = [PARTS[split] for split in columns["split"]] if "split" in columns else [UNSPLIT] * (len(lines) - 1)
    if "split" in columns and not {TRAIN, TEST} <= set(parts):
        raise FormatError(f"{path} has no line whose split is {'test' if TRAIN in parts else 'train'}")
    texts = tuple(columns[name] for name in ("text", "text2") if name in columns)
    return Labelled(texts, np.array([number_of[label] for label in columns["label"]]), np.array(parts), classes)


def _own_columns(path: Path, names: list[str]) -> list[str]:
    for name in names:
        if name not in OWN:
            raise FormatError(f"{path} has the column {name[:20]!r}{nearest(name, OWN)}; it can have {', '.join(OWN)}")
    for needed in ("text", "label"):
        if names.count(needed) != 1:
            raise FormatError(
                f"{path} must have the column {needed!r} once: its first line names the columns, with tabs"
            )
    if len(set(names)) < len(names):
        raise FormatError(f"{path} has a column twice")
    return names


def _own_value(name: str, value: str, where: str) -> str:
    if not value:
        raise FormatError(f"{where} has an empty {name}")
    if name == "split":
        one_of(f"split in {where}", value, ("train", "valid", "test"))
    if name == "label" and _is_fraction(value):
        raise FormatError(f"{where} has the label {value}: a label is a class, its name or a whole number")
    return value


def _is_fraction(value: str) -> bool:
    try:
        return not value.lstrip("+-").isdigit() and float(value) == float(value)
    except ValueError:
        return False


def _own_classes(path: Path, found: list[str]) -> tuple[str, ...]:
    classes = sorted(set(found), key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
    if len(classes) < 2:
        raise FormatError(
            f"{path} has {f'one class, {classes[0]!r}' if classes else 'no examples'}: two or more are needed"
        )
    if len(classes) > max(2, len(found) // 2):
        raise FormatError(f"{path} has {len(classes):,} different labels on {len(found):,} lines: labels are classes")
    return tuple(classes)
