"""A batch behind a URL with a signature: the secret is in nothing that a run leaves behind."""

import pytest

from drift_monitor.batches import parquet_files
from drift_monitor.config import load_monitor
from drift_monitor.errors import StorageError
from drift_monitor.job.run import run_interval
from tests.conftest import Invoke, MakeMonitor
from tests.support.animals import make_images, write_batch
from tests.support.fault_server import serve
from tests.support.job.monitors import DAY

SECRET = "hunter2"  # noqa: S105 - the one that must not be shown


def test_a_signature_in_a_url_is_in_no_file_and_no_message(
    make_monitor: MakeMonitor,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(parquet_files, "FIRST_WAIT", 0.01)
    with serve() as server:
        url = f"{server.url}/{{date}}.parquet?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}"
        path = make_monitor(data={"path": url, "retry_seconds": 0.05, "row_id": None})
        batch = write_batch(path.parent / "local.parquet", *make_images(120, seed=1))
        server.files[f"/{DAY}.parquet"] = batch.read_bytes()
        monitor = load_monitor(path)
        run_interval(monitor, monitor.interval(DAY))
        sheet = path.parent / "sheet.csv"
        code, out, err = invoke("rows", path, "--date", DAY, "--random", 5, "--output", sheet)
        assert (code, "without inputs" in err) == (0, False), out + err
        written = [file for file in monitor.directory.rglob("*") if file.is_file()]
        assert {"report.json", "report.html"} <= {file.name for file in written}
        for file in (*written, sheet):
            assert SECRET.encode() not in file.read_bytes(), file
        server.fault = "503"
        with pytest.raises(StorageError) as error:
            run_interval(monitor, monitor.interval(DAY))
        assert SECRET not in str(error.value)
        code, out, err = invoke("run", path, "--date", DAY)
        assert (code, SECRET in out + err) == (1, False)
    assert SECRET not in caplog.text
