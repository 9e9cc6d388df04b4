"""ELECTRA in and out: folders of Hugging Face `transformers`, which hold one of its two networks each.

    discriminator/      as of ElectraForPreTraining
    generator/          as of ElectraForMaskedLM

A folder with these two is a whole ELECTRA, whose embeddings must be the same in both; one of them alone is that part.
Each has config.json, model.safetensors and BERT's vocab.txt or tokenizer.json, read as in `formats/bert.py`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmzoo.errors import FormatError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import bert, gpt2
from lmzoo.formats.gpt2_tokenizer import read_json
from lmzoo.models.electra import Electra
from lmzoo.neural.encoder import FRAME

PARTS = {"discriminator": "ElectraForPreTraining", "generator": "ElectraForMaskedLM"}
SIZES = {"num_hidden_layers": 12, "num_attention_heads": 4, "hidden_size": 256, "max_position_embeddings": 512,
         "vocab_size": 30_522, "type_vocab_size": 2}  # fmt: skip
HEADS = {
    "discriminator": {
        "output.dense": "discriminator_predictions.dense",
        "output.score": "discriminator_predictions.dense_prediction",
    },
    "generator": {
        "output.dense": "generator_predictions.dense",
        "output.norm": "generator_predictions.LayerNorm",
    },
}
BIAS = "generator_lm_head.bias"


def is_one(folder: Path) -> bool:
    """Whether a folder is an ELECTRA, or has the two parts of one."""
    path = folder / "config.json"
    if path.is_file():
        return read_json(path, dict[str, Any]).get("model_type") == "electra"
    return all((folder / part / "config.json").is_file() for part in PARTS)


def weight_folders(folder: Path) -> list[Path]:
    """Where its weights are: the folder itself, or those of its parts."""
    return [folder] if (folder / "config.json").is_file() else [folder / part for part in PARTS]


def read(folder: str | Path) -> TextModel:
    """The model and tokenizer of a folder. Raises FormatError, naming what is missing or wrong and what is expected."""
    folder = Path(folder)
    if len(weight_folders(folder)) == 1:
        model, weights, found = _read_part(folder, _part_of(folder))
    else:
        model, weights, found = _read_part(folder / "discriminator", "discriminator")
        smaller, more, other = _read_part(folder / "generator", "generator")
        model = _joined(model, smaller, folder)
        if other.tokenizer.to_json() != found.tokenizer.to_json():
            raise FormatError(f"{folder}: generator and discriminator have two tokenizers, and need one")
        for name in (name for name in weights if name.startswith("embeddings.")):
            if name not in more or not torch.equal(weights[name], more[name]):
                raise FormatError(f"{folder}: {name} of generator and discriminator differ, which share them in lmzoo")
        weights |= {f"generator.{name}": one for name, one in more.items()}
    size = found.tokenizer.vocab_size
    module = model.build(size)
    module.load_weights(weights)
    model.net_, model.vocab_size_, model.remarks = module.eval(), size, found.notes
    return TextModel(model, found.tokenizer)


def _part_of(folder: Path) -> str:
    named = read_json(folder / "config.json", dict[str, Any]).get("architectures")
    parts = [part for part, architecture in PARTS.items() if named == [architecture]]
    if not parts:
        raise FormatError(f"{folder}: architectures in config.json is {named!r}, not {' or '.join(PARTS.values())}")
    return parts[0]


def _read_part(folder: Path, part: str) -> tuple[Electra, dict[str, Tensor], bert.Found]:
    """The unfitted model of a part alone, its weights under our names, and its tokenizer."""
    config = read_json(folder / "config.json", dict[str, Any])
    if config.get("model_type") != "electra":
        raise FormatError(f"{folder}: config.json has model_type {config.get('model_type')!r}, not 'electra'")
    own, vocab_size = bert.settings_of(config, folder, {**SIZES, "embedding_size": 128})
    if part == "generator" and not own["exact_gelu"]:  # whose head has GELU itself, whatever the layers have
        raise FormatError(f"{folder}: hidden_act = {config['hidden_act']!r} cannot be read of a generator, only 'gelu'")
    settings = {**Electra.PRESETS["electra-small"], **own, "part": part, "embedding": config.get("embedding_size", 128)}
    model = Electra.from_config(settings)
    found = bert.word_pieces(folder, vocab_size)
    theirs = bert.values_of(folder, "electra", dict(_shapes(model, vocab_size)), model.layers)
    weights = {ours: torch.cat([theirs[name] for name in names]) for ours, names in _names(model)}
    weights["embeddings.tokens.weight"] = weights["embeddings.tokens.weight"][[*found.order, found.mask, found.first]]
    if part == "generator":
        weights["bias"] = weights["bias"][found.order]
    return model, weights, found


def _joined(large: Electra, small: Electra, folder: Path) -> Electra:
    """A model of both parts."""
    model = Electra.from_config({**large.config(), "part": "both", "generator": small.width / large.width})
    beside = model.generator_alone
    for name, value in beside.config().items():
        if name not in ("part", "generator") and getattr(small, name, value) != value:
            raise FormatError(
                f"{folder}: {name} of the generator is {getattr(small, name)!r}, and beside this discriminator it "
                f"would be {value!r}: import the two apart"
            )
    return model


def _names(model: Electra) -> Iterator[tuple[str, list[str]]]:
    """Each weight of a part here, and those of theirs that it consists of."""
    yield "embeddings.tokens.weight", ["embeddings.word_embeddings.weight"]
    yield "embeddings.positions.weight", ["embeddings.position_embeddings.weight"]
    yield "embeddings.segments.weight", ["embeddings.token_type_embeddings.weight"]
    named = {"embeddings.norm": "embeddings.LayerNorm", **HEADS[model.part]}
    if model.embedding not in (0, model.width):
        named["project"] = "embeddings_project"
    for ours, theirs in named.items():
        for kind in ("weight", "bias"):
            yield f"{ours}.{kind}", [f"{theirs}.{kind}"]
    if model.part == "generator":
        yield "bias", [BIAS]
    yield from bert.layers_of(model)


def _shapes(model: Electra, vocab_size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shape of each weight there."""
    width, inner = model.width, model.embedding or model.width
    out = inner if model.part == "generator" else width
    own = {
        "embeddings.word_embeddings.weight": (vocab_size, inner),
        "embeddings.position_embeddings.weight": (model.window + FRAME + (model.segments > 1), inner),
        "embeddings.token_type_embeddings.weight": (max(1, model.segments), inner),
        "embeddings_project.weight": (width, inner),
        "embeddings_project.bias": (width,),
        "discriminator_predictions.dense_prediction.weight": (1, width),
        "discriminator_predictions.dense_prediction.bias": (1,),
        BIAS: (vocab_size,),
    }
    for _, names in _names(model):
        for name in names:
            if not name.startswith("encoder."):
                square = name.endswith("dense.weight")
                norm = inner if "LayerNorm" in name else out
                yield name, own.get(name, (out, width) if square else (norm,))
    yield from bert.layer_shapes(model)


