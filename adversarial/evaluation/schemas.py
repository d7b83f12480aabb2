"""The columns of an evaluation's tables: what is written, and what is expected to be read."""

import pyarrow as pa

PLACE = [
    ("attack", pa.string()),
    ("threat_model", pa.string()),
    ("target", pa.string()),
    ("defence", pa.string()),
    ("corruption", pa.string()),
    ("severity", pa.int64()),
]
"""What a number or row belongs to; `target` is the attacked defence, null for grey-box."""

STRONGEST, ANY = "strongest", "any"
"""Values of `attack`: the best attack, row by row, and the best under any threat model."""

METRICS = pa.schema(
    [
        *PLACE,
        pa.field("metric", pa.string(), nullable=False),
        ("fpr", pa.float64()),
        ("policy", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        pa.field("n", pa.int64(), nullable=False),
    ]
)
"""Columns of `metrics.parquet`; null where a field does not apply or a number has no rows."""

ROWS = pa.schema(
    [
        *PLACE,
        pa.field("row", pa.int64(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        ("success", pa.bool_()),
        pa.field("prediction_clean", pa.int64(), nullable=False),
        pa.field("prediction", pa.int64(), nullable=False),
        pa.field("reconstruction_prediction_clean", pa.int64(), nullable=False),
        pa.field("reconstruction_prediction", pa.int64(), nullable=False),
        pa.field("score_clean", pa.float64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("entropy_clean", pa.float64(), nullable=False),
        pa.field("entropy", pa.float64(), nullable=False),
    ]
)
"""Columns of `rows.parquet`: class indices, scores and entropies of M in nats, before and after."""
