"""One report by this project: `-m benchmarks.report.ours IN OUT`."""

import json
import shutil
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.storage.local_folder import LocalFolder
from drift_monitor.config import load_monitor
from drift_monitor.job.run import write_report
from drift_monitor.results.store import REJECTED, SCORES, SCORING
from drift_monitor.verdict.scored_interval import Scoring

inputs, output = map(Path, sys.argv[1:])
monitor = load_monitor(inputs / "bench.yaml")
detector = json.loads((inputs / "fingerprint.json").read_text(encoding="utf-8"))
rows = pq.read_metadata(inputs / SCORES).num_rows
scoring = Scoring(fingerprint=detector, files=[], n_read=rows, rendered=[], seconds=0)
shutil.copyfile(inputs / SCORES, output / SCORES)
nothing = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string())])
pq.write_table(nothing.empty_table(), output / REJECTED)
(output / SCORING).write_text(scoring.model_dump_json(), encoding="utf-8")

report = write_report(monitor, monitor.interval(date(2026, 11, 20)), LocalFolder(output))
(output / "d.json").write_text(json.dumps(report.test("score").statistic), encoding="utf-8")
