"""GPT-1's and GPT-2's forms in Hugging Face `transformers`: what their settings and their weights are called.

    GPT-2   OpenAI's release of 2019: norms before attention and MLP, and one before the softmax
    GPT-1   of 2018: norms after adding, none before the softmax

Matrices between layers are (in, out) there, as in OpenAI's Conv1D, and (out, in) here, as in PyTorch's Linear.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmzoo.errors import FormatError, UsageError
from lmzoo.files import typed
from lmzoo.models.gpt import GPT

EXACT = ("gelu", "gelu_python")  # GPT-2's names of GELU itself, not of its approximation


@dataclass(frozen=True)
class Form:
    """One of the two: its names, its own sizes, and the values of settings that can be read, the default first."""

    name: str  # for people
    kind: str  # model_type
    architecture: str
    preset: str
    norm_first: bool
    tokens: str  # the two tables
    positions: str
    activation: str  # the setting that names it
    sizes: dict[str, int]
    readable: dict[str, tuple[Any, ...]]


GPT2 = Form(
    "GPT-2", "gpt2", "GPT2LMHeadModel", "gpt2", True, "wte", "wpe", "activation_function",
    {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50_257},
    {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh", *EXACT), "layer_norm_epsilon": (1e-5,),
        "n_inner": (None,), "scale_attn_weights": (True,), "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
    },
)  # fmt: skip
GPT1 = Form(
    "GPT-1", "openai-gpt", "OpenAIGPTLMHeadModel", "gpt1", False, "tokens_embed", "positions_embed", "afn",
    {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 512, "vocab_size": 40_478},
    {"afn": ("gelu",), "layer_norm_epsilon": (1e-5,)},  # that name is its approximation there
)  # fmt: skip
FORMS = {form.kind: form for form in (GPT2, GPT1)}


def of(model: GPT) -> Form:
    """The form of a model. Raises UsageError for a setting that neither has."""
    form = GPT2 if model.norm_first else GPT1
    for name, value in {"bias": True, **({} if form is GPT2 else {"exact_gelu": False})}.items():
        if getattr(model, name) != value:
            raise UsageError(
                f"Hugging Face's {form.name} has no {name} = {getattr(model, name)!r}: only {value!r} can be exported"
            )
    return form


def settings(config: dict[str, Any], folder: Path) -> tuple[GPT, Form, int]:
    """The unfitted model of a folder's config.json, its form and V. Raises FormatError for one that cannot be read."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FORMS:
        said = f"model_type {kind!r}" if kind else "no model_type"
        raise FormatError(f"{folder}: config.json has {said}, not {' or '.join(map(repr, FORMS))}")
    form = FORMS[kind]
    sizes = {name: config.get(name, default) for name, default in form.sizes.items()}
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise FormatError(f"{folder}: {name} in config.json must be a whole number from 1, not {size!r}")
    inner = {"n_inner": (None, 4 * sizes["n_embd"])} if "n_inner" in form.readable else {}
    for name, known in {**form.readable, **inner}.items():
        if config.get(name, known[0]) not in known:
            raise FormatError(f"{folder}: {kind} with {name} = {config[name]!r} cannot be read, only {known[0]!r}")
    own = {
        "layers": sizes["n_layer"],
        "heads": sizes["n_head"],
        "width": sizes["n_embd"],
        "window": sizes["n_positions"],
        "dropout": typed(config.get("resid_pdrop", 0.1), float, f"{folder}: resid_pdrop in config.json"),
        "exact_gelu": form is GPT2 and config.get(form.activation) in EXACT,
        "tied": config.get("tie_word_embeddings", True) is not False,
    }
    return GPT.from_config({**GPT.PRESETS[form.preset], **own}), form, sizes["vocab_size"]


def config_of(model: GPT) -> dict[str, Any]:
    """config.json of a model. Raises as `of`."""
    form, end = of(model), model.vocab_size_ - 1
    return {
        "architectures": [form.architecture],
        "model_type": form.kind,
        "vocab_size": model.vocab_size_,
        "n_positions": model.window,
        "n_embd": model.width,
        "n_layer": model.layers,
        "n_head": model.heads,
        **{name: known[0] for name, known in form.readable.items()},
        **({form.activation: EXACT[0]} if model.exact_gelu else {}),
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), model.dropout),
        "initializer_range": 0.02,
        "bos_token_id": end,
        "eos_token_id": end,
        "tie_word_embeddings": model.tied,
        "dtype": "float32",
    }


def names(model: GPT) -> Iterator[tuple[str, str, bool]]:
    """Each weight's name here and in transformers, and whether it is transposed there."""
    form = of(model)
    yield from [("embedding.weight", f"{form.tokens}.weight", False)]
    yield from [("positions.weight", f"{form.positions}.weight", False)]
    for n in range(model.layers):
        for ours, theirs, matrix in (
            ("norms.0", "ln_1", False),
            ("attention.qkv", "attn.c_attn", True),
            ("attention.out", "attn.c_proj", True),
            ("norms.1", "ln_2", False),
            ("mlp.up", "mlp.c_fc", True),
            ("mlp.down", "mlp.c_proj", True),
        ):
            for part in ("weight", "bias"):
                yield f"blocks.{n}.{ours}.{part}", f"h.{n}.{theirs}.{part}", matrix and part == "weight"
    if form.norm_first:
        yield from [("norm.weight", "ln_f.weight", False), ("norm.bias", "ln_f.bias", False)]
    if not model.tied:
        yield "output.weight", "lm_head.weight", False


def shapes(model: GPT, vocab_size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shape of each weight in transformers."""
    form, width = of(model), model.width
    sizes: dict[str, tuple[int, ...]] = {form.tokens: (vocab_size, width), form.positions: (model.window, width)}
    sizes |= {"lm_head": (vocab_size, width), "attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width)}
    sizes |= {"mlp.c_fc": (width, 4 * width), "mlp.c_proj": (4 * width, width)}
    for _, name, _ in names(model):
        module, _, part = re.sub(r"^h\.\d+\.", "", name).rpartition(".")
        shape = sizes.get(module, (width,))
        yield name, shape if part == "weight" else shape[-1:]
