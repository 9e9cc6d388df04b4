"""Runs saved before a model was split: which model reads their settings today.

In format 1 one model, `gpt`, had a flag for everything that set GPT-1, GPT-2, LLaMA and the speedrun transformer apart.
Their modules still have the same weights under the same names, so only the model's name and its settings change.
"""

from typing import Any

# Settings of the old `gpt`, beside sizes and training, in the form of each model; what is not named here may be
# anything that the model has a field for.
GPT = {
    "positions": "learned", "norm": "layernorm", "activation": "gelu", "qk_norm": False, "softcap": 0.0, "ngrams": 1,
    "shortcut": False,
}  # fmt: skip
LLAMA = {
    "positions": "rotary", "norm": "rmsnorm", "activation": "swiglu", "qk_norm": False, "softcap": 0.0, "ngrams": 1,
    "shortcut": False, "norm_first": True, "bias": False, "tied": False,
}  # fmt: skip
# Without a meaning for those two once they are trained.
UNUSED = {"zero_init", "ngram_rows", "ngram_dropout"}


def current(name: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name and the settings that load a run saved as `name` with `config`."""
    if name != "gpt" or "activation" not in config:  # today's gpt has no such setting
        return name, config
    if GPT.items() <= config.items() and config["kv_heads"] in (0, config["heads"]):
        return "gpt", _without(config, {*GPT, "kv_heads", *UNUSED})
    if LLAMA.items() <= config.items():
        return "llama", _without(config, {*LLAMA, *UNUSED})
    return "speedrun", config  # which has a flag for each


def _without(config: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in names}
