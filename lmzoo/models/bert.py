"""BERT: a transformer that reads both ways and learns by filling blanks (Devlin et al. 2018; RoBERTa, Liu et al. 2019).

Of a text, framed as [CLS] text [SEP], a share of the tokens is hidden. With embeddings W (V + 2, D), positions P and
segments S:

    x = norm(W[u] + P + S)                            u has [MASK] where a token is hidden
    x ← norm(x + attention(x))                        in each layer; every token sees all others
    x ← norm(x + MLP(x))                              MLP(x) = W₂ gelu(W₁ x + b₁) + b₂
    P(token | what is left) = softmax(W norm(gelu(A x + a)) + b)        at the blanks alone
    P(second half follows)  = softmax(B tanh(C x₀ + c) + d)             of [CLS], where `next_sentence` is learned

This fills blanks and gives no P(text): its nats per blank are no bits per character. [MASK] and [CLS] are the rows V
and V + 1 of W, which no softmax can predict; [SEP] is the token `end`.

RoBERTa's changes are the defaults: another choice of blanks in every pass (`masks` 0), no next sentences, byte pairs.
Departures: a convolution over the embeddings (`convolution`; the presets bert-base and roberta-base have none). Without
it a small network learns nothing but how frequent each token is in the time that a laptop has: to use its neighbours,
attention must first find out what positions are. Norms come first by default; AdamW corrects its biases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from lmzoo.errors import in_range
from lmzoo.interface import Origin
from lmzoo.neural.encoder import EncoderModule, Head, zeros
from lmzoo.neural.masked import MaskedNetwork
from lmzoo.neural.module import Module
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.masking import Masking
from lmzoo.neural.training.objectives import FillBlanks, Objective
from lmzoo.neural.transformer import check_shared

BERT = Origin(2018, "Devlin et al. 2018, BERT: Pre-training of Deep Bidirectional Transformers")
PAPER = {"convolution": 0, "norm_first": False, "dropout": 0.1, "layers": 12, "heads": 12, "width": 768,
         "batch": 256, "learning_rate": 1e-4, "warmup": 0.01, "cooldown": 0.99, "clip": 1.0}  # fmt: skip


@dataclass
class Bert(MaskedNetwork):
    """Transformer encoder: every token attends to all others; learns by filling blanks."""

    name: ClassVar[str] = "bert"
    year: ClassVar[int] = 2019
    paper: ClassVar[str] = "Liu et al. 2019, RoBERTa: A Robustly Optimized BERT Pretraining Approach"
    family: ClassVar[str] = "masked"
    label_settings: ClassVar[Mapping[str, str]] = {"layers": "{} layers"}
    IN_TRAINING: ClassVar[frozenset[str]] = frozenset({"mask_share", "random_share", "kept_share", "masks"})

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"layers": 1, "heads": 2, "width": 16, "window": 16, "learning_rate": 1e-2},  # for a first try
        # for a minute of a laptop; the rate was chosen on storyworld's validation text
        "small": {"layers": 2, "heads": 2, "width": 64, "window": 64, "learning_rate": 8e-3},
        "bert-base": {**PAPER, "next_sentence": True, "segments": 2, "window": 509, "masks": 10, "weight_decay": 0.01,
                      "beta2": 0.999, "epsilon": 1e-12},  # 110 million weights (Devlin et al. 2018, section 3)
        "roberta-base": {**PAPER, "segments": 1, "window": 510, "batch": 8192, "learning_rate": 6e-4, "warmup": 0.05,
                         "cooldown": 0.95, "clip": 0.0, "weight_decay": 0.01, "beta2": 0.98,
                         "epsilon": 1e-5},  # Liu et al. 2019, table 9
    }  # fmt: skip

    PERIOD: ClassVar[Mapping[str, Any]] = {"optimizer": "adamw", "convolution": 0, "norm_first": False}

    layers: int = 4  # of attention and MLP
    heads: int = 4  # of attention, in each layer
    width: int = 128  # features of a token
    window: int = 128  # tokens of a text that it sees at most, beside [CLS] and [SEP], and of one in a training step
    dropout: float = 0.0  # of embeddings, attention weights and what each layer adds
    convolution: int = 2  # tokens on each side that a convolution over the embeddings sees; 0: none, as in the papers
    norm_first: bool = True  # norm before attention and MLP, as GPT-2; else after adding them, as in the papers
    exact_gelu: bool = True  # GELU itself; else its tanh approximation, as in Google's own code
    epsilon: float = 1e-12  # what norms add to the variance
    segments: int = 0  # kinds of segment embeddings: 2 for texts in two parts, as BERT; 0: none
    next_sentence: bool = False  # also learn whether the second half of a window follows the first, as BERT
    mask_share: float = 0.15  # of the tokens of a text that are blanks
    random_share: float = 0.1  # of the blanks that show any other token, in place of [MASK]
    kept_share: float = 0.1  # of the blanks that show their own token
    masks: int = 0  # choices of blanks of a window, pass after pass, as BERT; 0: another in every pass, as RoBERTa
    training: Training = Training(batch=16, learning_rate=2e-3, beta2=0.98, weight_decay=0.1, warmup=0.1)

    @property
    def title(self) -> str:
        """The form, not the published model."""
        return "BERT form" if self.next_sentence or self.masks else "RoBERTa form"

    @property
    def origin(self) -> Origin:
        """RoBERTa's, or with its next sentences or its fixed blanks BERT's."""
        return BERT if self.next_sentence or self.masks else super().origin

    def objective(self, vocab_size: int) -> Objective:
        """Fill blanks, and perhaps say whether the second half follows."""
        return FillBlanks(vocab_size, self.masking)

    @property
    def masking(self) -> Masking:
        """Which tokens are blanks."""
        return Masking(self.mask_share, self.random_share, self.kept_share, self.masks, self.next_sentence)

    def build(self, vocab_size: int) -> Module:
        """The module with its first weights. Raises UsageError for settings that cannot be."""
        self.check_sizes(layers=1, heads=1, width=1, window=2, convolution=0, segments=2 * self.next_sentence)
        check_shared(self.width, self.heads)
        in_range("epsilon", self.epsilon, 0)
        self.masking.check()
        return BertModule(vocab_size, self)


class BertModule(EncoderModule):
    """The equations above."""

    def __init__(self, vocab_size: int, settings: Bert):
        super().__init__(vocab_size, settings)
        s = settings
        self.share = s.mask_share
        self.output = Head(s.width, s.width, s)
        self.bias = zeros(vocab_size)  # b
        self.pooler = nn.Linear(s.width, s.width) if s.next_sentence else None  # C
        self.next_sentence = nn.Linear(s.width, 2) if s.next_sentence else None  # B
        self.initialise()

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V) of the token at each blank (…, D)."""
        logits: Tensor = self.output(hidden) @ self.embeddings.tokens.weight[: self.vocab_size].T + self.bias
        return logits

    def follows(self, first: Tensor) -> Tensor:
        """Logits (B, 2) of the second half being another text's, or the first's own, by the vectors (B, D) of [CLS]."""
        assert self.pooler is not None and self.next_sentence is not None
        logits: Tensor = self.next_sentence(self.pooler(first).tanh())
        return logits

    def flops(self, window: int) -> float:
        """Those of the body, and of the head for the share of tokens that are blanks."""
        width = self.output.dense.weight.shape[0]
        return self.body_flops(window) + 6.0 * self.share * (width * width + self.vocab_size * width)
