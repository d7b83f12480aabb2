import os
import subprocess
import sys
from pathlib import Path

import pytest

# What TensorFlow 2.21 writes at its import and at the first look for a GPU, and what it might.
INFORMATION = "I0000 00:00:1795655522.346296    2368 port.cc:153] oneDNN custom operations are on."
WARNING = "W0000 00:00:1795655522.346297    2368 gpu_device.cc:2431] Skipping registering GPUs..."
ERROR = "E0000 00:00:1795655522.346298    2368 cuda_dnn.cc:456] Loaded cuDNN 8.9, compiled with 9.3"
NO_GPU = (
    "E0000 00:00:1795655522.346299    2368 cuda_platform.cc:52] failed call to cuInit: INTERNAL: "
    "CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)"
)
OUR_OWN = "something else altogether"
LINES = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    *(INFORMATION, WARNING, ERROR, NO_GPU, OUR_OWN),
]

TENSORFLOW = f"""
import os
from types import SimpleNamespace
for line in {LINES!r}:
    os.write(2, (line + "\\n").encode())
LEVEL = os.environ["TF_CPP_MIN_LOG_LEVEL"]
config = SimpleNamespace(list_physical_devices=lambda kind: [])
"""


def written(
    tmp_path: Path, *, tensorflow: str = TENSORFLOW, level: str | None = None
) -> tuple[int, str, list[str]]:
    """Import something that takes TensorFlow's place; give exit code, stdout and stderr's lines."""
    (tmp_path / "tensorflow.py").write_text(tensorflow)
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    code = (
        f"import os, sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from adversarial.tensorflow_log import quieten_tensorflow\n"
        "quieten_tensorflow()\n"
        "quieten_tensorflow()\n"
        "import tensorflow\n"
        "os.write(2, b'after the import\\n')\n"
        "print(tensorflow.LEVEL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    return done.returncode, done.stdout.strip(), done.stderr.splitlines()


def test_only_errors_are_seen_of_what_tensorflow_writes_at_its_import(tmp_path: Path) -> None:
    assert written(tmp_path) == (0, "2", [ERROR, OUR_OWN, "after the import"])


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("0", LINES),
        ("1", [WARNING, ERROR, OUR_OWN]),
        ("3", [OUR_OWN]),
        ("all", LINES),
    ],
)
def test_the_level_that_a_user_has_set_is_kept(tmp_path: Path, level: str, seen: list[str]) -> None:
    assert written(tmp_path, level=level) == (0, level, [*seen, "after the import"])


@pytest.mark.parametrize(
    "failure", ["raise ImportError('no such library')", "import no_such_module"]
)
def test_a_failed_import_is_shown_whole(tmp_path: Path, failure: str) -> None:
    code, _, lines = written(tmp_path, tensorflow=f"{TENSORFLOW}\n{failure}")
    assert code == 1
    assert lines[:2] == [ERROR, OUR_OWN]
    assert lines[2] == "Traceback (most recent call last):"
    assert "no" in lines[-1]


def test_what_is_written_just_before_an_abort_is_seen(tmp_path: Path) -> None:
    fatal = "F0000 00:00:1795655522.346300    2368 cpu_feature_guard.cc:88] compiled to use AVX"
    abort = f"os.write(2, {fatal.encode()!r} + b'\\n')\nos.abort()"
    code, _, lines = written(tmp_path, tensorflow=f"{TENSORFLOW}\n{abort}")
    assert code < 0
    assert lines == [ERROR, OUR_OWN, fatal]


def test_importing_the_library_leaves_the_level_to_its_user() -> None:
    code = "import adversarial, os; print(os.environ.get('TF_CPP_MIN_LOG_LEVEL'))"
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "None"
