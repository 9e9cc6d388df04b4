"""The tokenizer of a GPT-2's or GPT-1's folder in Hugging Face's files, whatever the order of its ids.

    tokenizer.json                                    all of it; or
    vocab.json, merges.txt                            byte pairs, and the tokens added to them in
      added_tokens.json, tokenizer_config.json, special_tokens_map.json
    chars.json                                        or a list of characters, the first with id 0 (nanoGPT's)

lmzoo numbers tokens in an order of its own, with the one that ends a text last, so the model's rows are moved. All rows
stay: added tokens that no text has, and those that only pad the table, have a share of the probability in
`transformers`, and without it the log-probabilities would be others.

GPT-1 as it was published has no token that ends a text: its line end, which `transformers` never reads, is that here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from lmzoo.data.tokenizers import Alphabet, Bpe, Byte, LowerBpe, Tokenizer
from lmzoo.data.tokenizers.base import SURROGATES
from lmzoo.data.tokenizers.bpe import byte_pairs
from lmzoo.data.tokenizers.lower_bpe import UNKNOWN, WORD_END, merger
from lmzoo.errors import FormatError
from lmzoo.files import SETTINGS, parse_json, read_text, typed

END = "<|endoftext|>"
CHARS = "chars.json"
LINE_END = f"\n{WORD_END}"
BERT = "BertPreTokenizer"  # cuts as BERT's does, and with this normalizer it is GPT-1's
LOWER_CASE = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True}
ROLES = ("eos_token", "bos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
LARGEST = 8 * SETTINGS  # bytes of a file: a vocabulary of a million tokens
T = TypeVar("T")


@dataclass
class Added:
    """A token that is looked for in a text before the byte pairs."""

    content: str
    id: int = -1
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


@dataclass
class BytePairs:
    """The `model` of a tokenizer.json."""

    vocab: dict[str, int]
    merges: list[str | list[str]]
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    ignore_merges: bool = False


@dataclass
class Files:
    """What the files of a folder say."""

    where: Path
    vocabulary: dict[str, int]
    merges: list[str]
    added: dict[str, Added] = field(default_factory=dict)  # by content
    ends: list[str] = field(default_factory=list)  # candidates for `end`, the best first
    begins: str = ""  # the token before a text
    roles: dict[str, int] = field(default_factory=dict)  # ids of the special tokens that are named
    prefix_space: bool = False
    lower_case: bool = False  # words in lower case with `</w>` behind each, as GPT-1 was published


@dataclass(frozen=True)
class Found:
    """The tokenizer, the id there of each of our tokens (V,), and what is to be remarked."""

    tokenizer: Tokenizer
    order: list[int]
    notes: list[str]
    roles: dict[str, int] = field(default_factory=dict)  # ids there of special tokens, as of mask_token


def read(folder: Path, config: dict[str, Any], vocab_size: int) -> Found:
    """The tokenizer of a model with `vocab_size` rows. Raises FormatError for one that is not of byte pairs."""
    if (folder / CHARS).is_file():
        return _characters(folder / CHARS, vocab_size)
    files = _files(folder)
    try:
        return _numbered(files, config, vocab_size)
    except FormatError as error:
        raise FormatError(f"{files.where}: {error}") from None


def _numbered(files: Files, config: dict[str, Any], vocab_size: int) -> Found:
    if files.lower_case:
        return _in_lower_case(files, vocab_size)
    pairs = _ids_of_pairs(files, "gpt2", vocab_size)
    # The spec says how the bytes are numbered. In GPT-2's own order nothing has to be moved.
    spec = "gpt2"
    if pairs != list(range(len(pairs))):
        spec = f"bpe:{vocab_size}"
        pairs = _ids_of_pairs(files, spec, vocab_size)
    taken = set(pairs)
    end = _end(files, config, vocab_size, taken)
    order = [*pairs, *(n for n in range(vocab_size) if n not in taken and n != end), end]
    place = {theirs: ours for ours, theirs in enumerate(order)}
    names: dict[int, str] = {}  # of the tokens that are looked for in a text
    for token in files.added.values():
        if 0 <= token.id < vocab_size and token.id != end and _comes_back(token, token.id in taken):
            names.setdefault(place[token.id], token.content)
    added = {name: number for number, name in names.items()}
    tokenizer = Bpe(spec, files.merges, lines=False, added=added, vocab_size=vocab_size)
    return Found(tokenizer, order, list(_notes(files, tokenizer, end)), files.roles)


def _in_lower_case(files: Files, vocab_size: int) -> Found:
    """GPT-1's own: the tokens in their order, but for the one that ends a text."""
    ids = files.vocabulary | {text: token.id for text, token in files.added.items()}
    names = {number: name for name, number in ids.items()}
    if len(names) < len(ids) or not all(0 <= number < vocab_size for number in names):
        raise FormatError(f"two tokens have one id, or one is not below the {vocab_size} of config.json")
    end = next((ids[name] for name in (*files.ends, LINE_END, UNKNOWN) if name in ids), None)
    if end is None:
        raise FormatError("no token ends a text: name one as eos_token in tokenizer_config.json")
    order = [*(n for n in range(vocab_size) if n != end), end]
    tokens = [names.get(n, f"<unused {n}>") for n in order]
    notes = ["text is read in lower case, without accents and line ends, as words with a space behind each"]
    if names[end] not in files.ends:
        notes.append(f"no token ends a text for this model: {names[end]!r}, which no text has, stands for one")
    return Found(LowerBpe(tokens, files.merges), order, notes)


