"""T5: every task is text to text, and pre-training fills in spans of a text (Raffel et al. 2020).

An encoder reads the source both ways, a decoder writes the target from left to right and looks at all of the source.
With embeddings W, of tokens, sentinels and the decoder's start alike:

    rms(x)    = g ⊙ x / √(mean x² + ε)                     no mean, no bias; there is no bias anywhere
    A(x, y)   = softmax(Q(x) K(y)ᵀ + B) V(y)               no 1/√d: it is in the first weights of Q
    B_ij      = a number for each head and bucket of j − i, learned, and shared by all layers
    encoder   x ← x + A(rms x, rms x);  x ← x + FF(rms x)
    decoder   x ← x + A(rms x, rms x), seeing nothing later;  x ← x + A(rms x, memory), B = 0;  x ← x + FF(rms x)
    FF(x)     = W₂ relu(W₁ x), or with gates W₂ (gelu(W₁ x) ⊙ W₃ x)       (Shazeer 2020; T5 1.1)
    P(token | source, target so far) = softmax(W rms(x) / √D), or of a matrix of its own where not `tied`

Buckets of j − i: half of them for what is later (an encoder's; a decoder sees nothing later), half of the rest exact,
the others logarithmically wider up to a distance of 128 and beyond.

P(target | source) is over the V tokens, given that no sentinel comes: sentinels are the ids V, V + 1, … and stand for
spans, see `fill_spans`. It gives no P(text), so no bits per character. The objective is in neural/training/spans.py.

Departures: AdamW in place of Adafactor; spans may begin a text, and text follow the last one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu, relu, scaled_dot_product_attention

from lmzoo.errors import UsageError, in_range, one_of
from lmzoo.interface import Array, Data, Floats, Ids, Run, SpanFiller, TextToText, check_ids
from lmzoo.neural import barriers
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.neural_model import NeuralModel
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.objectives import Objective
from lmzoo.neural.training.spans import SaySpans, Spans
from lmzoo.neural.transformer import check_shared

GOALS = ("spans", "pairs")
PAPER = {"layers": 6, "heads": 8, "width": 512, "head_width": 64, "inner": 2048, "window": 512, "dropout": 0.1,
         "batch": 128, "learning_rate": 1e-2}  # fmt: skip


class State(NamedTuple):
    """What the decoder has read: all values are of one text."""

    hidden: Tensor  # (D,) what the next token is predicted from
    past: tuple[Tensor, ...]  # keys and values (1, H, T, d) of the target so far, two a layer
    memory: tuple[Tensor, ...]  # … and of the source


@dataclass
class T5(NeuralModel, TextToText, SpanFiller):
    """Encoder-decoder transformer: text to text, learned by filling in spans."""

    name: ClassVar[str] = "t5"
    year: ClassVar[int] = 2020
    paper: ClassVar[str] = (
        "Raffel et al. 2020, Exploring the Limits of Transfer Learning with a Text-to-Text Transformer"
    )
    family: ClassVar[str] = "transformer"
    label_settings: ClassVar[Mapping[str, str]] = {"layers": "{} layers"}
    IN_TRAINING: ClassVar[frozenset[str]] = frozenset({"goal", "span_share", "span_length"})

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"layers": 1, "heads": 2, "width": 16, "window": 16, "learning_rate": 1e-2},  # for a first try
        "small": {"layers": 2, "heads": 2, "width": 64, "window": 64},  # for a minute of a laptop
        "t5-small": PAPER,  # 60 million weights (Raffel et al. 2020, section 3.8)
        "t5-base": {**PAPER, "layers": 12, "heads": 12, "width": 768, "inner": 3072},  # 220 million
    }

    layers: int = 4  # of the encoder, and of the decoder
    heads: int = 4  # of attention, in each layer
    width: int = 128  # features of a token
    head_width: int = 0  # features of a head; 0: width / heads
    inner: int = 0  # features inside a feed-forward layer; 0: four times the width
    gated: bool = False  # gated GELU in feed-forward layers, as T5 1.1; else relu
    tied: bool = True  # one table for embeddings and softmax; T5 1.1 has two
    buckets: int = 32  # of relative positions
    distance: int = 128  # from which on all have one bucket
    sentinels: int = 100  # there are: one more than the spans that a text can lack
    window: int = 128  # tokens of a text in a training step; what it reads may be longer
    dropout: float = 0.0  # of embeddings, attention weights and what each layer adds
    epsilon: float = 1e-6  # what norms add to the mean square
    goal: str = "spans"  # spans: fill in spans of a text; pairs: each line is a source, a tab and its target
    span_share: float = 0.15  # of the tokens of a text that are left out
    span_length: float = 3.0  # tokens of a span, on average
    training: Training = Training(batch=16, learning_rate=2e-3, beta2=0.98, weight_decay=0.0, warmup=0.1)

    @property
    def title(self) -> str:
        """The form, not the published model."""
        return "T5 form"

    # ── Learning ──────────────────────────────────────────────────────────────────────────────────

    @property
    def spans(self) -> Spans:
        """Which spans are left out."""
        return Spans(self.span_share, self.span_length, self.sentinels)

    def objective(self, vocab_size: int) -> Objective:
        """Fill in spans, or say the target of each pair."""
        return SaySpans(vocab_size, self.spans, self._tab if self.goal == "pairs" else None)

    _tab = -1  # the token that parts a source from its target, once `fit` knows it

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """See `NeuralModel.fit`. Raises UsageError for pairs in tokens without a tab."""
        if self.goal == "pairs":
            tabs = [n for n, spelled in enumerate(data.vocabulary.spellings) if spelled == b"\t"]
            if not tabs:
                raise UsageError("no token of this tokenizer is a tab, which parts a source from its target: try byte")
            self._tab = tabs[0]
        return super().fit(data, run)

    def build(self, vocab_size: int) -> Module:
        """The module with its first weights. Raises UsageError for settings that cannot be."""
        self.check_sizes(layers=1, heads=1, width=1, head_width=0, inner=0, window=2, distance=2)
        one_of("goal", self.goal, GOALS)
        in_range("epsilon", self.epsilon, 0)
        if self.buckets < 4 or self.buckets % 4:
            raise UsageError(f"buckets must be a multiple of 4, which parts them evenly, not {self.buckets}")
        if self.distance <= self.buckets // 2:
            raise UsageError(f"a distance of {self.distance} is too short for {self.buckets} buckets: raise it")
        if not self.head_width:
            check_shared(self.width, self.heads)
        self.spans.check()
        return T5Module(vocab_size, self)

    # ── Reading and writing ───────────────────────────────────────────────────────────────────────

    def start_after(self, source: Ids) -> State:
        """The state before the target's first token, having read `source` (T,), of any length."""
        return self._start(check_ids(source, self.vocab_size_))

    @torch.inference_mode()
    def _start(self, source: Ids) -> State:
        barriers.adapt()
        net: Any = self.net_
        memory, _ = net(self._tensor(np.append(source, self.vocab_size_ - 1))[None], ())
        return self._read(State(memory[0, 0], (), net.memory_of(memory)), [net.start])

    @torch.inference_mode()
    def _read(self, state: State, ids: Any) -> State:
        net: Any = self.net_
        hidden, past = net.written(self._tensor(np.asarray(ids))[None], state.past, state.memory, None)
        return State(hidden[0, -1], past, state.memory)

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after the target's next `tokens` (T,)."""
        tokens = check_ids(tokens, self.vocab_size_)
        barriers.adapt()
        return self._read(state, tokens) if len(tokens) else state

    @torch.inference_mode()
    def next_log_probs(self, state: State) -> Floats:
        """log P(each token comes next), (V,), in nats, given that no sentinel does."""
        logits = self.net_.head(state.hidden).double()[: self.vocab_size_]
        found: NDArray[np.float64] = logits.log_softmax(-1).cpu().numpy()
        return found

    @torch.inference_mode()
    def fill_spans(self, tokens: Ids, blanks: NDArray[np.bool_], longest: int = 20) -> list[Ids]:
        """What it writes into each of the H blanks of `tokens` (T,), the likeliest token each time: H arrays of ids.

        A blank is one id in `tokens`. Raises UsageError where the blanks use up the sentinels.
        """
        ids, places = check_ids(tokens, self.vocab_size_).astype(np.int64), np.flatnonzero(blanks)
        if len(places) >= self.sentinels:
            raise UsageError(
                f"{len(places)} blanks need {len(places) + 1} sentinels, and this t5 has {self.sentinels}: leave out "
                "fewer spans"
            )
        ids[places] = self.vocab_size_ + np.arange(len(places))
        state, filled = self._start(ids), list[Ids]()
        for n in range(len(places)):
            state, span = self._read(state, [self.vocab_size_ + n]), list[int]()
            while len(span) < longest:
                best = int(self.net_.head(state.hidden)[: self.vocab_size_ + self.sentinels].argmax())
                if best >= self.vocab_size_ - 1:  # a sentinel or the end
                    break
                span.append(best)
                state = self._read(state, [best])
            filled.append(np.array(span, dtype=np.int32))
        return filled

    @torch.inference_mode()
    def features(self, tokens: Ids, layer: int = -1) -> Array:
        """The encoder's vector of each token of a source, of the whole source: (T,) → (T, D) float32."""
        self._check_layers([layer])
        barriers.adapt()
        ids = self._tensor(np.append(check_ids(tokens, self.vocab_size_), self.vocab_size_ - 1))[None]
        outputs, _ = self.net_.all_layers(ids, ())
        vectors: Array = outputs[layer][0, :-1].float().cpu().numpy()
        return vectors


