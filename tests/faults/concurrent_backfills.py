"""Let backfills of the same days run at once: `-m tests.faults.concurrent_backfills --help`.

What they leave must be complete, and what one of them would have left.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.place import DAYS, check_nothing_outdated, monitor_in, prepare, state_of
from tests.support.models.small_detector import fit_detector, save_classifier
from tests.support.s3_server import s3_server


def main() -> None:
    """Compare what many backfills leave with what one leaves, and print it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--at-once", type=int, default=8)
    at_once = parser.parse_args().at_once
    found = {}
    with tempfile.TemporaryDirectory() as directory, s3_server() as bucket:
        os.environ["XDG_CACHE_HOME"] = str(Path(directory, "cache"))
        bundle = fit_detector(save_classifier(Path(directory, "c.keras")), Path(directory))
        for name, where in (("local", None), ("S3", bucket)):
            place = Path(directory, name)
            place.mkdir()
            prepare(place, bundle, where)
            backfill(place, 1)
            alone = state_of(place)
            backfill(place, at_once)
            check_nothing_outdated(place)
            found[name] = {"intervals": len(DAYS), "identical": state_of(place) == alone}
    sys.stdout.write(json.dumps({"at once": at_once, "found": found}) + "\n")
    sys.exit(not all(result["identical"] for result in found.values()))


def backfill(place: Path, at_once: int) -> None:
    """Run backfills of all days at once, whatever is there."""
    monitor = monitor_in(place)
    command = [sys.executable, "-c", "from drift_monitor.cli.main import main; main()", "backfill"]
    days = ["--start", f"{DAYS[0]}", "--end", f"{DAYS[-1]}", "--overwrite"]
    running = [
        subprocess.Popen([*command, str(place / "animals.yaml"), *days]) for _ in range(at_once)
    ]
    codes = [process.wait() for process in running]
    assert codes == [0] * at_once, f"exit codes {codes} of backfills of {monitor.name}"


if __name__ == "__main__":
    main()