def _characters(path: Path, vocab_size: int) -> Found:
    chars = read_json(path, list[str])
    if len(chars) != vocab_size or chars.count("\n") != 1:
        raise FormatError(f"{path} must have the {vocab_size} characters of config.json, a newline among them")
    end = chars.index("\n")
    order = [n for n in range(vocab_size) if n != end]
    return Found(Alphabet([chars[n] for n in order]), [*order, end], [])


def _ids_of_pairs(files: Files, spec: str, vocab_size: int) -> list[int]:
    """Their id of each of our bytes and merges, in our order."""
    ids = []
    for token in byte_pairs(spec, files.merges):
        ids.append(files.vocabulary.get(token, -1))
        if not 0 <= ids[-1] < vocab_size:
            kind = "byte" if len(token) == 1 else "merge"
            raise FormatError(
                f"the {kind} {token!r} has "
                + (f"id {ids[-1]}, and config.json {vocab_size} tokens" if token in files.vocabulary else "no token")
                + ": was it trained without initial_alphabet=ByteLevel.alphabet()?" * (kind == "byte")
            )
    if len(set(ids)) < len(ids):
        raise FormatError("two tokens have one id")
    return ids


def _end(files: Files, config: dict[str, Any], vocab_size: int, pairs: set[int]) -> int:
    """The id of the token that ends a text and that a model has read when it starts."""
    ids = files.vocabulary | {text: token.id for text, token in files.added.items()}
    # By name first: transformers writes GPT-2's own 50256 into every config.json where nothing else is said.
    for number in (*map(ids.get, files.ends), config.get("eos_token_id"), config.get("bos_token_id")):
        if type(number) is int and 0 <= number < vocab_size and number not in pairs:
            return number
    raise FormatError("no token ends a text: name one as eos_token in tokenizer_config.json")


def _comes_back(token: Added, is_pair: bool) -> bool:
    """Whether a text with this token comes back as it was: not where white space beside it is dropped, or where its
    name stands for other bytes, as "é" among byte pairs.
    """
    text = token.content
    whole = not (token.lstrip or token.rstrip or token.single_word or SURROGATES.search(text))
    return bool(text) and whole and (not is_pair or (text.isascii() and text.isprintable() and " " not in text))


