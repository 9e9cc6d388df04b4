"""Counting on a cluster: books and copies of it, with 1, 2 and 4 workers, beside one process.

    python benchmarks/cluster.py [--corpus books] [--share 1] [--copies 1 10] [--workers 1 2 4] [--order 5] [--save]

From a text on the disk to the n-grams of orders 1 to 5 on the client; words by `split`. Each number of workers is a
cluster of its own on this machine, warmed up on another text. CPU seconds are user and system of all processes that
compute, without starting them: they alone are comparable on a busy machine, where wall-clock seconds measure the
others. Efficiency is the CPU of one process over that of the workers and the client. Bytes sent are those that left
workers, for each other or for the client. The n-grams are held against those of one process.

`--save` writes benchmarks/results/DATE-cluster-CORPUS-SHARE.json.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import record
from ngram import text_of

from lmzoo.cluster import Workers, connect
from lmzoo.data import remote, tokenizers
from lmzoo.data.tokenizers import distributed
from lmzoo.ngrams.counts import Level, count_ngrams
from lmzoo.ngrams.distributed import count
from lmzoo.runs import provenance

SHOWN = (
    "{megabytes:.1f} MB, {workers} workers: CPU {client_cpu_seconds} s (client), {worker_cpu_seconds} s (workers), "
    "{scheduler_cpu_seconds} s (scheduler); wall {wall_seconds} s; efficiency {efficiency}; sent {sent:.1f} MB; "
    "same: {alike}"
)
WARM_UP = "a b c a b d\n" * 200_000  # long enough for all compiled loops, on each of four workers


def here(path: Path, order: int) -> tuple[int, list[Level]]:
    """Read and count in this process."""
    text = path.read_text(encoding="utf-8")
    tokenizer, ids = tokenizers.train_and_encode("split", text, True)
    return len(ids), count_ngrams(ids, tokenizer.vocab_size, order)


def there(path: Path, order: int, workers: Workers) -> tuple[int, list[Level]]:
    """Read and count on a cluster."""
    text = remote.RemoteText(str(path), path.stat().st_size)
    tokenizer = distributed.train("split", text, True, workers)
    ids = distributed.encode(tokenizer, text, workers)
    return len(ids), count(ids, tokenizer.vocab_size, order)


def timed(work: Callable[[], Any], workers: Workers | None = None) -> tuple[Any, dict[str, Any]]:
    """What `work` returns, its seconds, and the bytes that workers sent meanwhile."""
    before, client, began = _used(workers), time.process_time(), time.perf_counter()
    result = work()
    seconds, client = time.perf_counter() - began, time.process_time() - client
    after = _used(workers)
    scheduler = after.pop("scheduler", (0.0,))[0] - before.pop("scheduler", (0.0,))[0]
    cpu, sent = (sum(now[i] - before[where][i] for where, now in after.items()) for i in (0, 1))
    return result, {
        "wall_seconds": round(seconds, 2),
        "client_cpu_seconds": round(client, 2),
        "worker_cpu_seconds": round(cpu, 2),
        "scheduler_cpu_seconds": round(scheduler, 2),
        "bytes_sent": int(sent),
        "worker_peak_bytes": max((now[2] for now in after.values()), default=0),
    }


def _used(workers: Workers | None) -> dict[str, Any]:
    """CPU seconds, bytes sent and peak memory of each worker, and of the scheduler, until now."""
    if workers is None:
        return {}
    return workers.client.run(_of_worker) | {"scheduler": workers.client.run_on_scheduler(_of_process)}


def _of_worker(dask_worker: Any) -> tuple[float, int, int]:
    cpu, peak = _of_process()
    return cpu, dask_worker.transfer_outgoing_bytes_total, peak


def _of_process() -> tuple[float, int]:
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def same(levels: list[Level], others: list[Level]) -> bool:
    """Whether all n-grams and counts are the same."""
    names = ("word", "suffix", "count", "children")
    pairs = zip(levels, others, strict=True)
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for a, b in pairs for name in names)


def measure(path: Path, sizes: list[int], order: int) -> list[dict[str, Any]]:
    """A row for one process and one for each number of workers."""
    (tokens, expected), alone = timed(lambda: here(path, order))
    ngrams = sum(map(len, expected))
    facts = {"bytes": path.stat().st_size, "tokens": tokens, "ngrams": ngrams}
    rows = [{"workers": 0, **facts, **alone}]
    show(rows[-1], alone)
    for size in sizes:
        with connect(f"local:{size}") as workers:
            for _ in range(2):  # compiled loops are loaded in each
                there(path.with_name("small.txt"), order, workers)
            (_, levels), used = timed(lambda workers=workers: there(path, order, workers), workers)
        rows.append({"workers": size, **facts, **used, "same": same(levels, expected)})
        show(rows[-1], alone)
        del levels
    return rows


def show(row: dict[str, Any], alone: dict[str, Any]) -> None:
    cpu = sum(row[f"{who}_cpu_seconds"] for who in ("client", "worker", "scheduler"))
    row["efficiency"] = round(alone["client_cpu_seconds"] / cpu, 3)
    print(SHOWN.format(**row, megabytes=row["bytes"] / 1e6, sent=row["bytes_sent"] / 1e6, alike=row.get("same", "–")))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="books")
    parser.add_argument("--share", type=float, default=1.0, help="of the training text, its beginning")
    parser.add_argument("--copies", type=int, nargs="*", default=[1, 10], help="of that, one after the other")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="write the figures to benchmarks/results")
    options = parser.parse_args()
    text = text_of(options.corpus, "train")
    text = text[: text.find("\n", int(len(text) * options.share)) + 1 or None]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "small.txt").write_text(WARM_UP, encoding="utf-8")
        here(Path(folder) / "small.txt", options.order)
        for copies in options.copies:
            path = Path(folder) / "text.txt"
            path.write_text(text * copies, encoding="utf-8")
            rows += [{"copies": copies, **row} for row in measure(path, options.workers, options.order)]
    if options.save:
        facts = {"corpus": options.corpus, "share": options.share, "order": options.order, "load": os.getloadavg()}
        record.save(f"cluster-{options.corpus}-{options.share:g}", {**provenance.provenance(), **facts, "rows": rows})


if __name__ == "__main__":
    main()
