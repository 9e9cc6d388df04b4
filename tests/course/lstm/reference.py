"""The reference hand-in of assignment 6, as a student would write it."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(x, h, c, layer):
    gates = np.array(layer["weight_ih"]) @ np.array(x) + np.array(layer["bias_ih"])
    gates = gates + np.array(layer["weight_hh"]) @ np.array(h) + np.array(layer["bias_hh"])
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f) * np.array(c) + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, c


def run(xs, h, c, layer):
    hs = []
    for x in xs:
        h, c = cell(x, h, c, layer)
        hs.append(h)
    return hs, h, c


def reader(model):
    size = len(model["layers"][0]["weight_hh"][0])
    start = [(np.zeros(size), np.zeros(size)) for _ in model["layers"]]

    def read(state, tokens):
        before = start if state is None else state
        xs = [model["embedding"][token] for token in tokens]
        after = []
        for layer, (h, c) in zip(model["layers"], before, strict=True):
            xs, h, c = run(xs, h, c, layer)
            after.append((h, c))
        return after

    return read


def log_probs(model, state):
    h, _ = state[-1]
    logits = np.array(model["output"]["weight"]) @ np.array(h) + np.array(model["output"]["bias"])
    largest = logits.max()
    return logits - (largest + np.log(np.sum(np.exp(logits - largest))))


def score(model, tokens):
    read, end = reader(model), len(model["embedding"]) - 1
    state, scores = read(None, [end]), []
    for token in tokens:
        scores.append(log_probs(model, state)[token])
        state = read(state, [token])
    return scores


def own_model(tokens, vocab_size, steps):
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    torch.manual_seed(0)
    end, batch, window, rate = vocab_size - 1, 8, 16, 1e-2
    embedding, lstm = nn.Embedding(vocab_size, 64), nn.LSTM(64, 128, batch_first=True)
    output = nn.Linear(128, vocab_size)
    lstm.bias_ih_l0.data[128:256] = 1.0  # forget gates open
    weights = [*embedding.parameters(), *lstm.parameters(), *output.parameters()]
    optimizer = torch.optim.Adam(weights, betas=(0.9, 0.99))
    text = torch.tensor([end, *tokens])
    length = (len(text) - 1) // batch
    x, y = (part[: batch * length].reshape(batch, length) for part in (text[:-1], text[1:]))
    at, state = 0, None
    for step in range(steps):
        if at + window > length:
            at, state = 0, None
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 20) * (1 - step / steps)
        hidden, state = lstm(embedding(x[:, at : at + window]), state)
        state = tuple(part.detach() for part in state)
        loss = cross_entropy(output(hidden).flatten(0, 1), y[:, at : at + window].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        at += window
    known = {}

    def predict(history):
        before = known.get(history[:-1])
        read = history if before is None else history[-1:]
        with torch.no_grad():
            hidden, after = lstm(embedding(torch.tensor([read])), before)
            known.clear()
            known[history] = after
            return torch.softmax(output(hidden[0, -1]).double(), 0).tolist()

    return predict