def _notes(files: Files, tokenizer: Bpe, end: int) -> Iterator[str]:
    if tokenizer.added:
        names = [*tokenizer.added][:3] + ["…"] * (len(tokenizer.added) > 3)
        yield f"added tokens, which are read where a text has them: {', '.join(names)}"
    unused = sum(not spelling for spelling in tokenizer.vocabulary.spellings[:-1])
    if unused:
        yield f"tokens that no text has, with a share of the probability as in transformers: {unused}"
    if files.prefix_space:
        yield "transformers writes a space before a text for this model (add_prefix_space); here it is to be written"
    ids = files.vocabulary | {text: token.id for text, token in files.added.items()}
    if ids.get(files.begins, end) != end:
        yield f"a text starts after the token that ends the one before, and not after {files.begins}"


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────


def _files(folder: Path) -> Files:
    path = folder / "tokenizer.json"
    if path.is_file():
        files = _tokenizer_json(path)
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        lines = file_text(folder / "merges.txt").replace("\r\n", "\n").split("\n")
        merges = [line for line in lines if line and not line.startswith("#version")]
        files = Files(folder, read_json(folder / "vocab.json", dict[str, int]), merges)
        files.lower_case = any(merge.endswith(WORD_END) for merge in merges)
    else:
        raise FormatError(f"{folder} has no tokenizer: put its vocab.json and merges.txt, or tokenizer.json, there")
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            settings |= read_json(folder / name, dict[str, Any])
    numbers = {}
    if (folder / "added_tokens.json").is_file():
        numbers = read_json(folder / "added_tokens.json", dict[str, int])
    where = folder / "tokenizer_config.json"
    found = typed(settings.get("added_tokens_decoder", {}), dict[str, Added], f"{where}: added_tokens_decoder")
    found_here = [replace(token, id=int(n)) for n, token in found.items() if n.isdecimal() and len(n) < 10]
    named = {role: _content(settings.get(role)) for role in ROLES}
    more = [settings.get(name) for name in ("additional_special_tokens", "extra_special_tokens")]
    texts = [*named.values(), *(_content(token) for tokens in more if isinstance(tokens, list) for token in tokens)]
    in_vocabulary = [Added(text, files.vocabulary[text]) for text in texts if text in files.vocabulary]
    for token in (*found_here, *(Added(text, n) for text, n in numbers.items()), *in_vocabulary):
        files.added.setdefault(token.content, token)
    files.ends = [text for text in (END, named["eos_token"], named["bos_token"]) if text]
    files.begins = named["bos_token"]
    ids = files.vocabulary | {text: token.id for text, token in files.added.items()}
    files.roles = {role: ids[text] for role, text in named.items() if text in ids}
    files.prefix_space |= settings.get("add_prefix_space") is True
    return files


