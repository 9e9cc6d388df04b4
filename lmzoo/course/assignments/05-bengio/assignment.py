"""The checks of assignment 5: lmzoo's `mlp`, in double precision, and PyTorch's derivatives of it say what is right."""

import random
from typing import Any

import torch

from lmzoo.course.checks import Differential, Drawn
from lmzoo.course.figures import beside_a_trigram
from lmzoo.course.remote import Question
from lmzoo.models.mlp import MLP

WITHIN = 1e-6
V, N, M, H = 8, 3, 2, 4
STEPS, TEXT, HIDDEN_TEXT, TOKENS = 600, 100_000, 1500, "bpe:1000"
# Of a Kneser-Ney trigram's bits. The reference has 1.113 of them, or less, in the mean of five students and three
# standard deviations (lmzoo course calibrate 5 tests/course/bengio/reference.py).
BASELINE, TARGET = 1.5, 1.12


def checks(source: Any) -> dict[str, Any]:
    """A function for each check of the rubric, which draws its cases from `source(name)`, a random.Random."""
    return {
        "hidden units": lambda name: hidden(source(name)),
        "scores": lambda name: scores(source(name)),
        "loss": lambda name: losses(source(name), "loss"),
        "gradients of the scores": lambda name: losses(source(name), "score_gradients"),
        "gradients of the parameters": lambda name: gradients(source(name)),
        "a step": lambda name: step(source(name)),
        "bits of a hidden text": lambda name: figure(source(name)),
    }


def network(source: random.Random) -> Any:
    """The module of lmzoo's model with weights that are drawn, in double precision."""
    settings = MLP(context=N, embedding=M, hidden=H, layers=1, activation="tanh", direct=True, dropout=0.0)
    module = settings.build(V).eval().double()
    for weights in module.parameters():
        drawn = [source.gauss(0, 0.7) for _ in range(weights.numel())]
        weights.data = torch.tensor(drawn, dtype=torch.float64).reshape(weights.shape)
    return module


def named(module: Any, of: Any) -> dict[str, Any]:
    """`of` each weight, by Bengio's letters; lmzoo's module has U and W side by side."""
    output = of(module.output.weight)
    return {
        "C": of(module.embedding.weight).tolist(),
        "H": of(module.layers[0].weight).tolist(),
        "d": of(module.layers[0].bias).tolist(),
        "U": output[:, :H].tolist(),
        "W": output[:, H:].tolist(),
        "b": of(module.output.bias).tolist(),
    }


def contexts(source: random.Random, repeats: bool) -> list[tuple[int, ...]]:
    """A few contexts: no token occurs in two places of them, or one does in all of them."""
    number = source.randint(1, 2)
    drawn = source.sample(range(V), number * N)
    rows = [drawn[n * N : (n + 1) * N] for n in range(number)]
    if repeats:
        for row in rows:
            row[0] = row[-1] = drawn[0]
    return [tuple(row) for row in rows]


def read(module: Any, rows: list[tuple[int, ...]]) -> Any:
    """What each context becomes, the hidden units a with x beside them: (B, h + n m)."""
    ids = torch.tensor(rows)
    units, _ = module(ids[:, -1:], (ids[:, :-1],))
    return units[:, 0]


def x_and_a(units: Any) -> tuple[list[Any], list[Any]]:
    """The two."""
    return units[:, H:].tolist(), units[:, :H].tolist()


def asked(function: str, cases: list[tuple[Any, ...]], expected: list[Any]) -> Drawn:
    """Cases of numbers."""
    return Drawn(Question(function, [(None, case) for case in cases]), Differential(expected, within=WITHIN))


def hidden(source: random.Random) -> Drawn:
    """Twenty networks and contexts; half of these are the same from behind."""
    cases: list[tuple[Any, ...]] = []
    expected = []
    for n in range(20):
        module, rows = network(source), contexts(source, n % 2 == 0)
        cases.append((named(module, lambda weights: weights), rows))
        expected.append(x_and_a(read(module, rows)))
    return asked("hidden", cases, expected)


def scores(source: random.Random) -> Drawn:
    """Twelve networks and contexts."""
    cases: list[tuple[Any, ...]] = []
    expected = []
    for n in range(12):
        module, rows = network(source), contexts(source, n % 2 == 0)
        units = read(module, rows)
        cases.append((named(module, lambda weights: weights), *x_and_a(units)))
        expected.append(module.head(units).tolist())
    return asked("scores", cases, expected)


def losses(source: random.Random, function: str) -> Drawn:
    """Twelve batches of two or more scores, in a third of which e to the power of one is no floating-point number."""
    cases: list[tuple[Any, ...]] = []
    expected = []
    for n in range(12):
        rows = [[source.gauss(0, 2) for _ in range(V)] for _ in range(source.randint(2, 5))]
        targets = [source.randrange(V) for _ in rows]
        if n % 3 == 0:
            rows[0][source.randrange(V)] += 1500
        y = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
        mean = torch.nn.functional.cross_entropy(y, torch.tensor(targets))
        mean.backward()
        assert y.grad is not None
        cases.append((rows, targets))
        expected.append(mean.item() if function == "loss" else y.grad.tolist())
    return asked(function, cases, expected)


def gradients(source: random.Random) -> Drawn:
    """Twenty batches, in half of which a token stands in several places."""
    cases: list[tuple[Any, ...]] = []
    expected = []
    for n in range(20):
        module, rows = network(source), contexts(source, n % 2 == 0)
        dy = [[source.gauss(0, 1) for _ in range(V)] for _ in rows]
        units = read(module, rows)
        (module.head(units) * torch.tensor(dy, dtype=torch.float64)).sum().backward()
        cases.append((named(module, lambda weights: weights), rows, *x_and_a(units), dy))
        expected.append(named(module, lambda weights: weights.grad))
    return asked("gradients", cases, expected)


def step(source: random.Random) -> Drawn:
    """Ten steps, half of them with weight decay: PyTorch's SGD, with none for biases."""
    cases: list[tuple[Any, ...]] = []
    expected = []
    for n in range(10):
        module, slopes = network(source), network(source)
        rate, decay = source.uniform(0.01, 1), source.uniform(0.01, 0.3) if n % 2 else 0.0
        cases.append((named(module, lambda w: w), named(slopes, lambda w: w), rate, decay))
        groups: list[dict[str, Any]] = [{"params": [], "weight_decay": decay}, {"params": [], "weight_decay": 0.0}]
        for weights, slope in zip(module.parameters(), slopes.parameters(), strict=True):
            weights.grad = slope.data
            groups[weights.ndim == 1]["params"].append(weights)
        torch.optim.SGD(groups, lr=rate).step()
        expected.append(named(module, lambda weights: weights))
    return asked("step", cases, expected)


def figure(source: random.Random) -> Drawn:
    """Bits per token of hidden documents."""
    return beside_a_trigram(
        source, characters=TEXT, hidden=HIDDEN_TEXT, spec=TOKENS, steps=STEPS, baseline=BASELINE, target=TARGET
    )
