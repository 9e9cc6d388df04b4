"""BERT and RoBERTa in, BERT out: folders of Hugging Face `transformers`, as of BertForMaskedLM and RobertaForMaskedLM.

    config.json                     sizes and settings
    model.safetensors               the weights
    vocab.txt or tokenizer.json     BERT's pieces of words; of RoBERTa byte pairs, see gpt2_tokenizer

Our tokens are theirs in another order, the one that ends a text ([SEP], </s>) last; all rows of theirs stay, and those
of [MASK] and [CLS] stand a second time behind them. RoBERTa's positions begin behind the number of its padding.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from lmzoo.data.tokenizers import Tokenizer, WordPiece
from lmzoo.drafts import draft_folder_of, temporary_folder
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import typed
from lmzoo.formats import gpt2, gpt2_tokenizer
from lmzoo.formats.gpt2_tokenizer import read_json
from lmzoo.models.bert import Bert
from lmzoo.neural.encoder import FRAME

KINDS = ("bert", "roberta")
SIZES = {"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768, "max_position_embeddings": 512,
         "vocab_size": 30_522, "type_vocab_size": 2}  # fmt: skip
ACTIVATIONS = {"gelu": True, "gelu_python": True, "gelu_new": False, "gelu_pytorch_tanh": False}  # whether exact
NEVER = -1e4  # the bias of a token that is never predicted


class Found(NamedTuple):
    """A tokenizer, the id there of each of our tokens, and those of [MASK] and [CLS]."""

    tokenizer: Tokenizer
    order: list[int]
    mask: int
    first: int
    notes: list[str]


def is_one(folder: Path) -> bool:
    """Whether a folder's config.json names one of the two."""
    path = folder / "config.json"
    return path.is_file() and read_json(path, dict[str, Any]).get("model_type") in KINDS


def read(folder: str | Path) -> TextModel:
    """The model and tokenizer of a folder. Raises FormatError, naming what is missing or wrong and what is expected."""
    folder = Path(folder)
    config = read_json(folder / "config.json", dict[str, Any])
    model, vocab_size, skipped = _settings(config, folder)
    kind = config["model_type"]
    found = word_pieces(folder, vocab_size) if kind == "bert" else _byte_pairs(folder, config, vocab_size)
    values = values_of(folder, kind, dict(_shapes(model, kind, vocab_size, skipped)), model.layers)
    module = model.build(vocab_size)
    module.load_weights(_ours(values, model, kind, found, skipped))
    model.net_, model.vocab_size_, model.remarks = module.eval(), vocab_size, found.notes
    return TextModel(model, found.tokenizer)


def values_of(folder: Path, kind: str, shapes: Mapping[str, tuple[int, ...]], layers: int) -> dict[str, Tensor]:
    """The weights that `shapes` names, without "KIND." before them. Raises FormatError as `read` does."""
    with ExitStack() as stack:
        theirs = {name.removeprefix(f"{kind}."): one for name, one in gpt2.open_weights(folder, stack).items()}
        for name, shape in shapes.items():
            if name not in theirs:
                head = " (an encoder without a head cannot fill blanks)" if name.startswith(("cls", "lm_head")) else ""
                raise FormatError(f"{folder}: the weights lack {name}, {shape}{head}")
            if theirs[name].shape != shape:
                raise FormatError(f"{folder}: {name} is {theirs[name].shape} where config.json wants {shape}")
        if unknown := [name for name in theirs if name.startswith("encoder.layer.") and name not in shapes]:
            raise FormatError(f"{folder}: the weights have {unknown[0]}, which a {kind} of {layers} layers has not")
        return {name: theirs[name].load().float() for name in shapes}


def _settings(config: dict[str, Any], folder: Path) -> tuple[Bert, int, int]:
    """The unfitted model, V, and how many positions at the beginning are never read."""
    if config.get("model_type") not in KINDS:
        raise FormatError(f"{folder}: config.json has model_type {config.get('model_type')!r}, not 'bert' or 'roberta'")
    skipped = 0
    if config["model_type"] == "roberta":
        skipped = typed(config.get("pad_token_id", 1), int, f"{folder}: pad_token_id in config.json") + 1
    own, vocab_size = settings_of(config, folder, SIZES, skipped)
    preset = "bert-base" if config["model_type"] == "bert" else "roberta-base"
    return Bert.from_config({**Bert.PRESETS[preset], **own, "next_sentence": False}), vocab_size, skipped