def _content(token: Any) -> str:
    """The text of a special token, which is a string or an object with the field `content`."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else ""


def _tokenizer_json(path: Path) -> Files:
    saved = read_json(path, dict[str, Any])
    kind = saved["model"].get("type", "BPE") if isinstance(saved.get("model"), dict) else None
    if kind != "BPE":
        raise FormatError(f"{path}: its model is {kind or 'missing'}, where only byte pairs (BPE) can be read")
    model = typed(saved["model"], BytePairs, f"{path}: model")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model.merges]
    added = typed(saved.get("added_tokens") or [], list[Added], f"{path}: added_tokens")
    tokens = {token.content: token for token in added}
    rules = _pre_tokenizers(saved.get("pre_tokenizer"))
    if model.end_of_word_suffix == WORD_END and not model.dropout and [r.get("type") for r in rules] == [BERT]:
        rewriting = saved.get("normalizer") or {}
        if {k: v for k, v in rewriting.items() if k != "strip_accents" or v is not None} == LOWER_CASE:
            return Files(path, model.vocab, merges, tokens, lower_case=True)
    cut_otherwise = [rule.get("type") for rule in rules] != ["ByteLevel"] or rules[0].get("use_regex", True) is not True
    unreadable = {
        "normalizer": saved.get("normalizer"), "pre_tokenizer other than ByteLevel": cut_otherwise,
        "dropout": model.dropout, "continuing_subword_prefix": model.continuing_subword_prefix,
        "end_of_word_suffix": model.end_of_word_suffix, "ignore_merges": model.ignore_merges,
    }  # fmt: skip
    if names := [name for name, value in unreadable.items() if value]:
        raise FormatError(f"{path} has a {names[0]}: only byte pairs as GPT-2's or GPT-1's can be read")
    prefix_space = rules[0].get("add_prefix_space", True) is True
    return Files(path, model.vocab, merges, tokens, prefix_space=prefix_space)


def _pre_tokenizers(rule: Any) -> list[dict[str, Any]]:
    """The rules that cut a text into pieces, one after the other."""
    if not isinstance(rule, dict):
        return []
    inside = rule.get("pretokenizers") if rule.get("type") == "Sequence" else [rule]
    return [one for one in inside if isinstance(one, dict)] if isinstance(inside, list) else []


def file_text(path: Path) -> str:
    """The text of a file of the folder. Raises FormatError where it cannot be read."""
    try:
        return read_text(path, LARGEST)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from None


def read_json(path: Path, kind: type[T]) -> T:
    """A JSON file of the folder. Raises FormatError, also where it is missing."""
    return parse_json(file_text(path), kind, path)


# ── Export ────────────────────────────────────────────────────────────────────────────────────────────


def write(text: Tokenizer, window: int, folder: Path) -> None:
    """Write a byte-pair tokenizer in transformers' files, an alphabet as `read` wants it; nothing for other kinds."""
    if isinstance(text, Alphabet):
        write_json(folder / CHARS, text.pieces(range(text.vocab_size)))
    if isinstance(text, Byte) and not text.lines:
        text = Bpe(f"bpe:{text.vocab_size}", [], lines=False)
    if isinstance(text, LowerBpe):
        return _write_lower_case(text, window, folder)
    if not isinstance(text, Bpe) or text.lines:
        return None
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    added = {token: name for name, token in text.added.items()}
    rest = {added.get(n, f"<unused {n}>"): n for n in range(len(text.ids_of_tokens), text.end)}
    vocabulary = {**text.ids_of_tokens, **rest, END: text.end}
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in text.merges)]
    fast = Tokenizer(models.BPE(vocabulary, pairs))
    fast.pre_tokenizer, fast.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast.add_special_tokens([AddedToken(name, special=True) for name in (*text.added, END)])
    ends = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END)
    return _write_files(fast, vocabulary, text.merges, {"tokenizer_class": "GPT2Tokenizer", **ends}, window, folder)


def _write_lower_case(text: LowerBpe, window: int, folder: Path) -> None:
    from tokenizers import decoders, normalizers, pre_tokenizers

    fast = merger(text.ids_of_tokens, text.merges)
    fast.normalizer, fast.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    fast.decoder = decoders.BPEDecoder(suffix=WORD_END)
    unknown = UNKNOWN if UNKNOWN in text.ids_of_tokens else text.tokens[-1]
    settings = {"tokenizer_class": "OpenAIGPTTokenizer", "unk_token": unknown}
    _write_files(fast, text.ids_of_tokens, text.merges, settings, window, folder)


def _write_files(
    fast: Any, vocabulary: dict[str, int], merges: list[str], settings: dict[str, str], window: int, folder: Path
) -> None:
    fast.save(str(folder / "tokenizer.json"))
    write_json(folder / "vocab.json", vocabulary)
    lines = "".join(f"{merge}\n" for merge in merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{lines}", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {**settings, "model_max_length": window})


def write_json(path: Path, value: dict[str, Any] | list[str]) -> None:
    """Write a JSON file of the folder."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
