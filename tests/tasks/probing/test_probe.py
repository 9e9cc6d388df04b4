"""The protocol of probes: a planted feature is found, and random features score chance."""

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.lstm import LSTM
from lmzoo.models.uniform import Uniform
from lmzoo.neural.training.config import Training
from lmzoo.tasks.probing import probe as probes
from lmzoo.tasks.probing.datasets import TEST, TRAIN, UNSPLIT, VALID, ProbeSet
from lmzoo.tasks.probing.probe import control_task, fixed, results, train_and_test
from lmzoo.testing import practice_text
from tests.tasks.models import Cloze, Sentences, Table, fitted

BYTES = tokenizers.train("byte", "abc")
N = 600
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, N)
NOISE = RNG.normal(size=(N, 20)).astype(np.float32)
SPLIT = np.repeat([TRAIN, VALID, TEST], [300, 100, 200])


def examples(labels=LABELS, parts=SPLIT, texts=None, **more):
    texts = texts or ([f"text {n}" for n in range(len(labels))],)
    return ProbeSet("toy", texts, np.asarray(labels), np.asarray(parts), **more)


def planted(strength, labels=LABELS, column=3):
    rows = NOISE.copy()
    rows[:, column] += strength * labels
    return rows


def result(inputs, some):
    return results(some, train_and_test(fixed(inputs), some))[0]


@pytest.mark.parametrize("parts", [SPLIT, np.full(N, UNSPLIT)], ids=["split", "folds"])
def test_features_that_are_the_label_score_1_and_random_ones_chance(parts):
    some = examples(parts=parts)
    assert result({("layer", "mean"): LABELS[:, None].astype(float)}, some).value == 1
    of_noise = result({("layer", "mean"): NOISE}, some)
    assert of_noise.interval[0] < 0.5 < of_noise.interval[1]
    assert 0.5 <= of_noise.chance < 0.56


def test_a_planted_feature_is_found_among_others():
    assert 0.9 < result({("layer", "mean"): planted(5)}, examples()).value < 1


def test_the_best_layer_and_pooling_are_chosen_on_validation_examples():
    inputs = {
        ("low", "mean"): NOISE,
        ("high", "mean"): planted(0.5),
        ("high", "max"): planted(3),
        ("top", "max"): NOISE,
    }
    assert result(inputs, examples()).protocol.startswith("high, max, C = ")


def test_what_is_compared_on_validation_examples_was_not_learned_from_them():
    memory = np.eye(N, 400, -300)  # a unit for each example of validation and test: perfect where it was learned
    inputs = {("memory", "mean"): memory, ("high", "mean"): planted(3)}
    assert result(inputs, examples()).protocol.startswith("high, mean")


def test_nothing_is_chosen_or_learned_from_test_examples():
    labels = LABELS.copy()
    labels[SPLIT == TEST] = 1 - labels[SPLIT == TEST]
    rows = planted(50)  # as the labels were before
    assert result({("layer", "mean"): rows}, examples(labels)).value == 0


def test_a_result_says_what_it_is_of():
    found = result({("layer", "mean"): planted(3)}, examples())
    assert (found.task, found.metric, found.kind, found.items, found.training) == ("toy", "accuracy", "probe", 200, 400)
    assert found.interval[0] < found.value < found.interval[1]


def test_of_folds_the_most_frequent_choice_is_reported():
    some = examples(parts=np.full(N, UNSPLIT))
    found = result({("low", "mean"): NOISE, ("high", "mean"): planted(4)}, some)
    assert found.protocol.startswith("high, mean, C = ")
    assert found.protocol.endswith(" of 10 folds)")
    assert (found.items, found.training) == (N, 540)


def test_classes_can_be_more_than_two():
    labels = np.arange(N) % 5
    rows = NOISE.copy()
    rows[np.arange(N), labels] += 6
    assert result({("layer", "mean"): rows}, examples(labels)).value > 0.95


def test_the_scale_of_features_does_not_matter():
    small = result({("layer", "mean"): planted(2)}, examples())
    large = result({("layer", "mean"): planted(2) * np.float32(1e6) + 7}, examples())
    assert abs(small.value - large.value) < 0.02


def test_a_training_set_of_one_class_is_no_error():
    labels = np.where(SPLIT == TEST, LABELS, 1)
    assert result({("layer", "mean"): NOISE}, examples(labels)).value == pytest.approx(LABELS[SPLIT == TEST].mean())


