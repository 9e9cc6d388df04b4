"""`lmzoo tokenize TEXT`: the pieces that a tokenizer cuts a text into, and the byte-pair merges that made them."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmzoo.cli.app import command
from lmzoo.cli.console import Bars, show_json, show_notes, show_table
from lmzoo.cli.options import Count, Json, Mirror, Quiet, Texts, TokenizerSpec
from lmzoo.errors import UsageError, cleaned, in_range

if TYPE_CHECKING:
    from lmzoo.data.tokenizers import Tokenizer

WIDTH = 80
LEARN_NOTHING = ("byte", "gpt2")  # tokenizers that are the same whatever the corpus
LONGEST = 200  # characters of a text whose merges are shown, each with the whole text after it


@command("tokenize", epilog="Example: lmzoo tokenize 'The cat sat on the mat.' --tokenizer bpe:1000 --merges")
def tokenize_text(
    text: Annotated[str, typer.Argument(help="The text; none: only the merges that were learned, with --merges.")] = "",
    tokenizer: TokenizerSpec = None,
    corpus: Texts = None,  # The corpus to learn it from: a name, a text file or a folder. [default: storyworld]
    run: Path | None = None,  # The tokenizer of a run, instead of a new one.
    # Show the byte-pair merges that apply to the text, in order, and the first that were learned.
    merges: bool = False,
    top: Count = 20,  # How many of the learned merges to list.
    mirror: Mirror = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cut a text into tokens; with --merges, step by step.

    The pieces, their ids and how many; of byte pairs also the merges, in order.
    """
    if not text and not merges:
        raise UsageError("give a text to cut into tokens, in quotes; or --merges, to list what was learned")
    in_range("--top", top, 0)
    made, source = _tokenizer(tokenizer, corpus, run, mirror, Bars(quiet))
    facts = {"tokenizer": made.spec, "of": source, "vocabulary": made.vocab_size, **_pieces(made, text)}
    if merges:
        facts |= _merges(made, text, top)
    return show_json(facts) if as_json else _show(facts)


def _tokenizer(
    spec: str | None, corpus: Any, run: Path | None, mirror: str | None, bars: Bars
) -> "tuple[Tokenizer, str]":
    """The tokenizer of a run, or one learned from a corpus; and of which."""
    from lmzoo.data import corpus as corpora
    from lmzoo.data import tokenizers
    from lmzoo.runs import store

    if run:
        if spec or corpus:
            raise UsageError("--run has a tokenizer already: leave out --tokenizer and --corpus")
        return store.load(run).tokenizer, str(run)
    if spec in LEARN_NOTHING and not corpus:
        return tokenizers.train(spec, ""), ""
    source = corpora.load(corpus or "storyworld", mirror=mirror, progress=bars)
    with bars.task("learning a tokenizer"):
        return tokenizers.train(spec or source.tokenizer, source.train, source.lines), source.name


def _pieces(tokenizer: "Tokenizer", text: str) -> dict[str, Any]:
    """The tokens of `text`, as JSON."""
    text = tokenizer.normalize(text)
    ids = tokenizer.encode(text).tolist()
    return {
        "text": text,
        "tokens": [tokenizer.token(token) for token in ids],
        "ids": ids,
        "characters": len(text),
        "bytes": len(text.encode("utf-8", "surrogatepass")),
        "unknown": list(dict.fromkeys(tokenizer.unknown_words(text)[0])),
    }


def _merges(tokenizer: "Tokenizer", text: str, top: int) -> dict[str, Any]:
    """The merges that apply to `text`, in order, with the tokens after each; and the first `top` that were learned."""
    from lmzoo.data.tokenizers import Bpe

    if not isinstance(tokenizer, Bpe):
        raise UsageError(f"a {tokenizer.spec} tokenizer merges nothing: --merges is for bpe:K and gpt2")
    if len(text) > LONGEST:
        raise UsageError(f"--merges shows those of a text of {LONGEST:,} characters or fewer, not {len(text):,}")
    steps = [
        {"merge": number, "joins": tokenizer.merge_names(number) if number >= 0 else None, "tokens": tokens}
        for number, tokens in tokenizer.merging(text)
    ]
    learned = [tokenizer.merge_names(number) for number in range(min(top, len(tokenizer.merges)))]
    return {"steps": steps, "learned": learned, "merges": len(tokenizer.merges)}


# ── Text ──────────────────────────────────────────────────────────────────────────────────────────


def _show(facts: dict[str, Any]) -> None:
    of = f" of {facts['of']}" if facts["of"] else ""
    print(cleaned(f"{facts['tokenizer']}{of}, V = {facts['vocabulary']:,}"))
    tokens = facts["tokens"]
    if tokens:
        counted = f"{len(tokens):,} tokens of {facts['characters']:,} characters, {facts['bytes']:,} bytes"
        print(f"{counted}: {facts['characters'] / len(tokens):.2f} characters per token\n")
        line = "  ".join(f"{_visible(token)} {number}" for token, number in zip(tokens, facts["ids"], strict=True))
        print(textwrap.fill(cleaned(line), WIDTH, initial_indent="  ", subsequent_indent="  "))
    if facts["unknown"]:
        how = "read as <unk>" if "<unk>" in tokens else "spelled in bytes"
        show_notes([f"not in the vocabulary, and {how}: {', '.join(facts['unknown'])}"])
    if "steps" in facts:
        _show_merges(facts)


def _show_merges(facts: dict[str, Any]) -> None:
    """A row for each merge of the text, then the first that were learned."""
    begin, *steps = facts["steps"]
    if begin["tokens"]:
        rows = [["", "", _spaced(begin["tokens"])]]
        rows += [[f"{step['merge']:,}", _joins(step["joins"]), _spaced(step["tokens"])] for step in steps]
        show_table(("merge", "joins", "then"), rows, numbers_from=3)
    if facts["learned"]:
        print(f"the first {len(facts['learned']):,} of {facts['merges']:,} merges that were learned")
        line = "  ".join(f"{n} {_joins(pair)}" for n, pair in enumerate(facts["learned"]))
        print(textwrap.fill(cleaned(line), WIDTH, initial_indent="  ", subsequent_indent="  "))


def _joins(pair: Any) -> str:
    return "+".join(map(_visible, pair))


def _spaced(tokens: list[str]) -> str:
    return " ".join(map(_visible, tokens))


def _visible(token: str) -> str:
    return token.replace(" ", "␣")
