"""Pooling, markers, and what a head makes of them."""

import copy

import numpy as np
import pytest
import torch

from lmzoo.neural.finetuning.heads import MarkedEmbedding, Tuned, pool
from lmzoo.neural.finetuning.inputs import Form, Labelled
from lmzoo.testing import VOCAB_SIZE
from tests.neural.networks import NETWORKS, network, scattered


def test_pooling_worked_out_by_hand():
    hidden = torch.tensor([[[1.0, 4.0], [3.0, 2.0], [9.0, 9.0]], [[-1.0, -2.0], [-3.0, -4.0], [-2.0, -9.0]]])
    lengths = torch.tensor([2, 3])
    assert pool(hidden, lengths, "last").tolist() == [[3, 2], [-2, -9]]
    assert pool(hidden, lengths, "mean").tolist() == [[2, 3], [-2, -5]]
    assert pool(hidden, lengths, "max").tolist() == [[3, 4], [-1, -2]]
    assert pool(hidden, lengths, "concat").tolist() == [[3, 2, 3, 4, 2, 3], [-2, -9, -1, -2, -2, -5]]


def test_markers_stand_behind_the_vocabulary_and_the_softmax_keeps_its_table():
    module = network("gpt").build(VOCAB_SIZE)
    table = MarkedEmbedding(module.embedding)
    assert table.weight is module.output.weight
    ids = torch.tensor([[0, VOCAB_SIZE - 1, VOCAB_SIZE, VOCAB_SIZE + 2]])
    expected = torch.stack([table.weight[0], table.weight[-1], table.markers[0], table.markers[2]])[None]
    assert torch.equal(table(ids), expected)


def tuned(module, form="joined", markers="new", pooling="concat", outputs=3, inner=0, longest=15):
    return Tuned(module, Form(form, markers, VOCAB_SIZE, longest, "start"), pooling, outputs, inner, 0.0)


def outputs(module, texts, **form):
    examples = Labelled(Form(**{"name": "joined", "markers": "new", "vocab_size": VOCAB_SIZE, "longest": 15,
                                "cut": "start", **form}), texts)  # fmt: skip
    batch = examples.batch(range(len(texts)))
    hidden, _ = module(batch.ids, module.initial_state(len(batch.ids)))
    return module.outputs(module.vectors(hidden, batch), batch.counts).detach()


TEXTS = [(np.arange(n) % VOCAB_SIZE,) for n in (5, 0, 12, 1)]


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_never_leaks(name):
    module = scattered(tuned(network(name).build(VOCAB_SIZE)))
    together = outputs(module, TEXTS)
    assert torch.allclose(together, torch.cat([outputs(module, [text]) for text in TEXTS]), atol=1e-5)
    assert len({tuple(row) for row in together.tolist()}) == len(TEXTS)


def test_in_pieces_the_vectors_are_the_same_and_no_gradient_goes_back_from_one_to_the_one_before():
    whole = scattered(tuned(network("lstm").build(VOCAB_SIZE)).eval())
    pieces = copy.deepcopy(whole)
    pieces.piece = 4
    ids = torch.arange(10)[None] % VOCAB_SIZE
    hidden = {one: one(ids, one.initial_state(1))[0] for one in (whole, pieces)}
    assert torch.allclose(hidden[whole], hidden[pieces], atol=1e-6)
    with torch.no_grad():
        _, state = whole(ids[:, :8], whole.initial_state(1))
    last, _ = whole.network(ids[:, 8:], state)
    last[:, -1].sum().backward()  # through the last two ids alone
    hidden[pieces][:, -1].sum().backward()
    expected = {name: weight.grad for name, weight in whole.network.named_parameters() if weight.grad is not None}
    assert len(expected) > 3
    for name, weight in pieces.network.named_parameters():
        if name in expected:
            assert torch.allclose(weight.grad, expected[name], atol=1e-6), name
    pieces.zero_grad()
    pieces(ids, pieces.initial_state(1))[0].mean(1).sum().backward()  # each piece through the vectors of its own
    assert pieces.network.embedding.weight.grad[ids[0]].abs().sum(1).gt(0).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_reads_text_with_markers_in_its_table_as_without(name):
    module = scattered(network(name).build(VOCAB_SIZE))
    ids = torch.arange(9)[None] % VOCAB_SIZE
    before, _ = module(ids, module.initial_state(1))
    after, _ = tuned(copy.deepcopy(module)).eval()(ids, module.initial_state(1))
    assert torch.equal(before, after)


def test_similarity_does_not_depend_on_the_order_of_the_pair():
    module = scattered(tuned(network("lstm").build(VOCAB_SIZE), form="both"))
    a, b = np.array([1, 2, 3]), np.array([4, 5])
    one, other = outputs(module, [(a, b), (b, a)], name="both")
    assert torch.allclose(one, other, atol=1e-6)
    joined = scattered(tuned(network("lstm").build(VOCAB_SIZE)))
    one, other = outputs(joined, [(a, b), (b, a)])
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_choice_has_one_score_for_each_candidate_whatever_the_others():
    module = scattered(tuned(network("gpt").build(VOCAB_SIZE), form="choice", outputs=1))
    context, *candidates = (np.array(one) for one in ([1, 2], [3], [4, 5], [6, 7, 8]))
    three, two = outputs(module, [(context, *candidates), (context, *candidates[1:])], name="choice")
    assert torch.allclose(three[1:], two[:2], atol=1e-5)
    assert two[2] == -torch.inf  # there is none


def test_a_tag_is_read_at_its_word():
    module = scattered(tuned(network("lstm").build(VOCAB_SIZE), form="tags"))
    text = np.array([1, 2, 3, 4])
    both = outputs(module, [(text, np.array([1, 3])), (text[:2], np.array([1]))], name="tags")
    assert torch.allclose(both[0], both[2], atol=1e-5)  # it sees no later word
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_a_hidden_layer_of_the_head():
    module = tuned(network("gpt").build(VOCAB_SIZE), inner=7)
    assert [tuple(weight.shape) for weight in module.classifier.parameters()] == [(7, 96), (7,), (3, 7), (3,)]
