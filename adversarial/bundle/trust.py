"""Opt-ins: what a model file needs beyond Keras's own layers, and what a user allows it.

A model file's description is read as data here; nothing in it is imported, built or run, so that
Keras is not needed.
"""

import json
import re
import zipfile
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from adversarial.bundle.manifest import CLASSIFIER
from adversarial.bundle.read import Bundle
from adversarial.errors import ModelError

LAMBDA = "Lambda"
"""Opt-in to layers and activations whose Python code is in the model file."""
SAVED_MODEL = "SavedModel"
"""Opt-in to a bundle's SavedModel, whose graph can read and write files."""

_OBJECT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_BUILT_IN_PACKAGES = {"keras", "keras_cv", "keras_hub", "keras_nlp"}


def check_opt_in(name: str) -> str:
    """Return `name` if it has the form of an opt-in.

    Raises
    ------
    ModelError
        If it is neither `Lambda`, nor `SavedModel`, nor like `package.module:Name`.
    """
    if name not in (LAMBDA, SAVED_MODEL) and not _OBJECT.fullmatch(name):
        raise ModelError(
            f"{name!r} is not an opt-in: expected {LAMBDA}, {SAVED_MODEL}, or a class or function "
            "as package.module:Name"
        )
    return name


def missing_opt_ins(
    path: Path, trust: Sequence[str], keras_names: Container[str] = ()
) -> list[str]:
    """Return what must be added to `trust` before the model file `path` can be loaded.

    Parameters
    ----------
    path : Path
        A `.keras` or `.h5` file.
    trust : sequence of str
        Opt-ins given.
    keras_names : container of str
        Names of Keras's own classes: an `.h5` file does not say which module defines a class.

    Returns
    -------
    list of str
        Opt-ins, each once; `<module>:Name` where the file does not say which module defines it.
    """
    given = {opt_in.rpartition(":")[2] for opt_in in trust}
    needed = dict.fromkeys(_needed(_description(path), keras_names))
    return [opt_in for opt_in in needed if opt_in.rpartition(":")[2] not in given]


def missing_from_bundle(bundle: Bundle, trust: Sequence[str]) -> list[str]:
    """Return what must be added to `trust` before a bundle's classifier can be loaded."""
    if bundle.manifest.classifier_output is None:
        return missing_opt_ins(bundle.file(CLASSIFIER), trust)
    return [] if SAVED_MODEL in trust else [SAVED_MODEL]


def refusal(path: Path | str, missing: Sequence[str]) -> str:
    """Return the sentences that refuse `path` for lack of opt-ins and say how to give them."""
    what = ", ".join(
        {
            LAMBDA: "a Lambda layer, whose Python code is in the file",
            SAVED_MODEL: "a SavedModel, whose graph can read and write files",
        }.get(opt_in, f"the custom object {opt_in.rpartition(':')[2]}")
        for opt_in in missing
    )
    where = (
        "; <module> is the Python module that defines it"
        if any(opt_in.startswith("<module>") for opt_in in missing)
        else ""
    )
    return (
        f"{path} holds {what}. If you trust where it comes from, opt in: "
        f"trust: [{', '.join(missing)}] in the monitor's YAML, "
        f"{' '.join(f'--trust {opt_in}' for opt_in in missing)} for 'drift-monitor fit' or "
        f"'drift-monitor reference'{where}. "
        "Otherwise build the model from Keras's own layers and save it again"
    )


def _description(path: Path) -> Any:
    """Return the configuration of the model in a file; None where the file holds none."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                description = json.loads(archive.read("config.json"))
            description.pop("compile_config", None)  # losses and metrics are never loaded
            return description
        import h5py

        with h5py.File(path) as file:
            return json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError, AttributeError, RecursionError, zipfile.BadZipFile):
        return None  # not a model file; whoever loads it says so


def _needed(node: Any, keras_names: Container[str]) -> Iterator[str]:
    """Yield the opt-in that each object in a model's configuration needs, outermost first."""
    if isinstance(node, list):
        for child in node:
            yield from _needed(child, keras_names)
    if not isinstance(node, dict):
        return
    name, inner = node.get("class_name"), node.get("config")
    if name == "__lambda__" or (
        # Before Keras 3 the code was a bare list in the layer's configuration.
        name == LAMBDA and isinstance(inner, dict) and isinstance(inner.get("function"), list)
    ):
        yield LAMBDA
    elif name == "function" and isinstance(inner, str) and node.get("module") == "builtins":
        yield f"<module>:{inner.rpartition('>')[2]}"
    elif (
        isinstance(name, str)
        and not name.startswith("__")
        and not _is_built_in(name, node, keras_names)
    ):
        yield f"{node.get('module') or '<module>'}:{name.rpartition('>')[2]}"
    for child in node.values():
        yield from _needed(child, keras_names)


def _is_built_in(name: str, node: dict[str, Any], keras_names: Container[str]) -> bool:
    if "module" in node:
        return str(node["module"]).split(".")[0] in _BUILT_IN_PACKAGES | {"builtins"}
    return name == "Functional" or name in keras_names
