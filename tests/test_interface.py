"""`Data` checks ids once, a `Vocabulary` knows how its tokens are spelled, and defaults follow their definitions."""

import numpy as np
import pytest

from lmzoo.data import tokenizers
from lmzoo.errors import NotFittedError, UsageError
from lmzoo.interface import Data, MaskedModel, Vocabulary


def test_an_id_outside_the_vocabulary_is_named():
    with pytest.raises(UsageError, match="token id 7 at position 1 is not in this model's vocabulary of 5"):
        Data.of([1, 7], [], 5)


def test_a_refit_leaves_out_validation_text_while_settings_are_chosen():
    data = Data.of([0, 1, 2, 3], [2, 3], 5, refit=True)
    assert data.train_only.tolist() == [0, 1]
    # Without the flag nothing is left out, even where the arrays happen to end alike.
    assert Data.of([0, 1, 2, 3], [2, 3], 5).train_only.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("spec", ["byte", "char", "word:50", "bpe:300", "split"])
@pytest.mark.parametrize("lines", [False, True])
def test_spellings_join_to_the_text(spec, lines):
    text = " the cat \n the café \n" if spec == "split" else "the cat\nthe café\n"
    tokenizer = tokenizers.train(spec, text, lines)
    vocabulary = tokenizer.vocabulary
    assert len(vocabulary) == tokenizer.vocab_size
    assert vocabulary.end == tokenizer.end
    spelled = b"".join(vocabulary.spellings[i] for i in tokenizer.encode(text))
    assert spelled.decode() == (
        text.replace(" ", "") if spec == "split" else text
    )  # split drops the spaces between words


def test_numbered_tokens_are_spelled_as_numbers():
    assert Vocabulary.of_size(3).spellings == (b"0", b"1", b"")


def test_the_pseudo_log_likelihood_hides_one_token_at_a_time():
    class Neighbour(MaskedModel):
        vocab_size_ = 3

        def fit(self, data, run=None):
            return self

        def fill_log_probs(self, tokens, blanks):
            assert blanks.sum() == 1
            (at,) = np.flatnonzero(blanks)
            row = np.full(3, np.log(0.1))
            row[tokens[at - 1]] = np.log(0.8)
            return row[None]

    np.testing.assert_allclose(np.exp(Neighbour().pseudo_log_probs(np.array([0, 0, 1]))), [0.1, 0.8, 0.1])


def test_a_property_of_an_unfitted_model_says_that_it_is_not_fitted():
    class Wide(MaskedModel):
        fit = fill_log_probs = None

        @property
        def width(self):
            return len(self.weights_)

    with pytest.raises(NotFittedError, match="learned nothing yet"):
        Wide().width  # noqa: B018