# ── The network ───────────────────────────────────────────────────────────────────────────────────────


class T5Module(Module):
    """The equations above."""

    def __init__(self, vocab_size: int, settings: T5):
        super().__init__()
        s = settings
        self.predicted = vocab_size + s.sentinels
        self.start, self.scale = (
            self.predicted,
            s.width**-0.5 if s.tied else 1.0,
        )  # `start`: what the decoder begins with
        self.share, self.mean = s.span_share, s.span_length
        self.embedding = nn.Embedding(self.predicted + 1, s.width)  # W
        self.encoder, self.decoder = Stack(s, both_ways=True), Stack(s, both_ways=False)
        self.dropout = nn.Dropout(s.dropout)
        self.output = nn.Identity() if s.tied else nn.Linear(s.width, self.predicted, bias=False)
        self._initialise()

    def initial_state(self, batch: int) -> Carried:  # noqa: ARG002
        """Nothing is carried from one text to another."""
        return ()

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:  # noqa: ARG002
        """Sources (B, S), PADDING behind shorter ones → the encoder's vectors (B, S, D)."""
        seen = ids >= 0
        x, _ = self.encoder(self.dropout(self.embedding(ids.clamp(min=0))), (), (), seen, None)
        return x, ()

    def memory_of(self, memory: Tensor) -> Carried:
        """The keys and values (B, H, S, d) of the source's vectors (B, S, D), two a layer of the decoder."""
        pairs = [cross.keys_and_values(memory) for cross in self.decoder.attentions(cross=True)]
        return tuple(one for pair in pairs for one in pair)

    def written(self, ids: Tensor, past: Carried, memory: Carried, seen: Tensor | None) -> tuple[Tensor, Carried]:
        """Ids (B, T) of targets after `past` → vectors (B, T, D) that the ids behind them are predicted from."""
        x, after = self.decoder(self.dropout(self.embedding(ids)), past, memory, None, seen)
        return x, after

    def decoded(self, memory: Tensor, seen: Tensor, targets: Tensor) -> Tensor:
        """See `Module.decoded`."""
        begins = torch.full_like(targets[:, :1], self.start)
        read = torch.cat([begins, targets[:, :-1].clamp(min=0)], 1)
        return self.written(read, (), self.memory_of(memory), seen)[0]

    def head(self, hidden: Tensor) -> Tensor:
        """Logits of tokens and sentinels: (…, D) → (…, V + sentinels)."""
        if isinstance(self.output, nn.Identity):
            return self.scale * (hidden @ self.embedding.weight[: self.predicted].T)
        logits: Tensor = self.output(hidden)
        return logits

    def layer_modules(self) -> dict[str, nn.Module]:
        """The embeddings and the encoder's layers; of the last one what the decoder sees, behind the norm."""
        outputs = [*list(self.encoder.layers)[:-1], self.encoder.norm]
        return {"embedding": self.embedding} | {f"layer {n}": module for n, module in enumerate(outputs, 1)}

    def flops(self, window: int) -> float:
        """Operations of a training step for each token of text: see `Module.flops`."""
        sentinels = self.share / self.mean
        read, said = 1 - self.share + sentinels, self.share + sentinels
        of_encoder, of_decoder = (sum(w.numel() for w in s.layers.parameters()) for s in (self.encoder, self.decoder))
        width, layers = self.embedding.embedding_dim, len(self.encoder.layers)
        products = 12.0 * layers * width * window * (read**2 + said**2 + read * said)
        return 6.0 * (read * of_encoder + said * (of_decoder + self.predicted * width)) + products

    def _initialise(self) -> None:
        """As the authors' (Mesh TensorFlow): what keeps the variance, √d in Q's weights."""
        for stack in (self.encoder, self.decoder):
            for attention in [*stack.attentions(), *stack.attentions(cross=True)]:
                width, inner = attention.q.in_features, attention.q.out_features
                nn.init.normal_(attention.q.weight, std=(width * inner / attention.heads) ** -0.5)
                for part in (attention.k, attention.v):
                    nn.init.normal_(part.weight, std=width**-0.5)
                nn.init.normal_(attention.o.weight, std=inner**-0.5)
            nn.init.normal_(stack.bias.weight, std=self.embedding.embedding_dim**-0.5)
            for name, weight in stack.named_parameters():
                if ".mlp." in name:
                    nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        nn.init.normal_(self.embedding.weight)
        if not isinstance(self.output, nn.Identity):
            nn.init.normal_(self.output.weight, std=self.embedding.embedding_dim**-0.5)


