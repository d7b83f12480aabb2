"""The corruptions of CIFAR-10-C: 15 and 4 extra ones, at 5 severities, for images of any size.

Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (2019), with the constants of that benchmark for 32×32 pixels. Two things differ from
the published files: frost is drawn, not cut from photographs, which are not free to redistribute;
and each image has its own random numbers, from the seed and its index, so that a batch may be
split. The published files can be read instead (`read_cifar10_c`).
"""

from adversarial.corruptions.cifar10_c import (
    ALL,
    BENCHMARK,
    CORRUPTIONS,
    EXTRA,
    SEVERITIES,
    corrupt,
    name_corruptions,
    read_cifar10_c,
)

__all__ = [
    "ALL",
    "BENCHMARK",
    "CORRUPTIONS",
    "EXTRA",
    "SEVERITIES",
    "corrupt",
    "name_corruptions",
    "read_cifar10_c",
]
