"""Damaged files: every annotation format, configuration, archive and model of acrloss, mutated many times.

    python benchmarks/fuzz.py                          # 100,000 files
    python benchmarks/fuzz.py --count 2000 --seed 7
    python benchmarks/fuzz.py --only onnx --keep bad   # the files that were trouble, to look at

Half of the JSON and YAML files stay such: values in them are null, of another kind, gone or renamed.

A mutated file may be read, or be refused by one line (`DataError`). Trouble are other exceptions ("foreign"), more than
five seconds of processor time or a minute by the clock ("hang"), more than 1 GiB above what the process had ("memory"),
and the end of the process ("crash"). The exit status is 1 where there was any. Each file is read in a child process;
the same seed and number give the same bytes.
"""

import argparse
import copy
import json
import multiprocessing
import os
import random
import resource
import select
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fuzz_targets import Target, targets

from acrloss.commands import terminal
from acrloss.errors import DataError

SECONDS = 5
CLOCK = 60
MEMORY = 1 << 30
# Files that one child reads; a new child has forgotten what the last one leaked.
BATCH = 500
# What is put in besides random bytes: values at the edge of what formats allow, and pieces of their syntax.
ODD = [
    *(
        b"",
        b"0",
        b"-1",
        b"1e999",
        b"NaN",
        b"null",
        b"true",
        b'""',
        b"[]",
        b"{}",
        b"'",
        b'"',
        b"<",
        b">",
        b"/",
        b",",
        b":",
    ),
    *(
        b";",
        b"&#10;",
        b"&x;",
        b"\x00",
        b"\xff",
        b"\n",
        b"\t",
        b" ",
        b"10000000000",
        b"[[1]]",
        b"- ",
        b"? ",
        b"&a ",
        b"*a",
    ),
    *(
        b"99999999999999999999",
        b"1:2:3",
        b"2001-01-01",
        b"!!python/name:os.system ",
        b"%",
        b"#",
        b"|\n",
        b"../../x",
        b"~",
    ),
    *(
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\x00\x00\x00\x80",
        b"\x00" * 8,
        b"\x7f" * 8,
        b"a.png",
        b"://",
        b"\\ud800",
    ),
]

# What stands in the place of a value of JSON or YAML.
VALUES: tuple[Any, ...] = (
    *(None, [], {}, "", 0, -1, 1.5, True, "x", "null", [None], {"a": None}, [[1]], {"a": {"b": [None]}}, 10**30),
    *(float("nan"), float("inf"), "a.png", "\x00", "../x", [0] * 1000),
)


