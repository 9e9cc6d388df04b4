"""A row shows what its model can do: bits, pseudo-perplexity, probes; a dash elsewhere.

The masked model and the sentence encoder exist only here, as files of somebody's own.
"""

import numpy as np
import pytest

from lmzoo.comparison.compare import compare
from lmzoo.comparison.entry import Entry, make_labels_unique
from lmzoo.comparison.results import Comparison, Row
from lmzoo.data import cards
from lmzoo.data import corpus as corpora
from lmzoo.data.grammar import Grammar
from lmzoo.interface import Run
from lmzoo.report import page
from lmzoo.report.section import sections
from lmzoo.report.sections.table import main_table
from lmzoo.report.table import DASH
from lmzoo.tasks.probing.datasets import UNSPLIT, ProbeSet
from lmzoo.tasks.suite import Suite

pytestmark = pytest.mark.usefixtures("few_questions")

MASKED = '''
"""A masked model: P(token | its two neighbours), from counts with one added."""
from dataclasses import dataclass
import numpy as np
from lmzoo.interface import Encoder, MaskedModel

@dataclass
class Cloze(MaskedModel, Encoder):
    add: float = 1.0
    family = "masked"
    def fit(self, data, run=None):
        V = self.vocab_size_ = data.vocab_size
        self.left_, self.right_ = np.full((V, V), self.add), np.full((V, V), self.add)
        np.add.at(self.left_, (data.train[:-1], data.train[1:]), 1)  # (before, token)
        np.add.at(self.right_, (data.train[1:], data.train[:-1]), 1)  # (after, token)
        return self
    def fill_log_probs(self, tokens, blanks):
        end = self.vocab_size_ - 1
        padded = np.concatenate([[end], tokens, [end]])
        rows = []
        for t in np.flatnonzero(blanks):
            both = self.left_[padded[t]] * self.right_[padded[t + 2]] / self.left_.sum(axis=0)
            rows.append(np.log(both / both.sum()))
        return np.array(rows)
    def features(self, tokens, layer=-1):
        return np.log(self.left_[tokens])[:, :16]
'''
SENTENCES = '''
"""A sentence encoder: how often each token occurs in a text."""
from dataclasses import dataclass
import numpy as np
from lmzoo.interface import Model, SentenceEncoder

@dataclass
class Bag(Model, SentenceEncoder):
    width: int = 200
    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.mean_ = np.bincount(data.train, minlength=data.vocab_size)[: self.width] / len(data.train)
        return self
    def encode_texts(self, texts):
        return np.stack([np.bincount(t, minlength=self.vocab_size_)[: self.width] - self.mean_ for t in texts])
'''
IDLE = """
from dataclasses import dataclass
import numpy as np
from lmzoo.interface import Model

@dataclass
class Idle(Model):
    def fit(self, data, run=None):
        self.vocab_size_, self.nothing_ = data.vocab_size, np.zeros(1)
        return self
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> tuple[Comparison, dict[str, bytes]]:
    """An n-gram, a masked model, a sentence encoder and a model without abilities: trained, compared and probed."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("abilities")
    grammar = Grammar.load(cards.folder() / "storyworld.grammar.toml")
    (folder / "small.txt").write_text("".join(grammar.generate(60_000, "abilities")), encoding="utf-8")
    own = {"cloze.py": MASKED, "bag.py": SENTENCES, "idle.py": IDLE}
    for name, code in own.items():
        (folder / name).write_text(code, encoding="utf-8")
    specs = ["ngram:order=2", *(str(folder / name) for name in own)]
    tests = Suite(probes=[vowels()])
    made = compare(specs, corpora.load(folder / "small.txt"), folder / "r", Run(seed=1), "char", tests=tests,
                   sections=sections())  # fmt: skip
    return made, page.render(made)


def vowels() -> ProbeSet:
    """Texts of many a or many e, told apart by counting letters."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 120)
    texts = ["".join(generator.choice(list("aaaast" if label else "eeeest"), 20)) for label in labels]
    return ProbeSet(
        task="vowels", texts=(texts,), labels=labels, parts=np.full(len(texts), UNSPLIT), classes=("e", "a")
    )


def test_bits_are_given_to_language_models_alone(outcome):
    ngram, cloze, bag, _ = outcome[0].rows
    assert ngram.score
    assert (cloze.score, cloze.reach, bag.score) == (None, None, None)
    assert (ngram.error, cloze.error, bag.error) == (None, None, None)


def test_pseudo_perplexity_is_a_column_of_its_own(outcome):
    ngram, cloze, bag, _ = outcome[0].rows
    assert 1 < cloze.pseudo.pseudo_perplexity < ngram.score.perplexity_per_token  # it sees both sides
    assert ngram.pseudo is bag.pseudo is None
    table = main_table(outcome[0])
    (at,) = [i for i, column in enumerate(table.columns) if column.head == "pseudo-ppl"]
    (bits,) = [i for i, column in enumerate(table.columns) if column.head == "bits/char"]
    cells = {line.row.model: line.cells for line in table.lines}
    assert cells[ngram.model][at].text == cells[bag.model][at].text == DASH
    assert cells[cloze.model][bits].text == cells[bag.model][bits].text == DASH
    assert cells[cloze.model][at].text != DASH


def test_probes_read_tokens_vectors_and_texts_vectors(outcome):
    rows = {row.label: row.grades[0] for row in outcome[0].facts["probes"].rows}
    ngram, cloze, bag, _ = outcome[0].rows
    assert rows[cloze.label].value > 0.9
    assert rows[bag.label].value > 0.9
    assert rows[ngram.label].value is None
    assert "no vectors" in rows[ngram.label].note


def test_a_model_without_any_ability_is_refused_by_name(outcome):
    idle = outcome[0].rows[3]
    assert "idle has no ability that can be compared: it is none of LanguageModel, MaskedModel" in idle.error
    assert idle.label not in [row.label for row in outcome[0].facts["probes"].rows]


def test_all_of_it_is_in_the_report(outcome):
    html = outcome[1]["index.html"].decode()
    assert "could not be computed" not in html
    assert all(row.label in html for row in outcome[0].rows)
    assert "pseudo-ppl" in html
    assert "never bits" in html
    assert outcome[0].errors == {}


# Labels


def labelled(*configs: dict, label: str = "LSTM", **changes: object) -> list[str]:
    entries = [Entry("", Row(label, "lstm", None, "", config, "char")) for config in configs]
    for key, value in changes.items():
        setattr(entries[0].row, key, value)
    make_labels_unique(entries)
    return [entry.label for entry in entries]


def test_equal_labels_get_the_settings_that_differ():
    assert labelled({"hidden": 9, "batch": 2}, {"hidden": 9, "batch": 4}) == ["LSTM, batch 2", "LSTM, batch 4"]
    assert labelled({"hidden": 9}, {"hidden": 9}, tokenizer="byte") == ["LSTM, byte", "LSTM, char"]
    assert labelled({}, {}) == ["LSTM (1)", "LSTM (2)"]
    assert labelled({"hidden": 9}) == ["LSTM"]


def test_labels_of_a_comparison_are_unique(outcome):
    labels = [one.label for one in outcome[0].rows]
    assert len(set(labels)) == len(labels) == 4
