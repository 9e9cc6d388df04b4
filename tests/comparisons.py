"""Synthetic comparisons, such as `lmzoo compare` would hand over: no model is trained for them."""

import copy
import math

SHA = "ab12" * 16
STORY = "Sean came to the hack space.\nThe hyenas sit on the mat, and he likes them.\n"


def score(bits_per_character: float, characters: int = 200_000) -> dict:
    bits, tokens, words = bits_per_character * characters, characters // 4, characters // 5
    return {
        "bits": bits, "characters": characters, "bytes": characters + 20, "tokens": tokens, "words": words,
        "bits_per_character": bits_per_character, "bits_per_byte": bits / (characters + 20),
        "perplexity_per_token": 2 ** (bits / tokens), "perplexity_per_word": 2 ** (bits / words),
        "protocol": "stream", "sha256": SHA,
    }  # fmt: skip


def row(label: str, bits: float | None, **changes: object) -> dict:
    model = label.split()[0]
    made = {
        "label": label, "model": model, "year": 1995, "paper": f"The paper of {model}", "config": {},
        "tokenizer": "word:5000", "train_seconds": 1.234, "reach": 4, "tokens_per_second": 1.2e6,
        "size": {"count": 123_456, "unit": "n-grams", "bytes": 1_234_567},
        "score": None if bits is None else score(bits),
        "interval": None if bits is None else [bits - 0.02, bits + 0.02],
        "error": "every token has probability zero" if bits is None else None, "notes": [],
    }  # fmt: skip
    return made | changes


def passage(label: str, size: int, text: str = STORY) -> dict:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    bits = [abs(math.sin(i * 1.7 + size)) ** 3 * 5 * size for i in range(len(pieces))]
    return {"label": label, "pieces": [{"text": t, "bits": b} for t, b in zip(pieces, bits, strict=True)]}


def comparison(**changes: object) -> dict:
    """What `lmzoo compare` hands over on the built-in corpus, small."""
    counts = {"train": 2_000_000, "valid": 200_000, "test": 200_000}
    mkn = {"order": 5, "smoothing": "modified-kneser-ney"}
    made = {
        "name": "storyworld", "title": "Storyworld", "command": "lmzoo compare", "date": "2026-11-21",
        "machine": "AMD EPYC, 2 cores, 24 GiB, Linux", "commit": "01808a0", "seconds": 61.2,
        "versions": {"lmzoo": "0.1.0", "python": "3.11.7", "numpy": "2.4.1"},
        "corpus": {
            "name": "storyworld", "title": "Storyworld: small stories", "licence": "MIT", "citation": "",
            "source": "generated, seed 0", "protocol": "stream", "sha256": dict.fromkeys(counts, SHA),
            "characters": counts, "bytes": counts, "floor_bits": 220_000.0,
        },
        "rows": [
            row("uniform", 2.46, year=1928, reach=0, size={"count": 0, "unit": "parameters", "bytes": 812}),
            row("ngram order=5", 1.31, config=mkn),
            row("ngram order=3", 1.47, config=mkn | {"order": 3}),
            row("ngram order=5 smoothing=mle", None, config={"order": 5, "smoothing": "mle"}),
        ],
        "references": [
            {"label": "xz", "given_train": True, "note": "given the training text", "bits": 3.8e5,
             "bits_per_character": 1.91},
            {"label": "bz2", "given_train": False, "note": "alone", "bits": 4e5, "bits_per_character": 2.0},
            {"label": "gzip", "given_train": True, "note": "given its last 32 kB", "bits": 5e5,
             "bits_per_character": 2.52},
        ],
        "differences": [
            {"a": "ngram order=5", "b": "uniform", "delta": -1.15, "low": -1.2, "high": -1.1},
            {"a": "ngram order=3", "b": "ngram order=5", "delta": 0.16, "low": 0.14, "high": 0.18},
        ],
        "orders": [
            {"order": order, "smoothing": smoothing, "bits_per_character": 1.3 + 1.1 / order**1.7 + extra}
            for smoothing, extra in (("modified-kneser-ney", 0.0), ("kneser-ney", 0.02))
            for order in range(1, 7)
        ],
        "passages": [passage("ngram order=5", 4), passage("uniform", 1)],
        "samples": [
            {"label": "ngram order=5", "prompt": "The cat", "seed": 1, "text": " sits on the mat.\n" * 3},
            {"label": "uniform", "prompt": "", "seed": 1, "text": "mat qua ;; rev the\n"},
        ],
    }  # fmt: skip
    return copy.deepcopy(made) | changes
