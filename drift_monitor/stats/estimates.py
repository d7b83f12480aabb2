"""Values with their intervals: a share of rows that were counted, and an estimate."""

from pydantic import BaseModel, ConfigDict, Field

Probability = Field(ge=0, le=1)


class Rate(BaseModel):
    """A share of rows with its Wilson interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    count: int
    n: int
    rate: float = Probability
    low: float = Probability
    high: float = Probability


class Estimate(BaseModel):
    """An estimate with its interval; of a difference, that of current minus reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    estimate: float
    low: float
    high: float


class EstimatedShare(Estimate):
    """A share of `n` rows that is estimated and not counted, with its interval."""

    estimate: float = Probability
    low: float = Probability
    high: float = Probability
    n: int


class PairedDifference(Estimate):
    """Second minus first of two systems on the same rows, with its interval.

    `detectable` is the smallest true difference whose interval excludes zero with 80 % power, given
    this number of rows and this spread.
    """

    detectable: float