def test_regression_has_two_results_one_for_each_correlation():
    numbers = NOISE[:, 0] * 2 + RNG.normal(size=N) * 0.1
    some = examples(numbers.astype(float), metric="Pearson")
    pearson, spearman = results(some, train_and_test(fixed({("layer", "mean"): NOISE}), some))
    assert (pearson.metric, spearman.metric) == ("Pearson", "Spearman")
    assert 0.99 < pearson.value < 1
    assert 0.98 < spearman.value < 1
    assert pearson.chance == spearman.chance == 0


# ── Control tasks ─────────────────────────────────────────────────────────────────────────────────


def test_with_shuffled_labels_even_the_best_features_score_chance():
    some, inputs = examples(), {("layer", "mean"): LABELS[:, None].astype(float)}
    meaningless, outcome = control_task(inputs, some, train_and_test(fixed(inputs), some))
    assert sorted(meaningless.labels) == sorted(LABELS)
    found = results(meaningless, outcome)[0]
    assert found.interval[0] < 0.5 < found.interval[1]


def test_a_probe_that_sees_word_types_can_memorise_labels_drawn_for_them():
    """Labels for word types (Hewitt & Liang's control task): what sees types can learn them, what sees tags cannot."""
    kinds = RNG.integers(0, 30, N)  # of words
    texts = ([" ".join(f"w{k}" for k in kinds[i : i + 10]) for i in range(0, N, 10)],)
    some = examples(kinds % 2, texts=texts, word_labels=True)
    types, tags = np.eye(30)[kinds], (kinds % 2)[:, None].astype(float)
    grades = []
    for rows in (types, tags):
        outcome = train_and_test(fixed({("layer", "word"): rows}), some)
        assert results(some, outcome)[0].value == 1
        grades.append(results(*control_task({("layer", "word"): rows}, some, outcome))[0].value)
    assert grades[0] == 1
    assert grades[1] < 0.8


# ── Of models ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sentences():
    """Texts of bytes; the label is whether there is an x."""
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("abc d"), 12)) for _ in range(N)]
    return [f"{text[:-1]}{'x' if y else 'y'}" for text, y in zip(texts, LABELS, strict=True)]


@pytest.fixture(scope="module")
def lstm():
    text = practice_text(500)
    model = LSTM(hidden=8, embedding=6, training=Training(batch=4, window=8))
    return TextModel(model.fit(Data.of(text, text[:0], BYTES.vocab_size), Run(steps=1)), BYTES)


def test_a_network_has_results_untrained_and_with_shuffled_labels(lstm, sentences, tmp_path):
    found = probes.probe_model(lstm, [examples(texts=(sentences,))], folder=tmp_path)
    assert set(found) == {"probe", "untrained", "shuffled labels"}
    ((trained,), (untrained,), (shuffled,)) = (found[kind] for kind in ("probe", "untrained", "shuffled labels"))
    assert trained.value > 0.95  # whether there is an x is plain to see
    assert untrained.value > 0.95
    assert shuffled.value < 0.65


def test_results_are_the_same_when_features_are_read_from_disk(lstm, sentences, tmp_path):
    sets = [examples(texts=(sentences,))]
    assert probes.probe_model(lstm, sets, folder=tmp_path) == probes.probe_model(lstm, sets, folder=tmp_path)


def test_a_model_without_vectors_has_no_values_and_a_note():
    numbers = examples(NOISE[:, 0].astype(float), metric="Pearson")
    found = probes.probe_model(TextModel(fitted(Uniform(), BYTES), BYTES), [examples(), numbers])
    assert [(one.metric, one.value) for one in found["probe"]] == [
        ("accuracy", None),
        ("Pearson", None),
        ("Spearman", None),
    ]
    assert all("uniform has no vectors" in one.note for one in found["probe"])


@pytest.mark.parametrize("model", [Cloze(), Sentences()], ids=["masked model", "sentence encoder"])
def test_a_model_that_is_no_language_model_can_be_probed(model, sentences, tmp_path):
    bags = [examples(texts=(sentences,)), examples(texts=([text[::-1] for text in sentences],))]
    for result in probes.probe_model(TextModel(fitted(model, BYTES), BYTES), bags, folder=tmp_path)["probe"]:
        assert result.value > 0.9  # whether there is an x


def test_texts_that_a_tokenizer_cannot_encode_give_no_values_and_a_note(tmp_path):
    closed = tokenizers.train("split", "a b c\n", lines=True)
    model = TextModel(fitted(Table(), closed), closed)
    found = probes.probe_model(model, [examples(LABELS[:3], SPLIT[:3], (["a", "q", "b"],))], folder=tmp_path)
    assert all("cannot encode these texts" in grades[0].note for grades in found.values())
