"""Processes killed at random moments (SIGKILL), again and again: what is begun anew ends with the same bits.

    python -m tests.attacks.kills                      100 kills of every kind of work, in 15 minutes or more
    python -m tests.attacks.kills --kills 20 --seed 2 --jobs train export

Each job is done once undisturbed. Then it is done again, and killed one to three times before it may end. The command
that a user would give next is the same one, with --resume where a training left checkpoints. In the end all that the
job has made must have the same bits, and there may be no other file beside it, in the cache or in TMPDIR.
"""

import argparse
import gzip
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

TEXT = "--corpus ../text.txt --tokenizer char --device cpu --quiet"
NETWORK = f"{TEXT} --preset tiny --budget 60steps --out run"
COMPARE = f"compare ngram:order=2 gpt:preset=tiny {TEXT} --budget 20steps --out report"
# What two runs of one comparison may differ in.
TIMES = {
    "seconds",
    "train_seconds",
    "training_seconds",
    "tokens_per_second",
    "peak_bytes",
    "date",
    "command",
    "remarks",
}
TIMES |= {"other_processes_cores"}


@dataclass(frozen=True)
class Job:
    """A command, and the file or folder that it makes."""

    command: str
    made: str
    resumes: bool = False
    begun: bool = False  # it was done before, and is done again in the same place


JOBS = {
    "train ngram": Job("train ngram --order 5 --corpus ../text.txt --tokenizer bpe:400 --quiet --out run", "run"),
    "train lstm": Job(f"train lstm {NETWORK} --dropout 0.3", "run", resumes=True),
    "train gpt": Job(f"train gpt {NETWORK} --checkpoints 6", "run", resumes=True),
    "compare": Job(COMPARE, "report"),
    "report": Job(COMPARE, "report", begun=True),  # all is trained and scored: the report is written anew
    "export": Job("export ../ngram model.arpa.gz --quiet", "model.arpa.gz"),
    "compress": Job("compress ../ngram ../text.txt --out text.lmz --quiet", "text.lmz"),
}


def without_times(value: Any) -> Any:
    """JSON without what the clock has to do with."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def bits(made: Path) -> dict[str, str]:
    """What a job has made: a digest of each file whose contents do not depend on the clock, '' for the others."""
    if made.is_file():
        return {
            made.name: sha256(
                gzip.decompress(made.read_bytes()) if made.suffix == ".gz" else made.read_bytes()
            ).hexdigest()
        }
    found = {}
    for path in sorted(made.rglob("*")):
        name, contents = str(path.relative_to(made)), b""
        if path.name == "results.json":
            contents = json.dumps(without_times(json.loads(path.read_text("utf-8")))).encode()
        elif path.name in ("config.json", "model.safetensors", "tokenizer.json"):
            contents = path.read_bytes()
        found[name] = sha256(contents).hexdigest() if contents else ""
    return found


def begun(command: str, place: Path, log: Path) -> int:
    """`lmzoo COMMAND` in a process of its own, the first of a session, in `place`: its number."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.chdir(place)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        from lmzoo.cli.main import main
        from lmzoo.neural.training import trainer

        trainer.CHECKPOINT_EVERY, trainer.CHECKPOINT_SHARE = 0.0, 1e9  # at every evaluation, not once a minute
        main(command.split())
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(70)


def ended(child: int) -> int:
    """Its exit code; -9 where it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def processes_of(session: int) -> list[str]:
    """The processes of a session that live, by their command lines."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append((stat.parent / "cmdline").read_text().replace("\0", " ")[:100])
        except OSError:
            pass
    return found


