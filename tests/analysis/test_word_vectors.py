"""Word vectors: which tokens are words, and what is made of their vectors."""

import os

import numpy as np
import pytest
from scipy.sparse import csr_array

from lmzoo import models
from lmzoo.analysis import word_similarity
from lmzoo.analysis.word_similarity import judge, solve_analogies
from lmzoo.analysis.word_vectors import METHODS, Vectors, words_of
from lmzoo.data import corpus, task_cards, tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.uniform import Uniform

TEXT = "the king and a queen. King\nthe café\tlowers a king, the king's “lower” low_er"


def counted(made, text):
    return np.bincount(made.encode(text), minlength=made.vocab_size)


def test_words_come_without_their_space_most_frequent_first():
    made = tokenizers.train("word:100", TEXT)
    words, ids = words_of(made, counted(made, TEXT))
    assert words[:3] == ["the", "king", "a"]  # "the" begins a line twice of three times
    assert [made.token(i).strip() for i in ids] == words
    assert {"café", "queen", "king's", "“"} <= set(words)
    assert not {" ", "", "\n", "\t", "<end>"} & set(words)
    counts = counted(made, TEXT)[ids]
    assert (np.diff(counts) <= 0).all() and counts.min() > 0


@pytest.mark.parametrize(("bare", "spaced"), [(5, 3), (3, 5)])
def test_the_more_frequent_of_two_spellings_stands_for_the_word(bare, spaced):
    made = tokenizers.train("word:100", "king king")
    counts = np.zeros(made.vocab_size, int)
    spelled = {piece: made.encode(piece)[0] for piece in ("king", " king")}
    counts[spelled["king"]], counts[spelled[" king"]] = bare, spaced
    words, ids = words_of(made, counts)
    assert words == ["king"]
    assert ids == [spelled["king" if bare > spaced else " king"]]


@pytest.mark.parametrize("text", ["the cat sat\nthe <unk> a\n", " the cat sat \n the <unk> a \n"])
def test_words_of_a_corpus_in_words_are_all_but_the_unknown_one(text):
    made = tokenizers.train("split", text)
    assert words_of(made, counted(made, text))[0] == ["the", "cat", "sat", "a"]


def test_a_part_of_a_word_is_none():
    text = "unlowered, the lowering lower is lowest, the newest is new " * 20
    made = tokenizers.train("bpe:300", text)
    words, ids = words_of(made, counted(made, text))
    assert {"the", "is"} <= set(words) <= {*text.replace(",", " ").split(), "low", "lower", "new"}
    assert all(made.token(i) == f" {word}" for word, i in zip(words, ids, strict=True))


@pytest.mark.parametrize("spec", ["byte", "char"])
def test_letters_are_no_words(spec):
    made = tokenizers.train(spec, TEXT)
    assert words_of(made, counted(made, TEXT))[0] == []


def test_what_never_occurred_is_left_out():
    made = tokenizers.train("split", "a b c\n")
    assert words_of(made, np.array([3, 0, 3, 9]))[0] == ["a", "c"]


WORDS = ["king", "queen", "man", "woman", "King", "boy", "us", "US", "nothing"]
PLANE = np.array([[3, 1], [1, 3], [4, 0], [2, 2.2], [3, -1], [1, 0.1], [-1, 0], [-1, -1], [0, 0]], np.float32)


@pytest.fixture(params=[np.array, csr_array], ids=["dense", "sparse"])
def plane(request):
    return Vectors(WORDS, request.param(PLANE), counts=range(9, 0, -1))


@pytest.fixture(scope="module")
def random_words():
    """600 words, of which many differ in nothing but capitals, with random vectors: near copies of 40 of them."""
    generator = np.random.default_rng(1)
    words = [f"w{i}" for i in range(400)] + [f"W{i}" for i in range(0, 400, 2)]
    order = generator.permutation(len(words))
    centres = generator.standard_normal((40, 12))
    matrix = centres[generator.integers(40, size=600)] + 0.8 * generator.standard_normal((600, 12))
    return [words[i] for i in order], matrix.astype(np.float32)


def test_rows_have_length_one_and_words_without_a_vector_are_left_out(plane):
    assert plane.words == WORDS[:-1]
    assert plane.counts.tolist() == [9, 8, 7, 6, 5, 4, 3, 2]
    rows = plane.dense(plane.words)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert np.allclose(rows[0], PLANE[0] / np.sqrt(10))
    assert [plane.index[word] for word in plane.words] == list(range(len(plane)))


