"""What a report leaves out because the monitor says that it is sensitive."""

from collections.abc import Sequence

from adversarial.bundle.manifest import REFERENCE_INPUTS, RUNTIME_SAMPLE, SAMPLE
from adversarial.bundle.read import Bundle
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


def describe_kept_inputs(bundle: Bundle, data: DataConfig) -> str | None:
    """Say which files of a bundle hold inputs that a monitor calls sensitive; None where none does.

    Files from which the inputs of single rows can be had, that is. Of images, only the runtime
    sample keeps them; the others keep descriptors.
    """
    setting = "data.redact" if set(data.redact) & set(data.input_columns) else None
    if not data.show_inputs:
        setting = "data.show_inputs"
    files = {RUNTIME_SAMPLE: "--no-runtime-sample leaves it out"}
    if len(bundle.manifest.input.shape) == 1:
        files[SAMPLE] = "--no-accuracy leaves it out"
        files[REFERENCE_INPUTS] = "no option leaves it out: inputs are compared with it"
    kept = [f"{name} ({how})" for name, how in files.items() if name in bundle.manifest.sha256]
    if setting is None or not kept:
        return None
    return (
        f"{setting} calls inputs sensitive, but the detector bundle {bundle.place} holds those of "
        f"single reference rows: {', '.join(kept)}. Make it again with these options of "
        "'drift-monitor fit' or 'drift-monitor reference', or let only those read it who may see "
        "the inputs"
    )