# ── Export ────────────────────────────────────────────────────────────────────────────────────────────


def write(text_model: TextModel, folder: str | Path, overwrite: bool = False) -> list[str]:
    """Write a folder with each part as transformers loads it, or of a part alone that part; the names of its files.

    Raises UsageError for a setting that an ELECTRA has not there, and for an existing folder unless `overwrite`.
    """
    model, tokenizer = text_model
    folder = Path(folder)
    bert.check_form(model, "ELECTRA")
    gpt2.check_place(folder, overwrite)
    net = {name: value.cpu() for name, value in model.net_.weights().items()}
    if model.part != "both":
        return bert.save_folder(folder, {"": _part(model, net, tokenizer)}, tokenizer)
    of_generator = {name: one for name, one in net.items() if name.startswith("embeddings.")}
    of_generator |= {name.removeprefix("generator."): one for name, one in net.items() if name.startswith("generator.")}
    alone = Electra.from_config({**model.config(), "part": "discriminator"})
    alone.vocab_size_ = model.vocab_size_
    smaller = model.generator_alone
    smaller.vocab_size_ = model.vocab_size_
    parts = {
        "discriminator": _part(alone, net, tokenizer),
        "generator": _part(smaller, of_generator, tokenizer),
    }
    return bert.save_folder(folder, parts, tokenizer)


def _part(model: Electra, net: Mapping[str, Tensor], tokenizer: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and config.json of a part."""
    config = {"architectures": [PARTS[model.part]], "model_type": "electra", **bert.shared_config(model),
              "embedding_size": model.embedding or model.width}  # fmt: skip
    inner = model.embedding or model.width
    ours = {"embeddings.segments.weight": torch.zeros(1, inner), **net}
    ours["embeddings.tokens.weight"] = bert.table_of(net, tokenizer, config)
    if model.part == "generator":
        more = config["vocab_size"] - len(net["bias"])
        ours["bias"] = torch.cat([net["bias"], torch.full((more,), bert.NEVER)])
    named: dict[str, Tensor] = {}
    for name, theirs in _names(model):
        named |= dict(zip(theirs, ours[name].chunk(len(theirs)), strict=True))
    prefixed = {
        name if "predictions" in name or name == BIAS else f"electra.{name}": one for name, one in named.items()
    }
    return prefixed, config
