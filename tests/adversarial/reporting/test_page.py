import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from adversarial.cli.main import app
from adversarial.evaluation.read import read_results
from adversarial.reporting.page import write_report
from tests.support.evaluation_run import THRESHOLDS, N, write_metrics, write_run

TWO_ATTACKS = (("cw", "grey-box", False), ("slide", "grey-box", False))
INJECTION = "<script>alert(1)</script>"


class Page(HTMLParser):
    """The page's tables as text, its tags with their attributes, and its headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += f"{data} "

    def rows(self, table: int) -> dict[str, dict[str, str]]:
        head, *body = [[" ".join(cell.split()) for cell in row] for row in self.tables[table]]
        return {row[0]: dict(zip(head, row, strict=True)) for row in body}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("evaluation") / "run")


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_a_page_needs_no_tensorflow(run: Path) -> None:
    code = (
        "import sys, pathlib; from adversarial.reporting.page import write_report; "
        "write_report(pathlib.Path(sys.argv[1])); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, run], check=False).returncode == 0


def shown(hits: np.ndarray) -> str:
    """Return a share as the first screen shows it."""
    found = stats.binomtest(int(hits.sum()), len(hits))
    low, high = found.proportion_ci(0.95, method="wilson")
    value = found.statistic
    return f"{100 * value:.1f} % {100 * low:.1f} to {100 * high:.1f}, n {len(hits)}"


@pytest.mark.parametrize(
    ("attack", "threat_model", "target", "defence"),
    [
        ("cw", "grey-box", None, "kl"),
        ("cw", "grey-box", None, "mse"),
        ("pgd-linf-8/255", "white-box", "kl", "kl"),
        ("pgd-linf-8/255", "white-box", "mse", "mse"),
    ],
)
def test_each_number_of_the_first_screen_comes_from_the_rows(
    run: Path, page: Page, attack: str, threat_model: str, target: str | None, defence: str
) -> None:
    rows = pq.read_table(run / "rows.parquet").to_pandas()
    rows = rows[(rows.attack == attack) & (rows.defence == defence)]
    rows = rows[rows.target.isna() if target is None else rows.target == target]
    label, score, given = (rows[name].to_numpy() for name in ("label", "score", "prediction"))
    reconstructed = rows.reconstruction_prediction.to_numpy()
    flagged = score > THRESHOLDS[0.05]
    corrected = np.where(flagged, reconstructed, given)
    against = "" if target is None else f" against {target}"
    name = f"{attack} {threat_model}{against} defence: {defence}"

    numbers = page.rows(0)[name]
    assert numbers["Accuracy, no attack"] == shown(rows.prediction_clean.to_numpy() == label)
    assert numbers["Accuracy, attacked"] == shown(given == label)
    assert numbers["Accuracy, defended"] == shown(corrected == label)
    assert numbers["Detected at ε_FPR 1 %"] == shown(score > THRESHOLDS[0.01])
    assert numbers["Detected at ε_FPR 5 %"] == shown(flagged)
    area = roc_auc_score(np.repeat([0, 1], N), np.concatenate([rows.score_clean, score]))
    value, rest = numbers["AUC"].split(" ", 1)
    assert float(value) == pytest.approx(area, abs=5e-5)
    low, high = map(float, rest.removesuffix(f", n {2 * N}").split(" to "))
    assert low < area < high

    lost = page.rows(1)[name]
    assert lost["No detector"] == shown(given != label)
    assert lost["Refuse flagged"] == shown((given != label) & ~flagged)
    assert lost["Correct flagged"] == shown(corrected != label)
    assert lost["Correct all"] == shown(reconstructed != label)


def test_any_attack_comes_first_and_what_was_made_against_another_is_no_headline(
    page: Page,
) -> None:
    lost = page.rows(1)
    assert list(lost)[:2] == ["any any defence: kl", "any any defence: mse"]
    assert lost["any any defence: kl"]["Refuse flagged"] == shown(np.arange(N) < N // 2)
    assert lost["any any defence: kl"]["Correct all"] == "–"
    assert len(lost) == 2 + 4
    assert len(page.rows(0)) == 4
    transferred = "All numbers of pgd-linf-8/255, white-box against mse"
    assert transferred in [attributes.get("aria-label") for _, attributes in page.tags]


def test_the_first_screen_says_what_was_evaluated(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "kl, mse defending cnn on animals" in text
    assert f"{N} test images; attacks: cw, pgd-linf-8/255" in text
    assert "the attacker: grey-box, white-box; drift: 2 corruptions" in text
    assert "fingerprint-of-1" in text


def test_drift_by_severity_comes_from_the_rows(run: Path, page: Page) -> None:
    rows = pq.read_table(run / "rows.parquet").to_pandas()
    rows = rows[(rows.severity == 2) & (rows.defence == "kl")]
    drifted = page.rows(2)["2 defence: kl"]
    accuracy = (rows.prediction == rows.label).mean()
    assert drifted["Accuracy of M(x)"].startswith(f"{100 * accuracy:.1f} % ")
    assert drifted["Accuracy of M(x)"].endswith(f", n {2 * N}")
    harmless = rows[rows.prediction_clean == rows.prediction].score
    assert drifted["Score, harmless"].startswith(f"{harmless.mean():.4f} ")
    assert drifted["Score, harmless"].endswith(f", n {len(harmless)}")
    assert page.rows(2)["0, originals defence: kl"]["Score, harmful"] == "–"


def test_every_number_of_the_run_is_in_a_table_and_unknown_ones_too(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", attacks=TWO_ATTACKS, corruptions=("fog",))
    records = [dict(record) for record in read_results(directory).records]
    blank = dict.fromkeys(records[0])
    records += [
        blank | {"metric": "probe_step", "defence": "kl", "value": 0.123456, "n": 7},
        blank | {"metric": "probe_step", "defence": "kl", "value": 0.654321, "n": 8},
        blank | {"metric": "probe_none", "attack": "cw", "threat_model": "grey-box", "n": 0},
    ]
    records += [
        blank
        | {"metric": f"gradient_masking_{check}_passed", "attack": "cw", "threat_model": "grey-box"}
        | {"value": float(passed), "n": 1}
        for check, passed in (("noise", True), ("gradient_free", False))
    ]
    write_metrics(directory, records)
    page = Page(write_report(directory).read_text(encoding="utf-8"))
    assert "cw, grey-box: the attack failed the check “gradient_free” for gradient" in page.text
    assert page.text.count("the attack failed the check") == 1
    cells = [cell for table in page.tables for row in table for cell in row]
    text = "\n".join(" ".join(cell.split()) for cell in cells)
    assert "probe_step\n0.1235, n 7; 0.6543, n 8" in text
    assert "probe_none\n–, n 0" in text
    for record in records:
        is_share = record["low"] is not None and record["metric"].startswith(
            ("acc", "detection", "flagged", "undetected")
        )
        if record["value"] is not None and is_share:
            expected = (
                f"{100 * record['value']:.1f} % ({100 * record['low']:.1f} to "
                f"{100 * record['high']:.1f}), n {record['n']}"
            )
            assert expected in text, record


def test_names_are_text_and_nothing_is_loaded(tmp_path: Path) -> None:
    directory = write_run(
        tmp_path / "run",
        detectors=("kl", INJECTION),
        class_names=("cat", INJECTION, "owl"),
        dataset=f"animals{INJECTION}",
        attacks=TWO_ATTACKS[:1],
        corruptions=("fog",),
    )
    html = write_report(directory).read_text(encoding="utf-8")
    page = Page(html)
    assert "<script" not in html
    assert INJECTION in page.text
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "img"})
    for _, attributes in page.tags:
        for name, value in attributes.items():
            if name in {"src", "href", "xlink:href"} and value:
                assert value.startswith(("data:", "#")), value
    assert not re.search(r"url\((?!#)|@import", html)


def test_the_page_can_be_read_without_seeing_it(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1
    assert tags.count("caption") == tags.count("table")
    assert tags.count("figcaption") == tags.count("figure") > 0
    for tag, attributes in page.tags:
        if tag == "th":
            assert attributes.get("scope") in {"row", "col"}
        if attributes.get("role") in {"img", "region"}:
            assert attributes["aria-label"]
    assert sum(attributes.get("role") == "img" for _, attributes in page.tags) == tags.count("svg")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for figure in ("Figure 4 ", "Figures 5 and 6 ", "Figure 7 ", "Figures 1, 3 and 8 to 16 "):
        assert figure in page.text


def test_a_page_of_many_attacks_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adversarial.reporting.page.MOST_GRIDS", 1)
    directory = write_run(tmp_path / "run", attacks=TWO_ATTACKS, corruptions=(), detectors=("kl",))
    html = write_report(directory).read_text(encoding="utf-8")
    assert html.count('aria-label="Images ') == 1
    assert len(list((directory / "figures").glob("grid-*.webp"))) == 2
    assert 'id="drift"' not in html


def test_a_run_of_drift_alone_has_a_page(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", attacks=(), corruptions=("fog",))
    page = Page(write_report(directory).read_text(encoding="utf-8"))
    assert "Decisive numbers" not in page.text
    assert "Drift by severity" in page.text


def test_the_report_command_makes_what_was_removed_and_names_what_is_wrong(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", attacks=TWO_ATTACKS[:1], corruptions=())
    page = write_report(run)
    before = page.read_bytes()
    page.unlink()
    found = CliRunner().invoke(app, ["report", str(run)])
    assert found.exit_code == 0, found.output
    assert str(page) in found.output.replace("\n", "")
    assert page.read_bytes() == before
    assert not list(run.glob("*.new"))
    missing = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert "holds no evaluation" in str(missing.exception)
