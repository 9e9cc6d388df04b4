"""The exam of the built-in corpus: balanced, not in the training text, and with the ceiling of its source."""

import random
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lmzoo.data import corpus, tokenizers
from lmzoo.data.grammar import Grammar
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.tasks import targeted
from lmzoo.tasks.exam_documents import Document, Item, marked
from lmzoo.tasks.phenomena import GROUPS, PHENOMENA
from tests.fake_models import Knowing

FILE = Path(__file__).parents[2] / "corpora" / "storyworld.grammar.toml"
NAMES = [phenomenon.name for phenomenon in PHENOMENA]
BYTES = tokenizers.train("byte", "")
ITEMS = 120  # of each phenomenon


@pytest.fixture(scope="module")
def world():
    return Grammar.load(FILE)


@pytest.fixture(scope="module")
def training():
    return corpus.load("storyworld:1MB").train


@pytest.fixture(scope="module")
def words(training):
    return tokenizers.train("word:5000", training)


@pytest.fixture(scope="module")
def asked(world, training):
    return targeted.questions(world, 1, training, items=ITEMS)


@pytest.fixture(scope="module")
def few(asked):
    return {name: items[:6] for name, items in asked.items()}


def oracle(made, questions):
    items = [item for some in questions.values() for item in some]
    right = {tuple(made.encode("\n\n" + item.beginning + item.continuations[item.answer])) for item in items}
    return Knowing(right, made.vocab_size)


def values(grades):
    return {grade.task: grade.value for grade in grades}


# ── The questions ─────────────────────────────────────────────────────────────────────────────────


def test_every_phenomenon_has_as_many_questions(asked):
    assert list(asked) == NAMES
    assert {len(items) for items in asked.values()} == {ITEMS}


def test_twelve_to_sixteen_phenomena_in_four_groups():
    assert 12 <= len(PHENOMENA) <= 16
    assert (
        list(dict.fromkeys(one.group for one in PHENOMENA)) == list(GROUPS) == ["local", "near", "associative", "long"]
    )


def test_the_exam_depends_on_the_seed_alone(world):
    one, same, other = (targeted.questions(world, seed, items=12) for seed in (5, 5, 6))
    assert one == same
    assert all(one[name] != other[name] for name in NAMES)


def test_no_question_occurs_in_the_training_text(asked, training):
    for items in asked.values():
        for item in items:
            if item.beginning in training:  # searched once, not for every candidate
                assert not any("\n\n" + item.beginning + text in training for text in item.continuations)


def test_a_question_from_the_training_text_is_not_asked(world):
    (first, *others) = targeted.questions(world, 1, items=12)["stars"]
    again = targeted.questions(world, 1, first.beginning + first.continuations[0] + ", and more.\n\n", items=12)
    assert first not in again["stars"]
    assert set(others) < set(again["stars"])


def test_candidates_differ_and_their_context_does_not(asked):
    for items in asked.values():
        for item in items:
            assert len(set(item.candidates)) == len(item.candidates)
            assert len({len(candidate.split()) for candidate in item.candidates}) == 1
            assert len({candidate[0].isupper() for candidate in item.candidates}) == 1
            assert all(text.endswith(item.behind) for text in item.continuations)
            assert item.behind.strip()


PAIRS = {
    "he or him": {("he", "him"), ("her", "she")},
    "his or her": {("her", "his")},
    "he or she": {("he", "she")},
    "closing what was opened": {('"', ")")},
    "both and, neither nor": {("and", "nor"), ("and", "or"), ("nor", "or")},
    "stars": {("four", "one", "three", "two")},
}


@pytest.mark.parametrize("phenomenon", PAIRS)
def test_candidates_are_the_forms_of_the_phenomenon(asked, phenomenon):
    assert {tuple(candidate.lower() for candidate in item.candidates) for item in asked[phenomenon]} == PAIRS[
        phenomenon
    ]