def settings_of(
    config: dict[str, Any], folder: Path, defaults: Mapping[str, int], skipped: int = 0
) -> tuple[dict[str, Any], int]:
    """The settings of an encoder and V, as config.json says. Raises FormatError for what cannot be read."""
    sizes = {name: config.get(name, default) for name, default in defaults.items()}
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise FormatError(f"{folder}: {name} in config.json must be a whole number from 1, not {size!r}")
    inner = 4 * sizes["hidden_size"]
    readable = {"hidden_act": tuple(ACTIVATIONS), "intermediate_size": (inner,), "is_decoder": (False,),
                "position_embedding_type": ("absolute",), "tie_word_embeddings": (True,)}  # fmt: skip
    for name, known in readable.items():
        if config.get(name, known[0]) not in known:
            raise FormatError(f"{folder}: {name} = {config[name]!r} cannot be read, only {known[0]!r}")
    segments = sizes["type_vocab_size"]
    window = sizes["max_position_embeddings"] - skipped - FRAME - (segments > 1)
    if window < 2:
        raise FormatError(f"{folder}: {sizes['max_position_embeddings']} positions are too few for a text")
    return {
        "layers": sizes["num_hidden_layers"],
        "heads": sizes["num_attention_heads"],
        "width": sizes["hidden_size"],
        "window": window,
        "segments": segments,
        "dropout": typed(config.get("hidden_dropout_prob", 0.1), float, f"{folder}: hidden_dropout_prob"),
        "epsilon": typed(config.get("layer_norm_eps", 1e-12), float, f"{folder}: layer_norm_eps"),
        "exact_gelu": ACTIVATIONS[config.get("hidden_act", "gelu")],
    }, sizes["vocab_size"]


def layers_of(model: Any) -> Iterator[tuple[str, list[str]]]:
    """Each weight of the layers here, and those of theirs that it consists of."""
    for n in range(model.layers):
        there = f"encoder.layer.{n}."
        for ours, theirs in (
            ("attention.qkv", [f"attention.self.{one}" for one in ("query", "key", "value")]),
            ("attention.out", ["attention.output.dense"]),
            ("norms.0", ["attention.output.LayerNorm"]),
            ("mlp.up", ["intermediate.dense"]),
            ("mlp.down", ["output.dense"]),
            ("norms.1", ["output.LayerNorm"]),
        ):
            for part in ("weight", "bias"):
                yield f"blocks.{n}.{ours}.{part}", [f"{there}{one}.{part}" for one in theirs]


def _head(kind: str) -> dict[str, str]:
    """The names of the head here and there."""
    dense, norm, bias = (
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.bias",
    )
    if kind == "roberta":
        dense, norm, bias = "lm_head.dense", "lm_head.layer_norm", "lm_head.bias"
    named = {"output.dense": dense, "output.norm": norm, "embeddings.norm": "embeddings.LayerNorm"}
    parts = ("weight", "bias")
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in named.items() for part in parts} | {"bias": bias}


