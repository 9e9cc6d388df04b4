"""What heads and cells are good for, measured: chosen on one part of the material, tested on the other.

    induction    a head that, at a token that has come before, attends to the one that followed it then, on random
                 tokens that are repeated (Olsson et al. 2022)
    antecedent   a head that, where he, him or his (she, her) comes next, points to who is meant, by name or by an
                 earlier pronoun, in documents of a grammar that no model was trained on (Clark et al. 2019, of BERT)
    cell         a cell that follows something one can see: whether a quotation is open, how long the line is (Karpathy,
                 Johnson & Fei-Fei 2015)

What does not pass is not shown: small models have little inside, and the best of many heads always looks useful.
"""

import random
import re
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from lmzoo.analysis.inside import held
from lmzoo.data.corpus import Corpus, grammar_of
from lmzoo.data.grammar import Grammar
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Floats, Ids, LanguageModel
from lmzoo.neural import inside as networks
from lmzoo.tasks.exam_documents import Document, Mark, begins_one, marked

INDUCTION = 0.4  # of the attention, at least, on the token that followed
CORRELATION = 0.6  # |r| of a cell, at least
# Random sequences of each part, and tokens that come twice in each: in longer ones a head whose queries and keys are
# normalised, so that no score is above √d, cannot attend with 0.4 to anything.
SEQUENCES, REPEATED = 8, 12
QUESTIONS = 80  # pronouns of each part, half of them behind the name that they mean
TOKENS = 4000  # of a held-out text in which cells are looked for
SHIFTS = 200  # permutations: |r| must be above those of as many shifts of the same values
FEWEST = 20  # tokens that have a property, and that have not, in each part
FAINT = 0.1  # of the attention: with no more a head points nowhere
PEOPLE = ("hero", "friend", "third")  # the variables of a grammar that stand for people
PRONOUNS = ("he", "him", "his")  # forms


@dataclass(frozen=True)
class Found:
    """The best head or cell of a model: what it measured where it was not chosen, and whether that is enough."""

    what: str  # induction, antecedent or cell
    layer: int  # from 1, 0 if there is none
    number: int  # of the head or cell, from 1
    value: float  # share of the attention, accuracy, or r
    least: float  # what it must be above
    passed: bool
    about: str  # in a sentence


class Pronoun(NamedTuple):
    """A document up to a pronoun, and where the person that it means is mentioned, in characters."""

    text: str
    start: int  # of the pronoun
    right: tuple[tuple[int, int], ...]  # by name, or by another pronoun
    recent: bool  # whether that is the last person mentioned; else it is the first


Steps = Generator[None, None, Found]


def material(corpus: Corpus) -> tuple[str, list[Pronoun]]:
    """What to measure the models of a corpus on: its test text, and documents of its grammar if it has one."""
    grammar = grammar_of(corpus)
    return corpus.test, pronouns(grammar, corpus.train) if grammar else []


def measure(text_model: TextModel, held_out: str = "", pronouns: Sequence[Pronoun] = ()) -> list[dict[str, Any]]:
    """The best head for each task, and the best cell for each property of `held_out`: each a `Found` as JSON.

    Empty for a model that is no neural network, or has neither heads nor cells.
    """
    steps = measuring(text_model, held_out, pronouns)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("list[dict[str, Any]]", end.value)


def measuring(
    text_model: TextModel, held_out: str = "", pronouns: Sequence[Pronoun] = ()
) -> Generator[None, None, list[dict[str, Any]]]:
    """`measure` in steps of some milliseconds, for whoever has other things to do: what it returns."""
    model = text_model.model
    net = vars(model).get("net_")
    if net is None or not isinstance(model, LanguageModel):
        return []
    found = []
    probe = networks.read(net, np.array([model.vocab_size_ - 1]))
    if probe.attention:
        found.append((yield from _induction(model, net, _often(text_model, held_out))))
        found += [(yield from _antecedent(text_model, net, pronouns))] if pronouns else []
    if probe.recurrent and held_out:
        yield
        found += yield from _cells(text_model, net, held_out[: 8 * TOKENS])
    return [asdict(one) for one in found]


# ── Induction ─────────────────────────────────────────────────────────────────────────────────────


def repeats(often: Ids, length: int, sequences: int, seed: int) -> NDArray[np.int64]:
    """Random tokens, none twice where there are enough, which then come again: (N, 2 length).

    Token k is drawn in proportion to `often[k]` (V,).
    """
    source, p = np.random.default_rng(seed), np.asarray(often / often.sum(), np.float64)
    again = bool(np.count_nonzero(p) < length)
    once = [source.choice(len(p), length, replace=again, p=p) for _ in range(sequences)]
    return np.tile(np.stack(once).astype(np.int64), 2)


def _often(text_model: TextModel, held_out: str) -> Ids:
    """How often a text has each token (V,), 0 for line ends and `end`: what is behind them begins anew.

    Without a text, 1 for each, though some may never have been read.
    """
    model, tokenizer = text_model
    often = np.bincount(tokenizer.encode(tokenizer.normalize(held_out[: 8 * TOKENS])), minlength=model.vocab_size_)
    spelled = tokenizer.spellings_after(tokenizer.end)
    often[[token for token in np.flatnonzero(often) if b"\n" in spelled[token]]] = 0
    often[tokenizer.end] = 0
    return often if np.count_nonzero(often) > 1 else np.arange(model.vocab_size_) != tokenizer.end


