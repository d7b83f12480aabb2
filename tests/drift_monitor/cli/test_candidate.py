"""`drift-monitor evaluate` and `promote`: what they print, leave behind, and exit with."""

import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from adversarial import AdversarialDetector, read_bundle
from adversarial.detector.provenance import Provenance
from drift_monitor.detectors.reference import rethreshold
from tests.conftest import Invoke, MakeMonitor
from tests.support.animals import make_images, write_batch


@pytest.fixture
def monitor(make_monitor: MakeMonitor, bundle: Path, tmp_path: Path) -> Path:
    """A monitor with a bundle of its own and 400 rows to evaluate on."""
    shutil.copytree(bundle, tmp_path / "detector")
    write_batch(tmp_path / "held_out.parquet", *make_images(400, seed=9))
    section = {"path": "held_out.parquet", "attacks": ["fgsm-0.1"]}
    return make_monitor(detector="detector", evaluation=section)


@pytest.fixture
def worse(bundle: Path, tmp_path: Path) -> Path:
    """A candidate that flags half of all normal rows."""
    return rethreshold(bundle, 0.5, tmp_path / "worse")


@pytest.fixture
def equal(bundle: Path, tmp_path: Path) -> Path:
    again = Provenance(training={"note": "trained again, to the same weights"})
    AdversarialDetector.load(bundle).replace(provenance=again).save(tmp_path / "equal")
    return tmp_path / "equal"


def fingerprint(monitor: Path) -> str:
    return read_bundle(monitor.parent / "detector").fingerprint


def tree(monitor: Path) -> set[Path]:
    """All files but those of evaluations."""
    return {p for p in monitor.parent.rglob("*") if "reports" not in p.parts}


def test_evaluate_prints_what_it_measured_and_where_it_is(invoke: Invoke, monitor: Path) -> None:
    code, out, err = invoke("evaluate", monitor)
    assert code == 0, err
    assert out.startswith("400 rows, drawn from 400, of which 0 cannot be scored and 0 have no la")
    assert re.search(r"^ *fgsm-0\.1 grey-box +accuracy_defended +0\.\d{4}$", out, re.MULTILINE)
    assert Path(out.splitlines()[-1], "evaluation.json").exists()


def test_evaluate_says_what_a_candidate_is_worse_in_and_changes_nothing(
    invoke: Invoke, monitor: Path, worse: Path
) -> None:
    before = tree(monitor)
    code, out, _ = invoke("evaluate", monitor, "--candidate", worse)
    assert code == 0
    assert re.search(
        r"^ *worse +no attack +flagged_clean +0\.\d+ +0\.\d+ +\+0\.\d+ +\+0\.", out, re.MULTILINE
    )
    assert "the candidate is worse in flagged_clean (no attack)" in out
    assert tree(monitor) == before


def test_promote_refuses_a_worse_candidate_with_a_table_and_changes_nothing(
    invoke: Invoke, monitor: Path, worse: Path
) -> None:
    before, was = tree(monitor), fingerprint(monitor)
    code, out, err = invoke("promote", monitor, worse)
    assert code == 4
    assert "Refused: the candidate is worse in flagged_clean (no attack); nothing has been" in err
    assert re.search(r"^ *worse +no attack +flagged_clean", out, re.MULTILINE)
    assert (tree(monitor), fingerprint(monitor)) == (before, was)


def test_promote_replaces_the_detector_by_an_equal_one_and_says_how_to_go_back(
    invoke: Invoke, monitor: Path, equal: Path
) -> None:
    was = fingerprint(monitor)
    code, out, err = invoke("promote", monitor, equal)
    assert code == 0, err
    assert "the candidate is equal" in out
    assert fingerprint(monitor) == read_bundle(equal).fingerprint
    back = out.splitlines()[-1].split()
    assert back[:2] == ["drift-monitor", "promote"]
    assert invoke(*back[1:])[0] == 0
    assert fingerprint(monitor) == was


