"""Explanations: what is printed adds up to what is scored, and the counts are those of the text."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.analysis.explain_ngram import continuations, explain, trace
from lmzoo.cli import console, ngrams
from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.ngrams.pruning import cut, entropy_prune
from lmzoo.ngrams.smoothing import SMOOTHINGS
from lmzoo.ngrams.trie import Trie
from lmzoo.runs import store

FITTED = [name for name in SMOOTHINGS if name != "arpa"]  # that one is read from a file
TEXT = "the cat sat on the mat\nthe cat saw the dog\na dog sat on the cat\nthe dog ran\nno cat ran\nthe cat sat\n"
LETTERS = "abcd"
texts = st.lists(st.sampled_from([*LETTERS, "\n"]), min_size=1, max_size=60).map("".join)


def fitted(smoothing, order=3, text=TEXT, spec="split"):
    words = tokenizers.train(spec, text)
    ids = words.encode(text)
    model = Ngram(order=order, smoothing=smoothing).fit(Data.of(ids, ids[: len(ids) // 3], words.vocab_size))
    return TextModel(model, words)


def by_hand(expression):
    """What the written sum comes to."""
    return eval(expression.replace("·", "*"))


class TestTheSum:
    @pytest.mark.parametrize("smoothing", FITTED)
    @given(text=texts, then=texts, order=st.integers(1, 5))
    @settings(deadline=None, max_examples=40)
    def test_is_what_is_scored(self, smoothing, text, then, order):
        model, letters = fitted(smoothing, order, LETTERS + text, "char")
        facts = explain(TextModel(model, letters), then)
        scored = np.exp(model.log_probs(letters.encode(then))[0])
        assert [fact["probability"] for fact in facts] == pytest.approx(scored.tolist(), rel=1e-6)
        for fact in facts:
            assert by_hand(fact["sum"]) == pytest.approx(fact["probability"], rel=1e-3)

    @pytest.mark.parametrize("smoothing", FITTED)
    def test_follows_from_its_rows(self, smoothing):
        for fact in explain(fitted(smoothing), "the cat saw a dog\n"):
            lower = 1 / fact["vocabulary"]
            for term in reversed(fact["terms"]):
                left = 0 if term["backed_off"] else term["gamma"] * lower
                assert term["probability"] == pytest.approx(term["alpha"] + left, rel=1e-6)
                lower = term["probability"]
            assert fact["probability"] == lower
            assert fact["order"] == max(term["order"] for term in fact["terms"] if term["seen"])

    def test_comes_in_bits_and_tens_too(self):
        for fact in explain(fitted("witten-bell"), "the cat sat"):
            assert 2 ** -fact["bits"] == pytest.approx(fact["probability"])
            assert 10 ** fact["log10"] == pytest.approx(fact["probability"])
            assert math.exp(fact["log_probability"]) == pytest.approx(fact["probability"])

    def test_of_nothing_is_an_impossible_event_and_no_number(self):
        (_, fact) = explain(fitted("ml"), "the ran")
        assert fact["probability"] == 0
        assert fact["bits"] is fact["log10"] is fact["log_probability"] is None


class TestTheCounts:
    """In TEXT: cat follows the four times and no once; after cat come sat 2, saw 1, ran 1, </s> 1."""

    def term(self, smoothing, text="the cat sat", n=2):
        terms = explain(fitted(smoothing), text)[-1]["terms"]
        (found,) = [term for term in terms if term["order"] == n]
        return found

    @pytest.mark.parametrize("smoothing", FITTED)
    def test_are_those_of_the_text(self, smoothing):
        assert [self.term(smoothing, n=n)["count"] for n in (3, 2, 1)] == [2, 2, 3]  # the cat sat, cat sat, sat
        assert self.term(smoothing, n=3)["context"] == ["the", "cat"]

    @pytest.mark.parametrize("smoothing", ["ml", "add-k", "jelinek-mercer", "witten-bell", "absolute", "katz"])
    def test_of_contexts_are_what_followed_them(self, smoothing):
        term = self.term(smoothing)
        assert (term["total"], term["kinds"], term["adjusted"]) == (5, 4, None)

    @pytest.mark.parametrize("smoothing", ["kneser-ney", "modified-kneser-ney"])
    def test_of_kneser_and_ney_are_the_words_before(self, smoothing):
        # cat sat follows "the" only, though twice; cat </s> "the", cat saw "the", cat ran "no": one each.
        assert (self.term(smoothing)["adjusted"], self.term(smoothing)["total"]) == (1, 4)
        # sat follows cat and dog; distinct pairs there are as many as bigrams: 19
        pairs = {pair for line in TEXT.splitlines() for pair in _pairs(line)}
        assert (self.term(smoothing, n=1)["adjusted"], self.term(smoothing, n=1)["total"]) == (2, len(pairs))
        # What begins a line has nothing before it, and the longest n-grams keep their counts.
        assert self.term(smoothing, "the", 2)["adjusted"] == 4
        assert self.term(smoothing, n=3)["adjusted"] == 2

    @given(text=texts, order=st.integers(1, 4))
    @settings(deadline=None, max_examples=40)
    def test_with_the_discount_give_alpha_and_gamma_of_absolute_discounting(self, text, order):
        model, letters = fitted("kneser-ney", order, LETTERS + text, "char")
        for fact in explain(TextModel(model, letters), text):
            for term in fact["terms"]:
                d = term["weight"]
                if d is not None and term["alpha"] > 0:
                    assert term["alpha"] == pytest.approx((term["adjusted"] - d) / term["total"], rel=1e-4)
                    assert term["gamma"] == pytest.approx(d * term["kinds"] / term["total"], rel=1e-3)

    def test_give_witten_bells_weights(self):
        term = self.term("witten-bell")
        assert term["alpha"] == pytest.approx(2 / (5 + 4))
        assert term["gamma"] == pytest.approx(4 / (5 + 4))

    def test_give_jelinek_and_mercers_weight(self):
        term = self.term("jelinek-mercer")
        assert term["weight_name"] == "λ"
        assert term["alpha"] == pytest.approx(term["weight"] * 2 / 5, rel=1e-5)

    def test_give_katzs_ratio(self):
        term = self.term("katz")
        assert term["probability"] == pytest.approx(term["weight"] * 2 / 5)


def _pairs(line):
    words = ["<s>", *line.split(), "</s>"]
    return list(pairwise(words))


class TestContexts:
    def test_start_where_the_line_does(self):
        first, second = explain(fitted("absolute"), "the cat")
        assert first["history"] == first["context"] == ["<s>"]
        assert second["history"] == second["context"] == ["<s>", "the"]

    def test_reach_no_further_than_the_model_or_the_line(self):
        facts = explain(fitted("absolute"), "the cat sat\nthe dog ran\n")
        assert facts[2]["history"] == ["the", "cat"]
        assert facts[4]["history"] == ["<s>"]
        assert facts[3]["token"] == "</s>"

    def test_that_were_never_seen_fall_back(self):
        fact = explain(fitted("absolute"), "mat dog ran")[2]
        assert fact["history"] == ["mat", "dog"]
        assert fact["context"] == ["dog"]

    def test_show_spaces_of_tokens_that_have_them(self):
        model, words = fitted("absolute", text="the cat sat on the mat", spec="word:10")
        assert explain(TextModel(model, words), "the cat")[-1]["token"] == "␣cat"

    def test_of_a_corpus_with_a_space_before_each_word_need_not_be_typed_so(self):
        model, words = fitted("absolute", text=" the cat sat \n the dog ran \n")
        assert [fact["token"] for fact in explain(TextModel(model, words), "the cat\n")] == ["the", "cat", "</s>"]


class TestContinuations:
    def test_are_counted_and_most_frequent_first(self):
        facts = continuations(fitted("witten-bell"), "the cat")
        assert [(row["token"], row["count"]) for row in facts["next"]][:1] == [("sat", 2)]
        assert {row["token"]: row["count"] for row in facts["next"]} == {"sat": 2, "saw": 1, "</s>": 1}
        assert (facts["total"], facts["kinds"]) == (4, 3)

    def test_leave_a_share_to_all_others(self):
        facts = continuations(fitted("witten-bell"), "the cat")
        assert facts["left"] == pytest.approx(1 - sum(row["probability"] for row in facts["next"]), abs=1e-6)
        assert continuations(fitted("stupid-backoff"), "the cat")["left"] is None

    def test_of_no_context_are_the_frequent_words(self):
        facts = continuations(fitted("modified-kneser-ney"), "", top=2)
        assert [(row["token"], row["count"]) for row in facts["next"]] == [("the", 7), ("</s>", 6)]
        assert facts["context"] == []

    def test_of_an_unseen_context_are_those_of_a_shorter_one(self):
        facts = continuations(fitted("modified-kneser-ney"), "mat the cat")
        assert facts["asked"] == ["mat", "the", "cat"]
        assert facts["context"] == ["the", "cat"]

    def test_of_a_line_end_are_what_starts_lines(self):
        facts = continuations(fitted("modified-kneser-ney"), "\n")
        assert [(row["token"], row["count"]) for row in facts["next"]] == [("the", 4), ("a", 1), ("no", 1)]

    @pytest.mark.parametrize("smoothing", FITTED)
    def test_with_everything_are_the_head_of_the_whole_distribution(self, smoothing):
        model, words = fitted(smoothing)
        rows = continuations(TextModel(model, words), "the cat", top=5, everything=True)["next"]
        state = model.advance(model.start(), words.encode("the cat"))
        whole = np.exp(model.next_log_probs(state))
        assert [row["probability"] for row in rows] == pytest.approx(sorted(whole, reverse=True)[:5], rel=1e-6)
        assert all(whole[row["id"]] == pytest.approx(row["probability"], rel=1e-6) for row in rows)


class TestModelsOfOtherOrigin:
    """What cannot be known any more is None, and the sum is still the sum."""

    @pytest.mark.parametrize("smoothing", [name for name in FITTED if SMOOTHINGS[name].is_distribution])
    @pytest.mark.parametrize("setting", ["cutoffs", "prune"])
    def test_pruned_ones(self, monkeypatch, smoothing, setting):
        def build(levels, probs, gammas, *more):
            if setting == "prune":
                return whole(*entropy_prune(levels, probs, gammas, 0.01), *more)
            return whole(*cut(levels, probs, gammas, [0, 1], SMOOTHINGS[smoothing]), *more)

        whole = Trie.build
        monkeypatch.setattr(Trie, "build", build)
        model, words = fitted(smoothing)
        setattr(model, setting, {"cutoffs": "0,1", "prune": 0.01}[setting])
        facts = explain(TextModel(model, words), "the cat saw the dog\n")
        scored = np.exp(model.log_probs(words.encode("the cat saw the dog\n"))[0])
        assert [fact["probability"] for fact in facts] == pytest.approx(scored.tolist(), rel=1e-6)
        for fact in facts:
            assert by_hand(fact["sum"]) == pytest.approx(fact["probability"], rel=1e-3)
            assert all(term["total"] is term["adjusted"] is term["weight"] is None for term in fact["terms"])
        assert [fact["terms"][-1]["count"] for fact in facts] == [7, 5, 1, 7, 3, 6]

    def test_the_chosen_smoothing_is_explained_where_any_would_do(self):
        words = tokenizers.train("split", TEXT)
        ids = words.encode(TEXT)
        model = Ngram(order=3, smoothing="auto").fit(Data.of(ids, ids, words.vocab_size))
        fact = explain(TextModel(model, words), "the cat")[-1]
        assert fact["smoothing"] == model.smoothing_ in SMOOTHINGS
        assert fact["terms"][0]["total"] is not None

    def test_those_read_from_a_file(self):
        model, words = fitted("modified-kneser-ney")
        model.smoothing = model.smoothing_ = "arpa"
        model.trie_.counts = np.full_like(model.trie_.counts, -1)
        fact = explain(TextModel(model, words), "the cat sat")[-1]
        assert fact["probability"] == pytest.approx(np.exp(model.log_probs(words.encode("the cat sat"))[0][-1]))
        assert fact["order"] == 3
        assert {fact["terms"][0][key] for key in ("count", "adjusted", "total", "kinds", "weight")} == {None}
        facts = continuations(TextModel(model, words), "the cat")
        assert [row["count"] for row in facts["next"]] == [None] * 3
        assert (facts["total"], facts["kinds"]) == (None, 3)
        probs = [row["probability"] for row in facts["next"]]
        assert probs == sorted(probs, reverse=True)


class TestRefusals:
    def test_a_model_without_ngrams(self):
        words = tokenizers.train("split", TEXT)
        model = Uniform().fit(Data.of(words.encode(TEXT), np.array([], dtype=np.int32), words.vocab_size))
        with pytest.raises(UsageError, match=r"uniform has no table of n-grams.*lmzoo train ngram"):
            explain(TextModel(model, words), "the")
        with pytest.raises(UsageError, match="uniform has no table"):
            continuations(TextModel(model, words), "the")

    def test_no_text_and_no_rows(self):
        with pytest.raises(UsageError, match="no text to explain"):
            explain(fitted("ml"), "")
        with pytest.raises(UsageError, match="not 0"):
            continuations(fitted("ml"), "the", top=0)

    def test_a_word_that_the_corpus_does_not_have(self):
        with pytest.raises(UsageError, match=r"'hyena' is not in the closed vocabulary"):
            explain(fitted("ml"), "the hyena")


class TestPages:
    @pytest.fixture
    def page(self, tmp_path, monkeypatch, capsys):
        """Run a command on a saved model, 80 columns wide: the exit code and what it prints."""
        monkeypatch.setenv("COLUMNS", "80")
        app = typer.Typer(cls=console.Commands)
        app.command("explain")(ngrams.explain_text)
        app.command("ngrams")(ngrams.list_ngrams)

        def run(command, *arguments, smoothing="modified-kneser-ney"):
            folder = tmp_path / smoothing
            if not folder.exists():
                store.save(TextModel(*fitted(smoothing)), folder)
            with pytest.raises(SystemExit) as stopped:
                console.run(app, [command, str(folder), *arguments])
            printed = capsys.readouterr()
            return stopped.value.code, printed.out, printed.err

        return run

    @pytest.mark.parametrize("smoothing", FITTED)
    def test_fit_on_a_slide(self, page, smoothing):
        code, out, _ = page("explain", "the cat sat on a dog", "--log10", smoothing=smoothing)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
        rows = [line for line in out.splitlines() if line[:4] in (" 1  ", " 2  ", " 3  ")]
        assert len(rows) == 2 + 3 + 3 + 3 + 3 + 2  # none is broken in two, though "on" before "a" is cut off

    def test_show_the_rows_and_the_sum(self, page):
        _, out, _ = page("explain", "the cat sat")
        assert "P(sat | the cat)" in out
        assert "α(w|h) = (a(hw) − D) / a(h·)" in out
        (last,) = [line for line in out.splitlines() if line.split()[:3] == ["3", "the", "cat"]]
        assert last.split()[3:6] == ["2", "2", "4"]  # c(hw), a(hw), a(h·)
        assert "log₁₀" not in out
        assert "log₁₀" in page("explain", "the cat sat", "--log10")[1]

    def test_say_what_their_letters_mean(self, page):
        _, out, _ = page("explain", "the cat sat")
        for letter in ("c(hw)", "a(hw)", "D", "γ(h)"):
            assert f"\n  {letter}: " in out
        assert "\n  V: " not in out and "\n  λ: " not in out
        assert "\n  λ: " in page("explain", "the cat", smoothing="jelinek-mercer")[1]

    def test_do_not_explain_the_one_beginning_of_a_running_text(self, page, tmp_path):
        model, letters = fitted("modified-kneser-ney", spec="char")  # a stream: no token ends a line
        store.save(TextModel(model, letters), tmp_path / "modified-kneser-ney")
        asked = [line for line in page("explain", "the")[1].splitlines() if line.startswith("P(")]
        assert asked == ["P(h | <end> t)", "P(e | t h)"]
        assert "“t” is read as context" in page("explain", "the")[1]
        assert "P(t | <end>)" in page("explain", "the", "--start")[1]
        assert "P(t | <end>)" in page("explain", "t")[1]
        assert [fact["token"] for fact in json.loads(page("explain", "the", "--json")[1])] == ["t", "h", "e"]

    def test_say_what_was_never_seen(self, page):
        out = page("explain", "mat dog ran")[1]
        assert "“mat dog” was never followed by anything: the model backs off to “dog”" in out
        out = page("ngrams", "mat the cat")[1]
        assert "“mat the cat” was never followed by anything: the model backs off to “the cat”" in out

    def test_call_scores_scores(self, page):
        _, out, _ = page("explain", "the cat", smoothing="stupid-backoff")
        assert "score(cat | <s> the)" in out
        assert "bits" not in out
        assert "P(" not in out

    def test_list_continuations(self, page):
        _, out, _ = page("ngrams", "the cat", "--top", "1")
        assert "3 different tokens seen after “the cat”, 4 times in all" in out
        assert [line.split()[:2] for line in out.splitlines() if " sat" in line] == [["sat", "2"]]
        assert "all other tokens together" in out

    def test_are_json_for_machines(self, page):
        facts = json.loads(page("explain", "the ran", "--json", smoothing="ml")[1])
        assert [fact["bits"] is None for fact in facts] == [False, True]
        assert len(json.loads(page("ngrams", "the cat", "--all", "--json")[1])["next"]) == 11  # all there are

    def test_refuse_in_one_line(self, page):
        code, out, err = page("explain", "")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "no text to explain" in err
        assert page("ngrams", "the", "--top", "many")[0] == 2


@pytest.mark.parametrize("smoothing", ["kneser-ney", "katz"])
def test_the_trace_of_a_place_is_its_explanation_with_what_followed_each_context(smoothing):
    model = fitted(smoothing)
    ids = model.tokenizer.encode("the cat saw the mat")
    for place, expected in enumerate(explain(model, "the cat saw the mat")):
        fact = trace(model, ids, place)
        followers = [term.pop("followers") for term in fact["terms"]]
        occurrences = [term.pop("occurrences") for term in fact["terms"]]
        assert occurrences == sorted(occurrences)  # a shorter context occurs at least as often
        assert occurrences[-1] == len(model.tokenizer.encode(TEXT))
        assert fact == expected
        for term, rows in zip(fact["terms"], followers, strict=True):
            listed = continuations(model, " ".join(term["context"]).replace("<s>", "\n").replace("␣", ""), top=5)
            if len(listed["context"]) == len(term["context"]) and "<s>" not in term["context"]:
                assert sorted(rows) == sorted([one["token"], one["count"]] for one in listed["next"])
            assert rows[0][1] == max(count for _, count in rows)
    with pytest.raises(UsageError, match="place"):
        trace(model, ids, 5)