def test_a_word_given_twice_keeps_its_first_vector():
    twice = Vectors(["a", "b", "a"], np.eye(3))
    assert twice.words == ["a", "b"]
    assert twice.dense(["a"]).tolist() == [[1, 0, 0]]


def test_a_word_is_looked_up_as_spelled_and_else_in_its_most_frequent_spelling(plane):
    assert plane.places(["King", "king", "KING", "US", "Us", "Woman"]) == [4, 0, 0, 7, 6, 3]


def test_neighbours_are_nearest_in_angle_without_the_word_itself(plane):
    found = plane.neighbours("man", 3)
    assert [word for word, _ in found] == ["boy", "king", "King"]
    assert found[1][1] == pytest.approx(3 / np.sqrt(10))
    assert plane.neighbours(np.array([5.0, 0.0]), 1) == [("man", pytest.approx(1))]
    assert len(plane.neighbours("man", 100)) == 7


def test_similarity_is_the_cosine(plane):
    assert plane.similarity("king", "queen") == pytest.approx(0.6)
    assert plane.similarity("man", "us") == pytest.approx(-1)


def test_what_is_true_of_dense_vectors_is_true_of_sparse_ones():
    generator = np.random.default_rng(0)
    matrix = generator.random((50, 30)) * (generator.random((50, 30)) < 0.3)
    words = [f"w{i}" for i in range(50)]
    one, other = Vectors(words, matrix), Vectors(words, csr_array(matrix))
    for ask in (
        lambda v: v.neighbours("w3"),
        lambda v: v.analogy("w1", "w2", "w3", 10),
        lambda v: v.analogy("w1", "w2", "w3", 10, method="mul"),
        lambda v: v.odd_one_out(["w1", "w2", "w3", "w4"]),
    ):
        (words_1, scores_1), (words_2, scores_2) = zip(*ask(one), strict=True), zip(*ask(other), strict=True)
        assert words_1 == words_2
        assert scores_1 == pytest.approx(scores_2, abs=1e-6)
    questions = ": s\n" + "\n".join(" ".join(generator.choice(words, 4)) for _ in range(300))
    for method in METHODS:
        assert solve_analogies(one, questions, method=method) == solve_analogies(other, questions, method=method)
    pairs = "\n".join(f"w{i}\tw{i + 1}\t{i * i % 7}" for i in range(49))
    assert judge(one, pairs) == pytest.approx(judge(other, pairs), abs=1e-6)


def test_each_answer_is_the_one_that_gensim_gives(random_words, monkeypatch):
    gensim = gensim_of(*random_words)
    gensim.fill_norms()
    monkeypatch.setattr(gensim, "init_sims", lambda: None)  # deprecated, and still called by gensim itself
    ours = Vectors(*random_words)
    a, b, c, d = random_words[0][:4]
    for found, theirs in [
        (ours.neighbours(a, 7), gensim.most_similar(a, topn=7)),
        (ours.analogy(a, b, c, 7), gensim.most_similar(positive=[b, c], negative=[a], topn=7)),
        (ours.analogy(a, b, c, 7, "mul"), gensim.most_similar_cosmul(positive=[b, c], negative=[a], topn=7)),
    ]:
        assert [word for word, _ in found] == [word for word, _ in theirs]
        assert [score for _, score in found] == pytest.approx([score for _, score in theirs], abs=1e-5)
    assert ours.odd_one_out([a, b, c, d])[0][0] == gensim.doesnt_match([a, b, c, d])


@pytest.mark.parametrize("restrict", [600, 250])
def test_as_many_analogies_are_solved_as_by_gensim(random_words, tmp_path, restrict):
    words, matrix = random_words
    generator = np.random.default_rng(2)
    lines = []
    for section in ("family", "gram1-adjectives", "unknown"):
        lines.append(f": {section}")
        for _ in range(400):
            a, b, c = generator.choice(words, 3, replace=False)
            best = Vectors(words, matrix).analogy(a, b, c, 12)  # or hardly any question would be solved
            lines.append(f"{a} {b} {c} {generator.choice(best[:3])[0] if section != 'unknown' else 'unseen'}")
    (tmp_path / "questions").write_text("\n".join(lines))
    score, sections = gensim_of(*random_words).evaluate_word_analogies(
        str(tmp_path / "questions"), restrict_vocab=restrict, case_insensitive=True, dummy4unknown=False
    )
    found = solve_analogies(Vectors(words, matrix), "\n".join(lines), restrict)
    assert [row["section"] for row in found["sections"]] == [row["section"] for row in sections[:-1]]
    assert [row["correct"] for row in found["sections"]] == [len(row["correct"]) for row in sections[:-1]]
    assert found["total"]["questions"] == sum(len(sections[-1][key]) for key in ("correct", "incorrect"))
    assert found["total"]["accuracy"] == pytest.approx(score)
    assert 0 < found["semantic"]["correct"] < found["semantic"]["questions"]
    assert found["syntactic"]["correct"] == found["sections"][1]["correct"]
    assert found["unanswerable"] == 1200 - found["total"]["questions"]
    assert found["sections"][2] == {
        "section": "unknown", "correct": 0, "questions": 0, "accuracy": None, "unanswerable": 400
    }  # fmt: skip


