"""How commands are run."""

import os
import subprocess
import sys

PROGRAM = """
import gc, os
import typer
from adversarial.cli.run_app import run_app

app = typer.Typer()

@app.command()
def show() -> None:
    print(os.environ["OPENBLAS_THREAD_TIMEOUT"], gc.get_threshold()[0] > 1_000)

run_app(app)
"""


def shown(**environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_threads_of_matrix_products_sleep_soon_unless_the_user_says_otherwise() -> None:
    assert shown() == "4 True"
    assert shown(OPENBLAS_THREAD_TIMEOUT="20") == "20 True"
