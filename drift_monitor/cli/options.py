"""Arguments and options that several commands share."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

DATE_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M"]
MonitorFile = Annotated[Path, typer.Argument(metavar="MONITOR", help="YAML file of the monitor.")]
StartOption = Annotated[datetime, typer.Option(formats=DATE_FORMATS, help="First date.")]
EndOption = Annotated[datetime, typer.Option(formats=DATE_FORMATS, help="Last date, included.")]
