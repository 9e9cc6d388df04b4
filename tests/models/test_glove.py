"""GloVe: its steps beside the equations, its strata, and what it finds where the answer is known."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from lmzoo import testing
from lmzoo.embeddings import adagrad, gpu
from lmzoo.embeddings.adagrad import BLOCKS, Descent, TorchDescent, deal, initial
from lmzoo.embeddings.cooccurrence import Counted
from lmzoo.errors import FormatError, ScoreError, UsageError
from lmzoo.interface import Data, Progress, Run
from lmzoo.models.glove import GloVe
from lmzoo.ngrams.out_of_core import Scratch

V = testing.VOCAB_SIZE
TRAIN, VALID = testing.practice_text(3000), testing.practice_text(500, seed=1)
ALONE = {"x_max": 10.0, "alpha": 0.75, "rate": 0.05, "seed": 1, "scratch": Scratch()}


def fitted(run=None, **settings):
    settings = {**GloVe.PRESETS["tiny"], **settings}
    return GloVe(**settings).fit(Data.of(TRAIN, VALID, V), run or Run(device="cpu"))


def sparse(rows=50, density=0.3):
    """Counts of pairs, most of them small."""
    rng = np.random.default_rng(0)
    table = random_array(
        (rows, rows), density=density, format="csr", rng=rng, data_sampler=lambda size: rng.zipf(2, size)
    )
    return csr_array(table, dtype=np.float32)


def planted(rows=60, rank=3):
    """A full table whose logarithms are inner products of `rank` numbers, and biases."""
    rng = np.random.default_rng(0)
    logs = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, rows)) + rng.normal(size=(rows, 1)) + 1
    return csr_array(np.exp(logs).astype(np.float32))


def by_the_equations(cells, tables, rate, x_max, alpha):
    """One step for each of `cells` [(w, c, X)] in turn, number by number: what the module's docstring says."""
    theta, G = tables[:, :, 0].astype(float), tables[:, :, 1].astype(float)
    cost = 0.0
    for word, context, x in cells:
        w, c = theta[0, word].copy(), theta[1, context].copy()
        error = w[:-1] @ c[:-1] + w[-1] + c[-1] - np.log(x)
        slope = min(1, x / x_max) ** alpha * error
        cost += slope * error / 2
        for side, row, other in ((0, word, c), (1, context, w)):
            steps = np.append(rate * np.clip(slope * other[:-1], -100, 100), slope)
            theta[side, row] -= steps / np.sqrt(G[side, row])
            G[side, row] += steps**2
    return theta, G, cost


