"""Where a step of training spends its time: oneDNN's kernels, and the rest.

    python -m benchmarks.training.step_profile

One step of ResNet-56 (`studies/models`), 128 images, in float32 and in bfloat16: of the classifier,
and of its autoencoder through the frozen classifier, whose batch normalisations are folded into its
convolutions, or are not. Every step is a process of its own, in turn; oneDNN itself says how long
each kernel took. Kernels run beside each other, so that their times may add up to more than the
step's.
"""

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.record import write_record
from benchmarks.training import steps
from benchmarks.training.steps import BATCH_SIZE, END, PRECISIONS, START, STEPS, TIMED

IMAGES = {"classifier": 45_000, "autoencoder": 42_750}
"""Of CIFAR-10's 50,000, less the reference window and the autoencoder's validation rows."""
KERNELS_SHOWN = 5


@dataclass
class Profile:
    """The steps of one process, in milliseconds each."""

    step: float
    kernels: dict[str, float]


def measure(step: str, precision: str) -> Profile:
    """Run some steps in a process of their own."""
    answer = subprocess.run(
        [sys.executable, "-m", steps.__name__, step, precision],
        stdout=subprocess.PIPE,
        env=os.environ | {"ONEDNN_VERBOSE": "profile_exec", "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        text=True,
    )
    return parse(answer.stdout)


def parse(text: str) -> Profile:
    """Return what oneDNN and the worker have printed between the marks."""
    timed, _, rest = text.partition(START)[2].partition(END)
    kernels: dict[str, float] = {}
    for line in timed.splitlines():
        fields = line.split(",")
        if "exec" in fields:  # …,exec,cpu,convolution,<kernel>,<direction>,…,<milliseconds>
            kind, kernel, direction = fields[fields.index("exec") + 2 :][:3]
            name = f"{kind} {direction}, {kernel}" if direction != "undef" else f"{kind}, {kernel}"
            kernels[name] = kernels.get(name, 0.0) + float(fields[-1]) / TIMED
    return Profile(float(rest.split()[0]), kernels)


def seconds_per_epoch(step: str, milliseconds: float) -> float:
    """Return what an epoch of such steps takes."""
    return milliseconds / 1e3 * IMAGES[step.partition(",")[0]] / BATCH_SIZE


def table(found: dict[str, list[Profile]]) -> str:
    """Return the text of the result."""
    lines = [
        f"ResNet-56, {BATCH_SIZE} images a step; median of processes taken in turn",
        "",
        f"{'':36}{'ms a step':>10}{'s an epoch':>12}{'kernels ms':>12}",
    ]
    for name, profiles in found.items():
        step = statistics.median(profile.step for profile in profiles)
        kernels = statistics.median(sum(profile.kernels.values()) for profile in profiles)
        epoch = seconds_per_epoch(name.rpartition(", ")[0], step)
        lines.append(f"{name:36}{step:10.0f}{epoch:12.0f}{kernels:12.0f}")
    for name, profiles in found.items():
        lines += ["", name]
        slowest = sorted(profiles[-1].kernels.items(), key=lambda item: -item[1])
        for kernel, milliseconds in slowest[:KERNELS_SHOWN]:
            lines.append(f"{milliseconds:10.1f} ms  {kernel}")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    found: dict[str, list[Profile]] = {}
    for _ in range(arguments.rounds):
        for step in STEPS:
            for precision in PRECISIONS:
                profile = measure(step, precision)
                found.setdefault(f"{step}, {precision}", []).append(profile)
                print(step, precision, f"{profile.step:.0f} ms", file=sys.stderr)
    figures = {
        "batch_size": BATCH_SIZE,
        "milliseconds": {name: [each.step for each in every] for name, every in found.items()},
        "kernels": {name: every[-1].kernels for name, every in found.items()},
    }
    write_record("step_profile", table(found), figures)


if __name__ == "__main__":
    main()
