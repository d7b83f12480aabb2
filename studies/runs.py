"""The runs: which of the paper's models are trained, and how each is attacked."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from adversarial.files import cache_directory
from adversarial.paper.datasets import DatasetName

HERE = Path(__file__).parent
KEPT = (
    "config.json",
    "metrics.parquet",
    *(
        f"figures/{kind}-{attack}-*"
        for kind in ("grid", "roc", "entropy")
        for attack in ("cw", "slide", "fgsm-0.1")
    ),
    *(f"figures/grid-pgd-linf-{radius}-u*" for radius in ("0.1", "0.2", "8_255")),
    "figures/drift-*",
    "figures/heatmap-*",
)
"""What the repository keeps of a run: its numbers, and the figures that the paper has too."""


@dataclass(frozen=True)
class Models:
    """A classifier of the paper and its detectors, as options of `adversarial train`."""

    dataset: DatasetName
    model: str
    detectors: dict[str, list[str]]
    shared: list[str] = field(default_factory=list)
    cache: Path = field(default_factory=cache_directory)

    @property
    def directory(self) -> Path:
        """Where `adversarial train` keeps them."""
        return self.cache / f"{self.dataset}-{self.model}"


@dataclass(frozen=True)
class Run:
    """One evaluation, as options of `adversarial evaluate`."""

    models: Models
    options: list[str]
    detectors: tuple[str, ...] = ()
    """Those that are evaluated; by default all."""
    keeps_grids: bool = True
    """False where another run has grids of the same attacked images."""


MNIST = Models(
    "mnist",
    "cnn",
    {
        "kl": [],
        "mse": ["--baseline"],
        "kl-seed": ["--seed", "1"],
        "kl-dense": ["--autoencoder", "dense"],
    },
)
FASHION = Models("fashion_mnist", "cnn", {"kl": ["--earlier", "20"], "mse": ["--baseline"]})
HIDDEN = {f"kl-hl{number}": ["--hidden-layer", f"HL{number}"] for number in (1, 2, 3, 4)}
OF_CIFAR = {
    "kl": [],
    "kl-t": ["--temperature", "0.5"],
    **HIDDEN,
    "mse": ["--baseline"],
}
SHORT = {"kl-short": ["--detector-epochs", "10", "--seed", "1"]}
"""What stands in for the paper's earlier checkpoint."""
CIFAR = Models("cifar10", "cnn", OF_CIFAR | SHORT)
RESNET = Models("cifar10", "resnet56", OF_CIFAR, cache=HERE / "models")
"""Kept in the repository, except for the detectors of the first three hidden layers: the training
takes an accelerator, or days of two cores."""

PAPER_ATTACKS = ["cw", "slide", "fgsm-0.1", "fgsm-0.2", "fgsm-0.3"]
SMALLEST = ["fgsm-0.1-smallest", "fgsm-0.2-smallest", "fgsm-0.3-smallest"]


def _attacks(*names: str) -> list[str]:
    return [part for name in names for part in ("--attack", name)]


def _threats(*names: str) -> list[str]:
    return [part for name in names for part in ("--threat-model", name)]


def _adaptive(radius: str) -> list[str]:
    attack = f"pgd-linf-{radius}"
    return [
        *_attacks(attack, f"{attack}-selective", f"square-{radius}"),
        *_threats("grey-box", "undetected-0.01", "undetected-0.05", "uncorrected", "white-box"),
    ]


def _gradient_masking(radius: str) -> list[str]:
    adaptive = _threats("undetected-0.05", "uncorrected", "white-box")
    attack = f"pgd-linf-{radius}"
    return [
        *_attacks(attack, f"{attack}-selective"),
        *adaptive,
        "--gradient-masking",
        *SMALL_SAMPLE,
    ]


SAMPLE = ["--limit", "1000"]
SMALL_SAMPLE = ["--limit", "200"]
UNBOUNDED = [*_attacks("ddn"), *_threats("grey-box", "undetected-0.05", "uncorrected")]
DRIFT = ["--corruption", "all", *SAMPLE]
CIFAR_ATTACKS = [*_attacks(*PAPER_ATTACKS), *SAMPLE]
ON_KL = ("kl", "kl-t", "kl-hl4")
"""On CIFAR-10: the main defences that are trained on KL. White-box, the first is attacked, and the
others take its place."""
MAIN = ("mse", *ON_KL)
"""On CIFAR-10: the defences of the paper's Tables 1 to 4."""
ENSEMBLE = ["--ensemble", f"ensemble={'+'.join(ON_KL)}"]
HIDDEN_LAYERS = [*_attacks("cw", "slide"), *SAMPLE]
SWAP = [*_attacks("cw", "slide"), *_threats("white-box"), "--target", "kl"]
TRANSFER = [
    *_attacks("pgd-linf-8/255-selective"),
    *_threats("undetected-0.05", "white-box"),
    *("--ensemble", "ensemble=kl+kl-t", "--target", "kl", "--target", "ensemble"),
    *SMALL_SAMPLE,
]

