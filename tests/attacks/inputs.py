"""Thousands of spoiled inputs, each given to the commands that read it: none may break, hang, fill the memory or lie.

    python -m tests.attacks.inputs                     20,000 inputs, in about ten minutes
    python -m tests.attacks.inputs --inputs 500 --seed 2 --kinds arpa vectors
    python -m tests.attacks.inputs --only 1234         one again; its files stay where it fails

A worker process calls the entrance of the command line, `lmzoo.cli.main.main`, for one input after the other; another
watches it. Every input must end with code 0, 1 or 2, an error with one line and nothing else on stderr, without a
traceback, within 5 s of CPU time (20 s in all) and 1.5 GB, and leave no draft behind. A success must be true: a run
that differs from its checksums and a file cut short are not read, a training goes on and a file is decompressed to what
they would have been, and JSON is JSON. What fails is kept, with its command, in `attacks-found/`.
"""

import argparse
import functools
import json
import os
import random
import resource
import select
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
from unittest import mock
from zlib import crc32

import typer.main

from tests.attacks import mutations, seeds

CPU, WALL, MEMORY = 5.0, 20.0, 1_500_000_000  # seconds, seconds, bytes of an input, at most
ADDRESSES = 3_000_000_000  # bytes of address space beyond those of the worker when it begins
WHOLE = {".gz", ".bz2", ".xz", ".zst", ".zip", ".arpa", ".bin", ".lmz", ".safetensors"}  # cut short, it cannot be read
FOUND = Path("attacks-found")


@dataclass(frozen=True)
class Verdict:
    """How an input ended: what is wrong with that, or ''."""

    number: int
    kind: str
    command: str
    how: str
    wrong: str = ""
    codes: tuple[int, ...] = ()