class Stack(nn.Module):
    """The layers of an encoder or a decoder, the bias that they share, and the last norm."""

    def __init__(self, settings: T5, both_ways: bool):
        super().__init__()
        s = settings
        self.both_ways, self.distance = both_ways, s.distance
        self.bias = nn.Embedding(s.buckets, s.heads)  # B
        self.layers = nn.ModuleList(Layer(s, crosses=not both_ways) for _ in range(s.layers))
        self.norm = nn.RMSNorm(s.width, eps=s.epsilon)
        self.dropout = nn.Dropout(s.dropout)

    def attentions(self, cross: bool = False) -> "list[Attention]":
        """Those to the text itself, or to the source."""
        name = "cross" if cross else "attention"
        return [one for layer in self.layers if isinstance(one := getattr(layer, name), Attention)]

    def forward(
        self, x: Tensor, past: Carried, memory: Carried, seen: Tensor | None, seen_source: Tensor | None
    ) -> tuple[Tensor, Carried]:
        """x (B, T, D) after `past` → (B, T, D), and keys and values of all that was read, two a layer."""
        before = past[0].shape[2] if past else 0
        bias = self._bias(before, x.shape[1], x.device)  # (1, H, T, S)
        if seen is not None:
            bias = bias.masked_fill(~seen[:, None, None], -math.inf)
        mask = None if seen_source is None else seen_source[:, None, None]  # (B, 1, 1, S)
        after: list[Tensor] = []
        for n, layer in enumerate(self.layers):
            two = slice(2 * n, 2 * n + 2)
            x, caches = layer(x, bias, past[two], memory[two], mask)
            after += caches
        return self.dropout(self.norm(x)), tuple(after)

    def _bias(self, before: int, length: int, device: torch.device) -> Tensor:
        buckets = _buckets(before, length, self.bias.num_embeddings, self.distance, self.both_ways).to(device)
        bias = self.bias(buckets).permute(2, 0, 1)[None]  # (1, H, T, S)
        if self.both_ways or length == 1:
            return bias
        later = torch.ones(length, before + length, dtype=torch.bool, device=device).triu(before + 1)
        return bias.masked_fill(later, -math.inf)