class Attack:
    """Jobs in a folder of their own, and what each makes where nobody disturbs it."""

    def __init__(self, folder: Path, names: list[str]):
        self.folder, self.log = folder, folder / "log"
        for variable in ("TMPDIR", "LMZOO_CACHE"):
            (folder / variable).mkdir()
            os.environ[variable] = str(folder / variable)
        tempfile.tempdir = None
        rng = random.Random(3)
        words = ["the", "a", "cat", "dog", "mouse", "sat", "ate", "saw", "on", "in", "mat", "house", "old", "big", "."]
        lines = (" ".join(rng.choice(words) for _ in range(rng.randint(3, 12))) for _ in range(1200))
        (folder / "text.txt").write_text("\n".join(lines) + "\n")
        self._do("train ngram --order 5 --corpus text.txt --tokenizer char --quiet --out ngram", folder)
        self.seconds, self.wanted, self.listing = {}, {}, {}
        for name in names:
            place = self._place(name)
            began = time.monotonic()
            self._do(JOBS[name].command, place)
            self.seconds[name] = time.monotonic() - began
            self.wanted[name], self.listing[name] = bits(place / JOBS[name].made), sorted(os.listdir(place))
        self.cached = self._outside()

    def _do(self, command: str, place: Path) -> None:
        if code := ended(begun(command, place, self.log)):
            raise SystemExit(f"undisturbed, lmzoo {command} ended with {code}: {self.log.read_text()}")

    def _place(self, name: str) -> Path:
        """The folder of a job, which is always the same: its path is in the provenance."""
        place = self.folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if JOBS[name].begun:
            if not (self.folder / name).exists():
                self._do(JOBS[name].command, place)
                shutil.copytree(place / JOBS[name].made, self.folder / name)
            shutil.copytree(self.folder / name, place / JOBS[name].made, dirs_exist_ok=True)
        return place

    def _outside(self) -> list[str]:
        return sorted(
            str(path)
            for name in ("TMPDIR", "LMZOO_CACHE")
            for path in (self.folder / name).rglob("*")
            if path.is_file()
        )

    def kill(self, name: str, rng: random.Random, most: int) -> tuple[int, str]:
        """Do a job that is killed up to `most` times: how often it was, and what is wrong in the end, or ''."""
        job, place, kills = JOBS[name], self._place(name), 0
        for _ in range(rng.randint(1, most)):
            child = begun(self._next(job, place), place, self.log)
            self._wait(name, place, rng)
            os.kill(child, signal.SIGKILL)
            code = ended(child)
            kills += code == -signal.SIGKILL
            if code not in (0, 2, -signal.SIGKILL):
                return kills, f"exit code {code}: {self.log.read_text()}"
            deadline = time.monotonic() + 5
            while (living := processes_of(child)) and time.monotonic() < deadline:
                time.sleep(0.05)
            if living:
                return kills, f"still alive five seconds after its parent: {living}"
        there = (place / job.made).exists()
        code = ended(begun(self._next(job, place), place, self.log))
        if code != (2 if there and job.made != "report" else 0):
            return kills, f"begun anew, it ended with {code}: {self.log.read_text()}"
        return kills, self._difference(name, place)

    def _wait(self, name: str, place: Path, rng: random.Random) -> None:
        """Until a random moment of all the time that a job takes or, half of the time, soon after it began to write."""
        end = time.monotonic() + rng.uniform(0, 1.05 * self.seconds[name])
        if rng.random() < 0.5:
            end, before = time.monotonic() + 2 * self.seconds[name], set(place.rglob("*"))
            while time.monotonic() < end:
                new = set(place.rglob("*")) - before
                if any(path.suffix != ".lock" for path in new):
                    end = time.monotonic() + rng.uniform(0, 0.05)
                    break
                time.sleep(0.001)
        time.sleep(max(0, end - time.monotonic()))

    def _next(self, job: Job, place: Path) -> str:
        """The command that a user gives next."""
        left = place / f"{job.made}.unfinished"
        resumes = job.resumes and not (place / job.made).exists() and any(left.glob("checkpoint.*"))
        return job.command + " --resume" * resumes

    def _difference(self, name: str, place: Path) -> str:
        made, wanted, wrong = bits(place / JOBS[name].made), self.wanted[name], ""
        for what, names in (
            ("missing", wanted.keys() - made.keys()),
            ("too many", made.keys() - wanted.keys()),
            ("other than undisturbed", {key for key in wanted.keys() & made.keys() if made[key] != wanted[key]}),
        ):
            if names:
                wrong += f"{what}: {sorted(names)[:5]}; "
        if wrong:
            return wrong
        if (listing := sorted(os.listdir(place))) != self.listing[name]:
            return f"there are {listing}, where undisturbed there are {self.listing[name]}"
        if new := set(self._outside()) - set(self.cached):
            return f"left behind: {sorted(new)[:5]}"
        return ""


def run(kills: int, seed: int, names: list[str], report: Callable[[str], None]) -> tuple[Counter[str], list[str]]:
    """Kill until there were so many: how many of each job, and what was wrong."""
    _import_all(names)
    done: Counter[str] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="lmzoo-kills-") as folder:
        attack = Attack(Path(folder), names)
        report(", ".join(f"{name} {seconds:.1f} s" for name, seconds in attack.seconds.items()) + " undisturbed")
        number = 0
        while sum(done.values()) < kills:
            name = names[number % len(names)]
            count, what = attack.kill(name, random.Random(f"{seed}/{number}"), min(3, kills - sum(done.values())))
            done[name] += count
            if what:
                wrong.append(f"{name}, {number}: {what}")
                report(wrong[-1])
            number += 1
    return done, wrong


def _import_all(names: list[str]) -> None:
    """What takes long to import, before the first process is forked."""
    modules = ["torch", "lmzoo.cli.app", "lmzoo.runs.train"]
    if {"compare", "report"} & {*names}:
        modules += ["matplotlib.pyplot", "sklearn.decomposition", "lmzoo.report.page"]
    for module in modules:
        importlib.import_module(module)
    sys.modules["lmzoo.cli.app"].add_all_commands()


def main() -> int:
    """Kill, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", nargs="*", default=[], help="only jobs whose names begin so")
    options = parser.parse_args()
    names = [name for name in JOBS if not options.jobs or name.startswith(tuple(options.jobs))]
    began = time.monotonic()
    done, wrong = run(options.kills, options.seed, names, lambda line: print(line, flush=True))
    counts = ", ".join(f"{n} of {name}" for name, n in done.items())
    print(f"{sum(done.values())} kills in {time.monotonic() - began:.0f} s ({counts}): {len(wrong)} faults")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
