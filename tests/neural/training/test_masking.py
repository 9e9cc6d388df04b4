"""Blanks: which tokens are hidden, by what, from the seed and the step alone."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from lmzoo.errors import UsageError
from lmzoo.interface import Run
from lmzoo.models.bert import Bert
from lmzoo.neural.training.batches import IGNORED
from lmzoo.neural.training.masking import PADDING, Masking
from lmzoo.neural.training.objectives import FillBlanks
from lmzoo.neural.training.parallel import Parallel
from tests.neural.networks import begin, network, scattered

V = 1000
TEXT = np.random.default_rng(0).integers(0, V - 1, 40_000)


def read(masking=None, *, text=TEXT, batch=64, window=40, seed=0, lines=False, vocab_size=V):
    objective = FillBlanks(vocab_size, masking or Masking())
    return objective.batches(text, batch, window, seed, Parallel(), lines)


def batch(masking=None, step=0, **settings):
    (one,) = read(masking, **settings).parts(step)
    return one.ids.numpy(), one.targets.numpy()


def test_of_the_blanks_eight_in_ten_are_masked_one_is_any_token_and_one_stays():
    ids, targets = batch(batch=900)
    blanks = targets != IGNORED
    assert (blanks.sum(1) == 6).all()  # 15 % of 40
    shown, hidden = ids[blanks], targets[blanks]
    assert np.mean(shown == V) == pytest.approx(0.8, abs=0.02)
    assert np.mean(shown == hidden) == pytest.approx(0.1, abs=0.02)
    other = (shown != V) & (shown != hidden)
    assert np.mean(other) == pytest.approx(0.1, abs=0.02)
    assert len(np.unique(shown[other])) > 200  # of the whole vocabulary
    places = np.nonzero(blanks)[1]
    assert np.bincount(places, minlength=42)[1:-1].min() > 80  # every place alike: 135 on average


def test_what_is_no_blank_is_the_text_in_its_frame():
    ids, targets = batch(Masking(share=0.5, random=0.0, kept=0.0))
    assert (ids[:, 0] == V + 1).all() and (ids[:, -1] == V - 1).all()
    text = np.where(targets == IGNORED, ids, targets)[:, 1:-1]
    joined = TEXT.tobytes()
    assert all(row.astype(TEXT.dtype).tobytes() in joined for row in text)
    assert (ids[targets != IGNORED] == V).all()


def test_the_blanks_are_those_of_the_seed_and_the_step():
    first = batch(step=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, batch(step=3), strict=True))
    for other in (batch(step=4), batch(step=3, seed=1)):
        assert not np.array_equal(first[1], other[1])
    parts = read().parts(3, 3)  # in parts, the same rows and blanks
    assert np.array_equal(first[0], np.concatenate([part.ids.numpy() for part in parts]))
    assert sum(part.tokens for part in parts) == read().tokens(3) == 64 * 40


def windows(masking, passes):
    """The targets of each window, by its text, in some passes."""
    batches, found = read(masking, text=TEXT[:4000], batch=10), []
    for number in range(passes):
        rows = {}
        for step in range(batches.steps_per_pass):
            (one,) = batches.parts(number * batches.steps_per_pass + step)
            text = torch.where(one.targets == IGNORED, one.ids, one.targets)[:, 1:-1].numpy()
            rows |= {row.tobytes(): target.tobytes() for row, target in zip(text, one.targets.numpy(), strict=True)}
        found.append(rows)
    return found


def test_a_window_has_as_many_masks_as_are_asked_for_in_turn():
    one, two, three = windows(Masking(masks=2, random=0.0, kept=0.0), 3)
    assert one.keys() == two.keys() == three.keys() and len(one) == 100
    assert one == three
    assert all(one[text] != two[text] for text in one)


def test_of_lines_the_padding_is_no_blank_and_is_not_counted():
    text = np.array([5, 6, 7, V - 1, 8, V - 1] * 30)
    for part in read(text=text, batch=4, window=8, lines=True).parts(0):
        ids, targets = part.ids.numpy(), part.targets.numpy()
        lengths = (ids != PADDING).sum(1)
        assert part.tokens == (lengths - 2).sum()
        for row, target, length in zip(ids, targets, lengths, strict=True):
            assert row[0] == V + 1 and row[length - 1] == V - 1 and (row[length:] == PADDING).all()
            assert (target[length - 1 :] == IGNORED).all()
            assert (target != IGNORED).sum() == 1  # one at least


def test_the_second_half_of_every_other_window_is_another_windows():
    ordered, many = np.arange(40_000), 50_000
    masking = Masking(pairs=True, random=0.0, kept=0.0)
    ids, targets = batch(masking, text=ordered, batch=400, window=10, vocab_size=many)
    assert ids.shape == (400, 13)
    assert (ids[:, [0, 6, 12]] == [many + 1, many - 1, many - 1]).all()
    follows, known = targets[:, 0].copy(), targets.copy()
    known[:, 0] = IGNORED
    text = np.where(known == IGNORED, ids, known)
    own = text[:, 7] - text[:, 5] == 1
    assert (own == follows).all()
    assert 0.4 < follows.mean() < 0.6
    with pytest.raises(UsageError, match="leave --lines or --next-sentence out"):
        read(Masking(pairs=True), lines=True)


@torch.no_grad()
def test_the_loss_is_the_mean_over_the_blanks():
    model = Bert.from_config({"layers": 1, "heads": 2, "width": 16, "window": 12, "next_sentence": True, "segments": 2})
    net, objective = scattered(model.build(V)), model.objective(V)
    (one,) = objective.batches(TEXT[:500], 5, 12, 0, Parallel(), False).parts(0)
    loss = objective.loss(net, one, ())
    hidden, _ = net(one.ids, ())
    logits = net.head(hidden).log_softmax(-1)
    places = [(row, t) for row in range(5) for t in range(1, 15) if one.targets[row, t] != IGNORED]
    expected = -sum(float(logits[row, t, one.targets[row, t]]) for row, t in places) / len(places)
    assert float(loss.nats) == pytest.approx(expected, abs=1e-4)
    follows = cross_entropy(net.next_sentence(net.pooler(hidden[:, 0]).tanh()), one.targets[:, 0])
    assert float(loss.extra["next sentence"]) == pytest.approx(float(follows), abs=1e-5)


@pytest.mark.parametrize("wrong", [{"mask_share": 1.5}, {"random_share": 0.6, "kept_share": 0.6}, {"masks": -1}])
def test_shares_that_cannot_be_are_named(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        network("bert", **wrong).build(V)


def test_progress_shows_bits_per_blank_and_never_bits_per_character():
    trainer = begin(network("bert"), tokens_per_character=0.25)
    trainer.step()
    assert "bits/blank" in trainer._report()
    assert "train_nats_per_blank" in trainer.history[-1]
    assert not any("token" in key and "nats" in key for key in trainer.history[-1])
    again = begin(network("gpt"), tokens_per_character=0.25)
    again.step()
    assert "bits/char" in again._report()


def test_pairs_are_learned():
    model = network("bert", next_sentence=True, segments=2, batch=16)
    fitted = model.fit(begin(model).data, Run(steps=4))
    assert fitted.net_.next_sentence.weight.shape == (2, 16)