class Worker:
    """Runs command lines in this process, with stdout and stderr in files."""

    def __init__(self, base: Path, work: Path, found: Path):
        # The commands with their flags are made once, not for each input: two thirds of the time went there.
        typer.main.get_command = functools.lru_cache(maxsize=8)(typer.main.get_command)
        self.base, self.work, self.found = base, work, found
        self.captured = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 (until the process ends)
        self.screen = os.dup(2)

    def redirect(self) -> None:
        """From now on what is printed is captured."""
        for number, file in enumerate(self.captured, 1):
            os.dup2(file.fileno(), number)

    def call(self, arguments: list[str]) -> int:
        """The exit code of a command line. Raises what should have been a line of stderr."""
        from lmzoo.cli.main import main

        if arguments[0] == "@kept":
            seeds.kept()
            return 0
        with ExitStack() as patches:
            if arguments[0] == "@cards":
                patches.enter_context(_cards_from(Path("cards").absolute()))
                arguments = arguments[1:]
            try:
                main(arguments)
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else 1

    def printed(self) -> list[str]:
        """What was captured on stdout and stderr since the last call."""
        sys.stdout.flush()
        sys.stderr.flush()
        texts = []
        for file in self.captured:
            file.seek(0)
            texts.append(file.read(1 << 20).decode("utf-8", "replace"))
            file.seek(0)
            file.truncate()
        return texts

    def attack(self, kind: seeds.Kind, number: int, seed: int) -> Verdict:
        """Spoil an input of this kind in the working folder, and run a command on it."""
        rng = random.Random(f"{seed}/{number}")
        os.chdir("/")
        _remove(self.work)
        self.work.mkdir()
        os.chdir(self.work)
        for name in kind.copied.split():
            copy = shutil.copytree if (self.base / name).is_dir() else shutil.copy
            copy(self.base / name, self.work / name)
        how, changed = self._spoil(kind, rng)
        commands = rng.choice(kind.commands)
        (self.work / "command").write_text(commands)
        before = set(os.listdir())
        codes = []
        try:
            for command in commands.split("; "):
                codes.append(self.call(shlex.split(command)))
                wrong = self._wrong(kind, command, codes[-1])
                if wrong or codes[-1]:
                    break
        except BaseException as error:
            import traceback

            self.printed()
            wrong = f"{type(error).__name__} was not caught: " + "".join(traceback.format_exception(error))
        if not wrong and not codes[-1]:
            wrong = self._lie(kind, how, changed)
        left = [name for name in set(os.listdir()) - before if name.startswith(".lmzoo-")]
        if left and not wrong:
            wrong = f"left behind: {left}"
        return Verdict(number, kind.name, commands, how, wrong, tuple(codes))

    def _spoil(self, kind: seeds.Kind, rng: random.Random) -> tuple[str, set[Path]]:
        targets = sorted(path for pattern in kind.spoiled.split() for path in Path().glob(pattern) if path.is_file())
        others = sorted(path for path in self.base.glob("*") if path.is_file())
        chosen = rng.sample(targets, min(len(targets), rng.choice((1, 1, 1, 1, 2))))
        before = {path: path.read_bytes() for path in targets}
        if rng.random() < 0.06:
            place = chosen[0] if rng.random() < 0.8 or len(chosen[0].parts) == 1 else chosen[0].parent
            word = mutations.displaced(rng, place)
            return f"{word} for {place}", {place} & {*targets}
        how = []
        for path in chosen:
            word, data = mutations.spoiled(rng, path, others)
            if path.suffix == ".lmz" and rng.random() < 0.5:
                word, data = f"{word}, with a new checksum", data[:-4] + crc32(data[:-4]).to_bytes(4, "little")
            path.write_bytes(data)
            how.append(f"{word} in {path}")
        sums = chosen[0].parent / "SHA256SUMS"
        if kind.rewritten and rng.random() < 0.6 and sums not in chosen:
            names = [line.split("  ", 1)[1] for line in sums.read_text("utf-8").splitlines()]
            sums.write_text(
                "".join(f"{sha256((sums.parent / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
            )
            return ", ".join(how) + ", with new checksums", set()
        return ", ".join(how), {path for path in chosen if path.read_bytes() != before[path]}

    def _wrong(self, kind: seeds.Kind, command: str, code: int) -> str:
        """What is wrong with the end of a command, or ''."""
        out, err = self.printed()
        if "Traceback (most recent" in err or ("LMZOO_TRACEBACK" in err and not kind.code):
            return f"a bug: {err.strip()}"
        if code not in (0, 1, 2):
            return f"exit code {code}: {err.strip()}"
        lines = err.splitlines()
        if [line for line in lines if not line.startswith("lmzoo:")] or len(lines) != (code != 0):
            return f"exit code {code} and on stderr, which is to have one line if there is an error: {err.strip()!r}"
        if "out of memory" in err:
            return err.strip()
        shown = err if command.startswith("generate ") else out + err  # what is sampled is given as it is to a pipe
        if any(ord(character) < 32 and character not in "\n\t" for character in shown):
            return "a control character is printed"
        if "--json" in command and not code:
            try:
                json.loads(out, parse_constant=lambda name: 1 / 0)
            except (ValueError, ZeroDivisionError):
                return f"what --json prints is no JSON: {out[:200]!r}"
        return ""

    def _lie(self, kind: seeds.Kind, how: str, changed: set[Path]) -> str:
        """What is untrue of a success, or ''."""
        cut = next((path for path in changed if how == f"cut in {path}" and path.suffix in WHOLE), None)
        if cut and (lost := (self.base / cut).stat().st_size - cut.stat().st_size) > 8:
            return f"success, though {cut} lacks its last {lost} bytes"
        damaged = sorted(str(path) for path in changed if path.name != "SHA256SUMS") if kind.rewritten else []
        if damaged:
            return f"success, though {', '.join(damaged)} does not match its checksum"
        if kind.truth:
            got, wanted = (Path(name) for name in kind.truth.split())
            if got.read_bytes() != (self.base / wanted).read_bytes():
                return f"success, but {got} is not what it is to be"
        return ""


@contextmanager
def _cards_from(folder: Path) -> Iterator[None]:
    """With the cards of a folder instead of the package's, and a cache of its own."""
    from lmzoo.comparison import presets
    from lmzoo.data import cards, corpus

    with ExitStack() as patches:
        for module in (cards, corpus, presets):
            patches.enter_context(mock.patch.object(module, "folder", return_value=folder))
        patches.enter_context(mock.patch.dict(os.environ, LMZOO_CACHE=str(folder.parent / "cache")))
        yield


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


# ── The watched worker ────────────────────────────────────────────────────────────────────────────


def _peak() -> int:
    """The most memory of this process since `_reset_peak`, in bytes."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _reset_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _work(worker: Worker, numbers: list[int], kinds: list[seeds.Kind], seed: int, pipe: IO[bytes]) -> None:
    """In the worker: attack after attack, each announced and then reported."""
    code = 70
    try:
        worker.redirect()
        size = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESSES, size + ADDRESSES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000_000, 2_000_000_000))
        for number in numbers:
            kind = kinds[number % len(kinds)]
            pipe.write(json.dumps({"begun": number}).encode() + b"\n")
            pipe.flush()
            _reset_peak()
            verdict = worker.attack(kind, number, seed)
            if verdict.wrong:
                _keep(worker.work, worker.found / str(number), verdict)
            pipe.write(json.dumps(vars(verdict) | {"peak": _peak()}).encode() + b"\n")
            pipe.flush()
        code = 0
    except BaseException:
        import traceback

        os.write(worker.screen, traceback.format_exc().encode())
    os._exit(code)


def _cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(worker: Worker, numbers: list[int], kinds: list[seeds.Kind], seed: int, report: Any) -> None:
    """All attacks, in workers that are watched: one that hangs or dies is replaced."""
    left = list(numbers)
    while left:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            _work(worker, left, kinds, seed, os.fdopen(write, "wb"))
        os.close(write)
        done, why = _watch(child, read, report)
        os.close(read)
        left = left[done:]
        if why and left:
            kind = kinds[left[0] % len(kinds)]
            command = worker.work / "command"
            verdict = Verdict(left[0], kind.name, command.read_text() if command.is_file() else "", "", why)
            _keep(worker.work, worker.found / str(left[0]), verdict)
            report(verdict, 0)
            left = left[1:]


def _watch(child: int, read: int, report: Any) -> tuple[int, str]:
    """The number of attacks that the worker has finished, and why it did not finish the next one, if so."""
    rest, done, since, cpu = b"", 0, time.monotonic(), _cpu_of(child)
    why = ""
    while True:
        if select.select([read], [], [], 0.25)[0]:
            chunk = os.read(read, 1 << 16)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                facts = json.loads(line)
                if "begun" not in facts:
                    peak = facts.pop("peak")
                    if peak > MEMORY and not facts["wrong"]:
                        facts["wrong"] = f"{peak / 1e9:.2f} GB of memory"
                    report(Verdict(**facts), peak)
                    done += 1
            since, cpu = time.monotonic(), _cpu_of(child)
        elif _cpu_of(child) - cpu > CPU or time.monotonic() - since > WALL:
            why = f"a hang: {_cpu_of(child) - cpu:.1f} s of CPU time in {time.monotonic() - since:.1f} s"
            os.kill(child, signal.SIGKILL)
            break
    status = os.waitpid(child, 0)[1]
    return done, why or ("" if status == 0 else f"the process died with status {status}")


def main() -> int:
    """Make the good inputs, spoil them, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=[], help="only kinds whose names begin so")
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    found = FOUND.absolute()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="lmzoo-attacks-") as folder:
        base, work = Path(folder, "base"), Path(folder, "work")
        base.mkdir()
        os.environ["LMZOO_CACHE"] = str(base / "cache")
        worker = Worker(base, work, found)
        began = time.monotonic()
        devnull, screen = os.open(os.devnull, os.O_WRONLY), os.dup(1)
        os.dup2(devnull, 1)
        kinds = [kind for kind in seeds.KINDS if not options.kinds or kind.name.startswith(tuple(options.kinds))]
        seeds.make(base, kinds, worker.call)
        _warm(worker, kinds)
        sys.stdout.flush()
        os.dup2(screen, 1)
        print(f"{len(kinds)} kinds of good inputs, made and read in {time.monotonic() - began:.0f} s", flush=True)
        numbers = list(range(options.first, options.first + options.inputs))
        if options.only is not None:
            numbers = [options.only]
        return _all(worker, numbers, kinds, options.seed)


