"""A training step as one CUDA graph; on a CPU what happens where it cannot be one."""

from contextlib import contextmanager, nullcontext

import pytest
import torch

from lmzoo.interface import Data, Run
from lmzoo.neural.training import captured
from lmzoo.neural.training.captured import Captured, Queue
from lmzoo.testing import VOCAB_SIZE
from tests.neural.networks import TRAIN, VALID, begin, network, weights

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class NoStream:
    def wait_stream(self, other):
        pass


class Graph:
    """The first cannot be captured; an empty one can."""

    ended = 0

    def __call__(self, graph, stream):
        self.ended += 1
        return raising() if self.ended == 1 else nullcontext()


@contextmanager
def raising():
    yield
    raise RuntimeError("operation failed due to a previous error during capture")


def test_a_step_that_cannot_be_captured_is_taken_as_it_is(monkeypatch):
    graph = Graph()
    for name, value in (("Stream", NoStream), ("current_stream", NoStream), ("CUDAGraph", object), ("graph", graph)):
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    plain, with_graph = (begin(network("lstm", dropout=0.0, dropout_between=0.0), device="cpu") for _ in range(2))
    with_graph.captured = Captured(with_graph.loss_of, with_graph.weights)
    for _ in range(2 * captured.WARM_UP):
        plain.step()
        with_graph.step()
    assert graph.ended == 2  # the capture that failed, and one that leaves the random numbers usable
    assert with_graph.captured.calls == 2 * captured.WARM_UP
    assert torch.equal(weights(plain.module), weights(with_graph.module))
    assert plain.losses.take_mean() == with_graph.losses.take_mean()


@needs_gpu
@pytest.mark.filterwarnings("ignore")  # the compiler's
@pytest.mark.parametrize("name", ["mlp", "rnn", "lstm", "gpt", "llama", "speedrun"])
def test_a_captured_step_learns_what_the_step_itself_does(name, monkeypatch):
    settings = {setting: 0.0 for setting in network(name).config() if "drop" in setting}
    found = []
    for warm_up in (3, 10**9):
        monkeypatch.setattr(captured, "WARM_UP", warm_up)
        run = Run(steps=30, device="cuda", compile="yes", precision="float32")
        model = network(name, optimizer="sgd", learning_rate=0.3, **settings)
        model.fit(Data.of(TRAIN, VALID, VOCAB_SIZE), run)
        found.append([row[key] for row in model.history for key in row if key.endswith("nats_per_token")])
    assert found[0][-1] < found[0][0]
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_a_graph_that_draws_the_same_numbers_again_is_left(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Stream", NoStream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    step = Captured(lambda *_: None, [])
    step._look_at(0.25)
    step._look_at(0.5)
    assert step.stream
    step._look_at(0.5)
    assert step.stream is None


@needs_gpu
@pytest.mark.filterwarnings("ignore")
def test_the_number_of_tokens_that_an_adaptive_softmax_ranks_low_is_no_part_of_a_graph():
    model = network("lstm", softmax="adaptive")
    model.fit(Data.of(TRAIN, VALID, VOCAB_SIZE), Run(steps=20, device="cuda", compile="yes"))
    assert model.facts["steps"] == 20


def test_a_cpu_has_no_queue():
    queue = Queue(torch.device("cpu"))
    queue.step()
    assert not queue.ends
