"""Put a trained network into the package: weights, ONNX and card (see `acrloss.networks.model_files`).

    python tools/package_model.py RUN --data 300w --name default --licence "…"

Weight matrices are kept in half precision, which halves the files; both files hold the same rounded numbers. The card's
figures are those of the rounded network on the test faces of --data, with true and with detected boxes.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save

from acrloss.annotations import Annotations
from acrloss.evaluation.scores import evaluate
from acrloss.files import write_atomic
from acrloss.formats import read_annotations
from acrloss.networks.description import FORMAT
from acrloss.networks.export import TOLERANCE, export, sample_crops
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.networks.localizer import Localizer
from acrloss.networks.model_files import FOLDER
from acrloss.networks.onnx_model import OnnxModel
from acrloss.prediction.annotated import predict_annotated, predict_detected
from acrloss.prediction.predictor import Predictor

LIMITS = (
    "Faces of at least some 40 pixels, up to profile, however they are turned in the picture. Points of hidden parts "
    "are guesses. Says nothing of who a person is, and the training faces over-represent adults, light skin and smiles "
    "for cameras: check on your own people."
)


def is_matrix(shape: tuple[int, ...]) -> bool:
    """Biases and batch norms are small, and variances may be too small for half precision."""
    return len(shape) > 1


def fold_batch_norms(network: LandmarkNet) -> None:
    """Move the scale of every batch norm into the convolution before it, as the ONNX exporter does.

    So that rounding the weights rounds the same numbers in both files.
    """
    crops = sample_crops(network.crop.size)
    before = network.locate_crops(crops)[0]
    convolution = None
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                convolution = module
            elif isinstance(module, torch.nn.BatchNorm2d) and convolution is not None:
                assert module.running_mean is not None
                assert module.running_var is not None
                scale = module.weight / (module.running_var + module.eps).sqrt()
                convolution.weight.mul_(scale[:, None, None, None])
                module.bias.sub_(module.running_mean * scale)
                module.weight.fill_(1)
                module.running_mean.zero_()
                module.running_var.fill_(1 - module.eps)
                convolution = None
    if np.abs(network.locate_crops(crops)[0] - before).max() > TOLERANCE:
        raise SystemExit("this network's batch norms do not follow its convolutions one by one")


def halve_onnx(path: Path) -> None:
    """Store the matrices of an ONNX file in half precision; they are widened when it is loaded."""
    model = onnx.load(path)
    nodes = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not is_matrix(tuple(tensor.dims)) or np.prod(tensor.dims) < 64:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        nodes.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *old])
    onnx.checker.check_model(model)
    write_atomic(path, model.SerializeToString())


def results_of(model: Localizer, faces: Annotations) -> list[dict[str, Any]]:
    """The card's figures: of true and of detected boxes, for each subset."""
    by_boxes = {
        "true boxes": evaluate(faces, predict_annotated(model, faces)),
        "detected boxes": evaluate(faces, predict_detected(Predictor(model), faces)),
    }
    return [
        {
            "boxes": boxes,
            "subset": score.subset,
            "faces": score.faces,
            "official_faces": score.official_faces,
            "normalizer": score.normalizer,
            "nme": round(score.nme, 3),
            "nme_interval": [round(v, 3) for v in score.nme_interval],
            "failure_rate_8": round(score.failure_rate["8"], 2),
            "auc_8": round(score.auc["8"], 2),
        }
        for boxes, evaluation in by_boxes.items()
        for score in evaluation.scores
        if score.normalizer == evaluation.normalizer
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--name", default="default")
    parser.add_argument("--trained_on", required=True)
    parser.add_argument("--licence", required=True)
    values = parser.parse_args()
    network = LandmarkNet.load(values.run / "best.safetensors")
    fold_batch_norms(network)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if is_matrix(tuple(tensor.shape)):
                tensor.copy_(tensor.half())
    weights, exported = FOLDER / f"{values.name}.safetensors", FOLDER / f"{values.name}.onnx"
    halves = {
        name: value.contiguous().half() if is_matrix(tuple(value.shape)) else value.contiguous()
        for name, value in network.state_dict().items()
    }
    write_atomic(weights, save(halves, {FORMAT: network.description()}))
    export(network, exported, "onnx")
    halve_onnx(exported)
    crops = sample_crops(network.crop.size)
    restored = LandmarkNet.load(weights).locate_crops(crops)[0]
    difference = np.abs(OnnxModel(exported).locate_crops(crops)[0] - restored).max()
    if difference > TOLERANCE:
        raise SystemExit(f"ONNX and weights differ by {difference:.2g} of the crop's side")

    results = results_of(OnnxModel(exported), read_annotations(values.data).split("test"))
    headline: dict[str, Any] = next((r for r in results if r["subset"] == "common"), results[0])
    backbone = str(network.settings["backbone"])
    card = {
        "network": f"{backbone}, {network.crop.size} px",
        "parameters": sum(p.numel() for p in network.parameters()),
        "scheme": network.scheme.name,
        "result": "{normalizer} NME {nme:.2f} % ({subset}, {faces} faces)".format(**headline),
        "licence": values.licence,
        "trained_on": values.trained_on,
        "trained_with": (values.run / "config.yaml").read_text(encoding="utf-8"),
        "results": results,
        "limits": LIMITS,
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (exported, weights)},
    }
    write_atomic(FOLDER / f"{values.name}.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps({"difference": float(difference), "results": results}, indent=1))


if __name__ == "__main__":
    main()