def _warm(worker: Worker, kinds: list[seeds.Kind]) -> None:
    """Read the good inputs once: what is compiled or imported for them is not the attacks' time. All must succeed."""
    for kind in kinds:
        for commands in kind.commands:
            _remove(worker.work)
            shutil.copytree(worker.base, worker.work, ignore=shutil.ignore_patterns("cache"))
            os.chdir(worker.work)
            for command in commands.split("; "):
                if worker.call(shlex.split(command)) and "--preset none" not in command:
                    raise SystemExit(f"a good input was refused: lmzoo {command}")


def _all(worker: Worker, numbers: list[int], kinds: list[seeds.Kind], seed: int) -> int:
    began, wrong, codes, peaks = time.monotonic(), Counter(), Counter(), [0]

    def report(verdict: Verdict, peak: int) -> None:
        codes[(verdict.codes or (None,))[-1]] += 1
        peaks.append(peak)
        if verdict.wrong:
            wrong[verdict.kind] += 1
            print(f"{verdict.number}: {verdict.how}; lmzoo {verdict.command}\n    {verdict.wrong.strip()}", flush=True)
        elif len(numbers) == 1:
            print(verdict)
        if sum(codes.values()) % 1000 == 0:
            print(f"  {sum(codes.values()):,} of {len(numbers):,} inputs, {sum(wrong.values())} faults", flush=True)

    run(worker, numbers, kinds, seed, report)
    counts = ", ".join(f"{n:,} with {code}" for code, n in codes.most_common())
    seconds, memory = time.monotonic() - began, max(peaks) / 1e9
    print(f"{sum(codes.values()):,} inputs in {seconds:.0f} s, ended {counts}; at most {memory:.2f} GB")
    print(f"{sum(wrong.values())} faults" + (f" (kept in {worker.found}): {dict(wrong)}" if wrong else ""))
    return bool(wrong)


def _keep(work: Path, place: Path, verdict: Verdict) -> None:
    _remove(place)
    place.parent.mkdir(exist_ok=True)
    with suppress(OSError, shutil.Error):  # what cannot be copied
        shutil.copytree(work, place, symlinks=True, ignore=_irregular)
    place.mkdir(exist_ok=True)
    (place / "verdict.json").write_text(json.dumps(vars(verdict), indent=1))


def _irregular(folder: str, names: list[str]) -> list[str]:
    paths = [Path(folder, name) for name in names]
    return [path.name for path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())]


if __name__ == "__main__":
    sys.exit(main())
