"""OpenVINO without its reports to its makers."""

import sys
from types import ModuleType


def import_openvino() -> ModuleType:
    """The package `openvino`, imported as where its telemetry is not installed.

    With it, importing OpenVINO and converting a network write ~/intel and send Google Analytics what is converted, and
    nobody is asked.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    name = "openvino_telemetry"
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # what Python takes for "cannot be imported"
    try:
        import openvino
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
    return openvino  # type: ignore[no-any-return]