@pytest.mark.parametrize(
    ("phenomenon", "tables"),
    [
        ("verb behind its noun", ("does", "be")),
        ("verb over a phrase", ("be",)),
        ("verb over a relative clause", ("does", "be")),
        ("noun over an adjective", ("object", "job")),
    ],
)
def test_candidates_are_one_word_in_both_numbers(asked, world, phenomenon, tables):
    rows = [row.features for table in tables for row in world.words[table].values()]
    assert {item.candidates for item in asked[phenomenon]} <= {tuple(sorted((row["sg"], row["pl"]))) for row in rows}


def test_the_wrong_food_place_tool_or_thing_goes_with_others_only(asked, world):
    of = {
        "animals": ("animal", ("food", "spot")),
        "tools of a trade": ("job", ("tool",)),
        "topic": ("topic", ("thing",)),
    }
    for phenomenon, (chooser, tables) in of.items():
        for item in asked[phenomenon]:
            rows = [row for row in world.words[chooser].values() if {row.name, row.features.get("pl")} & words_of(item)]
            right = item.candidates[item.answer]
            goes_with = [{form for table in tables for form in forms(world, table, row)} for row in rows]
            assert any({right} == goes & set(item.candidates) for goes in goes_with), item


def words_of(item):
    return set(re.findall(r"\w+", item.beginning))


def forms(world, table, chooser):
    rows = [world.words[table][name] for name in chooser.features[table]]
    return {form for row in rows for form in (row.name, row.features.get("pl"))}


def test_right_answers_are_balanced(asked):
    for name in (
        "his or her",
        "he or she",
        "closing what was opened",
        "both and, neither nor",
        "stars",
        "a colour again",
    ):
        right = Counter(item.candidates[item.answer].lower() for item in asked[name])
        assert len(set(right.values())) == 1, right


def test_a_noun_between_is_as_often_of_the_other_number(asked, world):
    plural = {str(row.features["pl"]) for table in ("animal", "job") for row in world.words[table].values()}
    singular = {str(row.features["sg"]) for table in ("animal", "job") for row in world.words[table].values()}
    sleep = {str(row.features["pl"]) for table in ("does", "be") for row in world.words[table].values()}
    seen = Counter()
    for item in asked["verb over a relative clause"]:
        nearest = [word for word in item.beginning.split() if word in plural | singular][-1]
        seen[item.candidates[item.answer] in sleep, nearest in plural] += 1
    assert set(seen.values()) == {ITEMS // 4}


def test_the_deciding_word_is_as_far_back_as_stated(asked, world):
    for item in asked["his or her"]:
        assert item.words_back == 2
        assert item.beginning[: len(item.beginning) - item.back].split()[-1] in {
            *world.words["woman"],
            *world.words["man"],
        }
    assert all(item.words_back > 8 for item in asked["a colour again"])
    facts = {fact["phenomenon"]: fact for fact in targeted.about(asked, world)}
    assert facts["stars"]["words_back"] == np.median([item.words_back for item in asked["stars"]])


def test_what_decides_in_the_long_group_is_out_of_reach_of_a_5_gram(asked, words):
    for phenomenon in PHENOMENA:
        if phenomenon.group == "long":
            for item in asked[phenomenon.name]:
                between = item.beginning[len(item.beginning) - item.back :]
                assert len(words.encode(between)) >= 4, item


def test_how_often_a_phenomenon_occurs_is_counted_in_the_text(world, asked):
    facts = {fact["phenomenon"]: fact for fact in targeted.about(asked, world)}
    documents = [world.sample(random.Random(f"{n}")).text for n in range(3000)]
    each = 100_000 / sum(len(text.split()) for text in documents)
    closed = sum(text.count(")") + text.count('"') / 2 for text in documents) * each
    assert facts["closing what was opened"]["occurrences"] == pytest.approx(closed, rel=0.1)
    assert all(fact["occurrences"] > 100 for fact in facts.values())
    assert [fact["group"] for fact in facts.values()] == [one.group for one in PHENOMENA]


def document(text, *marks):
    """A document with marks: (name, variable, by, the text of the mark), in order."""
    spans, end = [], 0
    for name, variable, by, word in marks:
        start = text.index(word, end)
        end = start + len(word)
        spans.append((f"__{name}____{variable}__{by}__", start, end))
    return Document(None, SimpleNamespace(text=text, spans=spans))


ANN, SHE = ("woman", "hero", "", "Ann"), ("she", "", "hero", "She")


def test_no_question_is_asked_whose_next_word_gives_the_answer_away():
    text = "Ann slept. She woke up."
    ann, she = (open_ := document(text, ANN, SHE)).marks
    assert open_.item(she, ann, ["He"]).candidates == ("He", "She")
    assert document(text, ANN, SHE, ("woke", "", "hero", "woke")).item(she, ann, ["He"]) is None


def test_he_or_she_has_somebody_of_the_other_sex_between(asked, world):
    sex = {name: table for table in ("woman", "man") for name in world.words[table]}
    for item in asked["he or she"]:
        between = item.beginning[len(item.beginning) - item.back :]
        right = "woman" if item.candidates[item.answer].lower() == "she" else "man"
        assert any(sex.get(word.strip(",."), right) != right for word in between.split())


def test_a_grammar_without_the_phenomena_is_refused(world):
    pets = {"documents": {"pets": 1}, "rules": {"pets": ["The {pet} sits."]}, "words": {"pet": ["cat", "dog"]}}
    with pytest.raises(UsageError, match=r"pets has no slot tagged #article \(article and noun\) to ask about"):
        targeted.questions(Grammar(pets, "pets"), 1)


def test_a_marked_grammar_writes_the_same_documents(world):
    for seed in range(5):
        plain, written = world.sample(random.Random(seed)), (made := marked(world)).sample(random.Random(seed))
        assert (written.text, written.log2_prob) == (plain.text, plain.log2_prob)
        marks = Document(made, written).marks
        assert {mark.tag for mark in marks if mark.tag} == {tag for tag, _, _ in plain.spans[1:]}


# ── The grades ────────────────────────────────────────────────────────────────────────────────────


def test_a_model_that_knows_the_answers_is_always_right(few):
    grades = targeted.ask(TextModel(oracle(BYTES, few), BYTES), few)
    assert set(values(grades).values()) == {1}
    assert {(grade.kind, grade.metric, grade.items) for grade in grades} == {("exam", "accuracy", 6)}
    assert [grade.group for grade in grades] == [one.group for one in PHENOMENA]


def test_a_uniform_model_scores_chance(asked, words):
    for made in (BYTES, words):
        uniform = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), made.vocab_size))
        for grade in targeted.ask(TextModel(uniform, made), asked):
            error = np.sqrt(grade.chance * (1 - grade.chance) / grade.items)
            assert grade.value == pytest.approx(grade.chance, abs=3.5 * error), grade.task


