"""All 25,000 labels of IMDB by a pre-trained LSTM: for a GPU (Dai & Le 2015).

    python benchmarks/imdb.py [--minutes 5] [--mirror FOLDER] [--save]

The language model of the preset `dai-le-paper` reads the corpus `imdb`, which has no test review, for so many minutes;
then it learns from all labels, as `lmzoo finetune --labels all` does it, and names the class of 25,000 test reviews.
TF-IDF stands beside it. The paper has an error of 7.64 % after days; 10 % is asked for.
`--rehearse` does all of it on the CPU with a tiny network and few reviews: its figures say nothing.
"""

import argparse
import json
import os
import time
from typing import Any

import record
import torch

from lmzoo.data import corpus
from lmzoo.interface import Progress, Run
from lmzoo.runs import provenance, train
from lmzoo.tasks.finetuning.baselines import TfIdf
from lmzoo.tasks.finetuning.learner import Learner
from lmzoo.tasks.finetuning.networks import NetworkLearner
from lmzoo.tasks.finetuning.trials import Trial, trial
from lmzoo.tasks.probing import datasets

TUNING = {"pooling": "concat", "epochs": 3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5, help="of pre-training")
    parser.add_argument("--mirror", default=os.environ.get("LMZOO_MIRROR"), help="folder that IMDB is taken from")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, tiny: does it work?")
    parser.add_argument("--save", action="store_true", help="write results/DATE-imdb.json")
    options = parser.parse_args()
    if not options.rehearse and not torch.cuda.is_available():
        parser.error("this machine has no CUDA device; --rehearse tries it on the CPU")
    results = {**provenance.provenance(), "rehearsal": options.rehearse, **measured(options)}
    print(json.dumps(results, indent=1))
    if options.save:
        record.save("imdb", results)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """The language model's training, and the error of each learner, in percent, with what it took."""
    device = "cpu" if options.rehearse else "cuda"
    budget = {"steps": 2} if options.rehearse else {"seconds": 60 * options.minutes}
    settings = {"preset": "tiny" if options.rehearse else "dai-le-paper", "softmax": "adaptive"}
    text = train.encode(
        corpus.load("imdb", mirror=options.mirror), "word:500" if options.rehearse else "word:30000", Run()
    )
    fitted = train.fit("lstm", settings, text, Run(seed=1, device=device, **budget))
    (examples,) = datasets.load("imdb", options.mirror, Progress())
    labels, limit = (20, 10) if options.rehearse else (None, 0)
    asked = trial(examples, (labels,), (1,), limit)
    tuning = TUNING | ({"epochs": 1, "least_steps": 1} if options.rehearse else {})
    network = NetworkLearner("LSTM", fitted.text_model, "", tuning, run=Run(device=device))
    learners = [network] if options.rehearse else [network, TfIdf()]  # TF-IDF's own tests are elsewhere
    return {
        "pre-training": {"settings": settings, **dict(fitted.text_model.model.facts)},
        "fine-tuning": tuning,
        "errors": {learner.name: error(learner, asked, labels or asked.whole) for learner in learners},
    }


def error(learner: Learner, asked: Trial, labels: int) -> dict[str, float]:
    """Of a learner with so many labels."""
    split, began = asked.split(labels, 1), time.perf_counter()
    predicted = learner.predict(asked.examples, split, 1, Progress())
    wrong = float((predicted.values != asked.examples.labels[split.test]).mean())
    return {"percent": 100 * wrong, "tested": len(split.test), "seconds": round(time.perf_counter() - began, 1)}


if __name__ == "__main__":
    main()
