"""What `fuzz.py` mutates: a valid file of each kind that acrloss reads, and the call that reads it.

Most annotation files are the fakes of the tests, so tests/ must be on the path.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import torch
import yaml
from PIL import Image

import format_fakes as fakes
from acrloss.commands.compare import check_options
from acrloss.commands.main import main
from acrloss.crops.crop import CropSpec
from acrloss.evaluation.predictions import read_predictions
from acrloss.evaluation.predictions_file import read_scored_faces, write_predictions
from acrloss.evaluation.scores import evaluate
from acrloss.formats import read_annotations, write_annotations
from acrloss.formats.registry import FORMATS, WRITERS
from acrloss.formats.synthetic import generate
from acrloss.images import image_size, read_image
from acrloss.networks.description import FORMAT
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.networks.onnx_model import OnnxModel
from acrloss.schemes import generic_scheme, get_scheme, save_scheme
from acrloss.shapes.shape_model import ShapeModel
from acrloss.study.study_file import read_study
from acrloss.training.checkpoint import check_checkpoint
from acrloss.training.config import TrainConfig
from acrloss.training.config_file import config_text
from matlab import write_mat5


@dataclass(frozen=True)
class Target:
    """A file to mutate within a folder that is otherwise whole, and what reads it."""

    name: str
    file: Path
    read: Callable[[Path], object]
    weight: float = 1.0


def targets(folder: Path) -> list[Target]:
    """All targets, their files written below `folder`."""
    return [*_annotations(folder), *_images(folder), *_configurations(folder), *_archives(folder), *_models(folder)]


def _annotations(folder: Path) -> list[Target]:
    found: list[tuple[str, Path]] = []
    faces = generate(3, seed=0, size=64)
    for name in WRITERS:
        write_annotations(faces, folder / name, name, copy_images=True)
        found.append((name, folder / name))
    for name, fake in fakes.FAKES:
        place = folder / "fakes" / f"{name}-{fake.__name__}"
        place.parent.mkdir(exist_ok=True)
        found.append((name, fake(place)))
    found.append(("aflw19", _aflw19(folder / "aflw19")))
    made = []
    for name, place in found:
        place = place if place.is_dir() else place.parent
        assert name in FORMATS
        for file in _by_suffix(place):
            label = f"{name}: {file.relative_to(folder)}"
            made.append(Target(label, file, _reader(name, place)))
    return made


def _reader(name: str, place: Path) -> Callable[[Path], object]:
    def read(file: Path) -> object:
        FORMATS[name].recognises(place)
        return read_annotations(place, name, "generic")

    return read


def _by_suffix(place: Path) -> list[Path]:
    """One file of annotations of each kind: of each suffix, the largest."""
    files = sorted((p for p in place.rglob("*") if p.is_file()), key=lambda p: (p.suffix, p.stat().st_size))
    pictures = {".jpg", ".png", ".jpeg", ".avi", ".bmp"}
    return [*{file.suffix: file for file in files if file.suffix.lower() not in pictures}.values()]


def _aflw19(place: Path) -> Path:
    marks = np.stack([fakes.face_points(19) / 2] * 5)
    names = ["0/a.jpg", "2/b.jpg", "2/b.jpg", "3/b.jpg", "3/c.jpg"]
    for name in names:
        fakes.picture(place / "data/flickr" / name)
    write_mat5(
        place / "AFLWinfo_release.mat",
        bbox=np.array([[10, 50, 20, 70]] * 5, np.int16),
        data=np.concatenate([marks[..., 0], marks[..., 1]], axis=1),
        mask_new=np.ones((5, 19), np.uint8),
        nameList=names,
        ra=np.array([[5, 1, 2, 4, 3]], np.uint8),
    )
    return place


def _images(folder: Path) -> list[Target]:
    place = folder / "images"
    place.mkdir()
    grain = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    picture = Image.fromarray(cv2.GaussianBlur(grain, (9, 9), 0).astype(np.uint8))

    def look(file: Path) -> object:
        image_size(str(file))
        return read_image(str(file))

    made = []
    for suffix in ("jpg", "png", "bmp", "webp", "tiff", "gif", "ppm"):
        picture.save(place / f"a.{suffix}")
        made.append(Target(f"image: {suffix}", place / f"a.{suffix}", look))
    return made


def _configurations(folder: Path) -> list[Target]:
    place = folder / "configurations"
    place.mkdir()
    save_scheme(get_scheme("ibug68"), place / "scheme.yaml")
    (place / "config.yaml").write_text(config_text(TrainConfig(), {"data": "faces", "output": "run"}))
    study = {
        "data": {"A": "synthetic:9", "B": "faces"},
        "settings": {"epochs": 3, "crop": {"size": 64}, "model.pretrained": "none"},
        "methods": {"ACR": {"loss": "acr", "loss_options": {"unit": 20}}, "L2": None},
        "seeds": [0, 1],
        "score": "val",
    }
    (place / "study.yaml").write_text(yaml.safe_dump(study))

    def config(file: Path) -> None:
        # No data, so that a valid configuration ends there.
        status = main(["train", "--config", str(file), "--data", str(place / "none"), "--output", str(place / "run")])
        assert status == 2

    def scheme(file: Path) -> None:
        get_scheme(file)

    def whole_study(file: Path) -> None:
        check_options(read_study(file, place).runs, "study.yaml")

    return [
        Target("configuration: scheme", place / "scheme.yaml", scheme, 2),
        Target("configuration: train", place / "config.yaml", config, 0.5),
        Target("configuration: study", place / "study.yaml", whole_study, 2),
    ]


def _archives(folder: Path) -> list[Target]:
    place = folder / "archives"
    place.mkdir()
    faces = generate(2, seed=0, size=64)
    write_predictions(place / "predictions.npz", evaluate(faces, faces.landmarks + 1))

    def predictions(file: Path) -> None:
        read_scored_faces(file)
        read_predictions(file, faces)

    return [Target("predictions: npz", place / "predictions.npz", predictions, 4)]


def _models(folder: Path) -> list[Target]:
    place = folder / "models"
    place.mkdir()
    scheme, crop = generic_scheme(5), CropSpec(size=32)
    torch.manual_seed(0)
    LandmarkNet("test_resnet.r160_in1k", scheme, crop).save(place / "network.safetensors")
    ShapeModel.fit(np.random.default_rng(0).random((30, 5, 2))).save(place / "shape_model.safetensors")
    (place / "network.onnx").write_bytes(_onnx(scheme.to_dict(), crop.to_dict()))
    torch.save({"epoch": 3, "state_dict": {"weight": torch.zeros(4, 4)}}, place / "last.ckpt")

    def onnx(file: Path) -> None:
        OnnxModel(file).locate_crops(np.zeros((2, 32, 32, 3), np.uint8))

    return [
        Target("model: safetensors", place / "network.safetensors", LandmarkNet.load, 0.05),
        Target("model: shape model", place / "shape_model.safetensors", ShapeModel.load, 2),
        Target("model: onnx", place / "network.onnx", onnx, 2),
        Target("model: checkpoint", place / "last.ckpt", check_checkpoint),
    ]


def _onnx(scheme: dict[str, Any], crop: dict[str, Any]) -> bytes:
    """A tiny network with the interface of an exported one: its landmarks are the mean colours."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["crops"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["numbers"], ["means"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Reshape", ["means", "column"], ["rows"]),
            helper.make_node("Mul", ["rows", "spread"], ["flat"]),
            helper.make_node("Reshape", ["flat", "points"], ["landmarks"]),
            helper.make_node("ReduceMean", ["landmarks"], ["confidence"], axes=[2], keepdims=0),
        ],
        "tiny",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["N", crop["size"], crop["size"], 3])],
        [
            helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, ["N", 5, 2]),
            helper.make_tensor_value_info("confidence", TensorProto.FLOAT, ["N", 5]),
        ],
        [
            helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
            helper.make_tensor("spread", TensorProto.FLOAT, [1, 10], np.linspace(0, 1, 10).tolist()),
            helper.make_tensor("points", TensorProto.INT64, [3], [-1, 5, 2]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    about = {"version": 1, "scheme": scheme, "crop": crop, "mean_shape": None, "box_maps": {}, "settings": {}}
    helper.set_model_props(model, {FORMAT: json.dumps(about)})
    out = io.BytesIO()
    out.write(model.SerializeToString())
    return out.getvalue()


# Threads do not come along when a process forks, and whatever waits for them would wait for ever.
torch.set_num_threads(1)
# h5py is imported here, so that a forked process does not import it under its limits.
_ = h5py
