"""The exam of the built-in corpus: balanced, not in the training text, and with the ceiling of its source."""

import random
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
from lmzoo.tasks import phenomena, targeted
from lmzoo.tasks.exam_documents import Document, Item, narrowed
from lmzoo.tasks.phenomena import PHENOMENA
from tests.fake_models import Knowing

FILE = Path(__file__).parents[2] / "corpora" / "storyworld.grammar.toml"
NAMES = [phenomenon.name for phenomenon in PHENOMENA]
BYTES = tokenizers.train("byte", "")


@pytest.fixture(scope="module")
def world():
    return Grammar.load(FILE)


@pytest.fixture(scope="module")
def training():
    return corpus.load("storyworld:2MB").train


@pytest.fixture(scope="module")
def words(training):
    return tokenizers.train("word:5000", training)


@pytest.fixture(scope="module")
def asked(world, training):
    return targeted.questions(world, 1, training)


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
    assert {len(items) for items in asked.values()} == {targeted.ITEMS}


def test_the_exam_depends_on_the_seed_alone(world, asked):
    one, same, other = (targeted.questions(world, seed, items=3) for seed in (5, 5, 6))
    assert one == same
    assert all(one[name] != other[name] for name in NAMES)


def test_no_question_occurs_in_the_training_text(asked, training):
    for items in asked.values():
        for item in items:
            if item.beginning in training:  # searched once, not for every candidate
                assert not any(item.beginning + continuation in training for continuation in item.continuations)


def test_a_question_from_the_training_text_is_not_asked(world, monkeypatch):
    monkeypatch.setattr(targeted, "PHENOMENA", [one for one in PHENOMENA if one.name == "a sum"])
    (first, second) = targeted.questions(world, 1, items=2)["a sum"]
    again = targeted.questions(world, 1, first.beginning + first.continuations[0] + ", and more.\n\n", items=1)
    assert again["a sum"] == [second]


def test_candidates_differ_and_their_context_does_not(asked):
    for items in asked.values():
        for item in items:
            assert len(set(item.candidates)) == len(item.candidates)
            assert len({len(candidate.split()) for candidate in item.candidates}) == 1
            assert all(text.endswith(item.behind) for text in item.continuations)
            assert item.behind.strip()


@pytest.mark.parametrize(
    ("phenomenon", "pairs"),
    [
        ("it or they", {("it", "they"), ("it", "them"), ("its", "their")}),
        ("he or she, near", {("he", "she"), ("her", "him"), ("her", "his")}),
        ("what colour a thing is", None),
        ("a sum", None),
    ],
)
def test_candidates_are_the_forms_of_the_phenomenon(asked, world, phenomenon, pairs):
    for item in asked[phenomenon]:
        chosen = tuple(candidate.lower() for candidate in item.candidates)
        if pairs:
            assert chosen in pairs
            assert len({candidate[0].isupper() for candidate in item.candidates}) == 1
        else:
            assert set(chosen) <= set(world.words["colour" if "colour" in phenomenon else "number"])


def test_verbs_are_the_two_forms_of_one_verb(asked):
    for name in NAMES[:3]:
        for item in asked[name]:
            one, other = (candidate.split()[0] for candidate in item.candidates)
            assert one[:2] == other[:2] or {one, other} in ({"do", "does"}, {"is", "are"}, {"has", "have"})