class Layer(nn.Module):
    """Attention to the text, in a decoder to the source, and a feed-forward layer, each behind a norm."""

    def __init__(self, settings: T5, crosses: bool):
        super().__init__()
        s = settings
        self.attention = Attention(s)
        self.cross = Attention(s) if crosses else None
        self.mlp = FeedForward(s.width, s.inner or 4 * s.width, s.gated, s.dropout)
        self.norms = nn.ModuleList(nn.RMSNorm(s.width, eps=s.epsilon) for _ in range(3 if crosses else 2))
        self.dropout = nn.Dropout(s.dropout)

    def forward(
        self, x: Tensor, bias: Tensor, past: Carried, memory: Carried, mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (B, T, D) after `past` → (B, T, D), and the keys and values of all that was read."""
        read = self.norms[0](x)
        keys, values = self.attention.keys_and_values(read)
        if past:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        x = x + self.dropout(self.attention(read, keys, values, bias))
        if self.cross is not None:
            x = x + self.dropout(self.cross(self.norms[1](x), *memory, mask))
        return x + self.dropout(self.mlp(self.norms[-1](x))), (keys, values)


class Attention(nn.Module):
    """softmax(Q Kᵀ + bias) V in H heads, which may be wider or narrower than D / H together."""

    def __init__(self, settings: T5):
        super().__init__()
        s = settings
        self.heads, self.p = s.heads, s.dropout
        inner = s.heads * (s.head_width or s.width // s.heads)
        self.q, self.k, self.v = (nn.Linear(s.width, inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, s.width, bias=False)

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, D) → two of (B, H, S, d)."""
        return self._parted(self.k(x)), self._parted(self.v(x))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        """x (B, T, D) → (B, T, D); `bias` is added to the scores (B, H, T, S), or says which of S are seen."""
        p = self.p if self.training else 0.0
        y = scaled_dot_product_attention(self._parted(self.q(x)), keys, values, bias, p, scale=1.0)
        out: Tensor = self.o(y.transpose(1, 2).flatten(2))
        return out

    def _parted(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """W₂ relu(W₁ x), or with gates W₂ (gelu(W₁ x) ⊙ W₃ x)."""

    def __init__(self, width: int, inner: int, gated: bool, dropout: float):
        super().__init__()
        self.up = nn.Linear(width, inner, bias=False)  # W₁
        self.gate = nn.Linear(width, inner, bias=False) if gated else None  # W₃
        self.down = nn.Linear(inner, width, bias=False)  # W₂
        self.p = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        up = self.up(x)
        inner = relu(up) if self.gate is None else gelu(up, approximate="tanh") * self.gate(x)
        out: Tensor = self.down(nn.functional.dropout(inner, self.p, self.training))
        return out


@lru_cache(32)
def _buckets(before: int, length: int, buckets: int, distance: int, both_ways: bool) -> Tensor:
    """The bucket of each of S positions for each of the last T: (T, S)."""
    there = np.arange(before + length)[None] - np.arange(before, before + length)[:, None]  # j − i
    found = np.zeros_like(there)
    if both_ways:
        buckets //= 2
        found += (there > 0) * buckets
        there = np.abs(there)
    else:
        there = -np.minimum(there, 0)
    exact = buckets // 2
    # In float32 as the authors': in double some distances fall into the bucket beside.
    far = np.log(np.maximum(there, 1).astype(np.float32) / np.float32(exact)) / np.float32(math.log(distance / exact))
    wider = exact + (far * np.float32(buckets - exact)).astype(np.int64)
    found += np.where(there < exact, there, np.minimum(wider, buckets - 1))
    with torch.inference_mode(False):
        return torch.from_numpy(found)
