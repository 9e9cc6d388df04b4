"""Assignment 5, A neural probabilistic language model. Fill the holes; the handout has the equations.

Use NumPy: neither PyTorch and its like, nor lmzoo. Matrices come as lists, and may be returned as lists or arrays.

    params     {"C": (V, m), "H": (h, n m), "d": (h,), "U": (V, h), "W": (V, n m), "b": (V,)}
    contexts   B tuples of n ids each, the oldest token first
    targets    B ids: what came next
"""


def hidden(params, contexts):
    """(x, a): the vectors of each context in a row (B, n m), and the hidden units (B, h)."""
    raise NotImplementedError("TODO 1: hidden")


def scores(params, x, a):
    """y (B, V), before the softmax."""
    raise NotImplementedError("TODO 2: scores")


def loss(y, targets):
    """The mean over B of -ln P(target), of scores y (B, V)."""
    raise NotImplementedError("TODO 3: loss")


def score_gradients(y, targets):
    """The derivatives (B, V) of that loss by each of the scores."""
    raise NotImplementedError("TODO 4: score_gradients")


def gradients(params, contexts, x, a, dy):
    """The derivatives of a loss by all of `params`, a dictionary like it, given those by the scores: dy (B, V)."""
    raise NotImplementedError("TODO 5: gradients")


def step(params, grads, rate, decay):
    """The parameters after a step of gradient descent with weight decay, which biases (b and d) do not have."""
    raise NotImplementedError("TODO 6: step")


def own_model(tokens, vocab_size, steps):
    """A function of a history that gives a list of V probabilities: your network, trained in so many steps.

    Tokens are ids 0 … V-1, and the last one, V-1, ends each document. A history is the tuple of the ids since the
    document began, the `end` of the document before first.
    """
    raise NotImplementedError("TODO 7: own_model")
