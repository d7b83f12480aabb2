"""Compare our results with the paper's: train, evaluate, and write the pages from the results.

    python studies/paper.py run --data-dir DIR [NAME …]
    python studies/paper.py write
    python studies/paper.py draw

DIR contains `mnist`, `fashion_mnist` and `cifar10`. The runs take hours, and resume where they were
stopped. Each run leaves its numbers and figures in a directory named after it; `draw` draws all
plots again from the arrays kept beside them, for example after a change of style.
"""

import argparse
from pathlib import Path

from pages import INTRODUCTION, TITLES, first_page, page
from runs import HERE, RUNS, run
from tables import figure_rows, table

from adversarial.reporting.figures import redraw_plots

COUNTERPARTS = """\
The paper's Tables 1 to 4, accuracy by attack and defence, correspond to the first two tables of
each run; Tables 5 and 6, which compare four hidden layers, to those of `cifar10-hidden-layers` and
`resnet56-hidden-layers`. Elsewhere AE^KL,HL4, which matches the last of the four, stands for them.
Figure 2 is the defence itself, in the first of the two tables. The other figures:
"""


def write() -> None:
    """Write `paper.md`, and a page for each classifier."""
    lines = [
        "# The paper's results and ours",
        "",
        *first_page(),
        *(__doc__ or "").splitlines()[2:5],
        "",
        INTRODUCTION,
        COUNTERPARTS,
        *table(["figure", "what it shows", "ours"], list(figure_rows(RUNS))),
    ]
    for name, text in {"paper": lines, **{name: page(name) for name in TITLES}}.items():
        (HERE / f"{name}.md").write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="train and evaluate")
    runner.add_argument(
        "names",
        nargs="*",
        choices=[*RUNS, []],
        metavar="NAME",
        help=f"runs, by default all: {', '.join(RUNS)}",
    )
    runner.add_argument(
        "--data-dir",
        type=Path,
        required=True,
        help="directory with mnist, fashion_mnist and cifar10",
    )
    runner.add_argument(
        "--scratch",
        type=Path,
        default=HERE.parent / "build" / "paper",
        help="where complete runs are kept; by default build/paper",
    )
    commands.add_parser("write", help="write the pages")
    commands.add_parser("draw", help="draw all plots again from the arrays beside them")
    arguments = parser.parse_args()
    if arguments.command == "draw":
        for name in RUNS:
            if (HERE / name / "figures").is_dir():
                redraw_plots(HERE / name)
    if arguments.command == "run":
        for name in arguments.names or RUNS:
            run(name, arguments.data_dir, arguments.scratch)
    write()


if __name__ == "__main__":
    main()
