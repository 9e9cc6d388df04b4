"""T5 in: folders of Hugging Face `transformers`, as of T5ForConditionalGeneration.

    config.json            sizes and settings; with feed_forward_proj "relu" (T5) or "gated-gelu" (T5 1.1)
    model.safetensors      the weights
    tokenizer.json         the pieces of SentencePiece's unigram model, with their log-probabilities

Our tokens are theirs in another order: </s> is the last one, behind it come the sentinels <extra_id_0>, <extra_id_1>
and so on, and what the decoder begins with, <pad>, is the last row of all, which is never predicted.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from lmzoo.data.tokenizers import SentencePiece
from lmzoo.errors import FormatError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import typed
from lmzoo.formats import gpt2
from lmzoo.formats.gpt2_tokenizer import read_json
from lmzoo.models.t5 import T5

SIZES = {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "vocab_size": 32_128,
         "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}  # fmt: skip
FORMS = {"relu": False, "gated-gelu": True}  # whether gated
END, PAD = "</s>", "<pad>"
TABLE, HEAD = "shared.weight", "lm_head.weight"


def is_one(folder: Path) -> bool:
    """Whether a folder's config.json names a T5."""
    path = folder / "config.json"
    return path.is_file() and read_json(path, dict[str, Any]).get("model_type") == "t5"


def read(folder: str | Path) -> TextModel:
    """The model and tokenizer of a folder. Raises FormatError, naming what is missing or wrong and what is expected."""
    folder = Path(folder)
    config = read_json(folder / "config.json", dict[str, Any])
    settings, vocab_size = _settings(config, folder)
    tokenizer, order = _tokenizer(folder, vocab_size, config)
    size = tokenizer.vocab_size
    with ExitStack() as stack:
        theirs = gpt2.open_weights(folder, stack)
        # transformers 5 saves as tied what it does not scale, and an own matrix of the softmax wherever there is one.
        scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True)) is not False
        head = HEAD if HEAD in theirs else TABLE
        settings |= {"tied": scaled and head == TABLE, "sentinels": len(order) - 1 - size}
        model = T5.from_config({**T5.PRESETS["t5-small"], **settings})
        names = dict(_names(model, head))
        module = model.build(size)
        expected = {name: tuple(weight.shape) for name, weight in module.weights().items()}
        tables = {"embedding.weight": (vocab_size, model.width), "output.weight": (vocab_size, model.width)}
        for ours, name in names.items():
            shape = tables.get(ours, expected[ours])
            if name not in theirs:
                raise FormatError(f"{folder}: the weights lack {name}, {shape}")
            if theirs[name].shape != shape:
                raise FormatError(f"{folder}: {name} is {theirs[name].shape} where config.json wants {shape}")
        known = set(names.values())
        if unknown := [name for name in theirs if ".block." in name and name not in known]:
            raise FormatError(f"{folder}: the weights have {unknown[0]}, which a t5 of {model.layers} layers has not")
        weights = {ours: theirs[name].load().float() for ours, name in names.items()}
    weights["embedding.weight"] = weights["embedding.weight"][order]
    if not model.tied:
        weights["output.weight"] = weights["output.weight"][order[:-1]] * (model.width**-0.5 if scaled else 1.0)
    module.load_weights(weights)
    model.net_, model.vocab_size_ = module.eval(), size
    model.remarks = ["text is read as words with one space between; figures are of what is left"]
    return TextModel(model, tokenizer)


def _settings(config: dict[str, Any], folder: Path) -> tuple[dict[str, Any], int]:
    if config.get("model_type") != "t5":
        raise FormatError(f"{folder}: config.json has model_type {config.get('model_type')!r}, not 't5'")
    sizes = {name: config.get(name, default) for name, default in SIZES.items()}
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise FormatError(f"{folder}: {name} in config.json must be a whole number from 1, not {size!r}")
    layers = sizes["num_layers"]
    readable = {"num_decoder_layers": (layers, None), "feed_forward_proj": tuple(FORMS)}
    for name, known in readable.items():
        if config.get(name, known[0]) not in known:
            raise FormatError(f"{folder}: {name} = {config[name]!r} cannot be read, only {known[0]!r}")
    return {
        "layers": layers,
        "heads": sizes["num_heads"],
        "width": sizes["d_model"],
        "head_width": sizes["d_kv"],
        "inner": sizes["d_ff"],
        "gated": FORMS[config.get("feed_forward_proj", "relu")],
        "buckets": sizes["relative_attention_num_buckets"],
        "distance": sizes["relative_attention_max_distance"],
        "dropout": typed(config.get("dropout_rate", 0.1), float, f"{folder}: dropout_rate"),
        "epsilon": typed(config.get("layer_norm_epsilon", 1e-6), float, f"{folder}: layer_norm_epsilon"),
    }, sizes["vocab_size"]