def _induction(model: Any, net: Any, often: Ids) -> Steps:
    room = min(REPEATED, (model.reach - 1) // 2)  # all that have attention have a window
    if room < 2:
        return Found("induction", 0, 0, 0.0, INDUCTION, False, "its window has no room for anything to come again")
    scores = []
    for seed in (1, 2):  # chosen on one part, measured on the other
        rows = repeats(often, room, SEQUENCES, seed)
        heads = []
        for row in rows:
            heads.append(_attention_to_the_next(model, net, row))
            yield
        scores.append(np.mean(heads, axis=0))
    layer, head = _best(scores[0])
    value = float(scores[1][layer, head])
    bits = np.stack(model.log_probs_many(list(rows))) / -np.log(2)
    about = (
        f"at a token that has come before, it attends to the one that followed it then with {value:.2f}; random tokens"
    )
    about += f" cost {bits[:, :room].mean():.1f} bits, and {bits[:, room + 1 :].mean():.1f} when they come again"
    return Found("induction", layer + 1, head + 1, value, INDUCTION, value > INDUCTION, about)


def _attention_to_the_next(model: Any, net: Any, row: Ids) -> Floats:
    """Of each head (layers, H): the mean attention from a token that comes again to the one behind its first place."""
    read, half = np.append(model.vocab_size_ - 1, row), len(row) // 2
    again = np.arange(half + 1, 2 * half)  # places in `read` of all tokens that come again, but the last
    maps = np.stack(networks.read(net, read).attention)  # (layers, H, T, T)
    return maps[:, :, again, again - half + 1].mean(axis=-1)


# ── Antecedents ───────────────────────────────────────────────────────────────────────────────────


def pronouns(grammar: Grammar, training: str = "", many: int = 2 * QUESTIONS, seed: int = 1) -> list[Pronoun]:
    """Documents with two people or more before a pronoun, none of which begins one of `training`; [] without people.

    Half of the pronouns mean the person mentioned last, half the one mentioned first, in turns: neither "the last one"
    nor "the first one" is right more often than every second time. Fewer than `many` where the grammar has few.
    """
    templates = [template for rule in grammar.rules.values() for _, template in rule]
    if not any(re.search(rf"\b({'|'.join(PEOPLE)})\b", template) for template in templates):
        return []
    writer, source = marked(grammar), random.Random(f"{seed}/inside")
    known = sorted(Grammar.documents(training))
    asked: dict[bool, list[Pronoun]] = {True: [], False: []}
    for _ in range(many * 100):
        doc = Document(writer, writer.sample(source))
        for mark in doc.marks:
            one = _pronoun(doc, mark)
            if one and len(asked[one.recent]) < many // 2 and not begins_one(one.text, known):
                asked[one.recent].append(one)
                break
        if all(len(some) == many // 2 for some in asked.values()):
            break
    return [one for pair in zip(asked[True], asked[False], strict=False) for one in pair]


def _pronoun(doc: Document, mark: Mark) -> Pronoun | None:
    if mark.by not in PEOPLE or mark.form not in PRONOUNS:
        return None
    people = [other for other in doc.marks if other.end <= mark.start and {other.variable, other.by} & {*PEOPLE}]
    right = [other for other in people if other.shows(mark.by)]
    if not right or (people[0] in right) == (people[-1] in right):  # one of the two blind guesses must be wrong
        return None
    return Pronoun(doc.text[: mark.end], mark.start, tuple((one.start, one.end) for one in right), people[-1] in right)


def _antecedent(text_model: TextModel, net: Any, pronouns: Sequence[Pronoun]) -> Steps:
    hits = []
    for one in pronouns:
        hits.append(_points_right(text_model, net, one))
        yield
    # In pairs, of which one means the last person: what the window has no room for leaves no part out of balance.
    pairs = [pair for pair in zip(hits[::2], hits[1::2], strict=False) if pair[0] is not None and pair[1] is not None]
    parts = [np.array(pairs[n::2], np.float64) for n in (0, 1)]  # (pairs, 2, layers, H)
    if not all(len(part) for part in parts):
        return Found("antecedent", 0, 0, 0.0, 0.5, False, "no document with a pronoun fits into its window")
    layer, head = _best(parts[0].mean(axis=(0, 1)))
    tested = parts[1][:, :, layer, head]
    share = float(tested.mean())
    lowest = share - 1.96 * (share * (1 - share) / tested.size) ** 0.5
    about = f"where a pronoun comes next, it points to the person that is meant in {share:.0%} of {tested.size} "
    about += "held-out documents; the last one mentioned, and the first, would be right in 50%"
    return Found("antecedent", layer + 1, head + 1, share, 0.5, lowest > 0.5, about)


def _points_right(text_model: TextModel, net: Any, one: Pronoun) -> Any:
    """Of each head (layers, H): whether the token before the pronoun attends most, not faintly, to the right person.

    That is where the pronoun is predicted. None where the window is too short. `end`, on which heads rest that look for
    nothing, does not count, nor does that token itself.
    """
    model, tokenizer = text_model
    ids = tokenizer.encode(tokenizer.normalize(one.text))
    if model.reach is not None and len(ids) + 1 > model.reach:
        return None
    ends = _ends(tokenizer, ids)
    starts = np.append(0, ends[:-1])
    query = (
        int(np.searchsorted(ends, one.start, side="right")) - 1
    )  # before the first token that reaches into the pronoun
    read = networks.read(net, np.append(tokenizer.end, ids[: query + 1]).astype(np.int64))
    row = np.stack(read.attention)[:, :, -1, 1:-1]  # (layers, H, query): what it attends to
    right = np.zeros(query, dtype=bool)
    for start, end in one.right:
        right |= (starts[:query] < end) & (ends[:query] > start)
    return right[row.argmax(axis=-1)] & (row.max(axis=-1) > FAINT)


# ── Cells ─────────────────────────────────────────────────────────────────────────────────────────


def properties(text: str) -> dict[str, Floats]:
    """What one can see of a text behind each of its characters, by name: numbers (T,)."""
    quoted, bracketed, line, sentence = False, False, 0, 0
    columns: dict[str, list[float]] = {name: [] for name in _PROPERTIES}
    for n, character in enumerate(text):
        if text[n - 1 : n + 1] == "\n\n":
            quoted = bracketed = False  # what was not closed ends with its paragraph
        quoted = {'"': not quoted, "“": True, "”": False}.get(character, quoted)
        bracketed = {"(": True, ")": False}.get(character, bracketed)
        line = 0 if character == "\n" else line + 1
        sentence = 0 if character in ".!?\n" else sentence + (character == " ")
        for name, value in zip(columns, (quoted, bracketed, np.log1p(line), np.log1p(sentence)), strict=True):
            columns[name].append(float(value))
    return {name: np.array(column) for name, column in columns.items()}


_PROPERTIES = {
    "quotation": "whether a quotation is open",
    "brackets": "whether a bracket is open",
    "line": "how long the line is",
    "sentence": "how many words the sentence has",
}


def _cells(text_model: TextModel, net: Any, text: str) -> Generator[None, None, list[Found]]:
    """The cell that follows each property best."""
    tokenizer = text_model.tokenizer
    text = tokenizer.normalize(text)
    ids = tokenizer.encode(text)[:TOKENS]
    layers = [held(layer)[1:] for layer in networks.read(net, np.append(tokenizer.end, ids).astype(np.int64)).recurrent]
    half, places = len(ids) // 2, np.minimum(_ends(tokenizer, ids), len(text)) - 1
    found = []
    for name, column in properties(text).items():
        values = column[places]
        if half and all(_varies(part) for part in (values[:half], values[half:])):
            yield
            found.append(_follows(name, [(layer[:half], layer[half:]) for layer in layers], values, half))
    return found


def _follows(name: str, layers: list[tuple[Floats, Floats]], values: Floats, half: int) -> Found:
    chosen = [_correlations(first, values[:half]) for first, _ in layers]
    layer = int(np.argmax([np.abs(rs).max() for rs in chosen]))
    cell = int(np.abs(chosen[layer]).argmax())
    column, tested = layers[layer][1][:, [cell]], values[half:]
    r = float(_correlations(column, tested)[0])
    # Shifted, not shuffled: neighbouring tokens are alike, and so are those of what has nothing to do with the cell.
    steps = np.random.default_rng(1).integers(len(tested) // 10, len(tested) - len(tested) // 10, SHIFTS)
    shifted = max(abs(float(_correlations(column, np.roll(tested, int(step)))[0])) for step in steps)
    passed = abs(r) > CORRELATION and abs(r) > shifted
    about = f"it follows {_PROPERTIES[name]}, with r = {r:.2f} on held-out text (by chance at most {shifted:.2f})"
    return Found("cell", layer + 1, cell + 1, r, max(CORRELATION, shifted), passed, about)


def _correlations(columns: Floats, values: Floats) -> Floats:
    """Pearson's r of each of `columns` (T, H) with `values` (T,): (H,); 0 for a column that is constant."""
    x, y = columns - columns.mean(axis=0), values - values.mean()
    scale = np.sqrt((x * x).sum(axis=0) * (y * y).sum())
    return np.divide(y @ x, scale, out=np.zeros(columns.shape[1]), where=scale > 0)


def _varies(values: Floats) -> bool:
    high = int((values > values.mean()).sum())
    return min(high, len(values) - high) >= FEWEST


def _ends(tokenizer: Tokenizer, ids: Ids) -> NDArray[np.int64]:
    """Where each token ends in the text, in characters."""
    return np.cumsum([len(piece) for piece in tokenizer.pieces(ids)]).astype(np.int64)


def _best(scores: Floats) -> tuple[int, int]:
    layer, head = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return int(layer), int(head)
