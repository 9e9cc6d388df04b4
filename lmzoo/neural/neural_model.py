"""What every model with a PyTorch module shares, whatever it reads: settings, fitting, and weights in and out.

`language_model.Network` reads from left to right, `masked.MaskedNetwork` both ways; the training loop is in `training`.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lmzoo.errors import FormatError, LmzooError, UsageError, in_range, is_out_of_memory
from lmzoo.interface import Array, Data, Encoder, Ids, Model, Run
from lmzoo.neural import device as _device
from lmzoo.neural.module import Module, weights_at_most
from lmzoo.neural.training import optimizers
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.objectives import Objective
from lmzoo.neural.training.start import begin
from lmzoo.neural.training.trainer import Trainer

LOGITS_AT_ONCE = 1 << 23  # numbers; bounds the memory of scoring a long text


@dataclass
class NeuralModel(Model, Encoder):
    """A module of PyTorch, trained by gradient descent, with a vector for each token in each of its layers.

    Raises UsageError where a setting cannot be, such as a window longer than the training text.
    """

    training: Training = Training()

    resumes: ClassVar[bool] = True
    starts: ClassVar[bool] = True

    # The settings that make it what it was in its year, as `config` has them: with others it is trained as today. None:
    # the idea itself is of today.
    PERIOD: ClassVar[Mapping[str, Any] | None] = None
    # Settings that act in training only, beside the trainer's and what is dropped: they shape no weight.
    IN_TRAINING: ClassVar[frozenset[str]] = frozenset()

    @property
    def recipe(self) -> str:
        """ "period" if all settings in `PERIOD` have those values, else "today"."""
        config = self.config()
        as_then = self.PERIOD is not None and all(config[name] == value for name, value in self.PERIOD.items())
        return "period" if as_then else "today"

    def __post_init__(self) -> None:
        # A field of the model with the name of one of Training is one value with it: a transformer's window is how
        # far it sees as well as what it is trained on.
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

    @abstractmethod
    def build(self, vocab_size: int) -> Module:
        """The module with these settings and its first weights. Raises UsageError for settings that cannot be."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Of its hidden layers: decides whether bf16 pays."""

    @abstractmethod
    def objective(self, vocab_size: int) -> Objective:
        """What it is trained to do."""

    def compile_pays(self, run: Run) -> bool:
        """Whether torch.compile would pay for itself within the budget of `run`: by default on a GPU."""
        return _device.find(run.device).type == "cuda"

    # ── Learning ──────────────────────────────────────────────────────────────────────────────────

    def warm_up(self) -> None:
        """Let PyTorch load what its optimisers need, which takes a second or more."""
        weight = torch.nn.Parameter(torch.zeros(1))
        weight.grad = torch.zeros(1)
        optimizers.leave_the_compiler()
        optimizers.step([torch.optim.AdamW([weight], fused=True)])

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Train on `data.train` until the budget of `run` is spent (180 seconds by default), and keep the weights with
        the lowest loss on `data.valid`. Raises LmzooError where the loss is not finite.
        """
        run = run or Run()
        self.check_sizes()
        self.training.check()
        if not 0 <= run.seed < 1 << 63:
            raise UsageError(f"seed must be 0 or more, not {run.seed}")
        if data.refit:
            data = replace(data, valid=data.valid[:0])  # it is trained on, so nothing can be chosen by it
        # Parts of lines have many shapes, and would be compiled again and again.
        compute = _device.choose(run, self.width, self.compile_pays(run) and not data.lines)
        torch.manual_seed(run.seed)
        # Shared among processes, it need not fit on the device of one.
        place = torch.device("cpu") if run.parallel == "sharded" else compute.device
        module = self._build_on(place, data.vocab_size).train()
        begin(module, run.start, data.vocab_size)
        trainer = Trainer(self, module, data, run, compute)
        with compute.training_precision():
            trainer.train()
        self.net_, self.vocab_size_ = trainer.module.eval(), data.vocab_size
        self.history, self.facts, self.remarks = trainer.history, trainer.facts, trainer.remarks
        return self

    def holding(self, module: Module, vocab_size: int) -> Self:
        """A fitted model with these settings and the weights of `module`, which is not copied."""
        model = copy(self)
        model.net_, model.vocab_size_ = module, vocab_size
        return model

    def _build_on(self, device: torch.device, vocab_size: int) -> Module:
        try:
            return self.build(vocab_size).to(device)
        except (ValueError, RuntimeError) as error:  # PyTorch's messages on a share above one, a size below zero, …
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise LmzooError(
                    f"out of memory: the weights of this {self.name} do not fit; a smaller width ({self.width}) or "
                    f"vocabulary ({vocab_size:,}) would"
                ) from None
            raise UsageError(f"a {self.name} with these settings cannot be: {str(error).splitlines()[0]}") from None

    def check_sizes(self, **least: float) -> None:
        """Raise UsageError where a setting is below its `least`, or a share to drop is not below 1."""
        for name, value in self.config().items():
            if "drop" in name:
                in_range(name, value, 0, below=1)
            elif name in least:
                in_range(name, value, least[name])

    def to(self, device: str) -> Self:
        """Compute on that device. Raises UsageError where this machine has none such."""
        self.net_.to(_device.find(device))
        return self

    def arrays(self) -> dict[str, Array]:
        """The weights, by their names in the module."""
        weights = {f"net.{name}": value.cpu().numpy() for name, value in self.net_.weights().items()}
        return {"vocab_size": np.asarray(self.vocab_size_), **weights}

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises KeyError for missing weights, ValueError for weights of another shape."""
        self.vocab_size_ = int(arrays["vocab_size"])
        weights = {name[4:]: value for name, value in arrays.items() if name.startswith("net.")}
        if getattr(self, "layers", 0) > len(weights):
            raise FormatError(f"its settings ask for {self.layers:,} layers, and its file has {len(weights)} weights")
        with weights_at_most(3 * sum(value.size for value in weights.values())):  # a tied one is registered twice
            module = self.build(self.vocab_size_)
        module.load_weights({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
        self.net_ = module.eval()
        return self

    # ── Layers ────────────────────────────────────────────────────────────────────────────────────

    @property
    def layer_names(self) -> Sequence[str]:
        """The embedding and the layers above it."""
        return tuple(self.net_.layer_modules())

    def _check_layers(self, layers: Sequence[int]) -> None:
        names = self.layer_names
        for layer in layers:
            if not -len(names) <= layer < len(names):
                raise UsageError(
                    f"no layer {layer} in this {self.name}: there are 0 to {len(names) - 1} ({', '.join(names)})"
                )

    def untrained(self, seed: int = 0) -> Self:
        """A network with these settings and its first weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            twin = self.from_config(self.config())
            twin.net_, twin.vocab_size_ = twin.build(self.vocab_size_).eval().to(self.net_.device), self.vocab_size_
        return twin

    def _tokens_at_once(self) -> int:
        # A GPU has the memory, and is idle between small batches: 32,768 tokens score 3.3 times as fast as 4,096 there.
        times = 8 if self.net_.device.type == "cuda" else 1
        return times * max(64, min(4096, LOGITS_AT_ONCE // self.vocab_size_))

    def _tensor(self, ids: Ids) -> Tensor:
        return torch.from_numpy(np.asarray(ids, dtype=np.int64)).to(self.net_.device)
