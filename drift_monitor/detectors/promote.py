"""Put a candidate in place of a monitor's detector, only if it is shown to be no worse."""

from dataclasses import dataclass
from pathlib import Path

from adversarial.bundle.manifest import MANIFEST
from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from adversarial.bundle.trust import missing_from_bundle, refusal
from adversarial.bundle.write import rewrite_bundle
from adversarial.files import digest
from adversarial.storage.folder import ChangedError
from adversarial.storage.opening import is_url, open_folder
from drift_monitor.config import Monitor
from drift_monitor.detectors.candidate import CURRENT, Comparison
from drift_monitor.errors import ConfigError, PromotionError
from drift_monitor.results.store import Store


@dataclass(frozen=True)
class Promotion:
    """What a promotion did.

    Attributes
    ----------
    fingerprint : str
        Fingerprint of the bundle that is now the monitor's.
    previous : str or None
        Where the previous bundle is kept; None if there was none.
    """

    fingerprint: str
    previous: str | None


def check_verdict(comparison: Comparison, *, allow_undecided: bool = False) -> None:
    """Raise PromotionError unless the verdict allows the candidate to be promoted."""
    if comparison.verdict == "worse":
        raise PromotionError(f"{comparison.reason}; nothing has been changed")
    if comparison.verdict == "undecided" and not allow_undecided:
        raise PromotionError(
            f"{comparison.reason}. Raise evaluation.limit, give more rows, or accept the doubt "
            "with a higher evaluation.tolerance or --allow-undecided; nothing has been changed"
        )


def promote(monitor: Monitor, bundles: dict[str, Bundle]) -> Promotion:
    """Put a candidate in place of the monitor's detector, keeping the previous one beside it.

    The previous bundle is copied first, and one write decides, so a kill at any moment leaves a
    whole bundle in place. A job that is loading the detector from a disk is waited for; a job that
    starts meanwhile loads either bundle, never a mixture.

    Parameters
    ----------
    monitor : Monitor
        Whose `detector` is replaced.
    bundles : dict
        From `drift_monitor.detectors.evaluate.find_bundles`, with a candidate.

    Raises
    ------
    BundleError
        If a bundle is damaged, including one kept by an earlier promotion.
    ConfigError
        If the candidate needs an opt-in that the monitor does not give.
    PromotionError
        If the current bundle is no longer the one in `bundles`, or the candidate changes while it
        is copied.
    """
    candidate = bundles["candidate"]
    if missing := missing_from_bundle(candidate, monitor.trust):
        raise ConfigError(refusal(candidate.place, missing))
    current = bundles.get(CURRENT)
    place = monitor.detector
    if not is_url(place):
        place = str(Path(place).resolve())  # what is kept lies beside the target of a link
    replaced = PromotionError(
        f"{place} has been replaced meanwhile: compare the candidate with what is there now; "
        "nothing has been changed"
    )
    with Store(monitor.location).lock():
        seen = open_folder(place).look(MANIFEST)
        found = None if seen.content is None else digest(seen.content)
        if found != (current.fingerprint if current else None):
            raise replaced
        previous = None
        if current is not None:
            previous = f"{place}.{current.fingerprint[:12]}"
            if not is_url(previous) and Path(previous).exists():
                read_bundle(previous)
            else:
                rewrite_bundle(current, previous)
        try:
            with bundle_lock(candidate):
                rewrite_bundle(candidate, place, seen=seen)
        except ChangedError:
            raise replaced from None
    return Promotion(candidate.fingerprint, previous)
