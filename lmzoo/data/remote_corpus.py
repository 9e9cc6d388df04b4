"""A corpus whose training text only workers of a cluster read: `--train URL --valid FILE --test FILE --cluster …`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lmzoo.cluster import Workers
from lmzoo.data import own_text
from lmzoo.data.corpus import Corpus
from lmzoo.data.own_text import PARTS, Paths
from lmzoo.data.remote import RemoteText, find
from lmzoo.data.sniff import HEAD, MARKS, TEXT, sniff
from lmzoo.errors import UsageError

BLOCK = 1 << 24  # bytes read at a time


@dataclass(frozen=True)
class RemoteCorpus(Corpus):
    """`train` is empty: the `text` is elsewhere, and `counts` are its characters and lines."""

    text: RemoteText = field(default_factory=lambda: RemoteText("", 0))
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, dict[str, int]]:
        """See `Corpus.sizes`."""
        return super().sizes | {"train": self.counts}


def load(paths: Any, workers: Workers, refit: bool, lines: bool) -> RemoteCorpus | None:
    """The corpus at `paths`, if its training text is one plain file in UTF-8 and both others are given; else None.

    Raises UsageError for a training text at a URL that is no such file.
    """
    if not isinstance(paths, Paths) or not paths.train:
        return None
    elsewhere = "://" in paths.train
    if paths.corpus or paths.given.keys() != PARTS.keys():
        if elsewhere:
            raise UsageError(f"--train {paths.train} is read by workers only: give files with --valid and --test too")
        return None
    files, path = find(paths.train)
    try:
        size, head = files.size(path), files.cat_file(path, start=0, end=HEAD)
        end = files.cat_file(path, start=max(0, size - 1), end=size)
    except FileNotFoundError:
        raise UsageError(f"--train {paths.train}: there is no such file") from None
    except IsADirectoryError:
        size, head, end = 0, b"", b""
    plain = head and sniff(head, paths.train) == TEXT and not any(head.startswith(mark) for mark, _ in MARKS)
    if not plain or paths.field:
        if elsewhere:
            raise UsageError(f"--train {paths.train} is not one plain text in UTF-8, which is what workers can read")
        return None
    texts, notes = own_text.read_parts({part: paths.given[part] for part in ("valid", "test")}, None, workers.progress)
    tail = ("" if end == b"\n" else "\n") + (texts["valid"] if refit else "")
    text = RemoteText(paths.train, size, tail)
    sha256, counts = _described(text, workers)
    rule = "; ".join(f"{words}: {getattr(paths, part)}" for part, words in PARTS.items())
    return RemoteCorpus(
        name=paths.main.name, title=paths.train, licence="your own", citation="", lines=lines, tokenizer="", train="",
        valid=texts["valid"], test=texts["test"], split=rule, source=f"file {paths.train} ({rule})",
        sha256={"train": sha256} | {part: hashlib.sha256(of.encode()).hexdigest() for part, of in texts.items()},
        refit=refit, notes=tuple(notes), paths=paths, alone=lines, text=text, counts=counts,
    )  # fmt: skip


def _described(text: RemoteText, workers: Workers) -> tuple[str, dict[str, int]]:
    """The sha256 of the text, by one worker, and its characters and lines, by all."""
    digest = workers.submit(_sha256, text)
    counts = workers.gather("measuring", [workers.submit(_counts, part) for part in text.ranges(len(workers))])
    (sha256,) = workers.gather("checksum", [digest])
    return sha256, _sum(counts)


def _sum(counts: Sequence[tuple[int, int]]) -> dict[str, int]:
    characters, lines = map(sum, zip(*counts, strict=True))
    return {"characters": characters, "lines": lines}  # it ends with a line end


def _counts(part: RemoteText) -> tuple[int, int]:
    text = part.read()
    return len(text), text.count("\n")


def _sha256(text: RemoteText) -> str:
    files, path = find(text.url)
    digest = hashlib.sha256()
    for start in range(0, text.size, BLOCK):
        digest.update(files.cat_file(path, start=start, end=min(start + BLOCK, text.size)))
    digest.update(text.tail.encode())
    return digest.hexdigest()
