"""Fine-tuning: a network that has learned to predict text goes on to learn from labels (Radford et al. 2018).

`fit` trains the network on text, `fit_labels` a head and the network below it on labelled texts. With h the network's
hidden vectors for [start] text [extract], pooled, and λ the weight of the auxiliary loss:

    P(label | text) = softmax(W pool(h) + b)
    L₃ = −log P(label | text) + λ · mean −log P(token | those before it)

The same on a network that is not trained is learning from scratch. What is fine-tuned still is a language model, whose
bits say what it has forgotten. What each paper did is a setting:

    Dai & Le 2015           LSTM, the last vector, a hidden layer
    Howard & Ruder 2018     LSTM, concat pooling, layer_decay 2.6, slanted, unfreeze, piece 70  (ULMFiT)
    Radford et al. 2018     transformer, the last vector, new markers, λ = 0.5                  (GPT-1)

Departures: no batch norm in the head, each candidate of a choice has a dropout mask of its own, a text is read up to
`window` tokens (Howard & Ruder read all of it), the auxiliary loss predicts no markers, and where labels are
few there are at least `least_steps` steps, as without them fine-tuning fails at random (Mosbach et al. 2021).
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch

from lmzoo import models
from lmzoo.errors import FormatError, UsageError, in_range, one_of
from lmzoo.interface import Array, Classifier, Data, Examples, Floats, Ids, Model, Run
from lmzoo.neural import device as _device
from lmzoo.neural.finetuning.heads import POOLINGS, Tuned
from lmzoo.neural.finetuning.inputs import CUTS, FORMS, MARKERS, Form, Labelled
from lmzoo.neural.finetuning.layers import Layers
from lmzoo.neural.finetuning.reading import OnNetwork
from lmzoo.neural.finetuning.tuner import AT_ONCE, LabelledData, Labels, Schedule, Tuner
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Module, weights_at_most
from lmzoo.neural.training.config import Training
from lmzoo.neural.windowed import Windowed

TRAINING = {field.name for field in fields(Training)}
HIGHEST, USUAL = 0.01, 1e-3  # learning rates: of AdamW at most, and where the network was trained by another


@dataclass
class FineTuned(OnNetwork, Classifier):
    """A network with a head that learns from labels, and the network with it."""

    name: ClassVar[str] = "finetuned"
    year: ClassVar[int] = 2018
    paper: ClassVar[str] = "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training"
    family: ClassVar[str] = "transformer"
    label_settings: ClassVar[Mapping[str, str]] = {"network": "{}"}
    resumes: ClassVar[bool] = True

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"network": "lstm:preset=tiny", "language_model": 0.5, "batch": 16},  # for a first try
        "ulmfit": {"pooling": "concat", "inner": 50, "layer_decay": 2.6, "slanted": True, "unfreeze": True,
                   "language_model": 0.0, "epochs": 8, "markers": "end", "beta1": 0.7,
                   "beta2": 0.99, "piece": 70},  # Howard & Ruder 2018, section 3.3
        "gpt1": {"pooling": "last", "markers": "new", "language_model": 0.5, "epochs": 3, "learning_rate": 6.25e-5,
                 "warmup": 0.002, "cooldown": 1.0},  # Radford et al. 2018, section 4.1
    }  # fmt: skip

    network: str = "gpt:preset=small"  # what learns: a network, with its settings
    form: str = "joined"  # what is read: joined texts; both orders of a pair; a choice of several texts; or tags
    # Of the hidden vectors: last, mean, max, concat (all three), or auto: concat where a state is carried, else mean.
    pooling: str = "auto"
    markers: str = "new"  # start, delimiter and extract as embeddings of their own (new), `end` for all three, or none
    cut: str = "start"  # which end of a text that is longer than the window is left out: start or end
    piece: int = (
        0  # of a network that carries a state: gradients go back through so many tokens at a time; 0: through all
    )
    inner: int = 0  # units of a hidden layer in the head; 0: none
    dropout: float = 0.1  # of what the head reads
    network_dropout: float = -1.0  # within the network, in place of its own; -1: its own
    language_model: float = 0.0  # weight of the auxiliary loss: the text's mean nats a token
    layer_decay: float = 1.0  # each layer's learning rate is that of the one above it, divided by this
    slanted: bool = False  # slanted triangular learning rates; else a linear warm-up and cool-down
    unfreeze: bool = (
        False  # gradual unfreezing: the head alone in the first epoch, one more layer in each of the others
    )
    transfer: int = -1  # the lowest layers that keep what the network has learned, others begin anew; -1: all
    epochs: int = 3  # passes over the labelled texts, but
    least_steps: int = 200  # steps at least
    learning_rate: float = 0.0  # peak learning rate; 0: that of the network's own training, but 0.01 at most
    training: Training = Training(batch=32, window=400, beta2=0.999, warmup=0.1, cooldown=0.9)

    def config(self) -> dict[str, Any]:
        """All settings in one flat dict."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "training"}
        return asdict(self.training) | own

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inverse of `config`; what is missing has its default."""
        names = {field.name for field in fields(cls)}
        training = {name: value for name, value in config.items() if name in TRAINING - names}
        own = {name: value for name, value in config.items() if name not in training}
        return cls(**own, training=replace(cls.training, **training))

    @classmethod
    def over(cls, model: Model, **settings: Any) -> Self:
        """A trained network, about to learn from labels. Raises UsageError for a model that is none of lmzoo's."""
        if isinstance(model, FineTuned):
            model = model.network_
        if not isinstance(model, Network) or not type(model).__module__.startswith("lmzoo.models."):
            raise UsageError(f"a {model.name} is no network of lmzoo that could be fine-tuned: train a gpt or lstm")
        # All of them, for a default may change one day.
        given = ",".join(f"{name}={value}" for name, value in model.config().items() if value is not None)
        tuned = cls.from_config({**settings, "network": f"{model.name}:{given}"})
        tuned.network_, tuned.vocab_size_ = model, model.vocab_size_
        return tuned

    @property
    def title(self) -> str:
        """ "fine-tuned LSTM"."""
        return f"fine-tuned {self.base().title}"

    @property
    def label(self) -> str:
        """ "LSTM, 96 cells, fine-tuned"."""
        return f"{self.base().label}, fine-tuned"

    # ── Learning ──────────────────────────────────────────────────────────────────────────────────

    def base(self) -> Network:
        """The network with its settings, which has learned nothing."""
        name, _, settings = self.network.partition(":")
        one_of("network", name, models.names())  # and no path: a run cannot name a file that is executed
        given = dict(part.partition("=")[::2] for part in settings.split(",") if part)
        network = models.make(models.find(name), given)
        if not isinstance(network, Network):
            raise UsageError(f"a {name} is no network: choose a gpt, lstm, llama, mlp, mlstm, rnn or speedrun")
        return network

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Train the network on `data.train`."""
        self.check()
        network = self.base().fit(data, run)
        self.network_, self.vocab_size_ = network, network.vocab_size_
        self.history, self.facts, self.remarks = network.history, network.facts, network.remarks
        return self

    def fit_labels(self, examples: Examples, valid: Examples, run: Run | None = None) -> Self:
        """Train head and network on `examples`, and keep the weights that get the fewest of `valid` wrong.

        Labels that are no integers are numbers to predict. Raises UsageError where there is only one class.
        """
        self.check()
        run = replace(run or Run(), folder=None, resume=False, keep=None)
        numbers = np.asarray(examples.labels).dtype.kind == "f"
        classes = _classes(self.form, examples, numbers)
        scale = (float(np.mean(examples.labels)), float(np.std(examples.labels)) or 1.0) if numbers else (0.0, 1.0)
        form = self._form(self.network_)
        sets = [
            Labelled(form, one.texts, (one.labels - scale[0]) / scale[1] if numbers else _whole(one))
            for one in (examples, valid)
        ]
        compute = _device.choose(run, self.network_.width, compile_pays=False)
        torch.manual_seed(run.seed)
        network, layers = self._transferred(self.network_)
        outputs = 1 if numbers or self.form == "choice" else len(classes)
        module = self._headed(network, outputs).to(compute.device).train()
        steps = max(self.least_steps, self.epochs * -(-len(sets[0]) // self.training.batch))
        schedule = Schedule(layers, self.epochs, self.layer_decay, self.slanted, self.unfreeze)
        if not run.steps and not run.seconds:
            run = replace(run, steps=steps)
        data = LabelledData(sets[0], sets[1], self.vocab_size_)
        plan = copy(self)
        plan.training = replace(self.training, learning_rate=self._rate(self.network_))
        tuner = Tuner(plan, module, data, run, compute, schedule)
        with compute.training_precision():
            tuner.train()
        reads = 1 if self.form == "tags" else max(map(len, examples.texts))
        self._hold(tuner.module.eval(), list(classes), scale, reads)
        cut = sum(one.cut for one in sets)
        notes = [f"{cut:,} texts were longer than {form.longest} tokens: their {self.cut} was left out"] if cut else []
        self.history, self.facts = tuner.history, tuner.facts | {"texts_cut": cut, "rate": plan.training.learning_rate}
        self.remarks = [*notes, *tuner.remarks]
        return self

    def objective(self, vocab_size: int) -> Any:
        """What a tuner minimises."""
        return Labels(vocab_size, self.language_model)

    def check(self) -> None:
        """Raise UsageError for a setting that cannot be."""
        for name, known in {"form": FORMS, "pooling": (*POOLINGS, "auto"), "markers": MARKERS, "cut": CUTS}.items():
            one_of(name, getattr(self, name), known)
        for name in ("inner", "piece", "language_model", "least_steps", "learning_rate"):
            in_range(name, getattr(self, name), 0)
        in_range("dropout", self.dropout, 0, below=1)
        in_range("network_dropout", self.network_dropout, -1, below=1)
        for name in ("epochs", "layer_decay"):
            in_range(name, getattr(self, name), 1)
        in_range("batch", self.training.batch, 1)
        in_range("window", self.training.window, 4)
        if self.training.optimizer == "muon" and self.layer_decay != 1:
            raise UsageError("Muon has one learning rate for all matrices: choose --optimizer adamw with layer_decay")
        self.training.check()

    def _form(self, network: Network) -> Form:
        longest = self.training.window
        if isinstance(network, Windowed):  # it has no positions for more
            longest = min(longest, network.reach)
        return Form(self.form, self.markers, network.vocab_size_, longest, self.cut)

    def _rate(self, network: Network) -> float:
        own = network.training.learning_rate if network.training.optimizer != "sgd" else USUAL
        return self.learning_rate or min(own, HIGHEST)

    def _transferred(self, network: Network) -> tuple[Module, Layers]:
        """A copy of the network of which the layers above `transfer` begin anew."""
        settings = network.config()
        if self.network_dropout >= 0:
            settings["dropout"] = self.network_dropout
        module = type(network).from_config(settings).build(network.vocab_size_)
        layers, learned = Layers(module), network.net_.weights()
        layers.check(self.transfer)
        if self.unfreeze and self.epochs < layers.count + 2:
            raise UsageError(
                f"unfreezing {layers.count} layers one by one takes {layers.count + 2} epochs, not {self.epochs}"
            )
        first = module.weights()
        kept = {name: learned[name] if layers.is_transferred(name, self.transfer) else first[name] for name in first}
        module.load_weights(kept)
        return module, layers

    def _headed(self, network: Module, outputs: int) -> Tuned:
        pooling = self.pooling
        if pooling == "auto":
            pooling = "concat" if self.network_.carries_state else "mean"
        piece = self.piece if self.network_.carries_state else 0
        return Tuned(network, self._form(self.network_), pooling, outputs, self.inner, self.dropout, piece)

    def _hold(self, module: Any, classes: list[str], scale: tuple[float, float], reads: int) -> None:
        self.net_, self.classes_, self.scale_, self.reads_ = module, classes, np.array(scale), reads
        self.network_ = self.network_.holding(module.network, self.vocab_size_)

    def build(self, vocab_size: int) -> Module:
        """Nothing builds one but `fit_labels`."""
        raise NotImplementedError

    def holding(self, module: Module, vocab_size: int) -> Model:
        """Nothing is kept of a training but its end."""
        raise NotImplementedError

    def to(self, device: str) -> Self:
        """Compute on that device. Raises UsageError where this machine has none such."""
        self.network_.to(device)
        if "net_" in vars(self):
            self.net_.to(_device.find(device))
        return self

    # ── Classifying ───────────────────────────────────────────────────────────────────────────────

    def class_log_probs(self, texts: Sequence[tuple[Ids, ...]]) -> Floats:
        """log P(each class | text), (N, C) in nats; of a choice each candidate's, of tags a row for each word."""
        if not self.classes_:
            raise UsageError(f"this {self.name} gives numbers, not classes")
        outputs = torch.from_numpy(self._outputs(texts))
        return outputs.log_softmax(-1).numpy()

    def predict(self, texts: Sequence[tuple[Ids, ...]]) -> Array:
        """The likeliest class of each, or the number: (N,)."""
        outputs = self._outputs(texts)
        if self.classes_:
            return outputs.argmax(-1)
        mean, scale = self.scale_
        return outputs[:, 0] * scale + mean

    def too_long(self, texts: Sequence[tuple[Ids, ...]]) -> int:
        """How many of them are longer than it reads."""
        return Labelled(self._form(self.network_), texts).cut

    @torch.inference_mode()
    def _outputs(self, texts: Sequence[tuple[Ids, ...]]) -> Array:
        """The head's outputs, (L, C) in double precision."""
        if self.form != "choice" and (others := {len(text) for text in texts} - {self.reads_ + (self.form == "tags")}):
            raise UsageError(f"this {self.name} reads {self.reads_} texts together, not {others.pop()}")
        examples = Labelled(self._form(self.network_), texts)
        width = len(self.classes_) or 1
        if self.form == "choice":
            width = max((len(one.ids) for one in examples.read), default=0)
        rows = np.full((len(examples.labels), width), -np.inf)
        for group in examples.by_length(AT_ONCE):
            batch = examples.batch(group).to(self.net_.device)
            hidden, _ = self.net_(batch.ids, self.net_.initial_state(len(batch.ids)))
            outputs = self.net_.outputs(self.net_.vectors(hidden, batch), batch.counts)
            places = [np.arange(examples.ends[n] - examples.counts[n], examples.ends[n]) for n in group]
            rows[np.concatenate(places), : outputs.shape[1]] = outputs.double().cpu().numpy()
        return rows

    def untrained(self, seed: int = 0) -> Self:
        """The network with its first weights, about to learn from labels: from scratch."""
        twin = copy(self)
        for learned in ("net_", "classes_", "scale_", "reads_"):
            vars(twin).pop(learned, None)
        twin.network_ = self.network_.untrained(seed)
        return twin

    # ── Saving ────────────────────────────────────────────────────────────────────────────────────

    def arrays(self) -> dict[str, Any]:
        """The weights by their names in the module, and what the outputs stand for."""
        if "net_" not in vars(self):
            return self.network_.arrays()
        weights = {f"net.{name}": value.cpu().numpy() for name, value in self.net_.weights().items()}
        own = {"classes": self.classes_, "scale": self.scale_, "reads": self.reads_}
        return {"vocab_size": np.asarray(self.vocab_size_), **own, **weights}

    def restore(self, arrays: dict[str, Any]) -> Self:
        """The inverse of `arrays`. Raises KeyError for missing weights, ValueError for weights of another shape."""
        prefix = "net.network." if "classes" in arrays else "net."
        below = {f"net.{name.removeprefix(prefix)}": value for name, value in arrays.items() if name.startswith(prefix)}
        self.network_ = self.base().restore({"vocab_size": arrays["vocab_size"], **below})
        self.vocab_size_ = self.network_.vocab_size_
        if "classes" not in arrays:
            return self
        classes, scale, reads = list(arrays["classes"]), np.asarray(arrays["scale"], np.float64), int(arrays["reads"])
        weights = {name[4:]: np.array(value) for name, value in arrays.items() if name.startswith("net.")}
        if scale.shape != (2,) or not all(isinstance(one, str) for one in classes):
            raise FormatError("its classes are no names")
        units, outputs = (
            len(weights["classifier.1.weight"]),
            len(weights[f"classifier.{4 if self.inner else 1}.weight"]),
        )
        if self.inner and self.inner != units:
            raise FormatError(f"its settings ask for {self.inner} units of the head, and its file has {units}")
        if classes and self.form != "choice" and len(classes) != outputs:
            raise FormatError(f"it has {len(classes)} classes and {outputs} outputs")
        with weights_at_most(3 * sum(value.size for value in weights.values())):
            module = self._headed(self.network_.net_, outputs)
        module.load_weights({name: torch.from_numpy(value) for name, value in weights.items()})
        self._hold(module.eval(), classes, (float(scale[0]), float(scale[1])), reads)
        return self


