"""Peers, each in an environment of its own that uv makes: none is a dependency of this project."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PYTHON = ">=3.11,<3.13"
ENVIRONMENTS = Path("build/peers")


def alibi_detect_python() -> Path:
    """Make the environment of alibi-detect, or check that it is whole.

    alibi-detect needs TensorFlow 2.18 and NumPy 1.

    Returns
    -------
    Path
        Its Python interpreter.
    """
    return _environment("alibi-detect", ["alibi-detect[tensorflow]==0.13.0"])


def nannyml_python() -> Path:
    """Make the environment of NannyML, or check that it is whole.

    NannyML imports `pkg_resources`, which setuptools has had until 80.

    Returns
    -------
    Path
        Its Python interpreter.
    """
    return _environment("nannyml", ["nannyml==0.13.0", "setuptools<81", "statsmodels<0.15"])


def evidently_python() -> Path:
    """Make the environment of Evidently, or check that it is whole.

    Evidently 0.7 breaks on pandas 3.

    Returns
    -------
    Path
        Its Python interpreter.
    """
    return _environment("evidently", ["evidently==0.7.23", "pandas<3"])


def _environment(name: str, requirements: Sequence[str]) -> Path:
    uv = shutil.which("uv", path=os.pathsep.join([os.environ.get("PATH", ""), ".uv/bin"]))
    if uv is None:
        raise SystemExit("uv not found: it makes the peer's environment; 'make setup' installs it")
    environment = ENVIRONMENTS / name
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([uv, "venv", "--python", PYTHON, environment], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*install, *requirements], check=True)
    return python
