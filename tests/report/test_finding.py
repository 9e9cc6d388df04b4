"""The sentences that a report opens with: true, computed from the comparison, and about prediction and knowledge."""

import pytest

from lmzoo.report.finding import finding
from tests.comparisons import comparison, examination, made, others_figures, public_sets, row, score


def said(**changes: object) -> list[str]:
    return finding(made(comparison(**changes)))


def exam(**scores: float) -> dict:
    """An exam in which each model has the same accuracy in both phenomena."""
    facts = examination()["exam"]
    one = facts["rows"][0]
    facts["rows"] = [
        one | {"label": label, "grades": [grade | {"value": value} for grade in one["grades"]]}
        for label, value in scores.items()
    ]
    return {"exam": facts}


FIVE = {"lstm": 1.2, "mlp": 1.3, "ngram": 1.4, "pmi": 1.5, "uniform": 2.4}


def test_the_headline_sets_the_best_network_against_the_best_model_that_counts():
    rows = [row(label, bits) for label, bits in FIVE.items()]
    first, second, *_ = said(rows=rows, **exam(lstm=0.88, mlp=0.8, ngram=0.61, pmi=0.6, uniform=0.4))
    assert first == (
        "lstm needs 1.20 bits per character, 0.10 above the source, and scores 88 % in the exam; "
        "ngram needs 1.40 and scores 61 %."
    ).replace("lstm", "Lstm", 1)
    assert second == "The better a model predicts, the higher its exam score (\u03c1 = \u22121.00 over 5 models)."


def test_where_bits_say_nothing_about_knowledge_that_is_said():
    rows = [row(label, bits) for label, bits in FIVE.items()]
    _, second, *_ = said(rows=rows, **exam(lstm=0.5, mlp=0.52, ngram=0.49, pmi=0.51, uniform=0.5))
    assert second.startswith("Bits per character say little about exam score (\u03c1 = ")
    _, opposite, *_ = said(rows=rows, **exam(lstm=0.1, mlp=0.2, ngram=0.3, pmi=0.4, uniform=0.5))
    assert opposite.startswith("The better a model predicts, the lower its exam score")


def test_without_a_rival_or_a_source_the_headline_is_short():
    given = comparison(rows=[row("uniform", 2.4)])
    given["corpus"]["floor_bits"] = None
    assert finding(made(given)) == ["Uniform needs 2.40 bits per character."]
    assert said(rows=[]) == ["Nothing was compared."]


def test_a_knowledge_that_only_one_of_the_two_has_is_left_out():
    rows = [row("uniform", 2.4), row("ngram order=5", 1.3)]
    assert "exam" not in said(rows=rows, **examination())[0]


def test_rescoring_is_in_the_headline_with_where_it_came_from():
    sets = public_sets()
    rates = {"uniform": 0.0548, "ngram order=5": 0.0318}
    facts = sets["rescoring"]
    for one in facts["rows"]:
        grade = one["grades"][0] | {"metric": "word error rate", "value": rates[one["label"]], "chance": 0.0524}
        one["grades"] = [grade]
    rows = [row("uniform", 2.4), row("ngram order=5", 1.3)]
    assert said(rows=rows, rescoring=facts)[0] == (
        "Ngram order=5 needs 1.30 bits per character, 0.20 above the source, and brings word errors from 5.24 % to "
        "3.18 %; uniform needs 2.40 and brings them to 5.48 %."
    )


def test_a_corpus_whose_figures_are_perplexities_has_its_headline_in_them():
    figures = [one | {"unit": "perplexity per token"} for one in others_figures() if "value" in one]
    rows = [row("lstm", 1.0, tokenizer="split"), row("ngram", 1.25, tokenizer="split")]
    first, *others = said(rows=rows, published=figures, differences=[])
    assert first == "Lstm has a perplexity of 16.0; ngram has 32.0."
    assert others[-1] == "The next best, ngram, has 32.0 and needs 0.25 bits per character more."


@pytest.mark.parametrize("frozen", [1.3, 1.1])
def test_a_model_that_learns_from_the_test_text_is_never_set_against_the_others(frozen):
    rows = [row("cache", 1.2, adapts_at_test_time=True), row("lstm", frozen), row("ngram", 1.5)]
    first, *others = said(rows=rows)
    assert first.startswith(f"Lstm needs {frozen:.2f} bits")
    assert "cache" not in first.lower()
    warning = "Cache needs 1.20, but is adaptive: it learns from the test text as it reads it."
    assert (warning in others) is (frozen > 1.2)


def test_no_compressor_is_in_any_sentence():
    assert not any(name in " ".join(said()) for name in ("xz", "bz2", "gzip"))


def test_a_model_that_did_not_read_the_text_once_is_named_with_what_it_read():
    read = {"tokens_read": 500, "training_tokens": 1000}
    rows = [row("gpt", 1.2, provenance=read), row("lstm", 1.3, provenance=read | {"tokens_read": 2000})]
    assert "Not trained on the whole training text even once: gpt (0.5 passes)." in said(rows=rows)
    rows = [row("gpt", 1.2, provenance=read), row("lstm", 1.3, provenance=read)]
    assert "No network read all of the training text (0.5 passes each)." in said(rows=rows)


def test_a_training_that_the_clock_stopped_is_named_with_how_far_it_came():
    read = {
        "tokens_read": 600,
        "training_tokens": 500,
        "training_seconds": 60.5,
        "budget": {"tokens": 1000.0, "seconds": 60.0},
    }
    rows = [row("gpt", 1.2, provenance=read), row("lstm", 1.3, provenance=read | {"tokens_read": 1001})]
    assert "Stopped by the clock before the end of the budget: gpt (60 %)." in said(rows=rows)
    for change in ({"budget": {"seconds": 60.0}}, {"training_seconds": 30.0}):  # no other limit, or stopped early
        assert "clock" not in " ".join(said(rows=[row("gpt", 1.2, provenance=read | change)]))


def test_how_far_behind_the_next_best_is():
    given = comparison(references=[], differences=[])
    given["rows"][0]["score"] = score(1.004)
    assert "The next best, ngram order=5, needs 0.31 bits per character more." in finding(made(given))
    level = {"a": "ngram order=5", "b": "ngram order=3", "delta": -0.01, "low": -0.03, "high": 0.01}
    near = said(rows=[row("ngram order=5", 1.31), row("ngram order=3", 1.32)], differences=[level])
    assert "Ngram order=3 is level with it: the difference of 0.010 bits per character is within chance." in near


def test_a_model_below_the_true_source_is_remarked_upon():
    first, second, *_ = said(rows=[row("gpt", 1.05)])
    assert "0.050 below the source" in first
    assert "leaked" in second


@pytest.mark.parametrize(
    ("label", "subject"),
    [("modified Kneser–Ney, 5-gram", "Modified Kneser–Ney, 5-gram,"), ("my-run", "my-run"), ("GloVe", "GloVe")],
)
def test_a_sentence_begins_with_a_capital_unless_that_would_change_a_name(label, subject):
    assert said(rows=[row(label, 1.3)])[0].startswith(f"{subject} needs")


def test_where_one_model_has_other_tokens_perplexities_are_not_set_side_by_side():
    figures = [one | {"unit": "perplexity per token"} for one in others_figures() if "value" in one]
    rows = [row("lstm", 1.0, tokenizer="split"), row("gpt", 1.25)]
    assert said(rows=rows, published=figures)[0].startswith("Lstm needs 1.00 bits per character")
