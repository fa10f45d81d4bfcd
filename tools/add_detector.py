"""Teach a packaged network the boxes of one more face detector; its weights stay as they are.

    python tools/add_detector.py blazeface --data 300w --name default

The map is measured on the training faces of --data, as a training does it. The card's figures with detected boxes are
those of the detector that `auto` chooses then, on the test faces.
"""

import argparse
import hashlib
import json
from pathlib import Path

import onnx
from package_model import LIMITS, results_of
from safetensors import safe_open
from safetensors.numpy import load_file, save

from acrloss.detection.installed import create_detector
from acrloss.files import write_atomic
from acrloss.formats import read_annotations
from acrloss.networks.description import FORMAT
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.networks.model_files import FOLDER
from acrloss.networks.onnx_model import OnnxModel
from acrloss.training.calibrate import fit_detector_boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detector")
    parser.add_argument("--data", required=True)
    parser.add_argument("--name", default="default")
    values = parser.parse_args()
    weights, exported, card_file = (FOLDER / f"{values.name}{end}" for end in (".safetensors", ".onnx", ".json"))
    annotations = read_annotations(values.data)
    network = LandmarkNet.load(weights)
    fit_detector_boxes(network, annotations.split("train"), create_detector(values.detector))
    described = describe(weights, network)
    write_atomic(weights, save(load_file(weights), {FORMAT: described}))
    model = onnx.load(exported)
    entry = next(entry for entry in model.metadata_props if entry.key == FORMAT)
    entry.value = described
    write_atomic(exported, model.SerializeToString())
    card = json.loads(card_file.read_text(encoding="utf-8"))
    card["results"] = results_of(OnnxModel(exported), annotations.split("test"))
    card["limits"] = LIMITS
    card["sha256"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (exported, weights)}
    write_atomic(card_file, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps({"box_maps": json.loads(described)["box_maps"], "results": card["results"]}, indent=1))


def describe(weights: Path, network: LandmarkNet) -> str:
    """The file's own description, with the box maps of `network`."""
    with safe_open(weights, "numpy") as file:
        about = json.loads(file.metadata()[FORMAT])
    about["box_maps"] = {name: value.to_dict() for name, value in network.box_maps.items()}
    return json.dumps(about)


if __name__ == "__main__":
    main()
