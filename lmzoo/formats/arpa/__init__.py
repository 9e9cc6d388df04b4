r"""ARPA files: n-gram models as text, as every toolkit since the 1990s reads and writes them.

    \data\                      the number of n-grams of each order
    ngram 1=4
    ngram 2=2

    \1-grams:
    -99      <s>      -0.2218   log10 p(w | h), h and w, log10 γ(h w): the back-off weight
    -0.4771  the      -0.0458
    -0.4771  cat
    -0.4771  </s>

    \2-grams:
    -0.2218  <s> the            p(cat | <s>) = γ(<s>) · p(cat), for there is no "<s> cat"
    -0.3979  the cat

    \end\

Probabilities are complete, so interpolated and back-off models look alike: p(w | h) where h w is listed, else
γ(h) · p(w | h⁻). Logarithms are to base 10 here, and nowhere else in lmzoo.

In files we write, `end` is </s> as a predicted word and <s> as a context; <s> is never predicted, so its probability is
SRILM's -99 (KenLM's 0 would mean certainty; neither is used). -99 also stands for the logarithm of zero. There is an
<unk> only if the vocabulary has that word, as the Penn Treebank's has; without it KenLM prints a warning and gives
unknown words 10^-100, and we zero. Numbers have at most 8 decimals: read back, they are the same float32 probabilities.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.data.tokenizers import Tokenizer, from_json
from lmzoo.data.tokenizers.base import FORMAT, ByteTokenizer
from lmzoo.data.tokenizers.pretokenized import END, Split
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats.arpa.lines import BLOCK, NEVER, Words, put_ngrams
from lmzoo.formats.arpa.reader import Reader, as_written
from lmzoo.formats.arpa.trie import path_to
from lmzoo.formats.files import new_file, reading
from lmzoo.interface import Array, Progress
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.trie import Trie

START = "<s>"
SPACE = "▁"  # U+2581, as in SentencePiece
TOLERANCE = 1e-3  # of a sum of probabilities: files have at least four digits
SAMPLED = 64  # contexts whose distributions are checked to sum to one


# ── Out ───────────────────────────────────────────────────────────────────────────────────────────


def words(tokenizer: Tokenizer) -> list[str]:
    """The word for each token in an ARPA file, (V,), all distinct; the last one is </s>.

    Those of `split` are its words. Other tokenizers have pieces of text, in which a space is written ▁ (U+2581), and
    "<", ▁ and unprintable characters as <0xNN> for each byte, so "<" always starts an escape. To score a text with
    another toolkit, give it these words: `" ".join(words(t)[i] for i in t.encode(text))`. Raises UsageError for another
    kind of tokenizer, and for a vocabulary with a word <s> or </s>.
    """
    if isinstance(tokenizer, ByteTokenizer):
        return [*map(_escape, tokenizer._spellings[:-1]), END]
    if not isinstance(tokenizer, Split):
        raise UsageError(
            f"an ARPA file needs words without white space, and {tokenizer.spec!r} is not known to have any"
        )
    names = [tokenizer.token(i) for i in range(tokenizer.vocab_size)]
    for name in (START, END):
        if name in names[:-1]:
            raise UsageError(
                f"the vocabulary has the word {name}, which means a line's edge in an ARPA file: rename it"
            )
    return names


def _escape(spelling: bytes) -> str:
    try:
        chars = spelling.decode("utf-8")
    except UnicodeDecodeError:
        chars = spelling.decode("latin-1")
        return "".join(c if "!" <= c <= "~" and c != "<" else SPACE if c == " " else f"<0x{ord(c):02X}>" for c in chars)
    return "".join(map(_escaped, chars))


def _escaped(char: str) -> str:
    if char == " ":
        return SPACE
    if char.isprintable() and char not in ("<", SPACE):
        return char
    return "".join(f"<0x{byte:02X}>" for byte in char.encode("utf-8"))


def write(
    text_model: TextModel, path: str | Path, progress: Progress | None = None, overwrite: bool = True
) -> list[int]:
    """Write an n-gram model as an ARPA file, compressed where `path` ends in .gz. Returns the counts in its \\data\\.

    The file is written atomically; without `overwrite`, beside one that is there (TakenError). Raises UsageError for a
    model that is no distribution and as `words` does; LmzooError if it cannot be written.
    """
    model, tokenizer = text_model
    if not model.is_distribution:
        raise UsageError(
            f"{model.smoothing} gives scores that do not sum to one, and an ARPA file holds probabilities: "
            "choose another --smoothing"
        )
    size, trie = model.vocab_size_, model.trie_
    names = Words([name.encode("utf-8") for name in [*words(tokenizer), START]])
    first = _orders(trie)
    counts = [stop - start for start, stop in pairwise(first)]
    counts[0] += 1  # <s>
    with (
        new_file(Path(path), overwrite) as file,
        (progress or Progress()).task("writing n-grams", sum(counts)) as task,
    ):
        file.write(b"\\data\\\n" + b"".join(b"ngram %d=%d\n" % pair for pair in enumerate(counts, start=1)))
        for order in range(1, len(first)):
            task.doing(f"order {order}")
            file.write(b"\n\\%d-grams:\n" % order)
            for block, done in _blocks(trie, order, first, size, names):
                file.write(block)
                task.advance(done)
        file.write(b"\n\\end\\\n")
    return counts


def _orders(trie: Trie) -> list[int]:
    """The first node of order 1, 2, …, and the number of nodes."""
    first = [1]
    while first[-1] < len(trie.words):
        first.append(int(trie.children[first[-1]]))  # the next order starts with the first child of this one
    return first


def _blocks(trie: Trie, order: int, first: list[int], size: int, names: Words) -> Iterator[tuple[Any, int]]:
    """The lines of one order, block by block, and the number of lines in each block."""
    longest_line = order * (names.longest + 1) + 32
    out = np.empty(max(BLOCK, longest_line), np.uint8)
    stop = first[order] - (order == 1)  # `end` is two unigrams, </s> and <s>: see below
    cursors = np.array([0] * (order - 1) + [first[order - 1]])
    for depth in range(order - 1):
        cursors[depth] = first[depth]
    while cursors[-1] < stop:
        before = int(cursors[-1])
        used = put_ngrams(
            out, cursors, stop, size, longest_line, trie.words, trie.probs, trie.children, trie.gammas,
            names.blob, names.starts,
        )  # fmt: skip
        yield out[:used].data, int(cursors[-1]) - before
    if order == 1:
        has_children = size < len(trie.gammas) and trie.children[size + 1] > trie.children[size]
        backoff = f"\t{_log10(trie.gammas[size])}" if has_children else ""
        yield f"{_log10(trie.probs[size])}\t{END}\n{NEVER:.0f}\t{START}{backoff}\n".encode(), 2


def _log10(value: Any) -> str:
    log = max(NEVER, np.log10(float(value))) if value > 0 else NEVER
    return f"{log:.8f}".rstrip("0").rstrip(".")


# ── In ────────────────────────────────────────────────────────────────────────────────────────────


def read(path: str | Path, progress: Progress | None = None, layout: str = "plain") -> TextModel:
    """Read an ARPA file, packed or in UTF-16 too: an n-gram model and its `split` tokenizer, words in the file's order.

    `layout` is that of the texts to be scored: "plain" or "leading" (see `Split`). <s> and </s> become `end`. <unk>, or
    without it <UNK>, becomes the word <unk>, which unknown words are mapped to; without either its probability is zero.
    A log10 p of -99 or less, or -inf, is probability zero. N-grams may lack suffixes, as those pruned by SRILM do. Any
    text may precede \\data\\. Fields are parted as KenLM parts them, so words may have other white space in them.
    `remarks` say where the model is no distribution, and in one note what was skipped or spelled otherwise: duplicates,
    words with spaces, words that are not UTF-8.

    Raises FormatError naming the line: an empty or truncated file, a damaged packed one, a count that does not match,
    sections out of order, a wrong number of fields, NaN and +inf, a positive log-probability, an n-gram whose context
    is missing, one with a word that is no unigram, text after \\end\\. UsageError for no file.
    """
    with reading(Path(path), "an ARPA file", progress or Progress()) as (source, kind):
        reader = Reader(source, kind)
        reader.read()
    saved = {"format": FORMAT, "spec": "split", "lines": True, "layout": layout, "words": reader.names}
    return TextModel(_model(reader), from_json(saved))


def _model(reader: Reader) -> Ngram:
    order = len(_orders(reader.trie)) - 1
    model = Ngram(order, smoothing="arpa")  # the file does not say which it was
    model.vocab_size_, model.order_, model.smoothing_ = len(reader.names) + 1, order, "arpa"
    model.trie_ = reader.trie
    model.remarks = [*reader.remarks, *_check_distribution(reader.trie, reader.idle, [*reader.names, END])]
    return model


def _check_distribution(trie: Trie, idle: Array, names: list[str]) -> list[str]:
    """Remarks on the model: back-off weights without effect, probabilities that do not sum to one."""

    def named(node: int) -> str:
        return repr(as_written(path_to(trie, int(node)), names))

    remarks = []
    if len(idle):
        remarks.append(
            f"{len(idle):,} back-off weights, such as that of {named(idle[0])}, belong to n-grams that no longer one "
            "extends: they are not applied, because probabilities there would not sum to one"
        )
    contexts = np.flatnonzero(np.diff(trie.children) > 0)
    sampled = contexts[np.linspace(0, len(contexts) - 1, min(SAMPLED, len(contexts))).astype(int)]
    sums = np.array([trie.distribution(int(context), len(names)).sum() for context in sampled])
    off = np.abs(sums - 1)
    if (off > TOLERANCE).any():
        worst = int(np.argmax(off))
        where = f"after {named(sampled[worst])}" if sampled[worst] else "of the 1-grams"
        remarks.append(
            f"no distribution: the probabilities {where} sum to {sums[worst]:.4g}, not 1 (wrong in "
            f"{(off > TOLERANCE).sum()} of {len(sampled)} contexts looked at)"
        )
    return remarks
