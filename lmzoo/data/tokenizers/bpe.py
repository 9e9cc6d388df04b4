"""Byte-level byte-pair encoding (Sennrich, Haddow & Birch 2016; over bytes: Radford et al. 2019).

A text is cut into pieces by GPT-2's rule, a piece into bytes, and then the merges are applied, oldest first:

    " lower" → ␣ l o w e r → ␣l o w e r → ␣l ow e r → ␣l ow er → ␣low er

Hugging Face `tokenizers` learns and applies the merges. Added here: merges are cached, tokens are numbered bytes first,
and lone surrogates, which Hugging Face cannot encode, are lossless too.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.data import reading
from lmzoo.data.tokenizers.base import (
    BYTES,
    NEWLINE,
    SURROGATES,
    ByteTokenizer,
    Tokens,
    has_surrogates,
    printable,
    spans,
    to_bytes,
)
from lmzoo.errors import FormatError, TokenizerError
from lmzoo.files import SETTINGS, parse_json

GPT2_FILES = ("encoder.json", "vocab.bpe")
GPT2_END = "<|endoftext|>"

# GPT-2 writes bytes as printable characters: printable bytes as themselves, the others from U+0100 on. Its 256 byte
# tokens are numbered in this order.
_PRINTED_AS_THEMSELVES = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_GPT2_ORDER = _PRINTED_AS_THEMSELVES + [b for b in range(BYTES) if b not in set(_PRINTED_AS_THEMSELVES)]
_PRINTED = {byte: chr(byte) for byte in _PRINTED_AS_THEMSELVES}
_PRINTED |= {byte: chr(BYTES + n) for n, byte in enumerate(_GPT2_ORDER[len(_PRINTED) :])}
_BYTE = {char: byte for byte, char in _PRINTED.items()}

# White space as Unicode defines it (Python's \s has four characters more). A field is white space and what follows it:
# no piece of GPT-2's rule crosses from one field into the next, so each can be merged alone, and cached.
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
FIELD = re.compile(f"[{_SPACE}]*[^{_SPACE}]+|[{_SPACE}]+")
_WITHIN = _SPACE.replace(r"\t-\r", r"\t\x0b-\r")
_LINE_FIELD = re.compile(f"\n|[{_WITHIN}]*[^{_SPACE}]+|[{_WITHIN}]+")  # with lines, the newline is a piece of its own
# Longer stretches of white space or without any (a genome, Base64) are cut for training, whose time is in proportion to
# the square of a piece's length. No text that people write has them.
LONGEST = 4096
_LONG = re.compile(f"(?<![^{_SPACE}])[^{_SPACE}]{{{LONGEST + 1},}}|(?<![{_SPACE}])[{_SPACE}]{{{LONGEST + 1},}}")
LARGEST = 10_000_000  # tokens of a vocabulary
SOME = 1 << 13  # characters given to Hugging Face's trainer at a time: longer strings do not fit in the caches
_MANY_FIELDS = 1 << 20  # cached; more of them would cost more memory than they save time


class Bpe(ByteTokenizer):
    """`bpe:K`: 256 bytes, then one token for each merge, then `end`; V = K, or less if the text is too small.

    Or `gpt2`: the published merges and numbering, V = 50257. With `lines` the newline merges with nothing.
    Encodes as Hugging Face `tokenizers` does with the same merges. One exception: a stretch of more than two
    million characters without a space or line end is cut every two million before it is merged.
    """

    def __init__(
        self, spec: str, merges: list[str], lines: bool, added: Mapping[str, int] | None = None, vocab_size: int = 0
    ):
        """`merges`: "left right" in GPT-2's spelling, the first learned first. Raises FormatError.

        Imported ones may have more tokens, up to `vocab_size` in all: `added` are read in a text where it has them,
        before anything is merged, and the others are in no text.
        """
        self.merges = merges
        self.ids_of_tokens = byte_pairs(spec, merges)
        spellings = [bytes(map(_BYTE.__getitem__, token)) for token in self.ids_of_tokens]
        spellings += [b""] * max(0, vocab_size - 1 - len(spellings))
        self.added = dict(added or {})
        for text, token in self.added.items():
            if not text or not 0 <= token < len(spellings) or spellings[token] not in (b"", to_bytes(text)):
                raise FormatError(f"the added token {text!r} cannot be number {token} of {len(spellings) + 1}")
            spellings[token] = to_bytes(text)
        # A group, so that `split` gives the tokens too; the longest first, as Hugging Face finds them.
        longest_first = sorted(map(re.escape, self.added), key=len, reverse=True)
        self._added = re.compile(f"({'|'.join(longest_first)})") if self.added else None
        super().__init__(spec, spellings, lines)
        self._byte_ids = np.array([self.ids_of_tokens[_PRINTED[byte]] for byte in range(BYTES)], np.int32)
        newline = {_PRINTED[NEWLINE]: self.end} if lines else {}
        hugging_face = _hugging_face(self.ids_of_tokens | newline, merges, lines)
        self._merge = partial(hugging_face.encode_batch_fast, add_special_tokens=False)
        # A field → its ids, as the bytes of an int32 array: cached between texts, which share words.
        self._known: dict[str, bytes] = {}

    @classmethod
    def train(cls, size: int, text: str, lines: bool) -> "Bpe":
        """Learn merges from `text` until V = `size`, or until no pair of tokens is left that occurs twice."""
        from tokenizers import models, trainers

        tokenizer = _hugging_face({}, [], lines)
        tokenizer.model = models.BPE()
        trainer = trainers.BpeTrainer(
            vocab_size=size - 1,
            min_frequency=2,
            initial_alphabet=sorted(_BYTE),
            special_tokens=[],
            show_progress=False,
        )
        tokenizer.train_from_iterator(_for_training(text), trainer)
        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        return cls(f"bpe:{size}", [m if isinstance(m, str) else " ".join(m) for m in merges], lines)

    def merging(self, text: str) -> list[tuple[int, list[str]]]:
        """How `text` is merged: the number of each merge that applies to it, in order, and the tokens after it.

        The first is (-1, the single bytes). Tokens are written as `token` does.
        """
        ranks = {tuple(merge.split(" ")): n for n, merge in reversed(list(enumerate(self.merges)))}
        # No merge crosses the border of two tokens, so each can be merged by itself, whatever the rule that cut pieces.
        words = [[_PRINTED[byte] for byte in self._spellings[token]] for token in self.encode(text).tolist()]
        steps = [(-1, [*map(self._name, _joined(words))])]
        whole = {n for n, word in enumerate(words) if "".join(word) in self.ids_of_tokens}  # not one that was added
        while True:
            pairs = {ranks[pair] for n in whole for pair in zip(words[n], words[n][1:], strict=False) if pair in ranks}
            if not pairs:
                return steps
            first, second = self.merges[min(pairs)].split(" ")
            words = [_merged(word, first, second) if n in whole else word for n, word in enumerate(words)]
            steps.append((min(pairs), [*map(self._name, _joined(words))]))

    def _name(self, printed: str) -> str:
        return printable(bytes(map(_BYTE.__getitem__, printed)))

    def merge_names(self, number: int) -> tuple[str, str]:
        """The two tokens that a merge joins, written as `token` does."""
        first, second = self.merges[number].split(" ")
        return self._name(first), self._name(second)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Bpe":
        """The inverse of `to_json`. Raises FormatError for anything else."""
        merges = saved.get("merges")
        if not isinstance(merges, list) or not all(isinstance(merge, str) for merge in merges):
            raise FormatError("a bpe tokenizer must have a list of merges, each a string such as 't h'")
        added, vocab_size = saved.get("added", {}), saved.get("vocab_size", 0)
        if not isinstance(added, dict) or not all(type(number) is int for number in [vocab_size, *added.values()]):
            raise FormatError("the tokens added to a bpe tokenizer must have numbers, and their vocab_size be one")
        if not 0 <= vocab_size <= LARGEST:
            raise FormatError(f"the vocab_size of a bpe tokenizer must be from 0 to {LARGEST}, not {vocab_size}")
        return cls(saved["spec"], merges, saved["lines"], added, vocab_size)

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer.to_json`."""
        learned = {**self._header(), "merges": self.merges}
        if self.vocab_size == len(self.ids_of_tokens) + 1 and not self.added:
            return learned
        return {**learned, "added": self.added, "vocab_size": self.vocab_size}

    def _encode(self, text: str) -> Iterator[Tokens]:
        for n, part in enumerate(self._added.split(text) if self._added else [text]):
            if n % 2:  # one of those between which the text was split
                yield np.array([self.added[part]], np.int32)
            else:
                yield from self._encode_plain(part)

    def _encode_plain(self, text: str) -> Iterator[Tokens]:
        for start, end in spans(text):
            fields = (_LINE_FIELD if self.lines else FIELD).findall(text, start, end)
            if len(self._known) > _MANY_FIELDS:
                self._known = {}  # another thread may still be reading the old one
            known = self._known
            known.update(self._merged(field for field in dict.fromkeys(fields) if field not in known))
            yield np.frombuffer(b"".join(map(known.__getitem__, fields)), np.int32)

    def _merged(self, fields: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Each field and its ids."""
        plain: list[str] = []
        strange: list[str] = []
        for field in fields:
            (strange if SURROGATES.search(field) else plain).append(field)
        for field, encoding in zip(plain, self._merge(plain), strict=True):
            yield field, np.array(encoding.ids, np.int32).tobytes()
        for field in strange:
            yield field, self._merge_around_surrogates(field).tobytes()

    def _merge_around_surrogates(self, field: str) -> Tokens:
        """Hugging Face cannot encode lone surrogates, so they are spelled in bytes and are part of no merge."""
        parts = SURROGATES.split(field)  # text and surrogates in turn
        merged = [np.array(encoding.ids, np.int32) for encoding in self._merge(parts[::2])]
        spelled = [self._byte_ids[list(to_bytes(part))] for part in parts[1::2]]
        return np.concatenate([ids for pair in zip_longest(merged, spelled, fillvalue=merged[0][:0]) for ids in pair])


def _joined(words: Iterable[list[str]]) -> list[str]:
    return [token for word in words for token in word]


def _merged(tokens: list[str], first: str, second: str) -> list[str]:
    """`tokens` with each `first` before a `second` joined to it, from the left."""
    merged: list[str] = []
    for token in tokens:
        if merged and (merged[-1], token) == (first, second):
            merged[-1] += token  # which is never `first` again
        else:
            merged.append(token)
    return merged


def load_gpt2(folder: str | Path, lines: bool = False) -> Bpe:
    """GPT-2's tokenizer from its published files, encoder.json and vocab.bpe (plain or .xz), in `folder`.

    Raises TokenizerError where they are missing, FormatError where they are damaged or of another vocabulary.
    """
    encoder, vocab = (_read(Path(folder), name) for name in GPT2_FILES)
    merges = [line for line in vocab.split("\n") if line and not line.startswith("#version")]
    tokenizer = Bpe("gpt2", merges, lines)
    published = parse_json(encoder, dict[str, int], Path(folder) / "encoder.json")
    if published != {**tokenizer.ids_of_tokens, GPT2_END: tokenizer.end}:
        raise FormatError(f"{folder}: encoder.json and vocab.bpe are not a pair, or not GPT-2's: fetch both")
    return tokenizer


def find_gpt2() -> Path:
    """The folder gpt2-bpe of the mirror LMZOO_MIRROR. Raises TokenizerError without a mirror."""
    mirror = os.environ.get("LMZOO_MIRROR")
    if not mirror:
        raise TokenizerError(
            f"the gpt2 tokenizer needs its published files, {' and '.join(GPT2_FILES)}: "
            "set LMZOO_MIRROR to a folder that has them in gpt2-bpe/, or call load_gpt2(FOLDER)"
        )
    return Path(mirror) / "gpt2-bpe"


def _read(folder: Path, name: str) -> str:
    """The text of folder/name, or of folder/name.xz."""
    for path in (folder / name, folder / f"{name}.xz"):
        try:
            return reading.read_text(path, limit=SETTINGS)[0]
        except FileNotFoundError:
            continue
        except OSError as error:
            raise FormatError(f"{path} cannot be read ({error}): fetch the file again") from None
    raise TokenizerError(f"{folder} has no {name} or {name}.xz: put GPT-2's {' and '.join(GPT2_FILES)} there")


def byte_pairs(spec: str, merges: list[str]) -> dict[str, int]:
    """Token → id: the 256 bytes, then the result of each merge, unless an earlier one has the same result."""
    order = _GPT2_ORDER if spec == "gpt2" else range(BYTES)
    vocabulary = {_PRINTED[byte]: i for i, byte in enumerate(order)}
    for n, merge in enumerate(merges):
        left, _, right = merge.partition(" ")
        if left not in vocabulary or right not in vocabulary:
            raise FormatError(f"merge {n}, {merge!r}, joins what no earlier merge makes: is the file damaged?")
        vocabulary.setdefault(left + right, len(vocabulary))
    return vocabulary


def _hugging_face(vocabulary: dict[str, int], merges: list[str], lines: bool) -> Any:
    """The same tokenizer in Hugging Face `tokenizers`; with `lines`, newlines are pieces of their own."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
    rule = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own_lines = [pre_tokenizers.Split("\n", "isolated")] if lines else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*own_lines, rule])
    return tokenizer


def _for_training(text: str) -> Iterator[str]:
    """`text` without surrogates, and in pieces where a stretch is too long."""
    for start, end in spans(text):
        chunk = text[start:end]
        for part in SURROGATES.split(chunk)[::2] if has_surrogates(chunk) else [chunk]:
            done = 0
            for match in _LONG.finditer(part) if _may_be_long(part) else ():
                for cut in range(match.start() + LONGEST, match.end(), LONGEST):
                    yield part[done:cut]
                    done = cut
            rest = part[done:]
            for first, last in spans(rest, longest=len(rest), least=SOME):
                yield rest[first:last]


def _may_be_long(text: str) -> bool:
    """False where no stretch is longer than LONGEST: it would fill one of the blocks of half its length."""
    half = LONGEST // 2
    blocks = range(0, len(text) - half + 1, half)
    return any(text.find(" ", n, n + half) < 0 or text[n : n + half].isspace() for n in blocks)
