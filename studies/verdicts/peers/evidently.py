"""Evidently's data drift preset on each batch: `-m studies.verdicts.peers.evidently REF BATCHES`.

Both are Parquet files; each row group of BATCHES is a batch. Prints one JSON object a batch: how
many columns drifted, and whether the data set did.
"""

import json
import sys

import pyarrow.parquet as pq
from evidently import Report  # type: ignore[import-not-found]
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

DATA_SET = 0.5
"""Share of drifted columns from which Evidently says that the data set drifted; its default."""


def main() -> None:
    """Judge each batch with Evidently's defaults."""
    reference = pq.read_table(sys.argv[1]).to_pandas()
    batches = pq.ParquetFile(sys.argv[2])
    columns = [name for name in reference.columns if name != "label" and name[:2] != "p:"]
    for number in range(batches.num_row_groups):
        current = batches.read_row_group(number).to_pandas()
        preset = DataDriftPreset(columns=columns)
        snapshot = Report([preset]).run(current[columns], reference[columns])
        drifted = next(
            metric["value"]
            for metric in json.loads(snapshot.json())["metrics"]
            if "DriftedColumnsCount" in str(metric.get("metric_name", metric))
        )
        found = {"columns": int(drifted["count"]), "data_set": drifted["share"] >= DATA_SET}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
