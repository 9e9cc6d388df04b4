"""What the neural models share: the settings of their training, and reading a text with what they carry along.

A model's file has its paper, its own settings and its `Net`; all it says to this file is `build`. How a text longer
than a window is read by a net that carries no memory is in `_window`; the training is in `_trainer`.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lmzoo.errors import LmzooError, UsageError
from lmzoo.interface import Data, Encoder, Ids, LanguageModel, Run, State, check_ids
from lmzoo.neural import device as _device
from lmzoo.neural.module import Memory, Net
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.memory import is_lack_of_memory
from lmzoo.neural.training.trainer import Trainer

LOGITS_AT_ONCE = 1 << 23  # numbers, when a long text is scored
TEXTS_AT_ONCE = 128
FEATURES_AT_ONCE = 4096  # tokens whose vectors are computed side by side


class Reading(NamedTuple):
    """The state of a text that is being read: what its next token is predicted from, and what is carried on."""

    hidden: Tensor  # (D,)
    memory: Memory  # of a batch of one


@dataclass
class Network(LanguageModel, Encoder):
    """A neural language model, trained by steps.

    Raises UsageError where a setting cannot be, such as a window longer than the training text.
    """

    training: Training = Training()

    resumes: ClassVar[bool] = True
    # Whether training carries memory from window to window of a text, or draws windows in random order.
    carried: ClassVar[bool] = True

    def __post_init__(self) -> None:
        # A field of the model that is also one of the training is one value: the window of a transformer, for one,
        # which is how far it sees as well as what it is trained on.
        both = {field.name for field in fields(self)} & {field.name for field in fields(Training)}
        self.training = replace(self.training, **{name: getattr(self, name) for name in both})

    def config(self) -> dict[str, Any]:
        """Architecture and training in one flat dict."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "training"}
        return asdict(self.training) | own

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `config`; what is missing has the model's default."""
        own = {field.name for field in fields(cls)} - {"training"}
        training = {field.name for field in fields(Training)} - own
        given = {name: value for name, value in config.items() if name not in training}
        return cls(**given, training=replace(cls.training, **{name: config[name] for name in training & set(config)}))

    def warm_up(self) -> None:
        """Let PyTorch load what its optimisers need, which takes a second or more."""
        weight = torch.nn.Parameter(torch.zeros(1))
        weight.grad = torch.zeros(1)
        torch.optim.AdamW([weight]).step()

    @abstractmethod
    def build(self, vocab_size: int) -> Net:
        """The net with these settings and first weights. Raises UsageError for settings that cannot be."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Of its hidden layers: decides whether bf16 pays."""

    @property
    def lead(self) -> int:
        """How many ids before a window a net without carried memory reads as its memory."""
        return 0

    def compile_pays(self, run: Run) -> bool:
        """Whether torch.compile would pay for itself within the budget of `run`: on a GPU, if no more is known."""
        return _device.find(run.device).type == "cuda"

    # ── Learning ──────────────────────────────────────────────────────────────────────────────────

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Train on `data.train` until the budget of `run` is spent (180 seconds, if it has none), and keep the weights
        under which `data.valid` was likeliest. Raises LmzooError where the loss becomes no number.
        """
        run = run or Run()
        self._refuse_odd_settings()
        if not 0 <= run.seed < 1 << 63:
            raise UsageError(f"seed must be 0 or more, not {run.seed}")
        valid = data.valid[:0] if data.refit else data.valid  # nothing can be chosen on a text that is learned
        vocab_size = data.vocab_size
        means = _device.means(run, self.width, self.compile_pays(run))
        torch.manual_seed(run.seed)
        net = self._build_or_say_why_not(vocab_size, means.device).train()
        trainer = Trainer(net, self, data.train, valid, vocab_size, run, means)
        trainer.train()
        self.net_, self.vocab_size_ = net.eval(), vocab_size
        self.history, self.facts, self.remarks = trainer.history, trainer.facts, trainer.remarks
        return self

    def _build_or_say_why_not(self, vocab_size: int, device: torch.device) -> Net:
        try:
            return self.build(vocab_size).to(device)
        except (ValueError, RuntimeError) as error:  # PyTorch's words for a share above one, a size below zero, …
            if isinstance(error, RuntimeError) and is_lack_of_memory(error):
                raise LmzooError(
                    f"out of memory: the weights of this {self.name} do not fit; a smaller width ({self.width}) or "
                    f"vocabulary ({vocab_size:,}) would"
                ) from None
            raise UsageError(f"a {self.name} with these settings cannot be: {str(error).splitlines()[0]}") from None

    def _refuse_odd_settings(self) -> None:
        for name, value in self.config().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{name} must be a number, not {value}")
            if name.startswith("dropout") and not 0 <= value < 1:
                raise UsageError(f"{name} must be 0 or more and below 1, not {value}")
        self.training.check()

    def _refuse_below_one(self, *names: str) -> None:
        """Raise UsageError where one of these settings is less than 1."""
        for name in names:
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be 1 or more, not {getattr(self, name)}")

    def to(self, device: str) -> Self:
        """Compute on that device. Raises UsageError where it is not there."""
        self.net_.to(_device.find(device))
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights, by their names in the net."""
        weights = {f"net.{name}": value.cpu().numpy() for name, value in self.net_.weights().items()}
        return {"vocab_size": np.asarray(self.vocab_size_), **weights}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`. Raises KeyError for weights that are missing, ValueError for others' shapes."""
        self.vocab_size_ = int(arrays["vocab_size"])
        net = self.build(self.vocab_size_)
        given = {name[4:]: value for name, value in arrays.items() if name.startswith("net.")}
        net.put_weights({name: torch.from_numpy(np.array(value)) for name, value in given.items()})
        self.net_ = net.eval()
        return self

    # ── Reading ───────────────────────────────────────────────────────────────────────────────────

    def start(self) -> State:
        """Having read `end`, as at every text's beginning."""
        return self._read(np.array([self.vocab_size_ - 1]), self.net_.blank(1))

    @torch.inference_mode()
    def _read(self, tokens: Ids, memory: Memory) -> Reading:
        for piece in np.array_split(tokens, -(-len(tokens) // self._tokens_at_once())):
            hidden, memory = self.net_(self._tensor(piece)[None], memory)
        return Reading(hidden[0, -1].clone(), memory)

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,)."""
        tokens = check_ids(tokens, self.vocab_size_)
        return self._read(tokens, state.memory) if len(tokens) else state

    @torch.inference_mode()
    def next_log_probs(self, state: State) -> NDArray[np.floating[Any]]:
        """log P of each token (V,), in nats, summed in double precision."""
        log_probs: NDArray[np.float64] = self.net_.head(state.hidden).cpu().double().log_softmax(-1).numpy()
        return log_probs

    @torch.inference_mode()
    def next_log_probs_many(self, states: Sequence[Any]) -> NDArray[np.floating[Any]]:
        """`next_log_probs` of each of B states, in one product: (B, V)."""
        logits = self.net_.head(torch.stack([state.hidden for state in states]))
        log_probs: NDArray[np.float64] = logits.cpu().double().log_softmax(-1).numpy()
        return log_probs

    def advance_many(self, states: Sequence[Any], texts: Sequence[Ids]) -> list[State]:
        """Each of B states after reading its own text: in one batch, if all texts and all states are of one size."""
        one_length = len({len(text) for text in texts}) == 1 and len(texts[0]) > 0
        if not one_length or len({tuple(part.shape for part in state.memory) for state in states}) > 1:
            return super().advance_many(states, texts)
        rows = check_ids(np.concatenate(texts), self.vocab_size_).reshape(len(texts), -1)
        memory = tuple(torch.cat(parts) for parts in zip(*(state.memory for state in states), strict=True))
        return [Reading(hidden, after) for hidden, after in self._read_abreast(rows, memory)]

    @torch.inference_mode()
    def _read_abreast(self, rows: Ids, memory: Memory) -> list[tuple[Tensor, Memory]]:
        """The last hidden vector (D,) and the memory of each of `rows` (B, T), read behind `memory`."""
        hidden, memory = self.net_(self._tensor(rows), memory)
        return [(hidden[n, -1], tuple(part[n : n + 1] for part in memory)) for n in range(len(rows))]

    @torch.inference_mode()
    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[NDArray[Any], State]:
        """log P of each of `tokens` (T,), in nats, piece after piece, and the state after the last."""
        ids = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        scores = [np.empty(0)]
        for piece in np.array_split(ids, -(-len(ids) // self._tokens_at_once()) or 1):
            if len(piece):
                targets = self._tensor(piece)
                hidden, memory = self.net_(targets[None], state.memory)
                before = torch.cat([state.hidden[None], hidden[0, :-1]])
                scores.append(self._scores(before, targets))
                state = Reading(hidden[0, -1].clone(), memory)
        return np.concatenate(scores), state

    @torch.inference_mode()
    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[NDArray[Any]]:
        """`log_probs` of separate texts, or of each from its `first` token on: a softmax costs more than reading.

        Short texts of about one length are read side by side.
        """
        ids = [check_ids(text, self.vocab_size_) for text in texts]
        starts = [0] * len(ids) if first is None else first
        scores: list[NDArray[Any]] = [np.empty(0)] * len(ids)
        for group in _of_one_length(ids, self._tokens_at_once()):
            if len(group) == 1:
                scores[group[0]] = self.log_probs(ids[group[0]])[0][starts[group[0]] :]
                continue
            longest = max(len(ids[n]) for n in group)
            end = self.vocab_size_ - 1
            padded = np.full((len(group), longest + 1), end, dtype=np.int64)  # `end` before and, unscored, behind
            wanted = np.zeros((len(group), longest), dtype=bool)
            for row, n in enumerate(group):
                padded[row, 1 : len(ids[n]) + 1] = ids[n]
                wanted[row, starts[n] : len(ids[n])] = True
            rows, mask = self._tensor(padded), torch.from_numpy(wanted).to(self.net_.device)
            hidden, _ = self.net_(rows[:, :-1], self.net_.blank(len(group)))
            found = self._scores(hidden[mask], rows[:, 1:][mask])
            for n, part in zip(group, np.split(found, np.cumsum(wanted.sum(axis=1))[:-1]), strict=True):
                scores[n] = part
        return scores

    def _scores(self, hidden: Tensor, targets: Tensor) -> NDArray[Any]:
        """log P of `targets` (T,) after the hidden vectors (T, D), in nats."""
        pieces = max(1, -(-len(targets) // self._tokens_at_once()))
        found = [
            self.net_.head(h).float().log_softmax(-1).gather(-1, t[:, None])[:, 0]
            for h, t in zip(hidden.tensor_split(pieces), targets.tensor_split(pieces), strict=True)
        ]
        scores: NDArray[Any] = torch.cat(found).cpu().numpy().astype(np.float64)
        return scores

    # ── What it makes of a text ───────────────────────────────────────────────────────────────────

    @property
    def layer_names(self) -> Sequence[str]:
        """The embedding and the layers above it."""
        return tuple(self.net_.stages())

    def features(self, tokens: Ids, layer: int = -1) -> NDArray[Any]:
        """A vector for each token, of what was read up to it: (T,) → (T, D) float32."""
        return self.features_many([tokens], [layer])[0][0]

    @torch.inference_mode()
    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[NDArray[Any]]]:
        """`features` of separate texts, in each of `layers`; short ones of about one length are read side by side."""
        self._refuse_unknown(layers)
        read = [np.append(self.vocab_size_ - 1, check_ids(text, self.vocab_size_)) for text in texts]  # `end` first
        found: list[list[NDArray[Any]]] = [[]] * len(read)
        for group in _of_one_length(read, FEATURES_AT_ONCE):
            if len(group) == 1:
                found[group[0]] = [vectors[1:] for vectors in self._vectors(read[group[0]], layers)]
                continue
            padded = np.full((len(group), max(len(read[n]) for n in group)), self.vocab_size_ - 1)
            for row, n in enumerate(group):
                padded[row, : len(read[n])] = read[n]
            seen, _ = self.net_.every_layer(self._tensor(padded), self.net_.blank(len(group)))
            chosen = [seen[layer].float().cpu().numpy() for layer in layers]
            for row, n in enumerate(group):
                found[n] = [vectors[row, 1 : len(read[n])] for vectors in chosen]
        return found

    def _refuse_unknown(self, layers: Sequence[int]) -> None:
        names = self.layer_names
        for layer in layers:
            if not -len(names) <= layer < len(names):
                raise UsageError(
                    f"no layer {layer} in this {self.name}: there are 0 to {len(names) - 1} ({', '.join(names)})"
                )

    def _vectors(self, ids: Ids, layers: Sequence[int]) -> list[NDArray[Any]]:
        """The vectors (T, D) of all `ids` (T,) of one text in each of `layers`, piece after piece."""
        memory, pieces = self.net_.blank(1), []
        for start in range(0, len(ids), FEATURES_AT_ONCE):
            seen, memory = self.net_.every_layer(self._tensor(ids[start : start + FEATURES_AT_ONCE])[None], memory)
            pieces.append([seen[layer][0].float().cpu().numpy() for layer in layers])
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    def untrained(self, seed: int = 0) -> Self:
        """A network with these settings and its first weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            twin = self.from_config(self.config())
            twin.net_, twin.vocab_size_ = twin.build(self.vocab_size_).eval().to(self.net_.device), self.vocab_size_
        return twin

    def _tokens_at_once(self) -> int:
        return max(64, min(4096, LOGITS_AT_ONCE // self.vocab_size_))

    def _tensor(self, ids: Ids) -> Tensor:
        return torch.from_numpy(np.asarray(ids, dtype=np.int64)).to(self.net_.device)


def _of_one_length(texts: Sequence[Ids], most: int) -> Iterator[list[int]]:
    """The numbers of the texts, in groups of about one length with at most `most` tokens, or one text, in each."""
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    group: list[int] = []
    for n in order:
        if group and (len(group) == TEXTS_AT_ONCE or (len(group) + 1) * (len(texts[n]) + 1) > most):
            yield group
            group = []
        group.append(n)
    if group:
        yield group
