"""What a comparison shows of its associations, held against counts, the vectors themselves and brute force."""

import json
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array

from lmzoo.analysis.word_similarity import judge, solve_analogies
from lmzoo.analysis.word_vectors import Vectors
from lmzoo.comparison.compare import compare
from lmzoo.comparison.results import Comparison
from lmzoo.data import cards
from lmzoo.data import corpus as corpora
from lmzoo.data.grammar import Grammar
from lmzoo.interface import Run
from lmzoo.models.word2vec import Word2Vec
from lmzoo.report import associations, page
from lmzoo.report.section import find, sections
from lmzoo.report.sections import factorised, neighbours
from lmzoo.report.sections import map as word_map
from lmzoo.runs import store

SECTIONS = tuple(map(find, ("distances", "factorised", "word_tests", "neighbours", "map")))
EXACT = "pmi:positive=false,smoothing=1,min_count=1"  # whose scores are the PMI of the pairs that were seen
TESTS = {
    "EN-SIMLEX-999": "red\tgreen\t8\nred\tbread\t1\nred\tzebrafinch\t2\nbread\tcheese\t7\n",
    "EN-MEN-TR-3k": "red\tgreen\t8\nbread\tgreen\t1\nsmall\tlittle\t9\n",
    "questions-words": ": family\nred green blue yellow\n: gram1\nred green small little\n: gram2\nred green x y\n",
}


def compared(*how):
    return compare(*how, sections=SECTIONS).to_json()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A corpus of one's own: 300 kB of the built-in grammar, in words."""
    path = tmp_path_factory.mktemp("corpus") / "small.txt"
    grammar = Grammar.load(cards.folder() / "storyworld.grammar.toml")
    path.write_text("".join(grammar.generate(300_000, "small")), encoding="utf-8")
    return corpora.load(path)


