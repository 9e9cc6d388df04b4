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


def _his(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:  # noqa: ARG001
    """His or her, he or she: of the sex that the name has, or the other."""
    clue, sex = doc.clue(mark, mark.by), doc.drawn(mark.by, mark).name
    assert clue
    (anybody, *_) = doc.grammar.words["man" if sex == "woman" else "woman"].values()
    return _classed(doc.item(mark, clue, [_like(doc.word(mark), anybody.features[mark.form])]), sex)


def _he_or_she(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """He or she, with somebody of the other sex named since the hero was meant."""
    clue, sex = doc.clue(mark, mark.by), doc.drawn(mark.by, mark).name
    between = {x.name for x in doc.marks if clue and clue.end <= x.start < mark.start and x.variable in PEOPLE}
    return None if between <= {sex} else _his(doc, mark, source)


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


def _pair(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """What follows both, neither or either, and what follows another of them."""
    clue = doc.drawn(mark.by, mark)
    rows = doc.grammar.words[clue.name].values()
    return _among([row.features[mark.form] for row in rows], 1, doc, mark, clue, source)


def _stars(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """The right figure and all others, after three judgements; the last decides."""
    if not any(other.variable == "l" for other in doc.marks):
        return None
    return _among(list(doc.grammar.words[mark.name]), 3, doc, mark, doc.drawn("l", mark), source)


def _colour(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """The colour that was stated and three others, at least FAR words after it was last mentioned."""
    clue = doc.clue(mark, mark.by)
    if clue is None or len(doc.text[clue.end : mark.start].split()) < FAR:
        return None
    return _among(list(doc.grammar.words[doc.drawn(mark.by, mark).name]), 3, doc, mark, clue, source)


def _closing(doc: Document, mark: Mark, source: random.Random) -> tuple[Item, str] | None:
    """The mark that closes what was opened, and the one that closes the other kind."""
    opened = max(doc.text.rfind(opening, 0, mark.start) for opening in '("')
    return _among(['"', ")"], 1, doc, mark, mark._replace(start=opened, end=opened + 1), source)


def _among(
    words: Sequence[str], others: int, doc: Document, mark: Mark, clue: Mark, source: random.Random
) -> tuple[Item, str] | None:
    """The word at `mark`, and `others` more of `words`."""
    right = doc.word(mark)
    return _classed(doc.item(mark, clue, source.sample([word for word in words if word != right], others)), right)


PHENOMENA = (
    Phenomenon("article and noun", "An old cat, this lamp, these lamps.", "local", ("article", "noun"), _article, 4),
    Phenomenon("verb behind its noun", "The cats sleep.", "local", ("beside",), _number, 2),
    Phenomenon("word order", "A small lamp, not a lamp small.", "local", ("adjective",), _swapped),
    Phenomenon("he or him", "She smiled, he met her.", "local", ("case",), _case, 4),
    Phenomenon("his or her", "Somebody was named right before: Nora lost her hat.", "near", ("his",), _his, 2),
    Phenomenon("noun over an adjective", "This small lamp, two small lamps.", "near", ("far_noun",), _number, 2),
    Phenomenon("verb over a phrase", "The sailors with the hat are tired.", "near", ("phrase",), _number, 2),
    Phenomenon("both and, neither nor", "Neither the small lamp nor the key.", "near", ("pair",), _pair, 3),
    Phenomenon("animals", "What this animal eats and where it lives.", "associative", ("food", "home"), _selection),
    Phenomenon("tools of a trade", "What a baker uses, or only others use.", "associative", ("tool",), _selection),
    Phenomenon("topic", "What is seen in a harbour, or only elsewhere.", "associative", ("topic",), _selection),
    Phenomenon("verb over a relative clause", "The cat that the dogs fear sleeps, the cats that met the dog sleep.",
               "long", ("object", "subject"), _over_a_noun, 4),
    Phenomenon("he or she", "The hero, with somebody of the other sex between.", "long", ("pronoun",), _he_or_she, 2),
    Phenomenon("stars", "One, and one more for each of three kind words.", "long", ("stars",), _stars, 4),
    Phenomenon("a colour again", "The colour of a thing that was stated once.", "long", ("colour",), _colour, 6),
    Phenomenon("closing what was opened", "A quotation or brackets.", "long", ("close",), _closing, 2),
)  # fmt: skip
