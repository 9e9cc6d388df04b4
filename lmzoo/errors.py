"""Every error that lmzoo raises on purpose, and the exit code that the command line gives it.

LmzooError                 1  the request was right and it failed
├── DownloadError          1  a corpus could not be fetched whole
├── ScoreError             1  a probability of zero, NaN or infinity
├── NotFittedError         1  a model was asked before it was fitted or loaded
└── UsageError             2  a flag, name, setting or input that cannot work
    ├── TokenizerError     2  a text that a tokenizer cannot write, or a bad tokenizer spec
    └── FormatError        2  a file that is corrupt, cut short or not what it claims to be

A message says what was wrong (with the value), what would be right, and the likely cause. It is one line.
"""

import difflib
import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from math import inf

# What else people call models, smoothings, settings, corpora, tokenizers and commands; spelled as by `_plain`. Of the
# names, the first counts that is known where the word was typed.
ALSO_CALLED = {
    "transformer gpt2 gpt3 decoder attention nanogpt mingpt": ("gpt",),
    "llama2 llama3": ("llama",),
    "awd awdlstm": ("lstm:preset=awd",),
    "ulmfit": ("lstm:preset=ulmfit",),
    "daile": ("lstm:preset=dai-le",),
    "gpt1": ("gpt:preset=gpt1",),
    "elman simplernn vanillarnn srn recurrent": ("rnn",),
    "multiplicative multiplicativelstm sentimentneuron": ("mlstm",),
    "mrnn multiplicativernn": ("mlstm:cell=rnn",),
    "bengio nnlm nplm feedforward ffn ffnn": ("mlp",),
    "skipgram sgns sg w2v": ("word2vec",),
    "cbow": ("word2vec:architecture=cbow",),
    "lsa lsi pca vectors embeddings": ("svd",),
    "ppmi": ("pmi",),
    "brown": ("classes",),
    "random zerogram chance": ("uniform",),
    "unigram": ("bpe:1000", "ngram:order=1"),
    "bigram": ("ngram:order=2",),
    "trigram": ("ngram:order=3",),
    "4gram fourgram": ("ngram:order=4",),
    "5gram fivegram kenlm": ("ngram:order=5",),
    "markov ngrams": ("ngram",),
    "kn kneserney": ("kneser-ney", "ngram:smoothing=kneser-ney"),
    "mkn modkn modifiedkneserney": ("modified-kneser-ney", "ngram:smoothing=modified-kneser-ney"),
    "wb wittenbell": ("witten-bell", "ngram:smoothing=witten-bell"),
    "jm jelinekmercer": ("jelinek-mercer", "ngram:smoothing=jelinek-mercer"),
    "goodturing gt katz": ("katz", "ngram:smoothing=katz"),
    "laplace lidstone addone add1 addk": ("add-k", "ngram:smoothing=add-k"),
    "mle unsmoothed none": ("ml", "ngram:smoothing=ml"),
    "backoff": ("stupid-backoff", "ngram:smoothing=stupid-backoff"),
    "shakespear tinyshakespeare": ("shakespeare",),
    "penn treebank penntreebank": ("ptb",),
    "wikitext wiki wikipedia wt2": ("wikitext2",),
    "gutenberg bookcorpus": ("books",),
    "character characters chars letters": ("char",),
    "bytes utf8": ("byte",),
    "words": ("word:5000",),
    "subword wordpiece sentencepiece": ("bpe:1000",),
    "tiktoken": ("gpt2",),
    "perplexity ppl bits measure evaluate test": ("eval",),
    "sample complete continue write predict": ("generate",),
    "fit learn": ("train",),
    "report benchmark": ("compare",),
    "surprisal sentence logprob": ("score",),
    "tokenise tokens": ("tokenize",),
    "similar closest nearest neighbors": ("neighbours",),
    "tsne plot draw": ("map",),
    "blimp lambada": ("zeroshot",),
    "encode zip gzip": ("compress",),
    "decode unzip gunzip": ("decompress",),
    "fetch download data datasets corpus": ("corpora",),
    "convert save arpa": ("export",),
    "load": ("import",),
    "grade": ("check",),
    "list zoo animals": ("models",),
    "v": ("--version",),
    "lr": ("learning-rate",),
    "n": ("order", "length", "top", "limit"),
    "epochs steps iterations iters time seconds minutes": ("budget",),
    "dataset input": ("corpus",),
    "cells size units hiddensize nhidden": ("hidden", "width"),
    "dim dims size dmodel nembd": ("dimensions", "width", "embedding"),
    "depth nlayers nlayer": ("layers",),
    "nheads nhead": ("heads",),
    "contextlength blocksize bptt seqlen context": ("context", "window"),
    "batchsize": ("batch",),
    "vocab vocabulary vocabsize": ("tokenizer",),
    "output folder dir o": ("out",),
    "force f": ("overwrite",),
    "gpu cuda": ("device",),
    "maxtokens tokens words": ("length", "words"),
    "temp t": ("temperature",),
    "k": ("top-k", "top"),
    "p": ("top-p",),
}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# What PyTorch's allocators, the loader of shared libraries and memory mapping say where memory runs out.
_OUT_OF_MEMORY = re.compile(
    "DefaultCPUAllocator|not enough memory|out of memory|ALLOC_FAILED|annot allocate memory|failed to map segment"
    "|bad_alloc|can't start new thread"
)


