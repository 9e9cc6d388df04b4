"""The checks of assignment 6: lmzoo's `lstm`, which is PyTorch's nn.LSTM, with drawn weights says what is right."""

import random
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lmzoo.course.checks import Differential, Drawn
from lmzoo.course.figures import beside_a_trigram
from lmzoo.course.remote import Question
from lmzoo.models.lstm import LSTM

WITHIN = 1e-5
V, EMBEDDING, HIDDEN = 9, 3, 4
STEPS, TEXT, HIDDEN_TEXT, TOKENS = 1000, 150_000, 1500, "bpe:1000"
# Of a Kneser-Ney trigram's bits. The reference has 0.977 of them, or less, in the mean of five students and three
# standard deviations (lmzoo course calibrate 6 tests/course/lstm/reference.py).
BASELINE, TARGET = 1.15, 0.98


def checks(source: Any) -> dict[str, Any]:
    """A function for each check of the rubric, which draws its cases from `source(name)`, a random.Random."""
    return {
        "a cell": lambda name: cell(source(name)),
        "a layer": lambda name: layer(source(name)),
        "a state is a value": lambda name: reader(source(name)),
        "log-probabilities": lambda name: log_probs(source(name)),
        "scores of texts": lambda name: score(source(name)),
        "bits of a hidden text": lambda name: figure(source(name)),
    }


def provided(function: str) -> str:
    """The parts before that of a function."""
    return (Path(__file__).parent / "earlier.py").read_text("utf-8").split(f"\ndef {function}(")[0]


def network(source: random.Random, layers: int = 2) -> LSTM:
    """lmzoo's model with weights that are drawn."""
    settings = LSTM(layers=layers, hidden=HIDDEN, embedding=EMBEDDING, dropout=0.0, dropout_between=0.0)
    module = settings.build(V).eval()
    for weights in module.parameters():
        drawn = [source.gauss(0, 0.7) for _ in range(weights.numel())]
        weights.data = torch.tensor(drawn).reshape(weights.shape)
    return settings.holding(module, V)


def weights_of(lstm: nn.LSTM) -> dict[str, Any]:
    """A layer of PyTorch as it is handed over."""
    return {name.removesuffix("_l0"): value.tolist() for name, value in lstm.named_parameters()}


def handed_over(model: LSTM) -> dict[str, Any]:
    """All of it."""
    net: Any = model.net_
    output = {name: value.tolist() for name, value in net.output.named_parameters()}
    return {
        "embedding": net.embedding.weight.tolist(),
        "layers": [weights_of(lstm) for lstm in net.layers],
        "output": {name.rpartition(".")[2]: value for name, value in output.items()},
    }


def vector(source: random.Random, size: int) -> list[float]:
    """Standard normal."""
    return [source.gauss(0, 1) for _ in range(size)]


@torch.inference_mode()
def ran(lstm: nn.LSTM, xs: list[list[float]], h: list[float], c: list[float]) -> tuple[Any, Any, Any]:
    """The outputs of a layer, in double precision, and its h and c."""
    if not xs:
        return [], h, c
    inputs, *state = (torch.tensor(one, dtype=torch.float64) for one in (xs, [h], [c]))
    hs, (h_after, c_after) = lstm.double()(inputs, tuple(state))
    return hs.tolist(), h_after[0].tolist(), c_after[0].tolist()


def asked(function: str, cases: list[Any], expected: list[Any], given: Any = (), unchanged: bool = False) -> Drawn:
    """Cases of numbers, for a function that has the parts before its own."""
    question = Question(function, cases, given, provided(function), unchanged)
    return Drawn(question, Differential(expected, within=WITHIN))


def cell(source: random.Random) -> Drawn:
    """Twenty steps of as many layers."""
    cases, expected = [], []
    for _ in range(20):
        net: Any = network(source, 1).net_
        x, h, c = vector(source, EMBEDDING), vector(source, HIDDEN), vector(source, HIDDEN)
        cases.append((None, (x, h, c, weights_of(net.layers[0]))))
        expected.append(ran(net.layers[0], [x], h, c)[1:])
    return asked("cell", cases, expected)


def layer(source: random.Random) -> Drawn:
    """Twelve sequences, two of which are empty."""
    cases, expected = [], []
    for n in range(12):
        net: Any = network(source, 1).net_
        xs = [vector(source, EMBEDDING) for _ in range(source.randint(1, 9) if n % 6 else 0)]
        h, c = vector(source, HIDDEN), vector(source, HIDDEN)
        cases.append((None, (xs, h, c, weights_of(net.layers[0]))))
        expected.append(ran(net.layers[0], xs, h, c))
    return asked("run", cases, expected)


def reader(source: random.Random) -> Drawn:
    """Twenty texts for one model: every other one goes on from a state; every fifth of either sort is empty."""
    model = network(source)
    net: Any = model.net_
    cases, expected = [], []
    for n in range(20):
        tokens = [source.randrange(V) for _ in range(source.randint(1, 8) if n % 5 else 0)]
        before = [(vector(source, HIDDEN), vector(source, HIDDEN)) for _ in net.layers] if n % 2 else None
        cases.append((0, (before, tokens)))
        xs, after = [net.embedding.weight[token].tolist() for token in tokens], []
        for lstm, (h, c) in zip(net.layers, before or [([0.0] * HIDDEN,) * 2] * 2, strict=True):
            xs, h, c = ran(lstm, xs, h, c)
            after.append((h, c))
        expected.append(after)
    return asked("reader", cases, expected, [(handed_over(model),)], unchanged=True)


def log_probs(source: random.Random) -> Drawn:
    """Twelve states. In every third model a token is likelier by a factor of e²⁰⁰⁰, which no float holds."""
    cases, expected = [], []
    for n in range(12):
        net: Any = network(source).net_
        if n % 3 == 0:
            net.output.bias.data[0] += 2000
        state = [(vector(source, HIDDEN), vector(source, HIDDEN)) for _ in net.layers]
        model = handed_over(network(source).holding(net, V))
        with torch.inference_mode():
            logits = net.double().head(torch.tensor(state[-1][0], dtype=torch.float64))
        cases.append((None, (model, state)))
        expected.append(torch.log_softmax(logits, -1).tolist())
    return asked("log_probs", cases, expected)


def score(source: random.Random) -> Drawn:
    """Twelve texts, scored by lmzoo's model as its evaluator has them scored."""
    cases, expected = [], []
    for _ in range(12):
        model, tokens = network(source), [source.randrange(V) for _ in range(source.randint(2, 12))]
        cases.append((None, (handed_over(model), tokens)))
        expected.append(model.log_probs(tokens)[0].tolist())
    return asked("score", cases, expected)


def figure(source: random.Random) -> Drawn:
    """Bits per token of hidden documents."""
    return beside_a_trigram(
        source, characters=TEXT, hidden=HIDDEN_TEXT, spec=TOKENS, steps=STEPS, baseline=BASELINE, target=TARGET
    )