@pytest.fixture(scope="module")
def outcome(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "small"
    contestants = ["uniform", EXACT, "svd:dimensions=20,window=3"]
    return compared(contestants, small, folder, Run(seed=1), "word:2000", TESTS), folder


def of(outcome, key, model):
    (found,) = [row for row in outcome[0][key] if row["model"] == model]
    return found


def load(outcome, model):
    (folder,) = (outcome[1] / "runs").glob(f"{model}*")
    return store.load(folder)


def test_without_associations_nothing_is_added(small, tmp_path):
    made = compared(["uniform", "no-such.py"][:1], small, tmp_path / "r", Run(), "word:2000", TESTS)
    assert not {"distances", "factorised", "word_tests", "neighbours", "map"} & set(made)


def test_all_of_it_is_plain_data(outcome):
    keys = ("distances", "factorised", "word_tests", "neighbours")
    facts = {key: outcome[0][key] for key in keys}
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


# What a distance is worth


def test_what_a_distance_is_worth_is_what_was_fitted(outcome):
    model, _ = load(outcome, "svd")
    row = of(outcome, "distances", "svd")
    assert row["label"] == "SVD of PPMI, 20 dimensions"
    assert row["lambdas"] == model.lambdas_.tolist()
    assert row["exponent"] == model.exponent_


def test_the_unigram_is_that_of_the_same_counts_with_one_added(outcome, small):
    model, tokenizer = load(outcome, "svd")
    ids = tokenizer.encode(small.test)
    counts = np.bincount(tokenizer.encode(small.train), minlength=tokenizer.vocab_size) + 1
    row = of(outcome, "distances", "svd")
    assert row["unigram_bits_per_token"] == pytest.approx(-np.log2(counts[ids] / counts.sum()).mean(), rel=0.01)
    assert row["bits_per_token"] < row["unigram_bits_per_token"]
    assert model.exponent_ > 0


# One thing under two names


def test_pmi_without_its_departures_is_pmi(outcome):
    row = of(outcome, "factorised", "pmi")
    assert (row["window"], row["weights"], row["negative"]) == (5, "flat", None)
    assert row["pairs"] == factorised.PAIRS
    assert row["pearson"] == pytest.approx(1)
    assert row["median_gap"] == pytest.approx(0, abs=1e-5)
    assert "hexagons" not in row
    assert 0 < of(outcome, "factorised", "svd")["spearman"] < 1


def test_a_run_that_learned_from_another_text_is_not_set_beside_the_counts_of_this_one(outcome, small, tmp_path):
    (run,) = (outcome[1] / "runs").glob("svd*")
    made = compared([str(run)], small, tmp_path / "same", Run(), "word:2000")
    assert made["factorised"][0]["label"] == run.name
    path = tmp_path / "other.txt"
    path.write_text(small.train[: len(small.train) // 2] + small.test, encoding="utf-8")
    other = compared([str(run)], corpora.load(path), tmp_path / "other", Run(), "word:2000")
    assert "factorised" not in other
    assert other["distances"][0]["lambdas"] == made["distances"][0]["lambdas"]


def test_only_of_skip_grams_trained_by_negative_sampling_is_shifted_pmi_the_optimum():
    k = {name: factorised.negative_samples(Word2Vec(**settings)) for name, settings in {
        "sgns": {"negative": 7}, "cbow": {"architecture": "cbow"}, "softmax": {"output": "hierarchical-softmax"},
    }.items()}  # fmt: skip
    assert k == {"sgns": 7.0, "cbow": None, "softmax": None}


def test_skip_gram_learns_the_pmi_that_nobody_counted(small, tmp_path):
    pytest.importorskip("gensim")
    made = compared(["word2vec:dimensions=50,epochs=10"], small, tmp_path / "r", Run(), "word:2000")
    (row,) = made["factorised"]
    assert (row["negative"], row["weights"]) == (5, "linear")
    assert row["pearson"] > 0.6
    assert sum(size for _, _, size in row["hexagons"]["cells"]) == factorised.PAIRS


def test_pairs_are_drawn_in_proportion_to_how_often_they_met():
    counts = csr_array(np.array([[0, 6, 1, 9], [6, 0, 3, 9], [1, 3, 0, 9], [9, 9, 9, 9]], dtype=np.float32))
    words, contexts = factorised.draw_pairs(counts, np.array([0, 1, 2]), 30_000, seed=1)
    drawn = np.zeros((4, 4))
    np.add.at(drawn, (words, contexts), 1)
    assert drawn[3].sum() == drawn[:, 3].sum() == 0
    assert drawn[:3, :3] / 30_000 == pytest.approx(counts.toarray()[:3, :3] / 20, abs=0.01)
    again = factorised.draw_pairs(counts, np.array([0, 1, 2]), 30_000, seed=1)
    assert (again[0] == words).all()
    assert (again[1] == contexts).all()


def test_where_no_words_met_no_pairs_are_drawn():
    counts = csr_array(np.array([[0, 2.0], [2.0, 0]], dtype=np.float32))
    assert [len(found) for found in factorised.draw_pairs(counts, np.array([0]), 10, seed=0)] == [0, 0]


def test_a_point_is_counted_in_the_hexagon_whose_centre_is_nearest():
    points = np.random.default_rng(0).normal(size=(500, 2))
    facts = factorised.hexagons(points[:, 0], points[:, 1], across=12)
    width, cells = facts.width, np.array(facts.cells)
    assert width == pytest.approx(np.ptp(points[:, 0]) / 12)
    # All centres there could be, and of them those that are nearest to some point.
    i, j = np.meshgrid(np.arange(-12, 13), np.arange(-12, 13))
    centres = np.concatenate([np.stack([i + s, (j + s) * 3**0.5], axis=-1).reshape(-1, 2) for s in (0, 0.5)]) * width
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    expected, sizes = np.unique(centres[nearest].round(6), axis=0, return_counts=True)
    assert cells[:, :2] == pytest.approx(expected)
    assert (cells[:, 2] == sizes).all()


# What the vectors know


def test_vectors_are_judged_as_the_evaluators_judge_them(outcome):
    tests = outcome[0]["word_tests"]
    assert tests["sets"] == ["SimLex-999", "MEN"]
    for name in ("pmi", "svd"):
        vectors = Vectors.of(load(outcome, name))
        (row,) = [row for row in tests["rows"] if row["model"] == name]
        assert row["sets"]["SimLex-999"] == judge(vectors, TESTS["EN-SIMLEX-999"])
        assert row["sets"]["SimLex-999"]["unknown"] == 1
        for method in ("add", "mul"):
            expected = solve_analogies(vectors, TESTS["questions-words"], method=method)
            assert row["analogies"][method] == expected


def test_without_tests_nothing_is_judged(outcome, small, tmp_path):
    (run,) = (outcome[1] / "runs").glob("svd*")
    assert "word_tests" not in compared([str(run)], small, tmp_path / "r", Run(), "word:2000")


# Neighbours and maps


def test_neighbours_are_of_the_same_words_from_frequent_to_rare(outcome):
    found = outcome[0]["neighbours"]
    vectors = Vectors.of(load(outcome, "svd"))
    places = [vectors.index[word] for word in found["words"]]
    assert len(places) == neighbours.WORDS
    assert places == sorted(places)
    assert all(len(word) >= 4 for word in found["words"])
    (row,) = [row for row in found["rows"] if row["model"] == "svd"]
    assert row["found"] == [[list(pair) for pair in vectors.neighbours(word, 5)] for word in found["words"]]


def test_a_map_is_of_frequent_words_by_dense_vectors(outcome):
    pytest.importorskip("sklearn")
    facts = outcome[0]["map"]
    assert facts["model"] == "svd"  # those of pmi are sparse
    assert len(facts["words"]) == len(facts["points"]) == word_map.WORDS


def test_without_scikit_learn_there_is_no_map(outcome, small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    (run,) = (outcome[1] / "runs").glob("svd*")
    made = compared([str(run)], small, tmp_path / "r", Run(), "word:2000")
    assert "map" not in made
    assert made["neighbours"]


def test_without_gensim_that_row_fails_and_the_others_stand(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    made = compared(["word2vec", "svd:dimensions=5"], small, tmp_path / "r", Run(), "word:2000")
    assert "pip install gensim" in made["rows"][0]["error"]
    assert [row["model"] for row in made["distances"]] == ["svd"]


# Whatever the tokens


@pytest.mark.parametrize("spec", ["char", "byte", "bpe:300"])
def test_any_tokens_can_be_associated_and_reported(small, tmp_path, spec):
    contestants = ["pmi:window=2", "svd:dimensions=3,window=2,min_count=1"]
    (tmp_path / "little.txt").write_text(small.train[:60_000], encoding="utf-8")
    made = compared(contestants, corpora.load(tmp_path / "little.txt"), tmp_path / "r", Run(), spec, TESTS)
    assert [row["error"] for row in made["rows"]] == [None, None]
    assert len(made["distances"]) == 2
    page.write(tmp_path / "r", Comparison.from_json(made, sections()))


def test_a_few_words_are_enough(tmp_path):
    path = tmp_path / "few.txt"
    path.write_text("a b a c\n" * 40, encoding="utf-8")
    contestants = ["pmi:min_count=1", "svd:dimensions=2,min_count=1"]
    made = compared(contestants, corpora.load(path), tmp_path / "r", Run(), "split", TESTS)
    assert [row["error"] for row in made["rows"]] == [None, None]
    page.write(tmp_path / "r", Comparison.from_json(made, sections()))


def test_of_the_judgments_a_large_set_counts_for_more():
    judged = {"A": {"spearman": 0.5, "pairs": 90}, "B": {"spearman": -1.0, "pairs": 10}, "C": {"spearman": None}}
    assert associations.agreement(judged) == pytest.approx(0.35)
    assert associations.agreement({"C": {"spearman": None, "pairs": 0}}) == 0
