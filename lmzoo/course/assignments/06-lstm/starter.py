"""Assignment 6, LSTM. Fill the holes; the handout has the equations. Use NumPy, and in part 6 PyTorch, but not lmzoo.

Vectors and matrices come as lists, and may be returned as lists or arrays. The rows of a layer's weights are those of
its gates in PyTorch's order, i, f, g, o: H of the input gate, then H of the forget gate, …

    layer   {"weight_ih": (4H, E), "weight_hh": (4H, H), "bias_ih": (4H,), "bias_hh": (4H,)}
    model   {"embedding": (V, E), "layers": [layer, …], "output": {"weight": (V, H), "bias": (V,)}}
    state   [(h, c), …], a pair of vectors (H,) for each layer; None before anything has been read: zeros
"""


def cell(x, h, c, layer):
    """(h, c) after reading x (E,), for h and c (H,) before it."""
    raise NotImplementedError("TODO 1: cell")


def run(xs, h, c, layer):
    """(hs, h, c): the outputs (T, H) for a sequence of inputs xs (T, E), which may be empty, and h and c at its end."""
    raise NotImplementedError("TODO 2: run")


def reader(model):
    """A function of a state and a list of tokens that returns the state after reading them.

    It remembers nothing from one call to the next, and leaves the state that it is given as it is.
    """
    raise NotImplementedError("TODO 3: reader")


def log_probs(model, state):
    """ln P of each of the V tokens, to come next after a state (not None)."""
    raise NotImplementedError("TODO 4: log_probs")


def score(model, tokens):
    """ln P of each token of a text, given those before it. Before the first the network has read `end`, V-1."""
    raise NotImplementedError("TODO 5: score")


def own_model(tokens, vocab_size, steps):
    """A function of a history that gives a list of V probabilities: your LSTM, trained in so many steps.

    Tokens are ids 0 … V-1, and the last one, V-1, ends each document. A history is the tuple of the ids since the
    document began, the `end` of the document before first. Histories come in the order of the text.
    """
    raise NotImplementedError("TODO 6: own_model")
