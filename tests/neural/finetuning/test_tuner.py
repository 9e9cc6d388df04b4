"""Training on labels: the loss, its gradient beside another program's, rates, unfreezing, and what is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lmzoo.data import tokenizers
from lmzoo.errors import LmzooError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import gpt2
from lmzoo.interface import Run
from lmzoo.models.finetuned import FineTuned
from lmzoo.models.gpt import GPT
from lmzoo.neural import device
from lmzoo.neural.finetuning.heads import Tuned
from lmzoo.neural.finetuning.inputs import Form, Labelled
from lmzoo.neural.finetuning.layers import Layers
from lmzoo.neural.finetuning.tuner import LabelledData, Labels, Schedule, Tuner
from lmzoo.testing import VOCAB_SIZE, practice_examples
from tests.neural.networks import network, scattered

FORM = Form("joined", "new", VOCAB_SIZE, 16, "start")
TINY = {"network": "gpt:preset=tiny", "batch": 16}


def batch_of(count, form=FORM, seed=0):
    examples = practice_examples(count, seed)
    return Labelled.of(form, examples).batch(range(count))


# ── The loss ──────────────────────────────────────────────────────────────────────────────────────


def test_the_auxiliary_loss_is_the_mean_over_a_text_and_then_over_the_batch():
    module = scattered(Tuned(network("gpt").build(VOCAB_SIZE), FORM, "last", 3, 0, 0.0))
    batch = batch_of(4)
    extra = Labels(VOCAB_SIZE, 0.5).loss(module, batch, ()).extra["language model"]
    by_hand = []
    for ids, length in zip(batch.ids, batch.lengths, strict=True):
        hidden, _ = module(ids[None, :length], ())
        log_probs = module.network.head(hidden)[0].log_softmax(-1)
        text = ids[1 : length - 1]  # without [start] and [extract]
        by_hand.append(-log_probs[torch.arange(len(text)), text].mean())
    assert extra.item() == pytest.approx(0.5 * torch.stack(by_hand).mean().item(), abs=1e-6)
    assert Labels(VOCAB_SIZE, 0.0).loss(module, batch, ()).extra == {}


def test_logits_and_gradients_are_those_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    tokenizer = tokenizers.train("byte", "")
    model = GPT.from_config({"layers": 2, "heads": 2, "width": 16, "window": 12, "dropout": 0.0})
    model.net_, model.vocab_size_ = scattered(model.build(tokenizer.vocab_size)), tokenizer.vocab_size
    gpt2.write(TextModel(model, tokenizer), tmp_path / "theirs")
    theirs = transformers.GPT2ForSequenceClassification.from_pretrained(
        tmp_path / "theirs", num_labels=3, pad_token_id=tokenizer.end, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0
    )
    form = Form("joined", "none", tokenizer.vocab_size, 12, "start")
    module = Tuned(model.net_, form, "last", 3, 0, 0.0)
    with torch.no_grad():
        theirs.score.weight.normal_()  # it has no bias, and ours begins with zeros
        module.classifier[-1].weight.copy_(theirs.score.weight)

    texts = [(np.random.default_rng(n).integers(0, tokenizer.end, n),) for n in (5, 12, 1)]
    batch = Labelled(form, texts, np.array([2, 0, 1])).batch(range(3))
    hidden, _ = module(batch.ids, ())
    logits = module.outputs(module.vectors(hidden, batch), batch.counts)
    read = torch.arange(12) < batch.lengths[:, None]
    out = theirs(batch.ids, attention_mask=read.long(), labels=batch.labels)
    assert torch.allclose(logits, out.logits, atol=1e-5)

    loss = Labels(tokenizer.vocab_size, 0.0).loss(module, batch, ()).total
    loss.backward()
    out.loss.backward()
    assert loss.item() == pytest.approx(out.loss.item(), abs=1e-5)
    assert torch.allclose(module.classifier[-1].weight.grad, theirs.score.weight.grad, atol=1e-5)
    # Our gradients take the way of the weights to their names and shapes.
    model.net_.load_weights({name: dict(model.net_.named_parameters())[name].grad for name in model.net_.weights()})
    gpt2.write(TextModel(model, tokenizer), tmp_path / "gradients")
    ours = transformers.GPT2Model.from_pretrained(tmp_path / "gradients").state_dict()
    expected = {name: weight.grad for name, weight in theirs.transformer.named_parameters()}
    assert all(torch.allclose(ours[name], gradient, atol=1e-5) for name, gradient in expected.items())
    assert max(float(gradient.abs().max()) for gradient in expected.values()) > 0.1


# ── The training ──────────────────────────────────────────────────────────────────────────────────


def begin(steps=20, epochs=4, valid=30, learning_rate=1e-3, **settings):
    """A tuner of a small GPT before its first step."""
    how = {name: settings.pop(name) for name in ("decay", "slanted", "unfreeze") if name in settings}
    model = FineTuned.from_config({**TINY, "epochs": epochs, **settings})
    model.training = replace(model.training, learning_rate=learning_rate)
    torch.manual_seed(0)
    net = model.base().build(VOCAB_SIZE)
    layers = Layers(net)
    module = Tuned(net, FORM, "concat", 3, 0, 0.0).train()
    train, held = (Labelled.of(FORM, practice_examples(n, seed)) for seed, n in enumerate((48, valid)))
    run = Run(steps=steps, device="cpu", precision="float32")
    data = LabelledData(train, held, VOCAB_SIZE)
    return Tuner(model, module, data, run, device.choose(run, 16, False), Schedule(layers, epochs, **how))


def test_rates_are_slanted_triangles_of_each_layer():
    tuner, seen = begin(decay=2.0, slanted=True, learning_rate=0.064), []
    step = tuner.step
    tuner.step = lambda: (step(), seen.append({group["lr"] for group in tuner.optimizers[0].param_groups}))
    tuner.train()
    assert max(seen[2]) == pytest.approx(0.064)  # at a tenth of the budget
    assert sorted(seen[2]) == pytest.approx([0.008, 0.016, 0.032, 0.064])
    assert max(seen[0]) == pytest.approx(0.064 / 32)
    assert max(seen[-1]) == pytest.approx(0.064 * (1 + (1 - 19 / 20) / 0.9 * 31) / 32)


def test_layers_are_unfrozen_from_the_head_down():
    tuner, seen = begin(unfreeze=True, warmup=0.0, weight_decay=0.0), []
    before = {name: weight.clone() for name, weight in tuner.module.weights().items()}
    step = tuner.step

    def look():
        step()
        seen.append({name for name, weight in tuner.module.weights().items() if not torch.equal(weight, before[name])})

    tuner.step = look
    tuner.train()
    first = ["network.blocks.0.mlp.up.weight", "network.blocks.1.mlp.up.weight", "network.embedding.weight"]
    began = [next(n for n, names in enumerate(seen) if name in names) for name in first]
    assert began == [10, 5, 15]  # four epochs of five steps: the head, layer 2, layer 1, the embeddings
    assert {"classifier.1.weight", "network.embedding.markers"} <= seen[0]
    assert not any(name.startswith("network.blocks") for name in seen[4])
    assert all(weight.requires_grad for weight in tuner.module.parameters())


def test_the_weights_that_get_the_fewest_wrong_stand(monkeypatch):
    tuner = begin(steps=10)
    looks = iter([5.5, 3.2, 3.1, 4.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0])
    kept = []

    def look(module, compute):
        kept.append(module.classifier[-1].weight.detach().clone())
        return next(looks), {"valid_accuracy": 0.0}

    monkeypatch.setattr(tuner.validation, "look", look)
    tuner.train()
    assert torch.equal(tuner.module.classifier[-1].weight, kept[2])
    assert "the weights of step 3 of 10 were kept" in tuner.remarks[-1]


def test_what_is_wrong_counts_first_and_then_the_loss():
    tuner = begin()
    with torch.no_grad():  # all logits alike but for the bias: 10 of 30 are of each class
        tuner.module.classifier[-1].weight.zero_()
        tuner.module.classifier[-1].bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    score, figures = tuner.validation.look(tuner.module, tuner.compute)
    nats = float(np.log(2 + np.e) - 1 / 3)
    assert figures == pytest.approx({"valid_nats_per_label": nats, "valid_accuracy": 1 / 3}, abs=1e-6)
    assert score == pytest.approx(20 + nats / (1 + nats), abs=1e-6)
    assert tuner.module.training


def poison(tuner, at):
    step = tuner.step

    def stepping():
        if tuner.step_number == at:
            with torch.no_grad():
                tuner.module.classifier[-1].weight.fill_(torch.nan)
        step()

    tuner.step = stepping


def test_where_the_loss_diverges_the_best_weights_before_stand():
    tuner = begin()
    poison(tuner, at=11)
    tuner.train()
    assert tuner.module.classifier[-1].weight.isfinite().all()
    said = " ".join(tuner.remarks)
    assert "not a finite number at step 12" in said
    assert "try --settings learning_rate=0.0" in said and "the best weights before that stand" in said


def test_without_validation_examples_a_divergence_is_an_error():
    tuner = begin(valid=0)
    poison(tuner, at=11)
    with pytest.raises(LmzooError, match=r"not a finite number at step 12 .*: try --settings learning_rate=0\.0"):
        tuner.train()


def test_history_and_facts_are_of_labels():
    tuner = begin()
    tuner.train()
    assert {key for row in tuner.history for key in row} == {
        "step", "labels", "seconds", "train_nats_per_label", "valid_nats_per_label", "valid_accuracy",
    }  # fmt: skip
    assert tuner.facts["steps"] == 20
    assert tuner.facts["labels_read"] == 20 * 16