@pytest.mark.parametrize("size", [0.1, 30.0])  # of the numbers; from the greater ones come derivatives that are cut
def test_steps_are_those_of_the_equations(size):
    rng = np.random.default_rng(0)
    tables = initial(4, 9, 0)
    tables[:, :, 0] = rng.normal(scale=size, size=(2, 4, 10))
    cells = [(0, 1, 3.0), (2, 3, 20.0), (0, 1, 3.0), (1, 1, 0.5), (0, 3, 10.0)]
    theta, G, cost = by_the_equations(cells, tables, rate=0.05, x_max=10, alpha=0.75)
    words, contexts, counts = (np.array(column) for column in zip(*cells, strict=True))
    columns = words.astype(np.int32), contexts.astype(np.int32), np.log(counts).astype(np.float32)
    importance = (np.minimum(1, counts / 10) ** 0.75).astype(np.float32)
    found = adagrad._descend(*columns, importance, *tables, np.float32(0.05), np.float32(100))
    assert found == pytest.approx(cost, rel=1e-4)
    np.testing.assert_allclose(tables[:, :, 0], theta, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(tables[:, :, 1], G, rtol=1e-3)


@pytest.mark.parametrize("ends", [False, True])
def test_the_end_is_a_word_only_where_it_is_asked_for(ends):
    lines = np.tile(np.array([0, 1, 2, 3, V - 1], dtype=np.int32), 20)
    model = GloVe(window=2, min_count=1, epochs=1, dimensions=2, ends=ends)
    table = model.count(lines, V, Run())
    assert (table[[V - 1]].nnz > 0) == (table[:, [V - 1]].nnz > 0) == ends
    assert table[[3]].sum() == 20 * (1 / 1 + 1 / 2) + 20 * ends  # 2 and 1 before it, and `end` behind
    assert model.fit(Data.of(lines, VALID, V), Run(device="cpu")).vectors()[V - 1].any() == ends


def test_lines_of_one_word_hold_no_pair_without_their_ends():
    lines = np.tile(np.array([0, V - 1, 1, V - 1], dtype=np.int32), 20)
    with pytest.raises(UsageError, match=r"no two words stand on one line.*--ends"):
        fitted().fit(Data.of(lines, VALID, V), Run(device="cpu"))
    assert (
        fitted(ends=True).fit(Data.of(lines, VALID, V), Run(device="cpu")).facts["cells"] == 5
    )  # `end` with either, and one with the next


def test_every_cell_is_dealt_out_once_with_its_target_and_its_importance():
    table = sparse()
    cells = deal(table, 5.0, 0.5, 0, Scratch())
    assert len(cells) == table.nnz
    rebuilt = csr_array((np.exp(cells.targets), (cells.words, cells.contexts)), shape=table.shape)
    np.testing.assert_allclose(rebuilt.toarray(), table.toarray(), rtol=1e-6)
    np.testing.assert_allclose(cells.importance, np.minimum(1, np.exp(cells.targets) / 5) ** 0.5, rtol=1e-6)


def test_blocks_of_a_stratum_have_no_word_and_no_context_in_common():
    cells = deal(sparse(), 5.0, 0.5, 0, Scratch())
    for stratum in range(BLOCKS):
        blocks = [cells.block(i * BLOCKS + (i + stratum) % BLOCKS) for i in range(BLOCKS)]
        for column in (0, 1):
            ids = [set(block[column].tolist()) for block in blocks]
            assert sum(map(len, ids)) == len(set().union(*ids))


def test_blocks_are_of_about_equal_size_though_few_words_have_most_pairs():
    shares = 1 / np.arange(1, 2001)
    text = np.random.default_rng(0).choice(2000, 60_000, p=shares / shares.sum())
    table = Counted(window=5, weights="harmonic", min_count=1).count(text, 2001, Run())
    sizes = np.diff(deal(table, 10.0, 0.75, 0, Scratch()).bounds)
    assert sizes.max() < 1.15 * sizes.min()


def test_cells_of_a_block_are_shuffled_by_the_seed():
    first, again, other = (deal(sparse(), 5.0, 0.5, seed, Scratch()).words for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_neither_threads_nor_memory_change_what_is_learned(monkeypatch):
    monkeypatch.setattr("lmzoo.ngrams.out_of_core.SMALL", 100)
    expected = fitted(Run(device="cpu"))
    for threads in (1, 5):
        monkeypatch.setattr(adagrad, "THREADS", threads)
        found = fitted(Run(device="cpu", memory=1 << 20))
        np.testing.assert_array_equal(found.words_, expected.words_)
        np.testing.assert_array_equal(found.biases_, expected.biases_)


def test_finds_vectors_whose_products_are_the_logarithms():
    table = planted()
    descent = Descent(table, 3, **{**ALONE, "x_max": 1e-3})  # all pairs weigh the same
    costs = [descent.epoch(lambda _: None) for _ in range(300)]
    words, contexts, biases = descent.learned()
    made = words @ contexts.T + biases[0][:, None] + biases[1]
    logs = np.log(table.toarray())
    assert costs[-1] < 0.01 * costs[0]
    assert ((made - logs) ** 2).mean() < 0.01 * logs.var()


def test_the_cost_falls_and_is_kept_as_history():
    model = fitted()
    costs = [row["cost"] for row in model.history]
    assert [row["epoch"] for row in model.history] == [1, 2, 3, 4, 5]
    assert costs == sorted(costs, reverse=True)
    assert model.facts["epochs"] == 5
    assert model.facts["cells"] > 0


def test_words_that_never_occur_have_no_vector():
    model = fitted()
    never = (model.counts_ == 0) | (np.arange(V) == V - 1)  # `end` is no word
    assert never.sum() == 3
    for learned in (model.words_, model.contexts_, model.vectors(), model.biases_.T):
        assert not learned[never].any()
        assert learned[~never].all()


def test_a_word_is_the_sum_of_its_vectors_and_a_score_their_product():
    model = fitted()
    np.testing.assert_array_equal(model.vectors(), model.words_ + model.contexts_)
    pairs = np.array([0, 4]), np.array([1, 2])
    np.testing.assert_allclose(model.scores(*pairs), (model.words_[[0, 4]] * model.contexts_[[1, 2]]).sum(1), rtol=1e-5)


def test_words_in_the_same_places_come_to_be_alike():
    """0 and 1 are one word spelt two ways, and so are 2 and 3."""
    rng = np.random.default_rng(0)
    words = rng.choice([0, 2, 4, 5, 6], 20_000, p=[0.2, 0.2, 0.2, 0.2, 0.2])
    words[1:][words[:-1] == 0] = 4  # 0 is followed by 4, and 2 by 5
    words[1:][words[:-1] == 2] = 5
    text = words + (rng.random(len(words)) < 0.5) * (words < 4)
    model = GloVe(dimensions=4, window=1, min_count=1, epochs=40, x_max=10.0).fit(
        Data.of(text, text[:0], 8), Run(device="cpu")
    )
    vectors = model.vectors()
    cosines = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1) + 1e-9] * 2)
    assert cosines[0, 1] > 0.95 > cosines[0, 2]
    assert cosines[2, 3] > 0.95 > cosines[1, 3]


