"""The `adversarial` command."""

from pathlib import Path
from typing import Annotated

import typer

from adversarial.cli.echo import echo
from adversarial.cli.evaluate import compare, evaluate, report
from adversarial.cli.lean_arrow import keep_pandas_out
from adversarial.cli.run_app import run_app
from adversarial.cli.train import train

app = typer.Typer(
    help="Adversarial detection by matching prediction distributions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def adversarial() -> None:
    """Adversarial detection by matching prediction distributions."""
    keep_pandas_out()


@app.command()
def inspect(
    bundle: Annotated[Path, typer.Argument(help="Directory of a detector bundle.")],
) -> None:
    """Verify a detector bundle and describe it."""
    from adversarial.bundle.read import read_bundle

    result = read_bundle(bundle)
    manifest = result.manifest
    reference = result.reference()
    echo(f"fingerprint   {result.fingerprint}")
    echo(f"classes       {', '.join(manifest.class_names)}")
    echo(f"input         {' × '.join(map(str, manifest.input.shape))}")
    echo(f"threshold     {result.describe_threshold()}")
    echo(f"temperature   {manifest.temperature:g}")
    if manifest.score_temperature != 1:
        echo(f"score         at temperature {manifest.score_temperature:g}")
    echo(f"reference     {reference.num_rows:,} rows")
    if len(manifest.ensemble_weights) > 1:
        weights = ", ".join(f"{weight:g}" for weight in manifest.ensemble_weights)
        echo(f"weights       {weights}")
    for name, value in manifest.training.items():
        values = (
            value
            if isinstance(value, list) and all(isinstance(part, dict) for part in value)
            else [value]
        )
        for part in values:
            echo(f"{name:<13} {_describe(part)}")


for _command in (evaluate, report, compare, train):
    app.command()(_command)


def _describe(value: object) -> str:
    """Return a value of the training summary as text: of an object its fields, of a history."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_describe(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(map(_describe, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run the command line; an error that the user can fix is one paragraph and exit code 1."""
    run_app(app)
