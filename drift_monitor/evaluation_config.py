"""The `evaluation` section of a monitor's YAML file."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drift_monitor.intervals import CRONS, Cron
from drift_monitor.locations import Location


class EvaluationConfig(BaseModel):
    """How the monitor's detector, and one that is to replace it, are evaluated.

    Attributes
    ----------
    path : str
        Labelled rows that no model has seen: local path, glob or URL of Parquet files with the
        monitor's own input and label columns.
    attacks, threat_models, corruptions : list of str
        Names in `adversarial.attacks.named`, in `adversarial.evaluation.threat_models` and in
        `adversarial.corruptions`. Corruptions are for images.
    bounds : (float, float), optional
        Smallest and largest value that an attack may give; the bundle's value range, and of flat
        rows each feature's range among the rows, when not given.
    limit : int or None
        Rows drawn at random; all where null.
    seed : int
        Seed of the draw, the attacks and the corruptions.
    margin : float
        A loss is refused only where its interval lies beyond this.
    tolerance : float
        A loss so large must not go unnoticed: where one cannot be ruled out, the rows are too few.
    schedule : str or None
        Cron expression in UTC by which Airflow evaluates the monitor's detector; null on demand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Location
    attacks: list[str] = ["fgsm-0.1", "ddn"]
    threat_models: Annotated[list[str], Field(min_length=1)] = ["grey-box"]
    corruptions: list[str] = []
    bounds: tuple[float, float] | None = None
    limit: Annotated[int, Field(ge=2)] | None = 1000
    seed: int = Field(default=0, ge=0)
    margin: float = Field(default=0.0, ge=0, lt=1)
    tolerance: float = Field(default=0.05, gt=0, le=1)
    schedule: Cron | None = CRONS["week"]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.attacks and not self.corruptions:
            raise ValueError("name at least one attack or corruption")
        if self.bounds and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds are {list(self.bounds)}: expected the smaller value first")
        return self
