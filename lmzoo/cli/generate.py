"""`lmzoo generate RUN`: text sampled from a run, or found by beam search."""

import sys
from collections.abc import Iterable
from typing import Any

from lmzoo.cli.app import command
from lmzoo.cli.console import say, show_json
from lmzoo.cli.options import Code, Device, Json, RunFolder, Seed
from lmzoo.errors import UsageError, cleaned, naming


@command("generate", epilog="Example: lmzoo generate runs/storyworld-ngram --prompt 'The cat' --temperature 0.8")
def generate_text(
    run: RunFolder,
    prompt: str = "",  # The text to continue.
    length: int = 200,  # Tokens to generate, 0 or more.
    temperature: float | None = None,  # Divides the logits: below 1 less random, above 1 more; 0: greedy. [default: 1]
    top_k: int | None = None,  # Sample from the k likeliest tokens only, 1 or more.
    # Nucleus sampling: from the fewest likeliest tokens with total probability p, above 0 up to 1.
    top_p: float | None = None,
    beam: int | None = None,  # Beam search for the likeliest text with a beam of this width, 1 or more.
    seed: Seed = 0,
    code: Code = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Generate text from a run, by sampling or beam search."""
    if beam is not None and (temperature, top_k, top_p) != (None, None, None):
        raise UsageError("--beam looks for the likeliest text: it goes without --temperature, --top-k and --top-p")
    from lmzoo.evaluation import generation
    from lmzoo.interface import LanguageModel, TextToText
    from lmzoo.runs import store

    text_model = store.load(run, code)
    if isinstance(text_model.model, TextToText):
        if beam is not None:
            raise UsageError("--beam goes on with a text: of a text-to-text model take --top-k 1")
        given: dict[str, Any] = {"temperature": 1.0 if temperature is None else temperature}
        given |= {"top_k": top_k, "top_p": top_p, "seed": seed}
        text_model.model.to(device)
        text = text_model.answer(prompt, length, **given)
        if as_json:
            return show_json({"run": str(run), "prompt": prompt, "text": text, **given})
        say(cleaned(text) if sys.stdout.isatty() else text)
        return None
    with naming(run):
        model = text_model.require(LanguageModel, "it cannot write one").to(device)
    ids = text_model.tokenizer.encode(prompt)
    settings: dict[str, Any]
    tokens: Iterable[int]
    if beam is None:
        temperature = 1.0 if temperature is None else temperature
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        tokens = generation.generate(model, ids, length, **settings)
    else:
        tokens, log_prob = generation.beam_search(model, ids, length, beam)
        settings = {"beam": beam, "log_probability": log_prob}  # nats
    if as_json:
        written = list(tokens)
        text = "".join(text_model.text_of(written, ids))
        return show_json({"run": str(run), "prompt": prompt, "text": text, "tokens": written, **settings})
    shown = cleaned if sys.stdout.isatty() else str  # a terminal would obey what is sampled; a file gets it as it is
    sys.stdout.write(shown(prompt))
    for piece in text_model.text_of(tokens, ids):
        sys.stdout.write(shown(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")
    return None
