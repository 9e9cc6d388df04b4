"""The phenomena of storyworld's grammar, in four groups, and how a marked word becomes a question about each.

A phenomenon is a tag in `corpora/storyworld.grammar.toml`. Its groups are by what a model must know: the word before or
behind (local), a word at most four back with others between (near), what goes with what, in whatever order
(associative), or a word further back than a 5-gram sees, with others between that could be mistaken for it (long).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lmzoo.data.grammar_file import Word
from lmzoo.tasks.exam_documents import Document, Item, Mark

GROUPS = ("local", "near", "associative", "long")
FAR = 8  # words
PEOPLE = ("hero", "friend", "third")  # the variables that stand for people

# The question at a mark with the class of its answer, every class of which gets as many items; None: there is none.
Find = Callable[[Document, Mark, random.Random], tuple[Item, str] | None]


@dataclass(frozen=True)
class Phenomenon:
    """Something a model of the corpus may have learned: the slots with `tags`, and how to ask about one."""

    name: str
    about: str  # in a sentence
    group: str  # of GROUPS
    tags: tuple[str, ...]
    find: Find
    classes: int = 1  # of right answers, which are equally frequent


def _like(model: str, word: str) -> str:
    return word[0].upper() + word[1:] if model[0].isupper() else word


def _classed(item: Item | None, of_class: str) -> tuple[Item, str] | None:
    return item and (item, of_class)


def _number(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:  # noqa: ARG001
    """A verb, noun or pronoun in the right number, or in the other."""
    clue = doc.clue(mark, mark.by)
    assert clue, f"{mark} agrees with nothing"
    number, other = _in_other_number(doc, mark)
    return _classed(doc.item(mark, clue, [other]), number)


def _over_a_noun(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """The same behind another noun: of the same number in half of the items, of the other in the other half."""
    nouns = [other for other in doc.marks if other.end < mark.start and other.name in ("animal", "job")]
    found = _number(doc, mark, source)
    return found and (found[0], f"{found[1]} behind {nouns[-1].form or 'sg'}")


def _in_other_number(doc: Document, mark: Mark) -> tuple[str, str]:
    """The number of the word at `mark`, and its form in the other number."""
    word = doc.word(mark)
    for row in doc.grammar.words[mark.name].values():
        for number, other in (("sg", "pl"), ("pl", "sg")):
            if row.features[number] == word.lower():
                return number, _like(word, row.features[other])
    raise AssertionError(f"{word!r} is no form of a word of {mark.name}")


def _article(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """A or an, by the word behind the candidates; or a noun behind this or these."""
    if mark.tag != "article":
        return _number(doc, mark, source)
    article = doc.word(mark).split()[0]
    alone = mark._replace(end=mark.start + len(article))
    other = _like(article, "an" if article.lower() == "a" else "a")
    return _classed(doc.item(alone, alone, [other]), article.lower())


def _swapped(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:  # noqa: ARG001
    """An adjective and its noun, or the noun and its adjective."""
    noun = next(other for other in doc.marks if other.start == mark.end + 1)
    both = mark._replace(end=noun.end)
    return _classed(doc.item(both, mark._replace(end=mark.start - 1), [f"{doc.word(noun)} {doc.word(mark)}"]), "")


def _case(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:  # noqa: ARG001
    """He or him, she or her: of the same person."""
    word, clue, person = doc.word(mark), doc.clue(mark, mark.by), doc.row(doc.drawn(mark.by, mark))
    assert clue
    other = person.features["him" if mark.form == "he" else "he"]
    return _classed(doc.item(mark, clue, [_like(word, other)]), word.lower())


def _sex(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:  # noqa: ARG001
    """His or her, of somebody named right before."""
    clue, sex = doc.clue(mark, mark.by), doc.drawn(mark.by, mark).name
    assert clue
    (anybody, *_) = doc.grammar.words["man" if sex == "woman" else "woman"].values()
    return _classed(doc.item(mark, clue, [_like(doc.word(mark), anybody.features[mark.form])]), sex)


def _he_or_she(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:  # noqa: ARG001
    """He or she, him or her: of the hero, with somebody of the other sex named in between."""
    clue, sex = doc.clue(mark, mark.by), doc.drawn(mark.by, mark).name
    assert clue
    between = {x.name for x in doc.marks if clue.end <= x.start < mark.start and x.variable in PEOPLE}
    if between <= {sex}:
        return None
    (anybody, *_) = doc.grammar.words["man" if sex == "woman" else "woman"].values()
    return _classed(doc.item(mark, clue, [_like(doc.word(mark), anybody.features[mark.form])]), sex)


def _selection(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """What goes with a word, and what goes only with others of its kind."""
    chooser, table = doc.drawn(mark.of, mark), doc.grammar.words[mark.name]
    weights = _of_others(doc.grammar.words[chooser.name], mark.name, doc.row(chooser).features[mark.name])
    form = next(f for f in ("base", "pl") if any(row.features.get(f) == doc.word(mark) for row in table.values()))
    (other,) = source.choices(list(weights), list(weights.values()))
    clues = [x for x in doc.marks if x.end < mark.start and (x.shows(mark.of) or x.of == mark.of)]
    return _classed(doc.item(mark, clues[-1], [table[other].features[form]]), "")


def _of_others(choosers: Mapping[str, Word], table: str, own: Mapping[str, float]) -> dict[str, float]:
    """Of the words of `table` that are not in `own`: how often each is drawn."""
    weights: dict[str, float] = {}
    for row in choosers.values():
        preferred = row.features[table]
        for name in preferred.keys() - own.keys():
            share = row.features["weight"] * preferred[name] / sum(preferred.values())
            weights[name] = weights.get(name, 0) + share
    return dict(sorted(weights.items()))  # the order of a set varies, and draws must not


def _one_of(others: int, clue: str, *tables: str) -> Find:
    """The right word, and `others` more of its table (or of `tables`); `clue` is the variable or tag that decides."""

    def find(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
        word = doc.word(mark)
        shown = [x for x in doc.marks if x.end < mark.start and clue in (x.variable, x.tag)]
        if shown and clue == "c" and len(doc.text[doc.clue(mark, "c").end : mark.start].split()) < FAR:  # type: ignore[union-attr]
            return None
        repeats = [x for x in shown if x.variable == mark.by]
        wrong = [_like(word, name) for name in _forms(doc, mark, repeats, tables)]
        wrong = source.sample([name for name in wrong if name != word], others)
        return _classed(doc.item(mark, (shown or doc.marks)[-1 if shown else 0], wrong), word.lower())

    return find


def _forms(doc: Document, mark: Mark, repeats: Sequence[Mark], tables: Sequence[str]) -> list[str]:
    """What could stand at `mark`: the words of `tables`, else of the table of what it repeats, else of its own."""
    names = tables or [x.name for x in repeats[-1:]] or [mark.name]
    rows = [row for name in names for row in doc.grammar.words[name].values()]
    return [str(row.features[mark.form if repeats else "base"] if mark.form else row.name) for row in rows]


PHENOMENA = (
    Phenomenon("article and noun", "An old cat, this lamp, these lamps.", "local", ("article", "noun"), _article, 4),
    Phenomenon("verb behind its noun", "The cats sleep.", "local", ("beside",), _number, 2),
    Phenomenon("word order", "A small lamp, not a lamp small.", "local", ("adjective",), _swapped),
    Phenomenon("he or him", "She smiled, he met her.", "local", ("case",), _case, 4),
    Phenomenon("his or her", "Somebody was named right before: Nora lost her hat.", "near", ("his",), _sex, 2),
    Phenomenon("noun over an adjective", "This small lamp, two small lamps.", "near", ("far_noun",), _number, 2),
    Phenomenon("verb over a phrase", "The sailors with the hat are tired.", "near", ("phrase",), _number, 2),
    Phenomenon("both and, neither nor", "Neither the small lamp nor the key.", "near", ("pair",), _one_of(1, "q"), 3),
    Phenomenon("animals", "What this animal eats and where it lives.", "associative", ("food", "home"), _selection),
    Phenomenon("tools of a trade", "What a baker uses, or only others use.", "associative", ("tool",), _selection),
    Phenomenon("topic", "What is seen in a harbour, or only elsewhere.", "associative", ("topic",), _selection),
    Phenomenon("verb over a relative clause", "The cat that the dogs fear sleeps, the cats that met the dog sleep.",
               "long", ("object", "subject"), _over_a_noun, 4),
    Phenomenon("he or she", "The hero, with somebody of the other sex between.", "long", ("pronoun",), _he_or_she, 2),
    Phenomenon("stars", "One, and one more for each of three kind words.", "long", ("stars",), _one_of(3, "l"), 4),
    Phenomenon("a colour again", "The colour of a thing that was stated once.", "long", ("colour",),
               _one_of(3, "c"), 6),
    Phenomenon("closing what was opened", "A quotation or brackets.", "long", ("close",),
               _one_of(1, "opened", "quote", "bracket"), 2),
)  # fmt: skip
