"""Shared by the tests of networks: a small text, small networks, and a trainer before its first step."""

from dataclasses import replace

import torch

from lmzoo import models
from lmzoo.interface import Data, Run
from lmzoo.neural import device
from lmzoo.neural.language_model import Network
from lmzoo.neural.training.trainer import Trainer
from lmzoo.testing import VOCAB_SIZE, practice_text

TRAIN, VALID = practice_text(4000), practice_text(800, seed=1)
NETWORKS = [name for name in models.names() if issubclass(models.find(name), Network)]


def network(name="lstm", **settings):
    """An unfitted network of the preset `tiny`, with other settings where given."""
    cls = models.find(name)
    return cls.from_config({**models.presets(cls)["tiny"], **settings})


def begin(model, train=TRAIN, valid=VALID, lines=False, **run):
    """The trainer of a model, before its first step."""
    run = Run(**({"steps": 20} | run))
    torch.manual_seed(run.seed)
    module = model.build(VOCAB_SIZE).train()
    data = replace(Data.of(train, valid, VOCAB_SIZE), lines=lines)
    return Trainer(model, module, data, run, device.choose(run, model.width, False))


def scattered(module):
    """The module with weights that are neither tiny nor zero, so that nothing can hide in them."""
    torch.manual_seed(3)
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return module.eval()


def weights(net):
    """Copies of all weights, one after the other."""
    return torch.cat([weight.detach().flatten().clone() for weight in net.parameters()])


def stop_at(monkeypatch, number, stop):
    """Call `stop(trainer)` after that many steps."""
    step = Trainer.step

    def stepping(trainer):
        step(trainer)
        if trainer.step_number == number:
            stop(trainer)

    monkeypatch.setattr(Trainer, "step", stepping)
