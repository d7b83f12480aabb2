"""Names of runtimes and precisions, as users give and read them."""

from typing import Literal

RuntimeName = Literal["openvino", "tensorflow"]
Precision = Literal["float32", "bfloat16"]
RuntimeOption = Literal["auto", "openvino", "tensorflow"]
PrecisionOption = Literal["auto", "float32", "bfloat16"]
