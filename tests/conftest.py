"""A small classifier, its detector bundle, and monitors of it, for the tests that need them."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, settings

import adversarial  # noqa: F401  # before TensorFlow, so that tests have the kernels that users have
from adversarial.files import sha256
from adversarial.tensorflow_log import quieten_tensorflow
from tests.support.models.small_detector import fit_detector, save_classifier

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from drift_monitor.batches.hashed_files import LocalFile

quieten_tensorflow()

# The same examples at every run, however slow the machine is.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--runtime",
        default="auto",
        choices=("auto", "openvino", "tensorflow"),
        help="What scores the batches of the tests' monitors, in float32; tensorflow also scores "
        "every other bundle for which a test asks for nothing.",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--runtime") == "tensorflow":
        from adversarial.detector import loading

        loading.FASTEST_FIRST = ()


@pytest.fixture(scope="session")
def classifier_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.keras` classifier of the three classes, trained to about 100 %."""
    return save_classifier(tmp_path_factory.mktemp("classifier") / "classifier.keras")


@pytest.fixture(scope="session")
def bundle(classifier_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector bundle for the classifier, fitted on 600 rows through the public function."""
    return fit_detector(classifier_file, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    """A Chromium without a window."""
    from tests.support.chromium import start

    started = start(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


@pytest.fixture(autouse=True)
def _own_guard_records(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep what the guard measures out of the user's cache; once for all tests of a process."""
    from adversarial.detector import guard_record

    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr(guard_record, "cache_directory", lambda: cache)


MakeMonitor = Callable[..., Path]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of an empty bucket on a server with S3's interface, one for the tests of a file."""
    from tests.support.s3_server import s3_server

    with s3_server() as url:
        yield url


@pytest.fixture
def make_monitor(bundle: Path, tmp_path: Path, request: pytest.FixtureRequest) -> MakeMonitor:
    """Return a function that writes a monitor's YAML file into the test's directory."""

    def make(name: str = "animals", **fields: object) -> Path:
        data: dict[str, object] = {"path": "batches/{date}.parquet", "input": "image"}
        data |= {"row_id": "id", "label": "label", "segments": ["site"]}
        content = {
            "detector": str(bundle),
            "reports": "reports",
            # The same scores on every processor, whether it has bfloat16 or not.
            "runtime": request.config.getoption("--runtime"),
            "precision": "float32",
            "data": data | dict(fields.pop("data", {})),  # type: ignore[call-overload]
            **fields,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return make


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each bundle file was hashed to verify its bundle, by the file's name."""
    from adversarial.bundle import read

    counted: Counter[str] = Counter()

    def count(file: Path) -> str:
        counted[file.name] += 1
        return sha256(file)

    monkeypatch.setattr(read, "sha256", count)
    return counted


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the rows of each local Parquet file were read, by the file's name."""
    from drift_monitor.batches.hashed_files import LocalFile

    return _counted(monkeypatch, LocalFile, "one_pass")


@pytest.fixture
def read_whole(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each local Parquet file was read for its SHA-256 alone, by the file's name."""
    from drift_monitor.batches.hashed_files import LocalFile

    return _counted(monkeypatch, LocalFile, "sha256")


def _counted(monkeypatch: pytest.MonkeyPatch, of: "type[LocalFile]", method: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    call = getattr(of, method)

    def count(file: "LocalFile") -> object:
        counted[Path(file.path).name] += 1
        return call(file)

    monkeypatch.setattr(of, method, count)
    return counted


Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Return a function that runs the command and gives exit code, stdout and stderr."""

    from drift_monitor.cli.main import main

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["drift-monitor", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run