def test_stops_after_the_epoch_in_which_its_seconds_are_spent():
    model = fitted(Run(device="cpu", seconds=1e-9))
    assert len(model.history) == 1
    assert "1 of 5 epochs were trained: the budget of 1e-09 s was spent" in model.remarks


def test_progress_adds_up_to_the_epochs():
    class Adding(Progress):
        done = 0.0

        def advance(self, amount=1, note=""):
            if note.startswith("cost"):
                assert amount == 0
            self.done += amount

        def task(self, name, total=None):
            return super().task(name, total) if name == "epochs" else Progress().task(name, total)

    progress = Adding()
    fitted(Run(device="cpu", progress=progress))
    assert progress.done == pytest.approx(5)


def test_steps_that_are_too_large_are_an_error_that_says_so():
    with pytest.raises(ScoreError, match=r"lower learning-rate, which is 1e\+30") as caught:
        fitted(learning_rate=1e30)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimensions": 0}, "dimensions must be 1 or more, not 0"),
        ({"epochs": 0}, "epochs must be 1 or more, not 0"),
        ({"x_max": 0.0}, "x-max must be above 0, not 0.0"),
        ({"learning_rate": float("nan")}, "learning-rate must be above 0, not nan"),
        ({"alpha": -1.0}, "alpha must be 0 or more, not -1.0"),
        ({"window": 0}, "window must be 1 or more, not 0"),
        ({"weights": "flatt"}, "no weights 'flatt'; did you mean flat?"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(UsageError) as caught:
        GloVe(**settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("key", "spoil"),
    [("words", lambda a: a[:, :2]), ("biases", lambda a: a[0]), ("contexts", lambda a: a * np.float32(np.nan))],
)
def test_arrays_that_no_fit_could_have_made_are_refused(key, spoil):
    arrays = fitted().arrays()
    arrays[key] = spoil(arrays[key])
    with pytest.raises(FormatError, match="this run is damaged"):
        GloVe(**GloVe.PRESETS["tiny"]).restore(arrays)


def test_torch_is_left_alone_where_there_is_no_gpu():
    code = (
        "import sys; from pathlib import Path; from lmzoo.embeddings import gpu; from lmzoo.models import glove;"
        "gpu.NVIDIA = Path('nowhere');"
        "print(glove.accelerator('auto'), glove.accelerator('cpu'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "None", "False"]


def test_a_gpu_without_torch_is_an_error_that_names_what_to_install(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="--device cuda needs torch, which is not installed: pip install torch"):
        fitted(Run(device="cuda"))


class TestTorch:
    """The same descent by batches, here on the CPU."""

    @staticmethod
    def descent(table, dimensions=3, **changed):
        pytest.importorskip("torch")
        settings = {**ALONE, "device": "cpu", **changed}
        del settings["scratch"]
        return TorchDescent(table, dimensions, **settings)

    def test_a_step_is_that_of_the_equations_but_that_squares_are_added_first(self):
        descent = self.descent(csr_array(np.array([[0, 7.0], [0, 0]], dtype=np.float32)))
        before = initial(2, 3, ALONE["seed"])
        _, G, cost = by_the_equations([(0, 1, 7.0)], before, 0.05, 10, 0.75)
        steps = np.sqrt(G - before[:, :, 1])
        assert descent.epoch(lambda _: None) == pytest.approx(cost, rel=1e-5)
        numbers, squares = descent.tables.numpy()[:, 0], descent.tables.numpy()[:, 1]
        np.testing.assert_allclose(squares, G, rtol=1e-5)
        np.testing.assert_allclose(np.abs(numbers - before[:, :, 0]), steps / np.sqrt(G), atol=1e-6)

    def test_it_learns_what_threads_learn(self):
        table = planted()
        threads, batches = Descent(table, 3, **ALONE), self.descent(table)
        costs = np.array([[one.epoch(lambda _: None) for one in (threads, batches)] for _ in range(40)])
        np.testing.assert_allclose(costs[:5, 0], costs[:5, 1], rtol=0.2)
        assert (costs[-1] < 1e-4 * costs[0]).all()
        words, contexts, biases = batches.learned()
        assert (words.shape, contexts.shape, biases.shape) == ((60, 3), (60, 3), (2, 60))

    def test_it_depends_on_the_seed_and_on_nothing_else(self):
        first, again, other = (self.descent(sparse(), seed=seed) for seed in (1, 1, 2))
        for descent in (first, again, other):
            descent.epoch(lambda _: None)
        np.testing.assert_array_equal(first.learned()[0], again.learned()[0])
        assert (first.learned()[0] != other.learned()[0]).any()
