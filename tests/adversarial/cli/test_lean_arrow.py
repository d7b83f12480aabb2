"""What commands do not import."""

import subprocess
import sys

PROGRAM = """
import sys
from adversarial.cli.main import main
sys.argv = ["adversarial", "inspect", "examples/fashion_mnist/detector"]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
import pyarrow as pa
table = pa.table({"a": [1, 2]})
print("pandas" in sys.modules, type(table.to_pandas()).__name__)
"""


def test_a_command_imports_no_pandas_but_who_asks_for_a_data_frame_gets_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False DataFrame"
