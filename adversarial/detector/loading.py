"""A scorer from a bundle, by the fastest runtime whose scores are those of the models."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from adversarial.detector.guard import measure
from adversarial.detector.guard_record import GuardRecord
from adversarial.detector.scorer import Scorer
from adversarial.errors import MissingExtraError, ModelError
from adversarial.extras import require_training
from adversarial.runtimes.guard_figures import ScoredBy
from adversarial.runtimes.names import Precision, PrecisionOption, RuntimeOption
from adversarial.runtimes.openvino_runtime import (
    OpenVINORuntime,
    describe_machine,
    supports_bfloat16,
)
from adversarial.runtimes.runtime import Runtime

logger = logging.getLogger(__name__)

FASTEST_FIRST: tuple[Precision, ...] = ("bfloat16", "float32")
NO_GRAPH = "the bundle has no scoring graph (drift-monitor reference adds one)"
NO_SAMPLE = "the bundle keeps no sample by which to judge bfloat16"
NO_BFLOAT16 = "this processor does not compute in bfloat16"


def load_scorer(
    source: str | Path | Bundle,
    trust: Sequence[str] = (),
    *,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
) -> Scorer:
    """Load what scores rows from a bundle.

    Of the runtimes and precisions that are asked for, the fastest is taken whose results on the
    bundle's own sample are within bounds (`adversarial.runtimes.guard_figures`): OpenVINO in
    bfloat16, then in float32, then TensorFlow in float32. What was measured is remembered for this
    bundle, this version of OpenVINO and this kind of processor.

    Parameters
    ----------
    source : str, Path or Bundle
        As in `AdversarialDetector.load`.
    trust : sequence of str
        Opt-ins that the classifier needs if TensorFlow is to load it. The scoring graph, made of
        OpenVINO's own operations, needs none.
    runtime : {"auto", "openvino", "tensorflow"}
        What computes the models' outputs.
    precision : {"auto", "float32", "bfloat16"}
        What they are computed in; TensorFlow computes in float32.

    Raises
    ------
    BundleError
        If a file is missing, extra or altered; names the file.
    ModelError
        If nothing that was asked for can score the bundle, or its models cannot be loaded; says
        why.
    MissingExtraError
        If only TensorFlow can, and it is not installed.
    """
    with bundle_lock(source):
        bundle = read_bundle(source)
        notes: list[str] = []
        if runtime != "tensorflow":
            wanted = FASTEST_FIRST if precision == "auto" else (precision,)
            scorer = _load_graph(bundle, wanted, notes)
            if scorer is not None:
                return scorer
        if runtime == "openvino" or precision == "bfloat16":
            reasons = "; ".join(notes) or "TensorFlow computes in float32"
            raise ModelError(
                f"{bundle.path} cannot be scored with runtime {runtime} and precision {precision}: "
                f"{reasons}. Set both to auto, or leave them out, in the monitor's file and on the "
                "command line"
            )
        return _load_models(bundle, trust, notes)


def _load_graph(bundle: Bundle, wanted: Sequence[Precision], notes: list[str]) -> Scorer | None:
    """Return the scorer of the first precision that the guard lets pass; note why not others."""
    graph = bundle.scoring_graph()
    if graph is None:
        notes.append(NO_GRAPH)
        return None
    sample = bundle.runtime_sample()
    record = GuardRecord.read(bundle.fingerprint, describe_machine())
    for precision in wanted:
        if precision == "bfloat16" and not supports_bfloat16():
            if len(wanted) == 1:
                notes.append(NO_BFLOAT16)
            continue
        if precision == "bfloat16" and sample is None:
            notes.append(NO_SAMPLE)
            continue
        runtime: Runtime | None = None
        try:
            if sample is not None and precision not in record.figures:
                runtime = OpenVINORuntime(graph, precision)
                record.figures[precision] = measure(runtime, sample, bundle)
                record.write()
            figures = record.figures.get(precision)
            if figures is not None and (beyond := figures.beyond()):
                notes.append(
                    f"in {precision}, OpenVINO's results are not TensorFlow's: {beyond[0]}"
                )
                continue
            runtime = runtime or OpenVINORuntime(graph, precision)
        except RuntimeError as error:
            # The last line says why; those before it say where in OpenVINO.
            why = str(error).strip().rpartition("\n")[2]
            notes.append(
                f"OpenVINO cannot run the scoring graph in {precision} ({why}); drift-monitor "
                "reference makes it anew"
            )
            continue
        return _scorer(
            bundle,
            runtime,
            ScoredBy(runtime="openvino", precision=precision, guard=figures, notes=notes),
        )
    return None


def _load_models(bundle: Bundle, trust: Sequence[str], notes: Sequence[str]) -> Scorer:
    try:
        require_training(f"To score {bundle.path}, drift-monitor")
    except MissingExtraError as error:
        reasons = "".join(f" ({note})" for note in notes)
        raise MissingExtraError(f"{error}{reasons}") from None
    from adversarial.detector.detector import AdversarialDetector

    # What has no graph was told so when it was saved.
    if any(note != NO_GRAPH for note in notes):
        logger.warning("%s is scored by TensorFlow: %s", bundle.path, "; ".join(notes))
    detector = AdversarialDetector.load(bundle, trust)
    return _scorer(
        bundle,
        detector.runtime,
        ScoredBy(runtime="tensorflow", precision="float32", notes=list(notes)),
    )


def _scorer(bundle: Bundle, runtime: Runtime, scored_by: ScoredBy) -> Scorer:
    manifest = bundle.manifest
    return Scorer(
        runtime,
        weights=manifest.ensemble_weights,
        score_temperature=manifest.score_temperature,
        class_names=manifest.class_names,
        input_spec=manifest.input,
        calibration=bundle.calibration(),
        bundle=bundle,
        scored_by=scored_by,
    )
