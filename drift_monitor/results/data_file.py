"""How results name a Parquet file that was read."""

from pydantic import BaseModel, ConfigDict


class DataFile(BaseModel):
    """One Parquet file: a local path or URL, the rows in it, and the SHA-256 of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    rows: int
    sha256: str