def test_promote_counts_on_an_evaluation_that_was_made(
    invoke: Invoke, monitor: Path, equal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = fingerprint(monitor)
    code, _, err = invoke("promote", monitor, equal, "--require-evaluation")
    assert code == 4
    assert "is not there: run 'drift-monitor evaluate'" in err
    assert fingerprint(monitor) == was
    directory = invoke("evaluate", monitor, "--candidate", equal)[1].splitlines()[-1]
    monkeypatch.setattr(
        "drift_monitor.detectors.evaluate.read_rows", lambda *_: pytest.fail("again")
    )
    assert invoke("promote", monitor, equal, "--require-evaluation")[0] == 0
    assert fingerprint(monitor) != was
    # The same directory does not speak for a bundle that it is not of.
    code, _, err = invoke(
        "promote", monitor, f"{monitor.parent}/detector.{was[:12]}", "--evaluation", directory
    )
    assert code == 4
    assert "its current is detector" in err


def test_promote_reads_rows_and_bundles_once(
    invoke: Invoke,
    monitor: Path,
    equal: Path,
    hashed: Counter[str],
    passes: Counter[str],
    read_whole: Counter[str],
) -> None:
    bundles = [monitor.parent / "detector", equal]
    expected = Counter(file for path in bundles for file in read_bundle(path).manifest.sha256)
    hashed.clear()
    code, _, err = invoke("promote", monitor, equal)
    assert code == 0, err
    assert passes == {"held_out.parquet": 1}
    assert not read_whole
    assert hashed == expected


def test_promote_hashes_the_rows_of_a_finished_evaluation_once(
    invoke: Invoke, monitor: Path, equal: Path, passes: Counter[str], read_whole: Counter[str]
) -> None:
    assert invoke("evaluate", monitor, "--candidate", equal)[0] == 0
    assert (passes, read_whole) == ({"held_out.parquet": 1}, {})
    assert invoke("promote", monitor, equal)[0] == 0
    assert (passes, read_whole) == ({"held_out.parquet": 1}, {"held_out.parquet": 1})


def test_promote_says_when_the_rows_are_too_few_to_tell(
    invoke: Invoke, monitor: Path, equal: Path
) -> None:
    write_batch(monitor.parent / "held_out.parquet", *make_images(30, seed=9))
    was = fingerprint(monitor)
    code, _, err = invoke("promote", monitor, equal)
    assert code == 4
    assert "30 rows are too few to tell" in err
    assert "is detectable" in err
    assert fingerprint(monitor) == was
    assert invoke("promote", monitor, equal, "--allow-undecided")[0] == 0
    assert fingerprint(monitor) != was


def test_promote_takes_a_first_detector_as_it_is(
    invoke: Invoke, monitor: Path, worse: Path
) -> None:
    shutil.rmtree(monitor.parent / "detector")
    code, out, _ = invoke("promote", monitor, worse)
    assert code == 0
    assert "does not exist yet: nothing to compare with" in out
    assert fingerprint(monitor) == read_bundle(worse).fingerprint


def no_section(monitor: Path, _: Path) -> None:
    monitor.write_text(re.sub(r"evaluation:\n(  .*\n)+", "", monitor.read_text()))


def damaged(_: Path, candidate: Path) -> None:
    (candidate / "classifier.keras").write_bytes(b"")


def unknown_attack(monitor: Path, _: Path) -> None:
    monitor.write_text(monitor.read_text().replace("fgsm-0.1", "fgms"))


def no_rows(monitor: Path, _: Path) -> None:
    (monitor.parent / "held_out.parquet").unlink()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (no_section, "has no section 'evaluation'"),
        (damaged, "classifier.keras has been altered"),
        (unknown_attack, "section 'evaluation': no attack 'fgms': expected one of cw, "),
        (no_rows, "held_out.parquet not found"),
    ],
)
def test_what_is_wrong_is_one_paragraph_and_nothing_is_promoted(
    invoke: Invoke,
    monitor: Path,
    worse: Path,
    prepare: Callable[[Path, Path], None],
    message: str,
) -> None:
    prepare(monitor, worse)
    was = fingerprint(monitor)
    for command in (("evaluate", monitor, "--candidate", worse), ("promote", monitor, worse)):
        code, _, err = invoke(*command)
        assert code == 1
        assert message in err
        assert len(err.strip().splitlines()) == 1
    assert fingerprint(monitor) == was


def test_validate_checks_the_section_too(invoke: Invoke, monitor: Path, worse: Path) -> None:
    code, out, _ = invoke("validate", monitor)
    assert code == 0
    assert "held_out.parquet: 400 rows to evaluate on" in out
    unknown_attack(monitor, worse)
    assert "no attack 'fgms'" in invoke("validate", monitor)[2]


def test_force_and_an_evaluation_exclude_each_other(
    invoke: Invoke, monitor: Path, worse: Path
) -> None:
    assert invoke("promote", monitor, worse, "--force", "--require-evaluation")[0] == 2