def test_the_proven_ceiling_is_the_declared_one(few, world):
    assert values(targeted.ceiling(few, world, prove=True)) == values(targeted.ceiling(few, world))


def test_tied_candidates_share_the_credit():
    item = Item("", ("a", "b", "c"), ".", 1, 0, 1)
    scores = [np.array(row, float) for row in ([0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 0, 0], [-np.inf, 0, -np.inf])]
    assert targeted.credits_of([item] * 5, scores).tolist() == [1, 1 / 2, 1 / 3, 0, 1]


def test_scores_that_are_not_finite_give_no_values_and_a_note(few, training, words):
    ids = words.encode(training[:20_000])
    model = Ngram(order=2, smoothing="ml").fit(Data.of(ids, ids, words.vocab_size))
    for grade in targeted.ask(TextModel(model, words), few):
        assert grade.value is None
        assert "must give every token a probability above zero" in grade.note


def test_a_tokenizer_that_cannot_encode_a_question_gives_no_values_and_a_note(few):
    closed = tokenizers.train("split", "the cat sits\n", lines=True)
    uniform = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), closed.vocab_size))
    for grade in targeted.ask(TextModel(uniform, closed), few):
        assert grade.value is None
        assert "closed vocabulary" in grade.note


def test_a_trigram_learns_what_is_local_and_nothing_long(asked, training, words):
    ids = words.encode(training)
    found = values(
        targeted.ask(TextModel(Ngram(order=3).fit(Data.of(ids, ids[:1000], words.vocab_size)), words), asked)
    )
    assert found["article and noun"] > 0.9
    assert found["verb over a relative clause"] < 0.6
    assert found["he or she"] < 0.6
    assert found["a colour again"] < 0.35