RUNS: dict[str, Run] = {
    "mnist": Run(MNIST, _attacks(*PAPER_ATTACKS), ("kl",)),
    "mnist-baseline": Run(MNIST, [*_attacks(*PAPER_ATTACKS), *SAMPLE], ("kl", "mse")),
    "mnist-smallest-step": Run(MNIST, [*_attacks(*SMALLEST), *SAMPLE], ("kl",)),
    "mnist-white-box": Run(MNIST, [*SWAP, *SAMPLE], ("kl", "kl-seed", "kl-dense")),
    "mnist-adaptive": Run(MNIST, [*_adaptive("0.2"), *SMALL_SAMPLE], ("kl",)),
    "mnist-unbounded": Run(MNIST, [*UNBOUNDED, *SMALL_SAMPLE], ("kl",)),
    "mnist-gradient-masking": Run(MNIST, _gradient_masking("0.2"), ("kl",), keeps_grids=False),
    "fashion_mnist": Run(FASHION, [*_attacks(*PAPER_ATTACKS, *SMALLEST), *SAMPLE]),
    "fashion_mnist-white-box": Run(FASHION, [*SWAP, *SMALL_SAMPLE], ("kl", "kl-earlier")),
    "fashion_mnist-adaptive": Run(FASHION, [*_adaptive("0.1"), *SMALL_SAMPLE], ("kl",)),
    "fashion_mnist-unbounded": Run(FASHION, [*UNBOUNDED, *SMALL_SAMPLE], ("kl",)),
    "fashion_mnist-gradient-masking": Run(
        FASHION, _gradient_masking("0.1"), ("kl",), keeps_grids=False
    ),
    "cifar10": Run(CIFAR, [*CIFAR_ATTACKS, *ENSEMBLE], MAIN),
    "cifar10-hidden-layers": Run(CIFAR, HIDDEN_LAYERS, tuple(HIDDEN), keeps_grids=False),
    "cifar10-white-box": Run(CIFAR, [*SWAP, *SMALL_SAMPLE], (*ON_KL, *SHORT)),
    "cifar10-transfer": Run(CIFAR, TRANSFER, ON_KL),
    "cifar10-adaptive": Run(CIFAR, [*_adaptive("8/255"), *SMALL_SAMPLE], ("kl",)),
    "cifar10-drift": Run(CIFAR, DRIFT, ("kl",)),
    "resnet56": Run(RESNET, [*CIFAR_ATTACKS, *ENSEMBLE], MAIN),
    "resnet56-hidden-layers": Run(RESNET, HIDDEN_LAYERS, tuple(HIDDEN), keeps_grids=False),
    "resnet56-white-box": Run(RESNET, [*SWAP, *SMALL_SAMPLE], ON_KL),
    "resnet56-drift": Run(RESNET, DRIFT, ("kl",)),
}


def run(name: str, data_dir: Path, scratch: Path) -> None:
    """Train what a run needs, evaluate it, and keep its numbers and figures."""
    asked = RUNS[name]
    models = asked.models
    detectors = asked.detectors or tuple(models.detectors)
    shared = ["--dataset", models.dataset, "--model", models.model]
    shared += ["--data-dir", str(data_dir / models.dataset), "--cache-dir", str(models.cache)]
    for detector, options in models.detectors.items():
        wanted = {part.removesuffix("-earlier") for part in detectors}
        if detector in wanted and not (models.directory / detector / "detector.json").exists():
            call("train", *shared, *models.shared, "--name", detector, "--resume", *options)
    bundles = [
        part
        for detector in detectors
        for part in ("--detector", f"{detector}={models.directory / detector}")
    ]
    call("evaluate", *shared, *bundles, *asked.options, "--output", str(scratch / name))
    shutil.rmtree(HERE / name, ignore_errors=True)
    for pattern in KEPT:
        for file in (scratch / name).glob(pattern):
            if file.suffix == ".webp" and not asked.keeps_grids:
                continue
            kept = HERE / name / file.relative_to(scratch / name)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, kept)


def call(*arguments: str) -> None:
    """Run the `adversarial` command and stop with its exit code; it prints its own errors."""
    print("adversarial", *arguments, flush=True)
    done = subprocess.run([Path(sys.executable).with_name("adversarial"), *arguments], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
