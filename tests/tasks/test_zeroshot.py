"""Zero-shot tasks: an oracle scores 1, a uniform model scores chance, and scores are as computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import task_cards, tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, LanguageModel
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.tasks.scoring import continuation_scores
from lmzoo.tasks.zeroshot import Asker, ask, best_threshold, heading, mcc
from lmzoo.tasks.zeroshot_items import RULES, Item, ZeroShotCard, ZeroShotSet, load
from tests.tasks.models import Cloze, Table, fitted
from tests.tasks.test_zeroshot_items import TOY_FILES

BYTES = tokenizers.train("byte", "")


class Told(LanguageModel):
    """A language model that was told what comes after which text; elsewhere all tokens are equally likely."""

    name = "told"
    reach = None

    def __init__(self, made, after):
        """`after`: {text: {what comes next: its probability}}."""
        self.vocab_size_, self.made = made.vocab_size, made
        self.after = {tuple(made.encode(text).tolist()): chances for text, chances in after.items()}

    def fit(self, data, run=None):
        return self

    def start(self):
        return ()

    def advance(self, state, tokens):
        return (*state, *np.asarray(tokens).tolist())

    def next_log_probs(self, state):
        chances = self.after.get(state, {})
        left = (1 - sum(chances.values())) / (self.vocab_size_ - len(chances))
        probs = np.full(self.vocab_size_, left)
        for text, chance in chances.items():
            (token,) = self.made.encode(text).tolist()
            probs[token] = chance
        return np.log(probs)


def oracle(texts):
    """It knows the first byte of each of `texts` and, byte after byte, how each goes on."""
    after = {}
    for text in texts:
        for t, char in enumerate(text):
            after.setdefault(text[:t], {})[char] = 0.0
    spread = {start: dict.fromkeys(chars, 0.99 / len(chars)) for start, chars in after.items()}
    return Told(BYTES, spread)


def uniform(made=BYTES):
    return Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), made.vocab_size))


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(task_cards, "fetch", lambda name, mirror=None, progress=None: TOY_FILES[name])


def results(section, model, made=BYTES):
    return {result.details["rule"]: result for result in ask(section, Asker(TextModel(model, made)))}


# ── All and nothing ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(TOY_FILES))
@pytest.mark.usefixtures("toy")
def test_a_model_that_knows_the_answers_is_always_right(name):
    for section in load(name):
        items = [*section.items, *section.training]
        known = oracle([item.text for item in items if len(item.candidates) > 1 or item.right or name == "lambada"])
        for rule, result in results(section, known).items():
            if rule == "perplexity":
                assert result.value < 1.1
            elif rule != "alone" and (rule != "threshold" or any(item.right for item in section.items)):
                expected = 0 if rule == "threshold" else 1  # all its sentences are good: no correlation is defined
                assert result.value == expected


def test_a_model_that_knows_good_sentences_has_a_correlation_of_1():
    protocol = ZeroShotCard.of({"column": "Toy", "files": [], "rules": ["threshold"], "choices": ["{sentence}"]})
    items = [Item((("", text),), right) for text, right in (("They sang.", 1), ("Sang they the.", 0), ("Is.", 0))]
    section = ZeroShotSet("toy", protocol, items, items)
    (result,) = ask(section, Asker(TextModel(oracle(["They sang."]), BYTES)))
    assert (result.metric, result.training) == ("MCC", 3)
    assert result.value == pytest.approx(1)


@pytest.mark.usefixtures("toy")
def test_a_uniform_model_scores_chance_where_lengths_are_no_clue():
    (pairs,) = load("blimp")
    grade = results(pairs, uniform())["sum"]
    assert (grade.value, grade.chance) == (0.5, 0.5)
    for section in (*load("arc"), *load("copa"), *load("sst2")):
        grade = results(section, uniform())["pmi"]
        assert grade.value == grade.chance == 0.5
    for section in load("cola"):
        assert results(section, uniform())["threshold"].value == 0
    (last,) = load("lambada")
    found = results(last, uniform())
    assert found["greedy"].value == pytest.approx(BYTES.vocab_size ** -len(" dogs"))
    assert found["perplexity"].value == pytest.approx(BYTES.vocab_size ** len(" dogs"))


@pytest.mark.usefixtures("toy")
def test_the_sum_of_a_uniform_model_prefers_the_shortest_answer():
    easy, _ = load("arc")  # its right answer is the shorter one
    found = results(easy, uniform())
    assert found["sum"].value == found["alone"].value == 1
    assert found["character"].value == 0  # the blank before it weighs less in a long one


# ── Scores, by hand ───────────────────────────────────────────────────────────────────────────────

WORDS = tokenizers.train("word:50", "a dull film very negative positive the dogs ran to dog of " * 2)


@pytest.mark.usefixtures("toy")
def test_pmi_is_how_much_likelier_the_question_makes_an_answer():
    (section,) = load("sst2")  # "dull very" → negative, "a fine film , really . very" → positive
    often = {" negative": 0.5, " positive": 0.01}  # whatever was said: negative is the more frequent word
    fine = {" negative": 0.5, " positive": 0.04}
    model = Told(WORDS, {"very": often, "dull very": often, "a fine film , really . very": fine})
    found = results(section, model, WORDS)
    # log P: negative both times. PMI: positive is ln(0.04 / 0.01) likelier than elsewhere after the first text, and
    # after the second nothing is likelier than elsewhere: a tie.
    assert found["sum"].value == 0.5
    assert found["pmi"].value == (1 + 0.5) / 2


def test_sums_are_divided_by_the_characters_of_the_answer_without_its_space():
    protocol = ZeroShotCard.of(
        {"column": "Toy", "files": [], "rules": ["sum", "character"], "choices": "choices", "beginning": "{q}"}
    )
    items = [Item((("the", " dogs"), ("the", " dog")), 0)]
    model = Told(WORDS, {"the": {" dogs": 0.10, " dog": 0.16}})
    found = results(ZeroShotSet("toy", protocol, items, []), model, WORDS)
    assert found["sum"].value == 0  # ln 0.10 < ln 0.16
    assert found["character"].value == 1  # ln 0.10 / 4 = -0.576 > ln 0.16 / 3 = -0.611


LAST = {"column": "LAMBADA", "files": [], "choices": ["{last}"], "beginning": "{start}", "continuation": " {choice}"}


def last_word(after, *, made=WORDS, word=" dogs", stop_words="of to the"):
    rules = ["greedy", "filtered", "last-token", "perplexity"]
    protocol = ZeroShotCard.of({**LAST, "rules": rules, "stop_words": stop_words})
    section = ZeroShotSet("lambada", protocol, [Item((("the", word),), 0)], [])
    return {rule: result.value for rule, result in results(section, Told(made, after), made).items()}


def test_the_last_word_is_right_if_it_is_the_likeliest():
    assert last_word({"the": {" dogs": 0.5}}) == pytest.approx(
        {"greedy": 1, "filtered": 1, "last-token": 1, "perplexity": 2}
    )


@pytest.mark.parametrize("likelier", [" to", " of", ",", "\n"])
def test_stop_words_and_punctuation_are_filtered_out(likelier):
    found = last_word({"the": {" dogs": 0.3, likelier: 0.6}})
    assert (found["greedy"], found["filtered"]) == (0, 1)


def test_no_other_word_is_filtered_out():
    assert last_word({"the": {" dogs": 0.3, " film": 0.6}})["filtered"] == 0


def test_a_word_of_several_tokens_needs_each_of_them():
    spelled = {"the": {" ": 0.5}, "the ": {"o": 0.5}, "the o": {"x": 0.5}}
    assert last_word(spelled, word=" ox") == pytest.approx(
        {"greedy": 1, "filtered": 1, "last-token": 1, "perplexity": 8}
    )
    astray = {**spelled, "the ": {"o": 0.4, "a": 0.5}}
    found = last_word(astray, word=" ox")
    assert (found["greedy"], found["filtered"], found["last-token"]) == (0, 0, 1)
    astray_at_once = last_word({**spelled, "the": {" ": 0.4, "a": 0.5}}, word=" ox")
    assert (astray_at_once["greedy"], astray_at_once["last-token"]) == (0, 1)


def test_the_end_of_the_text_cannot_come_first_without_stop_words():
    ended = Told(WORDS, {"the": {" dogs": 0.3}})
    ended.next_log_probs = lambda state: np.log(np.where(np.arange(WORDS.vocab_size) == WORDS.end, 0.6, 0.01))
    (shares,) = Asker(TextModel(ended, WORDS)).continued([("the", " dogs")], "")
    assert shares[0, 0] == 0  # the end is likelier
    assert shares[1, 0] > 0  # and left out, where all words are equally likely


# ── A threshold ───────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 1)), min_size=1, max_size=20))
def test_the_threshold_is_where_matthews_correlation_is_highest(pairs):
    scores, labels = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    found = mcc(labels, (scores >= best_threshold(scores, labels)).astype(float))
    assert found == pytest.approx(max(mcc(labels, (scores >= cut).astype(float)) for cut in np.unique(scores)))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=20))
def test_matthews_correlation_is_that_of_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, answers = (np.array(column) for column in zip(*pairs, strict=True))
    if len({*truth, *answers}) > 1:
        assert mcc(truth, answers) == pytest.approx(metrics.matthews_corrcoef(truth, answers), abs=1e-9)


# ── What a grade says ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("toy")
def test_a_result_says_what_was_asked_and_how():
    grade = results(load("copa")[0], uniform())["pmi"]
    assert (grade.task, grade.metric, grade.kind, grade.items) == ("COPA, PMI", "accuracy", "zero-shot", 1)
    assert grade.protocol == "log P(“ {choice}” after “{query}”) less log P of the same after “{last}”"


@pytest.mark.usefixtures("toy")
def test_groups_have_results_of_their_own():
    (section,) = load("blimp")
    parts = results(section, oracle([section.items[0].text]))["sum"].parts
    assert [(grade.task, grade.value, grade.items) for grade in parts["phenomenon"]] == [
        ("argument_structure", 1, 1),
        ("island_effects", 1, 1),
    ]


def test_columns_of_one_set_have_different_headings():
    one, two = (ZeroShotCard.of({**LAST, "rules": rules}) for rules in (["greedy"], ["greedy", "perplexity"]))
    assert heading(one, "greedy") == "LAMBADA"
    assert heading(two, "perplexity") == "LAMBADA, last word, perplexity"
    assert len({rule.heading for rule in RULES.values()}) == len(RULES)


# ── Who cannot ────────────────────────────────────────────────────────────────────────────────────


def trained(spec, text, model=None):
    made = tokenizers.train(spec, text)
    ids = made.encode(text)
    return (model or Ngram(order=2)).fit(Data.of(ids, ids, made.vocab_size)), made


@pytest.mark.usefixtures("toy")
def test_unknown_words_are_read_as_unk_and_the_note_says_how_many():
    (section,) = load("copa")
    found = results(section, *trained("split", " the man sat \n <unk> he was because \n"))
    assert found["sum"].note == "14.3% of the words were read as <unk>"  # tired, tall


def test_a_last_word_read_as_unk_is_never_right_and_has_no_perplexity():
    text = " he said so to the dogs \n the <unk> \n <unk> the <unk> \n"
    model, made = trained("split", text, Ngram(order=1))
    protocol = ZeroShotCard.of({**LAST, "rules": ["greedy", "perplexity"]})
    known, unknown = (Item((("to the", word),), 0) for word in (" dogs", " cats"))
    found = results(ZeroShotSet("lambada", protocol, [known, unknown], []), model, made)
    assert found["greedy"].value == 0  # <unk> is the likeliest, and no word
    assert found["perplexity"].items == 1
    assert found["perplexity"].value == pytest.approx(np.exp(-model.next_log_probs(0)[made.encode(" dogs")[0]]))
    assert found["perplexity"].note.endswith("the other 50.0% of the last words are <unk> to it, and left out")
    found = results(ZeroShotSet("lambada", protocol, [unknown], []), model, made)
    assert found["perplexity"].note == "its vocabulary has none of the last words"


@pytest.mark.usefixtures("toy")
def test_a_closed_vocabulary_without_unk_gives_no_values_and_a_note():
    for result in ask(load("copa")[0], Asker(TextModel(*trained("split", " the man sat \n")))):
        assert result.value is None
        assert result.note == "its vocabulary is closed and has no <unk> to read 57.1% of the words as"


@pytest.mark.usefixtures("toy")
def test_scores_that_are_no_distribution_may_rank_but_have_no_perplexity():
    model, made = trained("char", "he said so to the dogs ", Ngram(order=2, smoothing="stupid-backoff"))
    found = results(load("lambada")[0], model, made)
    assert found["greedy"].value is not None
    assert found["perplexity"].value is None
    assert "do not sum to one" in found["perplexity"].note


@pytest.mark.usefixtures("toy")
def test_an_impossible_text_gives_no_value_and_names_the_token():
    model, made = trained("char", "he said", Ngram(order=1, smoothing="ml"))
    grade = results(load("blimp")[0], model, made)["sum"]
    assert grade.value is None
    assert "-inf in the text 'Who should Ann hug?'" in grade.note


@pytest.mark.usefixtures("toy")
def test_a_model_without_probabilities_is_refused_by_name():
    (section,) = load("copa")
    (note,) = {result.note for result in results(section, fitted(Table(), BYTES)).values()}
    assert note == "table gives no probability to a text, so it cannot choose between texts"


# ── Masked models ─────────────────────────────────────────────────────────────────────────────────


def test_a_masked_model_ranks_candidates_by_pseudo_log_likelihood():
    """Salazar et al. 2020: the sum of log P of each token given all others, by hand."""
    protocol = ZeroShotCard.of({"column": "Toy", "files": [], "rules": ["sum"], "choices": ["{a}", "{b}"]})
    section = ZeroShotSet("toy", protocol, [Item((("a", "b"), ("a", "c")), 0)], [])
    (result,) = ask(section, Asker(TextModel(cloze := fitted(Cloze(), BYTES, "abab"), BYTES)))
    assert result.value == 1
    assert result.note.startswith("ranked by pseudo-log-likelihood (Salazar et al. 2020; ")
    (score,) = continuation_scores(TextModel(cloze, BYTES), [("a", "b")])
    assert score.log_prob == pytest.approx(cloze.pseudo_log_probs(BYTES.encode("ab"))[1])
    seen = 100 + 1  # times that a b stood between an a and the end of the text, of all tokens there
    assert score.log_prob == pytest.approx(np.log(seen / (100 + BYTES.vocab_size)))


@pytest.mark.usefixtures("toy")
def test_a_masked_model_has_no_last_words_and_no_perplexity():
    for result in results(load("lambada")[0], fitted(Cloze(), BYTES, "a")).values():
        assert result.value is None
        assert result.note.startswith("cloze gives no probability to a text, so it ")


# ── On real text ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.data
def test_an_ngram_of_the_penn_treebank_learns_adjacent_words(treebank_5gram):
    """There was a book, not: each book; the girl broke a fork, not: broken a fork."""
    (section,) = load("blimp", limit=6700)
    parts = {result.task: result for result in results(section, *treebank_5gram)["sum"].parts["set"]}
    assert parts["existential_there_quantifiers_1"].interval[0] > 0.7
    assert parts["irregular_past_participle_verbs"].interval[0] > 0.6
