"""Fine-tuning: what is learned from labels, what is said of labels that cannot be learned from, and runs on disk."""

import numpy as np
import pytest
import torch

from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Examples, Run
from lmzoo.models.finetuned import FineTuned
from lmzoo.models.ngram import Ngram
from lmzoo.runs import store
from lmzoo.testing import VOCAB_SIZE, practice_examples
from tests.neural.networks import NETWORKS, TRAIN, VALID, network

CPU = Run(steps=30, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def trained():
    """A small LSTM that has learned to predict the practice text."""
    return network("lstm").fit(Data.of(TRAIN, VALID, VOCAB_SIZE), Run(steps=30, device="cpu"))


def tuned(model, examples=None, valid=None, run=CPU, **settings):
    examples, valid = examples or practice_examples(90), valid or practice_examples(30, seed=1)
    settings = {"learning_rate": 1e-2, "batch": 16, **settings}
    return FineTuned.over(model, **settings).fit_labels(examples, valid, run)


def accuracy(model, examples):
    return float((model.predict(examples.texts) == examples.labels).mean())


def weights(model):
    return {name: value.copy() for name, value in model.arrays().items() if name.startswith("net.")}


# ── What is learned ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_classes(name):
    model = network(name)
    model.vocab_size_ = VOCAB_SIZE
    torch.manual_seed(0)
    model.net_ = model.build(VOCAB_SIZE).eval()
    assert accuracy(tuned(model), practice_examples(60, seed=2)) > 0.8


def test_a_network_is_not_changed_by_what_is_learned_on_it(trained):
    before = weights(trained)
    model = tuned(trained)
    assert all(np.array_equal(before[name], value) for name, value in weights(trained).items())
    after = model.arrays()["net.network.layers.0.weight_hh_l0"]
    assert not np.array_equal(before["net.layers.0.weight_hh_l0"], after)


def test_the_same_seed_gives_the_same_bits(trained):
    one, other = (weights(tuned(trained)) for _ in range(2))
    assert all(np.array_equal(one[name], value) for name, value in other.items())
    another = weights(tuned(trained, run=Run(seed=1, steps=30, device="cpu", precision="float32")))
    assert not np.array_equal(one["net.classifier.1.weight"], another["net.classifier.1.weight"])


def test_what_learns_from_scratch_begins_with_first_weights(trained):
    twin = FineTuned.over(trained).untrained(3)
    assert twin.network == FineTuned.over(trained).network
    assert weights(twin).keys() == weights(trained).keys()
    assert not np.array_equal(weights(twin)["net.embedding.weight"], weights(trained)["net.embedding.weight"])


def test_layers_that_are_not_transferred_begin_anew():
    gpt = network("gpt").fit(Data.of(TRAIN, VALID, VOCAB_SIZE), Run(steps=5, device="cpu"))
    settings = {"transfer": 1, "learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1}
    before, after = weights(gpt), weights(tuned(gpt, run=Run(steps=1, device="cpu"), **settings))

    def same(name):
        return np.allclose(before[f"net.{name}"], after[f"net.network.{name}"], atol=1e-9)

    assert same("embedding.weight") and same("positions.weight") and same("blocks.0.mlp.up.weight")
    assert not same("blocks.1.mlp.up.weight")


def test_numbers_are_predicted_on_their_own_scale(trained):
    def numbers(count, seed=0):
        examples = practice_examples(count, seed)
        return Examples(examples.texts, 100.0 + 10.0 * examples.labels)

    model = tuned(trained, numbers(90), numbers(30, 1))
    predicted, truth = model.predict(numbers(60, 2).texts), numbers(60, 2).labels
    assert abs(predicted.mean() - 110) < 3
    assert np.corrcoef(predicted, truth)[0, 1] > 0.8
    with pytest.raises(UsageError, match="gives numbers, not classes"):
        model.class_log_probs([(VALID[:3],)])


def test_pairs_that_are_similar(trained):
    rng = np.random.default_rng(0)

    def pairs(count):
        labels = rng.integers(2, size=count)
        first = [rng.integers(3) + 3 * rng.integers(2) for _ in range(count)]
        return Examples(
            [(np.full(3, a), np.full(3, a if same else (a + 3) % 6)) for a, same in zip(first, labels, strict=True)],
            labels,
            ("other", "same"),
        )

    model = tuned(trained, pairs(120), pairs(30), Run(steps=200, device="cpu"), form="both", markers="new")
    assert accuracy(model, pairs(60)) > 0.8
    assert model.reads_ == 2
    with pytest.raises(UsageError, match="reads 2 texts together, not 1"):
        model.predict([TEXT])


def test_the_best_of_several_candidates(trained):
    rng = np.random.default_rng(0)

    def choices(count):
        labels = rng.integers(3, size=count)
        good = [
            [rng.integers(3, 6, 4) if n == label else rng.integers(3, size=4) for n in range(3)] for label in labels
        ]
        return Examples([(np.array([7, 8]), *candidates) for candidates in good], labels)

    model = tuned(trained, choices(60), choices(20), form="choice")
    assert accuracy(model, choices(30)) > 0.9
    assert model.classes_ == ["1", "2", "3"]


def test_words_have_tags(trained):
    rng = np.random.default_rng(0)

    def tagged(count):
        texts = [rng.integers(9, size=rng.integers(2, 9)) for _ in range(count)]
        return Examples([(text, np.arange(len(text))) for text in texts], np.concatenate(texts) // 3, ("a", "b", "c"))

    model = tuned(trained, tagged(60), tagged(20), form="tags")
    test = tagged(30)
    assert model.class_log_probs(test.texts).shape == (len(test.labels), 3)
    assert accuracy(model, test) > 0.95


def test_texts_that_are_too_long_are_counted(trained):
    texts = [(np.full(30, n % 3),) for n in range(20)]
    examples = Examples(texts, np.arange(20) % 3)
    model = tuned(trained, examples, examples, window=10)
    assert model.remarks[0] == "40 texts were longer than 10 tokens: their start was left out"
    assert model.facts["texts_cut"] == 40
    assert model.too_long([*texts[:2], (VALID[:3],)]) == 2


def test_few_labels_have_many_steps_and_many_have_epochs(trained):
    few = tuned(trained, practice_examples(6), run=Run(device="cpu"), least_steps=7, epochs=2)
    many = tuned(trained, practice_examples(90), run=Run(device="cpu"), least_steps=7, epochs=2)
    assert [model.facts["steps"] for model in (few, many)] == [7, 12]


@pytest.mark.parametrize(
    ("name", "training", "rate", "width"),
    [
        ("lstm", {"learning_rate": 0.004}, 0.004, 3 * 32),
        ("lstm", {"learning_rate": 20.0, "optimizer": "sgd"}, 0.001, 3 * 32),
        ("speedrun", {"learning_rate": 0.02}, 0.01, 32),
    ],
)
def test_rate_and_pooling_follow_from_the_network(name, training, rate, width):
    model = network(name, **training)
    model.vocab_size_, model.net_ = VOCAB_SIZE, model.build(VOCAB_SIZE).eval()
    learned = tuned(model, run=Run(steps=1, device="cpu"), learning_rate=0.0)
    assert learned.facts["rate"] == rate
    assert learned.arrays()["net.classifier.1.weight"].shape == (3, width)


# ── What cannot be learned ────────────────────────────────────────────────────────────────────────

TEXT = (np.array([1, 2, 3]),)


@pytest.mark.parametrize(
    ("examples", "settings", "says"),
    [
        (Examples([TEXT, TEXT], np.array([1, 1]), ("bad", "good")), {}, "all 2 labels are 'good'"),
        (Examples([], np.array([], dtype=int)), {}, "no labelled texts"),
        (Examples([TEXT, TEXT], np.array([0, 2]), ("bad", "good")), {}, "labels are 0 to 1, one for each class"),
        (Examples([TEXT, TEXT], np.array(["a", "b"])), {}, "labels are whole numbers"),
        (
            Examples([TEXT, TEXT], np.array([0, 1])),
            {"form": "both"},
            "of 1 to 1 texts cannot be read in the form 'both'",
        ),
        (Examples([TEXT, TEXT * 2], np.array([0, 1])), {}, "of 1 to 2 texts cannot be read in the form 'joined'"),
        (Examples([(np.array([99]),), TEXT], np.array([0, 1])), {}, "token id 99"),
        (None, {"transfer": 9}, "9 layers cannot be transferred: this network has 1"),
        (None, {"unfreeze": True, "epochs": 2}, "unfreezing 1 layers one by one takes 3 epochs, not 2"),
        (None, {"pooling": "median"}, "no pooling 'median'"),
        (None, {"piece": -1}, "piece must be"),
        (None, {"dropout": 1.0}, "dropout must be"),
        (None, {"optimizer": "muon", "layer_decay": 2.0}, "Muon has one learning rate"),
    ],
)
def test_one_line_on_what_cannot_be(trained, examples, settings, says):
    with pytest.raises(UsageError, match=says):
        tuned(trained, examples, **settings)


def test_a_model_without_a_network():
    with pytest.raises(UsageError, match="a ngram is no network of lmzoo"):
        FineTuned.over(Ngram(order=2))
    with pytest.raises(UsageError, match="a ngram is no network"):
        FineTuned(network="ngram:order=2").base()


def test_no_run_can_name_a_file_that_is_executed(tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit(3)")
    with pytest.raises(UsageError, match="no network"):
        FineTuned(network=f"{tmp_path}/mine.py").base()


# ── Runs ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def run(tmp_path_factory, trained):
    """A saved classifier, and the folder it is in."""
    tokenizer = tokenizers.train("word:8", "a b c d e f g h i j k")
    ids = np.arange(tokenizer.vocab_size)
    base = network("lstm").fit(Data.of(np.tile(ids, 20), ids, tokenizer.vocab_size), Run(steps=3, device="cpu"))
    model = tuned(base, inner=5)
    return model, store.save(TextModel(model, tokenizer), tmp_path_factory.mktemp("finetuned") / "run", {})


def test_a_run_is_the_same_classifier(run):
    model, folder = run
    loaded = store.load(folder).model
    texts = practice_examples(9).texts
    assert np.array_equal(loaded.class_log_probs(texts), model.class_log_probs(texts))
    assert (loaded.classes_, loaded.reads_) == (["low", "middle", "high"], 1)
    assert np.array_equal(loaded.features(TEXT[0]), model.features(TEXT[0]))
    assert np.array_equal(loaded.log_probs(TEXT[0])[0], model.log_probs(TEXT[0])[0])


def test_a_run_goes_on_learning_other_labels(run):
    _, folder = run
    other = Examples(practice_examples(60).texts, practice_examples(60).labels % 2, ("even", "odd"))
    assert accuracy(tuned(store.load(folder).model, other, other), other) > 0.8


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda arrays: arrays.pop("net.classifier.1.weight"), "classifier.1.weight"),
        (
            lambda arrays: arrays.update({"net.classifier.1.weight": np.ones((5, 7), np.float32)}),
            "classifier.1.weight is",
        ),
        (lambda arrays: arrays.pop("net.network.layers.0.weight_hh_l0"), "layers.0.weight_hh_l0"),
        (lambda arrays: arrays.update({"scale": np.ones(3)}), "no names"),
    ],
)
def test_a_damaged_run(run, change, says):
    model, _ = run
    arrays = model.arrays()
    change(arrays)
    with pytest.raises((KeyError, ValueError, FormatError), match=says):
        FineTuned.from_config(model.config()).restore(arrays)


def test_settings_that_ask_for_more_than_a_file_holds(run):
    model, _ = run
    config = {**model.config(), "inner": 1 << 30}
    with pytest.raises(FormatError, match="1073741824 units of the head, and its file has 5"):
        FineTuned.from_config(config).restore(model.arrays())


def test_the_settings_of_a_network_come_back_from_its_name(trained):
    for name in NETWORKS:
        made = network(name, layers=2)
        made.vocab_size_ = VOCAB_SIZE
        made.net_ = made.build(VOCAB_SIZE)
        assert FineTuned.over(made).base().config() == made.config()
        assert FineTuned.over(made).label == f"{made.label}, fine-tuned"