def test_many_analogies_by_3cosmul_are_those_of_one_at_a_time(random_words, monkeypatch):
    monkeypatch.setattr(word_similarity, "BLOCK", 3000)  # several blocks of words, and of questions
    ours = Vectors(*random_words)
    triples = np.random.default_rng(3).choice(ours.words, (200, 3))
    upper = {word.upper() for word in ours.words}
    assert len(upper) < len(ours.words)
    lines, expected = [": gram"], []
    for a, b, c in triples:
        asked = {a.upper(), b.upper(), c.upper()}
        spelled = [ours.words[ours.by_upper[word.upper()]] for word in (a, b, c)]
        best = next(word for word, _ in ours.analogy(*spelled, 20, "mul") if word.upper() not in asked)
        lines.append(f"{a} {b} {c} {best}")
        expected.append(best)
    assert solve_analogies(ours, "\n".join(lines), method="mul")["total"]["accuracy"] == 1
    wrong = [f"{line.rsplit(' ', 1)[0]} {ours.words[0]}" for line in lines[1:]]
    assert solve_analogies(ours, "\n".join([": gram", *wrong]), method="mul")["total"]["correct"] == sum(
        word.upper() == ours.words[0].upper() for word in expected
    )


def test_judgments_agree_as_in_gensim(random_words, tmp_path):
    words, matrix = random_words
    generator = np.random.default_rng(4)
    pairs = generator.choice(words, (300, 2))
    lines = [f"{a}\t{b}\t{n % 11}" for n, (a, b) in enumerate(pairs)]
    text = "\n".join(["# word word judgment", *lines, "w1\tunseen\t3.5", ""])
    (tmp_path / "pairs").write_text(text)
    pearson, spearman, unknown = gensim_of(words, matrix).evaluate_word_pairs(str(tmp_path / "pairs"))
    found = judge(Vectors(words, matrix), text)
    assert found["pearson"] == pytest.approx(pearson[0], abs=1e-6)
    assert found["spearman"] == pytest.approx(spearman[0], abs=1e-6)
    assert (found["pairs"], found["unknown"]) == (300, 1)
    assert 100 * found["unknown"] / 301 == pytest.approx(unknown)


def gensim_of(words, matrix):
    gensim = pytest.importorskip("gensim.models")
    made = gensim.KeyedVectors(matrix.shape[1])
    made.add_vectors(words, matrix)
    return made


@pytest.mark.data
def test_all_is_as_in_gensim_on_real_vectors(tmp_path):
    """Of the words of Wikipedia's articles that are frequent enough for no two to have the same contexts."""
    mirror = os.environ["LMZOO_MIRROR"]
    text = corpus.load("wikitext2", mirror=mirror).valid
    made = tokenizers.train("split", text)
    ids = made.encode(text)
    words, places = words_of(made, np.bincount(ids, minlength=made.vocab_size))
    words, places = words[:3000], places[:3000]
    beside = np.zeros((made.vocab_size, 100), np.float32)
    frequent = {int(i): n for n, i in enumerate(places[:100])}
    columns = np.array([frequent.get(int(i), -1) for i in ids])
    for shift in (-4, -3, -2, -1, 1, 2, 3, 4):
        known = np.roll(columns, shift) >= 0
        np.add.at(beside, (ids[known], np.roll(columns, shift)[known]), 1 / abs(shift))
    ours = Vectors(words, np.log1p(beside[places]))
    gensim = gensim_of(words, np.log1p(beside[places]))
    assert ours.words == words
    for name, contents in task_cards.fetch("words", mirror=mirror).items():
        (tmp_path / name).write_text(contents, "utf-8")
        if name == "questions-words":
            _, sections = gensim.evaluate_word_analogies(str(tmp_path / name), restrict_vocab=3000)
            found = solve_analogies(ours, contents, restrict=3000)["sections"]
            assert [row["correct"] for row in found] == [len(row["correct"]) for row in sections[:-1]]
        else:
            (pearson, _), (spearman, _), _ = gensim.evaluate_word_pairs(str(tmp_path / name))
            found = judge(ours, contents)
            assert (found["pearson"], found["spearman"]) == pytest.approx((pearson, spearman), abs=1e-5)