class LmzooError(Exception):
    """The root of the tree. `exit_code` is what the command line ends with."""

    exit_code = 1


class DownloadError(LmzooError):
    """A corpus could not be fetched, or did not arrive whole."""


class ScoreError(LmzooError):
    """A model gave a probability that cannot be scored: zero, NaN or infinite."""


class NotFittedError(LmzooError, AttributeError):
    """A model was used before `fit`, `restore` or `lmzoo.load`."""


class UsageError(LmzooError):
    """The caller asked for something that cannot work."""

    exit_code = 2


class TokenizerError(UsageError):
    """A text that this tokenizer cannot write, or a tokenizer that cannot be trained."""


class FormatError(UsageError):
    """A file that is corrupt, cut short, or not what it claims to be."""


class Terminated(KeyboardInterrupt):
    """The process is asked to end, by `kill`, a scheduler or a closed terminal: like Ctrl-C, with another exit code."""


@contextmanager
def naming(what: object) -> Iterator[None]:
    """Errors of the block begin with what they are about, a run or file: "runs/x: …"."""
    try:
        yield
    except LmzooError as error:
        error.args = (f"{what}: {error}",)
        raise


def not_installed(what: str, package: str) -> UsageError:
    """The error to raise where `what` needs a package that is not there."""
    return UsageError(f"{what} needs {package}, which is not installed: pip install {package}")


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean X?' or '' — to put behind "no such NAME" in a message."""
    by_plain = {_plain(one): one for one in reversed(list(known))}
    meant = [by_plain[_plain(name)]] if _plain(name) in by_plain else []
    for others, names in ALSO_CALLED.items():
        for head, colon, rest in (one.partition(":") for one in names if _plain(name) in others.split()):
            meant += [by_plain[_plain(head)] + colon + rest] if _plain(head) in by_plain else []
    meant += difflib.get_close_matches(name, by_plain.values(), n=1, cutoff=0.5)
    return f"; did you mean {meant[0]}?" if meant else ""


def _plain(name: str) -> str:
    """'--Skip_gram' → 'skipgram'."""
    return re.sub("[-_ ]", "", name).lower()


def one_of(kind: str, value: str, known: Collection[str]) -> None:
    """Raise UsageError where `value` is not among the `known` ones."""
    if value not in known:
        raise UsageError(f"no {kind} {value!r}{nearest(value, known)}; there are: {', '.join(known)}")


def in_range(
    name: str, value: float, least: float = -inf, most: float = inf, *, above: float = -inf, below: float = inf,
    why: str = "",
) -> None:  # fmt: skip
    """Raise UsageError where `value` is not `least` to `most`, or not `above` or `below`, or no finite number."""
    if least <= value <= most and above < value < below:
        return
    wanted = f"{least} to {most}" if -inf < least and most < inf else f"{least} or more"
    if above > -inf:
        wanted = f"above {above}" + (f" and at most {most}" if most < inf else "")
    wanted += f" and below {below}" if below < inf else ""
    raise UsageError(f"{name} must be {wanted}, not {value}" + (f": {why}" if why else ""))


def whole_number_in(variable: str, default: int) -> int:
    """The value of an environment variable. Raises UsageError where it is no whole number."""
    value = os.environ.get(variable) or str(default)
    if not re.fullmatch("[0-9]{1,9}", value):
        raise UsageError(
            f"the environment variable {variable} must be a whole number, not {value!r}: correct or unset it"
        )
    return int(value)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether `error`, or one that led to it, was raised because memory ran out, in whatever words."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if not isinstance(error, LmzooError) and _OUT_OF_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def cleaned(text: str) -> str:
    """`text` with U+FFFD for what a terminal would obey or refuse: control characters, lone surrogates."""
    return _CONTROL.sub("\ufffd", text)


def one_line(text: str, most: int | None = None) -> str:
    """`text`, cleaned, on one line; of one with more than `most` characters the middle is left out."""
    line = cleaned(" ".join(text.split()))
    return line if most is None or len(line) <= most else f"{line[: most - most // 3 - 3]} … {line[-(most // 3) :]}"
