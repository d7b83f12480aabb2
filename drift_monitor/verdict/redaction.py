"""What a report leaves out because the monitor says that it is sensitive."""

from collections.abc import Sequence

from drift_monitor.config import DataConfig
from drift_monitor.results.report_findings import Example, InputFindings, InputTest
from drift_monitor.results.row_list import REDACTED
from drift_monitor.results.score_columns import ScoreColumn


def redacted_examples(examples: Sequence[Example], data: DataConfig) -> list[Example]:
    """Return examples without inputs that must not be shown, and without redacted ids."""
    hidden = set(data.redact)
    shown = []
    for example in examples:
        changes: dict[str, object] = {
            "values": [value for value in example.values if value.name not in hidden]
        }
        if not data.show_inputs or hidden.issuperset(data.input_columns):
            changes |= {"image": None, "reconstruction": None, "normal": None, "values": []}
        if data.row_id in hidden:
            changes["row"] = {ScoreColumn.ROW_ID.value: REDACTED}
        shown.append(example.model_copy(update=changes))
    return shown


def redacted_inputs(inputs: InputFindings | None, data: DataConfig) -> InputFindings | None:
    """Return findings on inputs without single values of redacted columns: ends and curves."""
    if inputs is None or not data.redact:
        return inputs
    hidden = dict.fromkeys(
        ("reference_low", "reference_high", "current_low", "current_high", "curves", "location")
    )

    def redact(test: InputTest) -> InputTest:
        return test.model_copy(update=hidden) if test.name in data.redact else test

    return inputs.model_copy(update={"tests": [redact(test) for test in inputs.tests]})