def test_right_answers_are_balanced(asked):
    for name in ("it or they", "he or she, far", "he or she, another between"):
        plural = [
            item.candidates[item.answer].lower() in ("they", "them", "their", "she", "her") for item in asked[name]
        ]
        assert sum(plural) == len(plural) / 2
    stars = [item.candidates[item.answer] for item in asked["stars"]]
    assert {stars.count(star) for star in stars} == {targeted.ITEMS // 4}


def test_the_wrong_name_is_that_of_nobody_before(asked):
    for item in asked["a name again"]:
        (wrong,) = set(item.candidates) - {item.candidates[item.answer]}
        assert wrong not in item.beginning
        assert item.candidates[item.answer] in item.beginning


def test_the_deciding_word_is_as_far_back_as_stated(asked):
    for item in asked["a sum"]:
        rest = item.beginning[: len(item.beginning) - item.back]
        number = rest.split()[-1]
        assert number in ("two", "three", "four", "five", "six", "seven", "eight", "nine")
        assert item.words_back == len(item.beginning[len(rest) :].split()) + 1
    assert all((item.back, item.words_back) == (1, 1) for item in asked["agreement, next word"])
    assert all(item.words_back >= 20 for item in asked["he or she, far"])
    facts = {fact["phenomenon"]: fact for fact in targeted.about(asked)}
    assert facts["a sum"]["words_back"] == np.median([item.words_back for item in asked["a sum"]])


def test_a_subject_relative_ends_in_a_noun_of_the_other_number(asked, world):
    plural = {str(row.features["pl"]) for row in world.words["animal"].values()}
    for item in asked["agreement over a subject relative"]:
        verb, nearest = item.candidates[item.answer].split()[0], item.beginning.split()[-1]
        assert (nearest in plural) == (verb == max((c.split()[0] for c in item.candidates), key=len))


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


def test_whether_somebody_of_the_other_sex_is_mentioned_between():
    for other, between in (("man", True), ("woman", False)):
        met = document("Ann met Kim. She left.", ANN, (other, "friend", "", "Kim"), SHE)
        ann, _, she = met.marks
        assert phenomena._rival(met, ann, she) == between
        assert phenomena._near(met, ann, she) != between


def test_a_grammar_without_the_phenomena_is_refused(world):
    pets = {"documents": {"pets": 1}, "rules": {"pets": ["The {pet} sits."]}, "words": {"pet": ["cat", "dog"]}}
    with pytest.raises(UsageError, match="no 'animals' to ask about: the exam is made for storyworld's own grammar"):
        targeted.questions(Grammar(pets, "pets"), 1)


def test_a_narrowed_grammar_writes_documents_of_the_whole_one(world):
    source = random.Random(1)
    narrow = narrowed(world, "animals", {"creatures": "} that {"})
    for _ in range(5):
        page = Document(narrow, written := narrow.sample(source))
        assert world.derivations(written.text)
        assert " that " in written.text.split(".")[0]
        assert page.word(page.named("a")).lower() in " ".join(page.text.lower().split())


# ── The grades ────────────────────────────────────────────────────────────────────────────────────


def test_a_model_that_knows_the_answers_is_always_right(few):
    grades = targeted.ask(TextModel(oracle(BYTES, few), BYTES), few)
    assert set(values(grades).values()) == {1}
    assert {(grade.kind, grade.metric, grade.items) for grade in grades} == {("exam", "accuracy", 6)}


def test_a_uniform_model_scores_chance(asked, words):
    for made in (BYTES, words):
        uniform = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), made.vocab_size))
        for grade in targeted.ask(TextModel(uniform, made), asked):
            error = np.sqrt(grade.chance * (1 - grade.chance) / grade.items)
            assert grade.value == pytest.approx(grade.chance, abs=3.5 * error), grade.task


def test_the_proven_ceiling_is_the_declared_one(few, world):
    assert values(targeted.ceiling(few, world, prove=True)) == values(targeted.ceiling(few, world))


def test_only_uncertain_phenomena_have_a_ceiling_below_one(asked, world):
    found = values(targeted.ceiling(asked, world))
    assert [name for name in NAMES if found[name] < 1] == ["where it likes to be"]
    # Its expected share: the mean of the probability of the candidate that the source finds likelier.
    certainty = []
    for item in asked["where it likes to be"]:
        one, other = (world.log2_prob(item.beginning + text, prefix=True) for text in item.continuations)
        certainty.append(1 / (1 + 2 ** -abs(one - other)))
    error = np.sqrt(np.mean(np.multiply(certainty, np.subtract(1, certainty))) / len(certainty))
    assert found["where it likes to be"] == pytest.approx(np.mean(certainty), abs=3 * error)


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


def test_a_trigram_learns_agreement_with_the_next_word_and_not_over_a_relative_clause(asked, training, words):
    ids = words.encode(training)
    found = values(
        targeted.ask(TextModel(Ngram(order=3).fit(Data.of(ids, ids[:1000], words.vocab_size)), words), asked)
    )
    assert found["agreement, next word"] > 0.8
    assert found["agreement over a subject relative"] < 0.7
    assert found["he or she, far"] < 0.65
    assert found["what colour a thing is"] < 0.65