def _classes(form: str, examples: Examples, numbers: bool) -> Sequence[str]:
    """The names of the classes; none of numbers. Raises UsageError where there is nothing to tell apart."""
    count = {"both": 2, "tags": 2}.get(form, 0)
    if not len(examples.texts):
        raise UsageError("there are no labelled texts to learn from")
    parts = {len(text) for text in examples.texts}
    if (count and parts != {count}) or (form == "choice" and min(parts) < 3) or (form == "joined" and len(parts) > 1):
        raise UsageError(f"these examples of {min(parts)} to {max(parts)} texts cannot be read in the form {form!r}")
    if numbers:
        return ()
    labels = _whole(examples)
    if form == "choice":
        return [str(n + 1) for n in range(max(parts) - 1)]
    names = examples.classes or [str(n) for n in range(int(labels.max(initial=0)) + 1)]
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        raise UsageError(
            f"labels are 0 to {len(names) - 1}, one for each class: {labels.min()} to {labels.max()} are not"
        )
    if len(np.unique(labels)) < 2:
        raise UsageError(f"all {len(labels):,} labels are {names[labels[0]]!r}: two classes at least can be told apart")
    return names


def _whole(examples: Examples) -> Array:
    labels = np.asarray(examples.labels)
    if labels.dtype.kind not in "iu" and len(labels):
        raise UsageError(f"labels are whole numbers, of classes, or numbers with a point, not {labels.dtype}")
    return labels.astype(np.int64)
