"""Count what is lost where work is interrupted and storage fails: `-m tests.faults.study`.

The counts are kept in build/reliability, so that a study that was stopped goes on there, and are
written to studies/reliability.md. On two cores it takes about an hour; what is going on is said.
"""

import argparse
import json
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.place import CASES, ON_DISK, prepare
from tests.support.models.small_detector import fit_detector, save_classifier
from tests.support.s3_server import s3_server

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "studies" / "reliability.md"
SCRATCH = ROOT / "build" / "reliability"
RARELY = {"fit": 12}
"""Cases that take long are interrupted before every so many operations; others before each."""
POWER_EVERY = 8
ON_S3 = tuple(case for case in CASES if case not in ON_DISK)
OTHERS = {
    "storage": ["tests.faults.storage_faults", "--every", "6"],
    "concurrent": ["tests.faults.concurrent_backfills", "--at-once", "8"],
    "bad inputs": ["tests.bad_inputs.count", "--files", "2100"],
}

TEXT = """# Reliability

What is left where work is interrupted, where storage fails, and where files are spoiled. Made by

    python -m tests.faults.study

## Interrupted work

A monitor with a trailing reference, whose days have some 60 rows each, on disk and on a store with
S3's interface. A case is interrupted before an operation: on disk, opening a file to write it,
`fsync`, giving a name (rename, link, directory) or taking one away; on a store, a request that
changes something. After each interruption:

- every committed interval, and the detector, must be the earlier one or the new one, whole, and no
  late label may be lost;
- the next run, of another day, must leave nothing outdated: pages, the index, the names of the
  tables, labels, and what is compared with what has changed;
- the same work, done again, must give the bytes of work that was not interrupted.

A power loss is simulated by the weakest promises of POSIX: a file has the content that it had at
its last `fsync`, and of the names that have been given or taken since the last `fsync` of their
directory, either none or all are there. It is tried before every {power_every}th operation, and
`fit` is killed before every {fit_every}th.

{interrupted}

## Storage that fails

A batch is read over HTTP, and an interval is judged and published on a store, while requests fail
from the n-th on, once, three times, or for good: with 500, 503 or 403, by hanging up, or by a body
that is cut. *Overcome* means that the result is that of a storage that does not fail; *named*, that
the error says which URL failed and is of the kind that is tried again, and that the same work,
done again, gives that result. The command: `{storage_command}`.

{storage}

## Backfills at once

{concurrent}

## Spoiled files

Bits flipped, bytes lost, repeated or written over, files cut short. *Refused* means an error of
ours that names the file; *read*, that it could be read (spoiled bytes without a checksum can be
values). *Failed* is everything else: another error, a name that is missing, a minute without an
answer. The command: `{bad_inputs_command}`.

{bad_inputs}
"""


def main() -> None:
    """Make all counts, and write them down."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with s3_server() as bucket:
        for store, cases, where in (("disk", tuple(CASES), None), ("S3", ON_S3, bucket)):
            for case, options in campaigns(cases, where):
                name = f"{store}, {case}{', power' if '--power' in options else ''}"
                keep(name, partial(campaign, where, options))
        for name, command in OTHERS.items():
            keep(name, partial(list, command))
    write()


def campaigns(cases: tuple[str, ...], bucket: str | None) -> Iterator[tuple[str, list[str]]]:
    """Yield each case with the options of a campaign."""
    for case in cases:
        options = ["--case", case, "--every", str(RARELY.get(case, 1))]
        if bucket is not None:
            yield case, [*options, "--bucket", bucket]
            continue
        yield case, options
        if case not in RARELY:
            yield case, ["--case", case, "--every", str(POWER_EVERY), "--power"]


def campaign(bucket: str | None, options: list[str]) -> list[str]:
    """Return the command of a campaign, with a place to start from."""
    return ["tests.faults.campaign", prepared(bucket), *options]


def prepared(bucket: str | None) -> str:
    """Return a place to start from, made if need be."""
    place = SCRATCH / (bucket or "disk").rpartition("/")[2] / "place"
    if not place.exists():
        place.mkdir(parents=True)
        prepare(place, fit_detector(save_classifier(SCRATCH / "c.keras"), place.parent), bucket)
    return str(place)


def keep(name: str, command: Callable[[], list[str]]) -> None:
    """Run a module that prints JSON, and keep that, if it has not been kept."""
    path = SCRATCH / f"{name}.json"
    if path.exists():
        return
    sys.stderr.write(f"{name}\n")
    done = subprocess.run(
        [sys.executable, "-m", *command()], check=False, stdout=subprocess.PIPE, text=True
    )
    path.write_text(done.stdout.splitlines()[-1] + "\n", encoding="utf-8")


def read(name: str) -> Any:
    """Return what has been kept."""
    return json.loads((SCRATCH / f"{name}.json").read_text(encoding="utf-8"))


def write() -> None:
    """Write studies/reliability.md."""
    concurrent = read("concurrent")
    same = all(found["identical"] for found in concurrent["found"].values())
    paragraph = (
        f"{concurrent['at once']} backfills of the same days were started at once, on disk and on "
        f"the store, whatever was there. Every one ended well, and what they left was complete and "
        f"{'' if same else 'not '}that of a single backfill, byte for byte. The command: "
        f"`python -m {shlex.join(OTHERS['concurrent'])}`."
    )
    commands = {
        f"{name.replace(' ', '_')}_command": f"python -m {shlex.join(command)}"
        for name, command in OTHERS.items()
    }
    text = TEXT.format(
        power_every=POWER_EVERY,
        fit_every=RARELY["fit"],
        interrupted="\n".join(_interrupted()),
        storage="\n".join(_storage()),
        concurrent=textwrap.fill(paragraph, 100),
        bad_inputs="\n".join(_bad_inputs()),
        **commands,
    )
    PAGE.write_text(text, encoding="utf-8")


def _interrupted() -> Iterator[str]:
    yield "| case | kept | kills | of them with a loss | power losses | of them with a loss |"
    yield "|---|---|---|---|---|---|"
    total = [0, 0, 0, 0]
    for store, cases in (("disk", tuple(CASES)), ("S3", ON_S3)):
        for case in cases:
            cells = []
            for name in (f"{store}, {case}", f"{store}, {case}, power"):
                if not (SCRATCH / f"{name}.json").exists():
                    cells += [0, 0]
                    continue
                found = read(name)
                cells += [found["interruptions"][case], len(found["failed"])]
            total = [a + b for a, b in zip(total, cells, strict=True)]
            yield f"| {case} | {store} | {' | '.join(map(str, cells))} |"
    yield f"| all | | {' | '.join(map(str, total))} |"


def _storage() -> Iterator[str]:
    found = read("storage")
    yield "| storage | faults | overcome | named | wrong |"
    yield "|---|---|---|---|---|"
    for name, counts in found["faults"].items():
        wrong = sum(moment.startswith(name) for moment in found["failed"])
        n = sum(counts.values()) + wrong
        yield f"| {name} | {n} | {counts['overcome']} | {counts['named']} | {wrong} |"


def _bad_inputs() -> Iterator[str]:
    yield "| kind | files | refused | read | failed |"
    yield "|---|---|---|---|---|"
    for kind, counts in read("bad inputs").items():
        cells = [kind, sum(counts.values()), counts["refused"], counts["read"], counts["failed"]]
        yield f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