def mutate(content: bytes, rng: random.Random) -> bytes:
    """`content` with one to four pieces removed, doubled, replaced, moved, cut off, or single bits changed."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice((1, 2, 4, 8, 40, 400)))
        piece = content[start:end]
        what = rng.randrange(8)
        if what == 0:
            content = content[:start] + content[end:]
        elif what == 1:
            content = content[:start] + piece * rng.choice((2, 2, 3, 50)) + content[end:]
        elif what == 2 and piece:
            changed = bytearray(content)
            changed[start] ^= 1 << rng.randrange(8)
            content = bytes(changed)
        elif what == 3:
            content = content[:start] + rng.randbytes(rng.randint(1, 8)) + content[end:]
        elif what == 4:
            content = (
                content[:start]
                + struct.pack(rng.choice(("<I", ">I")), rng.choice((0, 1, 2**31, 2**32 - 1, 10**9)))
                + content[start + 4 :]
            )
        elif what == 5:
            other = rng.randrange(len(content) + 1)
            content = content[:other] + piece + content[other:]
        elif what == 6 and rng.random() < 0.3:
            content = content[:start]
        else:
            content = content[:start] + rng.choice(ODD) + content[end:]
    return content


def mutated(target: Target, content: bytes, number: int, seed: int) -> bytes:
    rng = random.Random(f"{seed}/{target.name}/{number}")
    structured = restructured(content, target.file.suffix.lower(), rng) if rng.random() < 0.5 else None
    return mutate(content, rng) if structured is None else structured


def restructured(content: bytes, suffix: str, rng: random.Random) -> bytes | None:
    """`content` with one to three of its values another one or of another kind, their keys gone, or renamed; None for
    files that are no JSON or YAML."""
    lines = content.splitlines(keepends=True) if suffix == ".jsonl" else [content]
    at = rng.randrange(len(lines)) if lines else 0
    try:
        if suffix in (".json", ".jsonl"):
            values = json.loads(lines[at])
        elif suffix in (".yaml", ".yml"):
            values = yaml.safe_load(content)
        else:
            return None
    except (ValueError, IndexError, yaml.YAMLError):
        return None
    for _ in range(rng.choice((1, 1, 2, 3))):
        values = _changed(values, rng)
    text = json.dumps(values) if suffix != ".yaml" or rng.random() < 0.5 else yaml.safe_dump(values)
    lines[at] = text.encode(errors="surrogatepass") + b"\n"
    return b"".join(lines)


def _changed(values: Any, rng: random.Random) -> Any:
    """JSON values, changed at one place, which is somewhere within them more often than all of them."""
    inside = list(values) if isinstance(values, dict) else list(range(len(values))) if isinstance(values, list) else []
    if not inside or rng.random() < 0.15:
        return copy.deepcopy(rng.choice((*VALUES, [values], {"a": values}, str(values))))
    key = rng.choice(inside)
    if isinstance(values, dict) and rng.random() < 0.15:
        taken = values.pop(key)
        if rng.random() < 0.5:
            values[f"{key}s"] = taken
    elif isinstance(values, list) and rng.random() < 0.15:
        values.insert(key, copy.deepcopy(rng.choice((*VALUES, values[key]))))
    else:
        values[key] = _changed(values[key], rng)
    return values


def read_all(target: Target, content: bytes, numbers: range, seed: int, pipe: int) -> None:
    """In a child: read the mutated files one after another, and say for each what came of it."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    terminal.notes.file = terminal.out.file = open(os.devnull, "w")  # noqa: PTH123, SIM115
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (virtual() + 3 * MEMORY, resource.RLIM_INFINITY))
    before = peak()
    for number in numbers:
        os.write(pipe, f"{number} start\n".encode())
        target.file.write_bytes(mutated(target, content, number, seed))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        result = "read"
        try:
            target.read(target.file)
        except DataError as error:
            result = "refused" if "\n" not in str(error) else "foreign a message of several lines"
        except MemoryError:
            result = "memory MemoryError"
        except BaseException as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/acrloss/" in frame.filename]
            place = ours[-1] if ours else line
            reason = " ".join(str(error).split())[:100]
            result = f"foreign {type(error).__name__}: {reason} ({Path(place.filename).name}:{place.lineno})"
        signal.setitimer(signal.ITIMER_PROF, 0)
        if peak() - before > MEMORY:
            result = f"memory {(peak() - before) >> 20} MiB"
        os.write(pipe, f"{number} {result}\n".encode())
        if result.startswith("memory"):
            break  # the peak does not go down again


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def run_batch(target: Target, content: bytes, numbers: range, seed: int) -> dict[int, str]:
    """What came of each of the files, children being started anew after each end."""
    results: dict[int, str] = {}
    begin = numbers.start
    while begin < numbers.stop:
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receiving)
            try:
                read_all(target, content, range(begin, numbers.stop), seed, sending)
            finally:
                os._exit(0)
        os.close(sending)
        said, late = b"", False
        while True:
            ready, _, _ = select.select([receiving], [], [], CLOCK)
            if not ready:
                os.kill(child, signal.SIGKILL)
                late = True
            part = os.read(receiving, 1 << 16) if ready else b""
            if not part:
                break
            said += part
        os.close(receiving)
        status = os.waitpid(child, 0)[1]
        started = begin
        for line in said.decode(errors="replace").splitlines():
            number, _, result = line.partition(" ")
            started = int(number)
            if result != "start":
                results[started] = result
        if started not in results:
            ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            hang = late or ended in (signal.SIGPROF, signal.SIGXCPU)
            results[started] = "hang" if hang else f"crash signal {ended}"
        begin = started + 1
    return results


def run_target(job: tuple[Target, int], seed: int, keep: Path | None) -> tuple[str, Counter[str]]:
    target, count = job
    content = target.file.read_bytes()
    counts: Counter[str] = Counter()
    # The file itself must be read, or its mutations tell nothing.
    target.read(target.file)
    for begin in range(0, count, BATCH):
        numbers = range(begin, min(begin + BATCH, count))
        for number, result in run_batch(target, content, numbers, seed).items():
            kind = result.partition(" ")[0]
            counts[kind] += 1
            if kind not in ("read", "refused"):
                print(f"  {target.name} #{number}: {result}", flush=True)
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    name = f"{target.name.replace(': ', '-').replace('/', '_')}-{number}{target.file.suffix}"
                    (keep / name).write_bytes(mutated(target, content, number, seed))
    target.file.write_bytes(content)
    return target.name, counts


# Targets that lie in one folder, which reading any of them may look into: one process takes them in turn.
JOBS: dict[Path, list[tuple[Target, int]]] = {}


def run_folder(folder: Path, seed: int, keep: Path | None) -> list[tuple[str, Counter[str]]]:
    return [run_target(job, seed, keep) for job in JOBS[folder]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="files in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="targets whose name holds this")
    parser.add_argument("--keep", type=Path, default=None, help="folder for the files that were trouble")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    values = parser.parse_args()
    started = time.monotonic()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        chosen = [target for target in targets(Path(folder)) if values.only in target.name]
        share = values.count / sum(target.weight for target in chosen)
        # Forked while there are no threads; what reads a file is no object that could be sent.
        for target in chosen:
            place = target.file.relative_to(folder)
            home = Path(*place.parts[: 2 if place.parts[0] == "fakes" else 1])
            JOBS.setdefault(home, []).append((target, round(share * target.weight)))
        with multiprocessing.get_context("fork").Pool(values.jobs) as pool:
            work = partial(run_folder, seed=values.seed, keep=values.keep)
            for name, counts in chain.from_iterable(pool.imap_unordered(work, JOBS)):
                print(f"{name}: " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())), flush=True)
                total += counts
    print(
        f"{total.total()} files, {time.monotonic() - started:.0f} s: " + ", ".join(f"{n} {k}" for k, n in total.items())
    )
    return int(any(kind not in ("read", "refused") for kind in total))


if __name__ == "__main__":
    sys.exit(main())
