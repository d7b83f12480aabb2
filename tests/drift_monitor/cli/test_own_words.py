"""What commands print, as a person sees them: no words of the libraries underneath."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeMonitor
from tests.support.animals import make_images, write_batch
from tests.support.progress import assert_only_progress

DAY = "2026-11-20"


def run(program: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(program)), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_run_prints_the_verdict_and_the_report(make_monitor: MakeMonitor, tmp_path: Path) -> None:
    monitor = make_monitor()
    write_batch(tmp_path / "batches" / f"{DAY}.parquet", *make_images(150, seed=4))
    done = run("drift-monitor", "run", monitor, "--date", DAY, cwd=tmp_path)
    verdict, *moved, report = done.stdout.splitlines()
    assert verdict.startswith(f"{DAY}: ")
    assert all(line.startswith("  ") for line in moved)
    assert report.strip() == str(tmp_path / "reports" / "animals" / DAY / "report.html")
    assert_only_progress(done.stderr)


def test_making_and_describing_a_bundle_prints_the_bundle(bundle: Path, tmp_path: Path) -> None:
    data = write_batch(tmp_path / "new.parquet", *make_images(100, seed=8))
    renewed, stricter = tmp_path / "renewed", tmp_path / "stricter"
    columns = ("--data", data, "--label", "label")
    done = [
        run("drift-monitor", "reference", bundle, *columns, "--output", renewed, cwd=tmp_path),
        run(
            "drift-monitor",
            "threshold",
            renewed,
            *("--fpr", 0.2, "--output", stricter),
            cwd=tmp_path,
        ),
        run("adversarial", "inspect", stricter, cwd=tmp_path),
    ]
    assert [one.stderr for one in done] == ["", "", ""]
    words = [line.split()[0] for one in done[:2] for line in one.stdout.splitlines()]
    assert words == ["Wrote", "Threshold", "Estimated"] * 2
    assert done[2].stdout.startswith("fingerprint   ")


@pytest.mark.parametrize("program", ["drift-monitor", "adversarial"])
def test_help_prints_help(program: str, tmp_path: Path) -> None:
    done = run(program, "--help", cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.strip().startswith("Usage: ")