def _names(model: T5, head: str) -> Iterator[tuple[str, str]]:
    """Each weight here and there."""
    yield "embedding.weight", TABLE
    if not model.tied:
        yield "output.weight", head
    for stack in ("encoder", "decoder"):
        first = f"{stack}.block.0.layer.0.SelfAttention"
        yield f"{stack}.bias.weight", f"{first}.relative_attention_bias.weight"
        yield f"{stack}.norm.weight", f"{stack}.final_layer_norm.weight"
        parts = {"attention": "SelfAttention"} | ({"cross": "EncDecAttention"} if stack == "decoder" else {})
        for n in range(model.layers):
            ours, theirs = f"{stack}.layers.{n}", f"{stack}.block.{n}.layer"
            for place, (part, named) in enumerate(parts.items()):
                for letter in "qkvo":
                    yield f"{ours}.{part}.{letter}.weight", f"{theirs}.{place}.{named}.{letter}.weight"
            for place in range(len(parts) + 1):
                yield f"{ours}.norms.{place}.weight", f"{theirs}.{place}.layer_norm.weight"
            dense = {"up": "wi_0", "gate": "wi_1"} if model.gated else {"up": "wi"}
            for mine, name in {**dense, "down": "wo"}.items():
                yield f"{ours}.mlp.{mine}.weight", f"{theirs}.{len(parts)}.DenseReluDense.{name}.weight"


def _tokenizer(folder: Path, vocab_size: int, config: dict[str, Any]) -> tuple[SentencePiece, torch.Tensor]:
    """The tokenizer, and their id of each row of our table."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise FormatError(f"{folder} has no tokenizer: put its tokenizer.json there (spiece.model alone is not read)")
    saved = read_json(path, dict[str, Any])
    known = saved.get("model")
    if not isinstance(known, dict) or known.get("type") != "Unigram":
        raise FormatError(f"{path}: its model is no Unigram, which a t5 has")
    rows = typed(known.get("vocab"), list[tuple[str, float]], f"{path}: vocab")
    pieces, log_probs = {n: piece for n, (piece, _) in enumerate(rows)}, {n: p for n, (_, p) in enumerate(rows)}
    for one in typed(saved.get("added_tokens", []), list[dict[str, Any]], f"{path}: added_tokens"):
        pieces[typed(one.get("id"), int, f"{path}: id")] = typed(one.get("content"), str, f"{path}: content")
    if max(pieces, default=0) >= vocab_size or len(set(pieces.values())) < len(pieces):
        raise FormatError(f"{path} does not belong to this model: {len(pieces):,} tokens where it has {vocab_size:,}")
    places = {piece: n for n, piece in pieces.items()}
    if missing := [piece for piece in (END, PAD, "<extra_id_0>", "<extra_id_1>") if piece not in places]:
        raise FormatError(f"{path} has no {missing[0]}, which a t5 reads")
    if config.get("decoder_start_token_id", places[PAD]) != places[PAD]:
        raise FormatError(f"{folder}: decoder_start_token_id is not that of {PAD}, with which a t5 begins to write")
    sentinels = list[int]()
    while (place := places.get(f"<extra_id_{len(sentinels)}>")) is not None:
        sentinels.append(place)
    apart = {*sentinels, places[PAD], places[END]}
    order = [*(n for n in range(vocab_size) if n not in apart), places[END]]
    tokens = [pieces.get(n, f"<unused{n}>") for n in order]
    made = SentencePiece(tokens, [log_probs.get(n, 0.0) for n in order])
    return made, torch.tensor([*order, *sentinels, places[PAD]])
