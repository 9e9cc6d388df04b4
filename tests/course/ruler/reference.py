"""The reference hand-in of assignment 1, as a student would write it."""

import math
from collections import Counter, defaultdict

import numpy as np

FAULTS = ("none", "nats", "characters", "first token", "tokens", "lines", "zeros")
UNITS = ("token", "character", "byte", "word")


def total_bits(log_probs):
    return -sum(log_probs) / math.log(2)


def bits_per(unit, bits, text, tokens):
    counts = {
        "token": tokens,
        "character": len(text),
        "byte": len(text.encode("utf-8")),
        "word": len(text.split()),
    }
    return bits / counts[unit]


def perplexity(bits, text, protocol):
    words = len(text.split())
    if protocol == "lines":
        words += text.count("\n")
    return 2 ** (bits / words)


def interval(bits, characters, picks):
    bits, characters, picks = np.array(bits), np.array(characters), np.array(picks)
    ratios = bits[picks].sum(axis=1) / characters[picks].sum(axis=1)
    return tuple(np.percentile(ratios, [2.5, 97.5]))


def shannon_bounds(ranks):
    q = sorted((count / len(ranks) for count in Counter(ranks).values()), reverse=True)
    upper = -sum(x * math.log2(x) for x in q)
    lower = sum(i * (x - y) * math.log2(i) for i, (x, y) in enumerate(zip(q, [*q[1:], 0], strict=True), 1))
    return lower, upper


def diagnose(pieces, log_probs, right, reported):
    for fault in FAULTS:
        wrong = report(fault, pieces, log_probs, right)
        if all(math.isclose(wrong[key], reported[key], rel_tol=1e-9) for key in reported):
            return fault
    return None


def report(fault, pieces, log_probs, right):
    in_bits = [-p / math.log(2) for p in log_probs]
    bits, divisor, words = right["bits"], right["bytes"], right["words"]
    if fault == "nats":
        bits = -sum(log_probs)
    if fault == "characters":
        divisor = right["characters"]
    if fault == "first token":
        bits -= in_bits[0]
    if fault == "tokens":
        words = right["tokens"]
    if fault == "zeros":
        bits = sum(b for b in in_bits if b < math.inf)
    per_byte = bits / divisor
    if fault == "lines":
        per_byte = mean_over_lines(pieces, in_bits)
    return {"bits per byte": per_byte, "perplexity per word": 2 ** (bits / words)}


def mean_over_lines(pieces, in_bits):
    means, line, bits = [], "", 0.0
    for piece, b in zip(pieces, in_bits, strict=True):
        line, bits = line + piece, bits + b
        if line.endswith("\n"):
            means.append(bits / len(line.encode()))
            line, bits = "", 0.0
    if line:
        means.append(bits / len(line.encode()))
    return sum(means) / len(means)


def own_model(tokens, vocab_size):
    end, k = vocab_size - 1, 0.1
    counts = defaultdict(Counter)
    history = (end,)
    for token in tokens:
        counts[history[-2:]][token] += 1
        history = (end,) if token == end else (*history[-1:], token)

    def predict(history):
        seen = counts[history[-2:]]
        total = sum(seen.values()) + k * vocab_size
        return [(seen.get(w, 0) + k) / total for w in range(vocab_size)]

    return predict
