"""Parts 1 to 4 as they should be: later parts are graded with those before them, so that nobody pays twice."""

import numpy as np


def cell(x, h, c, layer):
    w = {name: np.array(value) for name, value in layer.items()}
    gates = w["weight_ih"] @ np.array(x) + w["bias_ih"] + w["weight_hh"] @ np.array(h) + w["bias_hh"]
    i, f, g, o = np.split(gates, 4)
    c = np.array(c) / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(c) / (1 + np.exp(-o)), c


def run(xs, h, c, layer):
    hs = []
    for x in xs:
        h, c = cell(x, h, c, layer)
        hs.append(h)
    return hs, h, c


def reader(model):
    def read(state, tokens):
        zeros = [0.0] * len(model["layers"][0]["weight_hh"][0])
        xs, after = [model["embedding"][token] for token in tokens], []
        for layer, (h, c) in zip(model["layers"], state or [(zeros, zeros)] * len(model["layers"]), strict=True):
            xs, h, c = run(xs, h, c, layer)
            after.append((h, c))
        return after

    return read


def log_probs(model, state):
    logits = np.array(model["output"]["weight"]) @ np.array(state[-1][0]) + np.array(model["output"]["bias"])
    logits = logits - logits.max()
    return logits - np.log(np.exp(logits).sum())
