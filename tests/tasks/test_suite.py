"""All tasks through one interface, with models of every ability."""

from dataclasses import replace

import numpy as np
import pytest

from lmzoo.data import corpus, tokenizers
from lmzoo.errors import DownloadError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.models.ngram import Ngram
from lmzoo.tasks import nbest, suite, zeroshot_items
from lmzoo.tasks.nbest import Candidate, NBest
from lmzoo.tasks.probing import datasets
from lmzoo.tasks.result import TaskResult
from lmzoo.tasks.suite import Exam, Probing, Rescoring, ZeroShot
from tests.tasks.models import Cloze, Sentences, Table, fitted
from tests.tasks.test_zeroshot_items import TOY_FILES

BYTES = tokenizers.train("byte", "")
SENTENCES = [f"the {'good' if n % 2 else 'bad'} film number {n}" for n in range(60)]


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """A group of each kind but the exam, on little text."""
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(zeroshot_items.task_cards, "fetch", lambda name, *_: TOY_FILES[name])
    lists = [NBest("a cat", (Candidate("a bat", -1.0), Candidate("a cat", -1.5)))] * 6
    monkeypatch.setattr(nbest, "make", lambda *_, **__: lists)
    parts = [datasets.TRAIN, datasets.VALID, datasets.TEST] * 20
    films = datasets.ProbeSet("films", (SENTENCES,), np.arange(60) % 2, np.array(parts))
    (tmp_path / "own.txt").write_text("\n".join(SENTENCES * 9) + "\n")
    own = corpus.load(tmp_path / "own.txt")
    each = Probing([films]), ZeroShot(zeroshot_items.load("copa")), Rescoring(own, 6)
    return {group.kind: group for group in each}


def asked(groups, model):
    """The model's own results, by kind."""
    text_model = TextModel(fitted(model, BYTES, "a cat sat."), BYTES)
    return {kind: group.ask(text_model)[""] for kind, group in groups.items()}


def test_every_model_has_all_results_and_a_note_with_its_name_where_it_lacks_the_ability(groups):
    able = {"probes": {"table", "cloze", "sentences"}, "zeroshot": {"ngram", "cloze"}, "rescoring": {"ngram"}}
    for model in (Ngram(order=2), Cloze(), Table(), Sentences()):
        for kind, results in asked(groups, model).items():
            assert len(results) == len(groups[kind].set_of_result())
            for result in results:
                assert (result.value is not None) == (model.name in able[kind]), (kind, model.name)
                assert result.value is not None or result.note.startswith(f"{model.name} ")


def test_scores_of_a_masked_model_are_marked(groups):
    assert {result.note for result in asked(groups, Cloze())["zeroshot"]} == {
        "ranked by pseudo-log-likelihood (Salazar et al. 2020; left to right within a word, Kauf & Ivanova 2023)"
    }
    assert {result.note for result in asked(groups, Ngram(order=2))["zeroshot"]} == {""}


def test_a_masked_model_whose_scores_are_not_finite_has_no_values(groups):
    broken = fitted(Cloze(), BYTES, "a cat sat.")
    broken.fill_log_probs = lambda tokens, blanks: np.full((int(blanks.sum()), BYTES.vocab_size), -np.inf)
    for result in groups["zeroshot"].ask(TextModel(broken, BYTES))[""]:
        assert result.value is None
        assert "is not finite" in result.note


def test_cached_results_are_not_computed_again(groups):
    kept = {}

    def keep(kind, of, work):
        return kept.setdefault((kind, str(of)), work() if (kind, str(of)) not in kept else None)

    text_model = TextModel(fitted(Ngram(order=2), BYTES, "a cat sat."), BYTES)
    for group in groups.values():
        first, baselines = group.ask(text_model, keep), group.baselines(keep)
        assert group.ask(TextModel(fitted(Sentences(), BYTES), BYTES), keep) == first
        assert group.baselines(keep) == baselines
        assert all(isinstance(result, TaskResult) for results in first.values() for result in results)


def test_baselines_are_named(groups):
    names = {kind: list(group.baselines()) for kind, group in groups.items()}
    assert names["probes"] == ["majority class", "TF-IDF"]
    assert names["rescoring"] == ["the channel's first choice", "the best candidate"]


def test_the_exam_has_no_texts_that_a_training_text_could_contain():
    story = corpus.load("storyworld:200kB")
    assert Exam(corpus.grammar_of(story), story).test_texts() == []  # its questions are drawn to be new


def test_only_sets_that_were_not_written_to_be_new_have_texts_a_training_text_could_contain(groups):
    (films,) = groups["probes"].sets
    written = replace(films, task="written", generated=True)
    assert Probing([written]).test_texts() == []
    assert Probing([written, films]).test_texts() == [[], list(films.test_texts())]


def test_a_name_that_is_no_task_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"no task 'blmp'; did you mean blimp\?; there are: all, "):
        suite.read("sst2,blmp")


def test_a_set_that_cannot_be_downloaded_is_left_out_of_all_and_an_error_where_it_was_named(monkeypatch):
    def load(name, *_):
        raise DownloadError("nobody has it")

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(zeroshot_items, "load", load)
    found = suite.read("all", limit=7)
    assert not found.probes and not found.zeroshot
    assert found.nbest_lists == nbest.FEWEST  # never fewer than a word error rate needs
    assert "trec is left out: nobody has it" in found.missing
    with pytest.raises(DownloadError):
        suite.read("trec")
