"""A monitor: one YAML file that says which detector watches which production batches, and how."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from adversarial.bundle.trust import check_opt_in
from adversarial.errors import validation_reasons
from adversarial.runtimes.names import PrecisionOption, RuntimeOption
from adversarial.storage.opening import join
from drift_monitor.errors import ConfigError
from drift_monitor.evaluation_config import EvaluationConfig
from drift_monitor.intervals import (
    CRONS,
    Every,
    Interval,
    Schedule,
    ZoneName,
    interval_at,
    intervals_between,
)
from drift_monitor.locations import KeptIn, Location, Pattern

HarmBy = Literal["labels", "paired", "detector"]
HarmByOption = Literal["auto", "labels", "paired", "detector"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Model):
    """Where a batch lies and what its columns mean.

    Attributes
    ----------
    path : str
        Local path or fsspec URL of the Parquet files of one interval: a file, a directory or a
        glob. `{date}` stands
        for the interval's date (2026-11-20), `{start:%Y/%m/%d/%H}` for its start in any
        `strftime` form. A relative path is taken from the YAML file's directory.
    input : str or list of str
        The column that holds the classifier's input (image files, or tensors), or the numeric
        columns that form a flat row, in order.
    shape : list of int, optional
        Shape of a row, for a fixed-size list column that does not carry one.
    row_id, timestamp, prediction, label, clean_prediction : str, optional
        Columns with the row's id, its time, the prediction served in production, the ground truth
        (may arrive later), and the prediction on the clean twin.
    segments : list of str
        Columns by whose values the report is broken down.
    show_inputs : bool
        Whether pages, reports and lists of rows show inputs of single rows.
    redact : list of str
        Input columns, or `row_id`, whose values these never show.
    retry_seconds : float
        How long a storage that fails is asked again before the run fails.
    """

    path: Pattern
    input: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)]
    shape: list[int] | None = None
    row_id: str | None = None
    timestamp: str | None = None
    prediction: str | None = None
    label: str | None = None
    clean_prediction: str | None = None
    segments: list[str] = []
    show_inputs: bool = True
    redact: list[str] = []
    retry_seconds: float = Field(default=60, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.redact:
            if name not in (*self.input_columns, self.row_id):
                raise ValueError(
                    f"redact names {name!r}: expected an input column or row_id; leave other "
                    "columns out of the section, as reports are about them"
                )
        return self

    @property
    def input_columns(self) -> list[str]:
        """The input columns as a list."""
        return [self.input] if isinstance(self.input, str) else self.input


class Policy(_Model):
    """What counts as drift and as harm.

    Attributes
    ----------
    harm_by : {"auto", "labels", "paired", "detector"}
        How harmful is told from harmless. `auto`: `paired` where at least `min_rows` rows have
        clean predictions and labels, else `labels` where as many are labelled, else `detector`.
    alpha : float
        Largest share of batches like the reference of which the report says anything but
        `no_drift`: one half for harm, a quarter each for the tests of scores and outputs and for
        those of inputs. Also 1 − confidence of intervals.
    min_effect : float
        Smallest D that is called drift and not merely significant; 0 to 1.
    harm_margin : float
        Smallest rise of the harm rate over the reference's that is called harm; 0 to 1.
    min_rows : int
        Fewer scored rows give `insufficient_data`.
    max_rejected : float
        A larger share of rows that could not be scored gives `insufficient_data`.
    max_non_finite : float
        A larger share of scored rows without a finite score gives `insufficient_data`.
    """

    harm_by: HarmByOption = "auto"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    min_effect: float = Field(default=0.1, ge=0, le=1)
    harm_margin: float = Field(default=0.01, ge=0, le=1)
    min_rows: int = Field(default=100, ge=2)
    max_rejected: float = Field(default=0.1, ge=0, le=1)
    max_non_finite: float = Field(default=0.01, ge=0, le=1)


class ReferenceConfig(_Model):
    """What batches are compared with.

    Attributes
    ----------
    kind : {"fixed", "trailing"}
        `fixed`: the window stored in the detector. `trailing`: the last committed intervals in
        which harm was neither shown nor unknown, scored by the same detector; the fixed one until
        there are enough of them.
    intervals : int
        Length of a trailing window.
    """

    kind: Literal["fixed", "trailing"] = "fixed"
    intervals: int = Field(default=7, ge=1)


class Monitor(_Model):
    """A monitored model.

    Attributes
    ----------
    name : str
        Letters, digits, `-`, `_` and `.`; the YAML file's name when not given.
    detector : str
        Directory or URL of the detector bundle.
    detector_key : str, optional
        File with the public key (Ed25519, PEM) that the detector, and one that is promoted, must be
        signed with.
    trust : list of str
        Opt-ins that the detector's classifier needs: `Lambda`, `SavedModel`, or a custom class or
        function as `package.module:Name`, which is imported.
    data : DataConfig
        The production batches.
    reports : str
        Directory or URL (`s3://`, `gs://`, `az://`) under which `<name>/<interval>/` is written.
    every : {"hour", "day", "week"}
        Length of an interval.
    timezone : str
        IANA name; intervals begin at this zone's midnight. Hourly intervals need UTC.
    start_date : date
        First interval that the schedule covers.
    schedule : str or None
        Cron expression by which Airflow runs the monitor for the interval that begins one tick
        earlier: `0 6 * * *` processes a day at six the next morning. `auto` runs at each interval's
        end; null never, while backfills and manual runs work all the same.
    reference : ReferenceConfig
        What batches are compared with.
    policy : Policy
        What counts as drift and as harm.
    evaluation : EvaluationConfig, optional
        How the detector is evaluated under attack; needed to promote another one.
    examples : int
        At most so many rows of highest score are shown, and at most two of a kind.
    batch_size : int, optional
        Rows scored in one pass; 512 images or tensors, or 16,384 flat rows, when not given.
    memory_limit : int, optional
        Bytes that the rows held at once may take, or a text such as `4GB`; a quarter of the
        machine's memory where it is not given. A pass has fewer rows where rows are large.
    runtime : {"auto", "openvino", "tensorflow"}
        What computes the models' outputs; `auto` takes the fastest that the detector's own sample
        allows.
    precision : {"auto", "float32", "bfloat16"}
        What they are computed in, likewise.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    detector: KeptIn
    detector_key: Location | None = None
    trust: list[Annotated[str, AfterValidator(check_opt_in)]] = []
    data: DataConfig
    reports: KeptIn = Field(default="reports", validate_default=True)
    every: Every = "day"
    timezone: ZoneName = "UTC"
    start_date: date = date(2026, 1, 1)
    schedule: Schedule | None = "auto"
    reference: ReferenceConfig = ReferenceConfig()
    policy: Policy = Policy()
    evaluation: EvaluationConfig | None = None
    examples: int = Field(default=12, ge=0, le=100)
    batch_size: int | None = Field(default=None, ge=1)
    memory_limit: Annotated[ByteSize, Field(ge=1 << 20)] | None = None
    runtime: RuntimeOption = "auto"
    precision: PrecisionOption = "auto"
    _file: str | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.every == "hour" and self.timezone != "UTC":
            raise ValueError("hourly intervals need timezone UTC: elsewhere an hour repeats")
        if self.runtime == "tensorflow" and self.precision == "bfloat16":
            raise ValueError("runtime tensorflow computes in float32: leave precision out")
        if self.evaluation and not self.data.label:
            raise ValueError("an evaluation needs labels: name their column in data.label")
        if self.policy.harm_by in ("labels", "paired") and not self.data.label:
            raise ValueError(
                f"policy.harm_by {self.policy.harm_by!r} needs labels: name their column in "
                "data.label"
            )
        if self.policy.harm_by == "paired" and not self.data.clean_prediction:
            raise ValueError(
                "policy.harm_by 'paired' needs the predictions on the clean twins: name their "
                "column in data.clean_prediction, or set policy.harm_by to 'auto'"
            )
        return self

    def model_post_init(self, context: Any) -> None:
        """Keep the path of the YAML file, which is no field of it."""
        self._file = (context or {}).get("file")

    @property
    def file(self) -> str:
        """The YAML file that it was read from, for commands; its name where it was not."""
        return self._file or f"{self.name}.yaml"

    @property
    def cron(self) -> str | None:
        """The schedule as a cron expression, or None where there is none."""
        return CRONS[self.every] if self.schedule == "auto" else self.schedule

    @property
    def location(self) -> str:
        """Where the monitor's intervals are written: a directory, or a URL."""
        return join(self.reports, self.name)

    @property
    def directory(self) -> Path:
        """The same as a path, where it is a directory."""
        return Path(self.location)

    def interval(self, when: datetime | date) -> Interval:
        """Return the interval that holds `when`.

        A date, or a time without a zone, is of the monitor's zone. Weeks begin on Monday.
        """
        return interval_at(when, self.every, ZoneInfo(self.timezone))

    def intervals(self, start: datetime | date, end: datetime | date) -> list[Interval]:
        """Return the intervals from the one that holds `start` to the one that holds `end`.

        A date without a time stands for the whole day.
        """
        return intervals_between(start, end, self.every, ZoneInfo(self.timezone))

    def batch_path(self, interval: Interval) -> str:
        """Return the path, URL or glob of the interval's Parquet files."""
        return self.data.path.format(date=interval.start.date(), start=interval.start)


_WORDS = {
    "policy.split": "is now policy.harm_by",
    "extra_forbidden": "there is no such field; docs/configuration.md lists them",
    "missing": "is required",
    "string_pattern_mismatch": (
        "expected letters, digits, '-', '_' and '.' (it is the file's name where 'name' is not set)"
    ),
}
"""Words for keys that have been renamed, and for the commonest mistakes."""


def load_monitor(path: str | Path) -> Monitor:
    """Read a monitor from its YAML file.

    Raises
    ------
    ConfigError
        If the file is missing or not YAML, or a field is missing, unknown or out of range; names
        the file and every such field.
    """
    path = Path(path)
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} not found: name a monitor's YAML file") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply to be read as YAML") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, or no such date
        reason = re.sub(r"\s+", " ", str(error))
        raise ConfigError(f"{path} cannot be read as YAML: {reason}") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{path} holds no fields: expected 'detector:', 'data:' and so on")
    context: dict[str, Any] = {"directory": path.resolve().parent, "file": str(path.resolve())}
    try:
        return Monitor.model_validate({"name": path.stem, **fields}, context=context)
    except ValidationError as error:
        raise ConfigError(f"{path}: {validation_reasons(error, _WORDS, most=20)}") from None