def _shapes(model: Bert, kind: str, vocab_size: int, skipped: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shape of each weight there."""
    width = model.width
    yield "embeddings.word_embeddings.weight", (vocab_size, width)
    positions = model.window + FRAME + (model.segments > 1) + skipped
    yield "embeddings.position_embeddings.weight", (positions, width)
    yield "embeddings.token_type_embeddings.weight", (max(1, model.segments), width)
    for ours, theirs in _head(kind).items():
        size = (vocab_size,) if ours == "bias" else (width,)
        yield theirs, (width, width) if ours == "output.dense.weight" else size
    yield from layer_shapes(model)


def layer_shapes(model: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shape of each weight there of the layers."""
    width = model.width
    for _, names in layers_of(model):
        for name in names:
            module, _, part = name.rpartition(".")
            rows, columns = {"intermediate.dense": (4 * width, width), "output.dense": (width, 4 * width)}.get(
                module.split(".", 3)[3], (width, width)
            )
            yield name, (rows,) if part == "bias" else (width,) if "LayerNorm" in module else (rows, columns)


def _ours(theirs: dict[str, Tensor], model: Bert, kind: str, found: Found, skipped: int) -> dict[str, Tensor]:
    """Their weights under our names, tokens in our order."""
    table = theirs["embeddings.word_embeddings.weight"]
    weights = {ours: theirs[name] for ours, name in _head(kind).items()}
    weights["bias"] = weights["bias"][found.order]
    weights["embeddings.tokens.weight"] = table[[*found.order, found.mask, found.first]]
    weights["embeddings.positions.weight"] = theirs["embeddings.position_embeddings.weight"][skipped:]
    weights["embeddings.segments.weight"] = theirs["embeddings.token_type_embeddings.weight"]
    weights |= {ours: torch.cat([theirs[name] for name in names]) for ours, names in layers_of(model)}
    return weights


# ── Tokenizers ────────────────────────────────────────────────────────────────────────────────────────


def word_pieces(folder: Path, vocab_size: int) -> Found:
    """The tokenizer of a folder with vocab.txt or tokenizer.json. Raises FormatError for one that does not belong."""
    lower_case, where = True, folder / "vocab.txt"
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        lower_case = read_json(settings, dict[str, Any]).get("do_lower_case", True) is not False
    if where.is_file():
        lines = gpt2_tokenizer.file_text(where).replace("\r\n", "\n").split("\n")
        tokens = {token: n for n, token in enumerate(lines[:-1] if lines[-1] == "" else lines)}
    elif (where := folder / "tokenizer.json").is_file():
        saved = read_json(where, dict[str, Any])
        known, rules = saved.get("model"), saved.get("normalizer")
        if not isinstance(known, dict) or known.get("type") != "WordPiece":
            raise FormatError(f"{where}: its model is no WordPiece, which a bert has")
        tokens = typed(known.get("vocab"), dict[str, int], f"{where}: vocab")
        lower_case = rules.get("lowercase", True) is not False if isinstance(rules, dict) else lower_case
    else:
        raise FormatError(f"{folder} has no tokenizer: put its vocab.txt or tokenizer.json there")
    names = {number: token for token, number in tokens.items()}
    if len(names) < len(tokens) or max(names, default=0) >= vocab_size:
        raise FormatError(f"{where} does not belong to this model: {len(tokens):,} tokens where it has {vocab_size:,}")
    missing = [token for token in ("[SEP]", "[MASK]", "[CLS]") if token not in tokens]
    if missing:
        raise FormatError(f"{where} has no {missing[0]}, which a bert reads")
    end = tokens["[SEP]"]
    order = [*(n for n in range(vocab_size) if n != end), end]
    made = WordPiece([names.get(n, f"[unused{vocab_size + n}]") for n in order], lower_case)
    lost = "in lower case, without accents, " if lower_case else ""
    notes = [f"text is read {lost}as words with one space between; figures are of what is left"]
    return Found(made, order, tokens["[MASK]"], tokens["[CLS]"], notes)


def _byte_pairs(folder: Path, config: dict[str, Any], vocab_size: int) -> Found:
    found = gpt2_tokenizer.read(folder, config, vocab_size)
    mask = found.roles.get("mask_token")
    first = found.roles.get("cls_token", found.roles.get("bos_token"))
    if mask is None or first is None:
        raise FormatError(f"{folder}: tokenizer_config.json names no mask_token or cls_token, which a roberta reads")
    return Found(found.tokenizer, found.order, mask, first, found.notes)


# ── Export ────────────────────────────────────────────────────────────────────────────────────────────


def write(text_model: TextModel, folder: str | Path, overwrite: bool = False) -> list[str]:
    """Write a folder that transformers loads as BertForMaskedLM; returns the names of its files.

    [MASK] and [CLS] are its last two tokens, unless the tokenizer has them, and never predicted. A wordpiece tokenizer
    is written too. Raises UsageError for a setting that a BERT has not, and for an existing folder unless `overwrite`.
    """
    model, tokenizer = text_model
    folder = Path(folder)
    check_form(model, "BERT")
    gpt2.check_place(folder, overwrite)
    net = {name: value.cpu() for name, value in model.net_.weights().items()}
    config = _config_of(model)
    table = table_of(net, tokenizer, config)
    bias = torch.cat([net["bias"], torch.full((len(table) - len(net["bias"]),), NEVER)])
    tensors = {theirs: net[ours] for ours, theirs in _head("bert").items()} | {"cls.predictions.bias": bias}
    tensors["embeddings.word_embeddings.weight"] = table
    tensors["embeddings.position_embeddings.weight"] = net["embeddings.positions.weight"]
    none = torch.zeros(1, model.width)
    tensors["embeddings.token_type_embeddings.weight"] = net.get("embeddings.segments.weight", none)
    for ours, names in layers_of(model):
        tensors |= dict(zip(names, net[ours].chunk(len(names)), strict=True))
    named = {n if n.startswith("cls.") else f"bert.{n}": one for n, one in tensors.items()}
    return save_folder(folder, {"": (named, config)}, tokenizer)


def check_form(model: Any, whose: str) -> None:
    """Raise UsageError for a setting that the encoders of Hugging Face have not."""
    for name, value in {"convolution": 0, "norm_first": False}.items():
        if getattr(model, name) != value:
            raise UsageError(
                f"Hugging Face's {whose} has no {name} = {getattr(model, name)!r}: only {value!r} can be exported"
            )


def table_of(net: Mapping[str, Tensor], tokenizer: Tokenizer, config: dict[str, Any]) -> Tensor:
    """Their table of embeddings: [MASK] and [CLS] stand where the tokenizer has them, else last, as `config` says."""
    table, known = net["embeddings.tokens.weight"], getattr(tokenizer, "ids_of_tokens", {})
    if "[MASK]" in known and "[CLS]" in known:
        size = len(table) - FRAME
        return table.index_copy(0, torch.tensor([known["[MASK]"], known["[CLS]"]]), table[size:])[:size]
    config["vocab_size"] += FRAME
    return table


def save_folder(
    folder: Path, parts: Mapping[str, tuple[dict[str, Tensor], dict[str, Any]]], tokenizer: Tokenizer
) -> list[str]:
    """Write weights and config.json of each part into its folder within `folder` ("": itself); the names of files."""
    try:
        replaces = folder.is_dir() and any(folder.iterdir())
        with temporary_folder(folder) if replaces else draft_folder_of(folder, overwrite=False) as draft:
            for name, (weights, config) in parts.items():
                (place := draft / name).mkdir(exist_ok=True)
                alone = {key: one.clone().contiguous() for key, one in weights.items()}
                save_file(alone, place / gpt2.WEIGHTS, {"format": "pt"})
                gpt2_tokenizer.write_json(place / "config.json", config)
                if isinstance(tokenizer, WordPiece):
                    text = "".join(f"{token}\n" for token in tokenizer.tokens)
                    (place / "vocab.txt").write_text(text, encoding="utf-8")
                    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": tokenizer.lower_case}
                    gpt2_tokenizer.write_json(place / "tokenizer_config.json", settings)
            files = sorted(str(path.relative_to(draft)) for path in draft.rglob("*") if path.is_file())
            for file in files if replaces else ():
                (folder / file).parent.mkdir(exist_ok=True)
                os.replace(draft / file, folder / file)
    except (OSError, SafetensorError) as error:
        raise LmzooError(f"{folder} could not be written: {getattr(error, 'strerror', None) or error}") from None
    return files


def _config_of(model: Bert) -> dict[str, Any]:
    return {"architectures": ["BertForMaskedLM"], "model_type": "bert", **shared_config(model)}


def shared_config(model: Any) -> dict[str, Any]:
    """What config.json says of any encoder."""
    return {
        "vocab_size": model.vocab_size_,
        "hidden_size": model.width,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "intermediate_size": 4 * model.width,
        "hidden_act": "gelu" if model.exact_gelu else "gelu_new",
        "hidden_dropout_prob": model.dropout,
        "attention_probs_dropout_prob": model.dropout,
        "max_position_embeddings": model.window + FRAME + (model.segments > 1),
        "type_vocab_size": max(1, model.segments),
        "layer_norm_eps": model.epsilon,
        "pad_token_id": None,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }
