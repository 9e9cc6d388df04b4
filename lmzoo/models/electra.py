"""ELECTRA: a network learns from every token of a text which ones another network has put there (Clark et al. 2020).

Two encoders as BERT's read with the same embeddings. Of a text x some tokens are hidden; a small one, the generator G,
fills the blanks, and the other one, the discriminator D, sees the text with what G drew in them:

    P_G(token | what is left)  = softmax(W norm(gelu(A h_G + a)) + b)      at the blanks alone; W is the embeddings
    x̂ at a blank               ~ P_G, else x̂ = x
    P_D(x̂_t is not x_t | x̂)    = sigmoid(v · gelu(C h_D + c) + d)          of every token
    loss = −log P_G(x at a blank), mean over blanks, − λ log P_D(replaced or not), mean over all tokens        (λ = 50)

No gradient goes through what is drawn. BERT learns from the 15 % of a text that it hides, D from all of it, which is
the point of the paper. Embeddings may be narrower than the layers: with E below D a matrix E × D stands between.

What fills blanks, and gives pseudo-log-likelihoods, is the generator. What has vectors is the discriminator, which the
paper keeps: it gives no probabilities of tokens, only P(replaced), see `replaced_log_odds`.

Departures are BERT's (models/bert.py): a convolution over the embeddings, norms first, AdamW. Checkpoints of Hugging
Face hold one of the two alone: `part`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from lmzoo.errors import UsageError, in_range, one_of
from lmzoo.interface import Floats, Ids, check_ids
from lmzoo.neural.encoder import Embeddings, EncoderModule, Head, zeros
from lmzoo.neural.masked import MaskedNetwork
from lmzoo.neural.module import Module
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.masking import Masking
from lmzoo.neural.training.objectives import FillBlanks, FindReplaced, Objective
from lmzoo.neural.transformer import check_shared

PARTS = ("both", "generator", "discriminator")
PAPER = {"convolution": 0, "norm_first": False, "dropout": 0.1, "segments": 2, "layers": 12, "epsilon": 1e-12,
         "weight_decay": 0.01, "beta2": 0.999, "warmup": 0.01, "cooldown": 0.99, "clip": 1.0}  # fmt: skip


@dataclass
class Electra(MaskedNetwork):
    """Transformer encoder that learns from every token whether a small generator replaced it."""

    name: ClassVar[str] = "electra"
    year: ClassVar[int] = 2020
    paper: ClassVar[str] = "Clark et al. 2020, ELECTRA: Pre-training Text Encoders as Discriminators"
    family: ClassVar[str] = "masked"
    label_settings: ClassVar[Mapping[str, str]] = {"layers": "{} layers"}
    IN_TRAINING: ClassVar[frozenset[str]] = frozenset({"mask_share", "kept_share", "discriminator_weight"})

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"layers": 1, "heads": 2, "width": 16, "window": 16, "generator": 1.0,
                 "learning_rate": 1e-2},  # for a first try; narrower, the generator learns too little in it
        # for a minute of a laptop; rate and λ were chosen by the discriminator's loss on storyworld's validation text
        "small": {"layers": 2, "heads": 2, "width": 64, "window": 64, "generator": 0.5, "discriminator_weight": 10.0,
                  "learning_rate": 3e-3},
        "electra-small": {**PAPER, "heads": 4, "width": 256, "embedding": 128, "window": 125, "batch": 128,
                          "learning_rate": 5e-4},  # 14 million weights (Clark et al. 2020, table 6)
        "electra-base": {**PAPER, "heads": 12, "width": 768, "generator": 1 / 3, "window": 509, "batch": 256,
                         "learning_rate": 2e-4},
    }  # fmt: skip

    PERIOD: ClassVar[Mapping[str, Any]] = {"optimizer": "adamw", "convolution": 0, "norm_first": False}

    layers: int = 4  # of attention and MLP, in the generator as well
    heads: int = 4  # of attention, in each layer
    width: int = 128  # features of a token
    embedding: int = 0  # features of the embeddings, which both parts share; 0: as many as `width`
    generator: float = 0.25  # width and heads of the generator, as a share of the discriminator's
    part: str = "both"  # both; or generator or discriminator alone, as checkpoints of Hugging Face hold them
    window: int = 128  # tokens of a text that it sees at most, beside [CLS] and [SEP], and of one in a training step
    dropout: float = 0.0  # of embeddings, attention weights and what each layer adds
    convolution: int = 2  # tokens on each side that a convolution over the embeddings sees; 0: none, as in the paper
    norm_first: bool = True  # norm before attention and MLP, as GPT-2; else after adding them, as in the paper
    exact_gelu: bool = True  # GELU itself; else its tanh approximation, as in Google's own code
    epsilon: float = 1e-12  # what norms add to the variance
    segments: int = 0  # kinds of segment embeddings: 2 for texts in two parts, as BERT; 0: none
    mask_share: float = 0.15  # of the tokens of a text that are blanks
    kept_share: float = 0.15  # of the blanks that show the generator their own token, in place of [MASK]
    discriminator_weight: float = 50.0  # of the discriminator's loss beside the generator's: λ
    training: Training = Training(batch=16, learning_rate=2e-3, beta2=0.98, weight_decay=0.1, warmup=0.1)

    @property
    def title(self) -> str:
        """With its part, where it is one alone."""
        return "ELECTRA" if self.part == "both" else f"ELECTRA's {self.part}"

    def objective(self, vocab_size: int) -> Objective:
        """Find what the generator replaced. Raises UsageError for a discriminator alone, which cannot learn so."""
        masking = Masking(self.mask_share, 0.0, self.kept_share)
        if self.part == "generator":
            return FillBlanks(vocab_size, masking)
        if self.part == "discriminator":
            raise UsageError("a discriminator learns from what its generator draws: leave --part out to train both")
        return FindReplaced(vocab_size, masking, self.discriminator_weight)

    def build(self, vocab_size: int) -> Module:
        """The module with its first weights: the discriminator, with the generator in it; or the part that there is.

        Raises UsageError for settings that cannot be.
        """
        self.check_sizes(layers=1, heads=1, width=1, embedding=0, window=2, convolution=0, segments=0)
        one_of("part", self.part, PARTS)
        in_range("generator", self.generator, 0, 1)
        in_range("epsilon", self.epsilon, 0)
        in_range("discriminator_weight", self.discriminator_weight, 0)
        Masking(self.mask_share, 0.0, self.kept_share).check()
        check_shared(self.width, self.heads)
        if self.part == "generator":
            return Generator(vocab_size, self)
        return Discriminator(vocab_size, self, self.generator_alone if self.part == "both" else None)

    @property
    def generator_alone(self) -> "Electra":
        """The settings of the generator beside a discriminator of these. Raises UsageError where there can be none."""
        width, heads = round(self.generator * self.width), max(1, round(self.generator * self.heads))
        if width < 1 or width % heads:
            raise UsageError(
                f"a generator of {self.generator:g} × {self.width} has a width of {width}, which {heads} heads cannot "
                "share: choose another --generator"
            )
        return replace(self, part="generator", width=width, heads=heads, embedding=self.embedding or self.width)

    @property
    def fills(self) -> bool:
        """Not as a discriminator alone."""
        return self.part != "discriminator"

    @property
    def filler(self) -> Module:
        """The generator. Raises UsageError where there is none."""
        if not self.fills:
            raise UsageError(
                "this electra is a discriminator alone and fills no blanks: it tells which tokens were replaced "
                "(lmzoo fill takes its generator)"
            )
        net: Module = self.net_
        if self.part == "both":
            assert isinstance(net, Discriminator) and net.generator is not None
            return net.generator
        return net

    def replaced_log_odds(self, tokens: Ids) -> Floats:
        """log P(replaced) / P(not replaced) of each of `tokens` (T,), seen with all others: (T,), natural logarithm.

        Raises UsageError for a generator alone.
        """
        if self.part == "generator":
            raise UsageError("this electra is a generator alone: which tokens were replaced, its discriminator tells")
        tokens = check_ids(tokens, self.vocab_size_)
        odds = np.empty(len(tokens))
        for vectors, at in self._vectors(self.net_, self._parts(tokens, np.arange(len(tokens)))):
            with torch.inference_mode():
                odds[at] = self.net_.head(vectors).double().cpu().numpy()
        return odds


class Generator(EncoderModule):
    """G: what BERT is, with embeddings of another width."""

    def __init__(self, vocab_size: int, settings: Electra, embeddings: Embeddings | None = None):
        inner = settings.embedding or settings.width
        super().__init__(vocab_size, settings, inner, embeddings)
        self.share = settings.mask_share
        self.output = Head(settings.width, inner, settings)
        self.bias = zeros(vocab_size)  # b
        self.initialise()

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) of the token at each blank (…, D)."""
        logits: Tensor = self.output(hidden) @ self.embeddings.tokens.weight[: self.vocab_size].T + self.bias
        return logits

    def flops(self, window: int) -> float:
        """Those of the body, and of the head for the share of tokens that are blanks."""
        inner, width = self.output.dense.weight.shape
        return self.body_flops(window) + 6.0 * self.share * inner * (width + self.vocab_size)


class Discriminator(EncoderModule):
    """D, with the generator that it learns from."""

    def __init__(self, vocab_size: int, settings: Electra, smaller: Electra | None):
        super().__init__(vocab_size, settings, settings.embedding)
        self.output = Judge(settings.width, settings.exact_gelu)
        self.initialise()
        self.generator = Generator(vocab_size, smaller, self.embeddings) if smaller else None

    def head(self, hidden: Tensor) -> Tensor:
        """log P(replaced) / P(not) of each token: (…, D) → (…)."""
        odds: Tensor = self.output(hidden)
        return odds

    def flops(self, window: int) -> float:
        """Those of both parts."""
        own = self.body_flops(window) + 6.0 * sum(w.numel() for w in self.output.parameters() if w.ndim > 1)
        return own + (self.generator.flops(window) if self.generator is not None else 0.0)


class Judge(nn.Module):
    """v · gelu(C h + c) + d."""

    def __init__(self, width: int, exact_gelu: bool):
        super().__init__()
        self.dense = nn.Linear(width, width)  # C
        self.score = nn.Linear(width, 1)  # v
        self.approximate = "none" if exact_gelu else "tanh"

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…)."""
        odds: Tensor = self.score(gelu(self.dense(x), approximate=self.approximate))[..., 0]
        return odds
