"""Peers, each in an environment of its own that uv makes: none is a dependency of this project."""

import os
import shutil
import subprocess
from pathlib import Path

REQUIREMENT = "alibi-detect[tensorflow]==0.13.0"
PYTHON = ">=3.11,<3.13"
ENVIRONMENT = Path("build/peers/alibi-detect")


def alibi_detect_python() -> Path:
    """Make the environment of alibi-detect, or check that it is whole.

    alibi-detect needs TensorFlow 2.18 and NumPy 1.

    Returns
    -------
    Path
        Its Python interpreter.
    """
    uv = shutil.which("uv", path=os.pathsep.join([os.environ.get("PATH", ""), ".uv/bin"]))
    if uv is None:
        raise SystemExit("uv not found: it makes the peer's environment; 'make setup' installs it")
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([uv, "venv", "--python", PYTHON, ENVIRONMENT], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, REQUIREMENT], check=True)
    return python
