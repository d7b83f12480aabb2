"""PyArrow without pandas, in commands, which make no data frames."""

from adversarial.without_pandas import without_pandas


def keep_pandas_out() -> None:
    """Let PyArrow find no pandas, for which it looks once, when it makes its first array.

    Whoever asks PyArrow for a data frame still gets one: it looks again then.
    """
    with without_pandas():
        import pyarrow as pa

        pa.array([0])