def test_no_figure_is_given_where_there_is_none(plane):
    assert judge(plane, "king\tunseen\t1\n") == {"spearman": None, "pearson": None, "pairs": 0, "unknown": 1}
    assert judge(plane, "king\tman\t1\nking\tqueen\t1\n")["spearman"] is None  # all judged alike
    assert solve_analogies(plane, ": s\nking queen man woman", restrict=3)["total"]["accuracy"] is None


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda v: v.neighbours("qeen"), r"no vector for 'qeen' \(perhaps queen\): it must be one of the 8 words"),
        (lambda v: v.analogy("kingg", "man", "wman"), r"'kingg' \(perhaps king\), 'wman' \(perhaps woman or man\)"),
        (lambda v: v.similarity("man", "nothing"), "no vector for 'nothing'"),
        (lambda v: v.analogy("king", "man", "us", method="sum"), "no method 'sum'; there are: add, mul"),
        (lambda v: v.neighbours("king", 0), "at least 1 word can be asked for, not 0"),
        (lambda v: v.neighbours(np.zeros(2)), "not all zero"),
        (lambda v: v.neighbours(np.ones(3)), r"2 finite numbers.*shape \(3,\)"),
        (lambda v: v.odd_one_out(["king", "man", "KING"]), "three different words or more, not 2"),
        (lambda v: solve_analogies(v, "king queen man woman"), "line 1 .*the name of a section"),
        (lambda v: solve_analogies(v, ": s\n\nking queen man"), "line 3 .*'king queen man'.* four words"),
        (lambda v: solve_analogies(v, ": s", method="sum"), "no method 'sum'"),
        (lambda v: judge(v, "king queen 3"), "line 1 of the pairs is 'king queen 3'.*tabs"),
        (lambda v: judge(v, "king\tqueen\tmuch"), "line 1"),
        (lambda v: Vectors(["a"], np.eye(2)), r"1 words need .* shape \(2, 2\)"),
        (lambda v: Vectors(["a", "b"], [[1, 0], [np.nan, 1]]), "the vector of 'b' holds a number that is not finite"),
        (lambda v: Vectors(["a", "b"], np.zeros((2, 2))), "none of these 2 words has a vector"),
    ],
)
def test_what_cannot_be_answered_is_said_with_what_could(plane, ask, message):
    with pytest.raises(UsageError, match=message) as raised:
        ask(plane)
    assert "\n" not in str(raised.value)


class Pairs:
    """A fitted model as small as can be."""

    name = "pairs"

    def __init__(self, counts):
        self.counts_, self.vocab_size_ = np.asarray(counts), len(counts)

    def vectors(self):
        return np.arange(1, len(self.counts_) * 2 + 1).reshape(-1, 2)


def test_any_model_with_vectors_and_counts_will_do():
    made = tokenizers.train("split", "b a a c\n")
    ours = Vectors.of(TextModel(Pairs([1, 2, 0, 9]), made))
    assert ours.words == ["a", "b"]
    assert ours.counts.tolist() == [2, 1]
    assert np.allclose(ours.dense(["b"]), np.array([1, 2]) / np.sqrt(5))


def test_a_model_without_vectors_and_a_tokenizer_without_words_are_errors():
    ids = np.array([97, 98])
    model = Uniform().fit(Data.of(ids, ids, 257))
    with pytest.raises(UsageError, match="uniform has no word vectors; lmzoo train svd learns some"):
        Vectors.of(TextModel(model, tokenizers.train("byte", "")))
    with pytest.raises(UsageError, match="the tokenizer byte has no whole words: train with split or word:30000"):
        Vectors.of(TextModel(Pairs(np.ones(257)), tokenizers.train("byte", "")))


def test_a_networks_embedding_is_a_table_of_vectors_as_well():
    words = tokenizers.train("word:300", "the cat sat on the mat")
    model = models.find("mlp").from_config(models.presets(models.find("mlp"))["tiny"])
    model = model.holding(model.build(words.vocab_size).eval(), words.vocab_size)
    vectors = Vectors.of(TextModel(model, words))
    assert {"the", "cat", "sat", "on", "mat"} <= set(vectors.words)
    row = (
        model.net_.embedding.weight[next(i for i in range(words.vocab_size) if words.word(i) == "cat")].detach().numpy()
    )
    np.testing.assert_allclose(vectors.dense(["cat"])[0], row / np.linalg.norm(row), atol=1e-6)
    assert vectors.neighbours("cat", 3) != []
