"""Small data sets laid out and written as people have them, one or more for each format; their numbers are known.

`FAKES` has, for each, the format's name and a function that makes it in a folder and returns what is given as `--data`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlab import write_cofw, write_mat5


def picture(path: Path, width: int = 200, height: int = 100, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, np.full((height, width, 3), shade, np.uint8))[1].tobytes())
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def face_points(count: int) -> NDArray[np.float64]:
    """(count, 2) points in a picture of 200 x 100."""
    m = np.arange(count)
    return np.stack([50 + m % 20 * 4.5, 20 + m // 20 * 9.25 + m % 3], axis=1)


def pts(points: ArrayLike) -> str:
    rows = np.asarray(points, dtype=np.float64)
    return f"version: 1\nn_points:  {len(rows)}\n{{\n" + "".join(f"{x!r} {y!r}\n" for x, y in rows.tolist()) + "}"


def counted(points: ArrayLike, between: str = " ") -> str:
    rows = np.asarray(points, dtype=np.float64)
    return f"{len(rows)}\n" + "".join(f"{x:.6f}{between}{y:.6f}\n" for x, y in rows.tolist())


# YOLO-pose: as Ultralytics, Roboflow and CVAT write it. Class, box, then x y v.
YOLO_LINE = "0 0.5 0.5 0.4 0.6 0.4 0.5 2 0.6 0.5 1 0 0 0\n"


def yolo_ultralytics(folder: Path) -> Path:
    """Folders for each split below images and labels, comments and an empty key in the YAML, a picture without face."""
    for split in ("train", "val"):
        picture(folder / f"images/{split}/a.jpg")
        write(folder / f"labels/{split}/a.txt", YOLO_LINE)
    picture(folder / "images/train/empty.jpg")
    write(
        folder / "data.yaml",
        "# Faces\ntrain: images/train # 2 images\nval: images/val\ntest:\n\n# Keypoints\n"
        "kpt_shape: [3, 3] # number of keypoints, number of dims\nflip_idx: [1, 0, 2]\n\nnames:\n  0: face\n",
    )
    return folder


def yolo_roboflow(folder: Path) -> Path:
    """Folders images and labels for each split, ../ before the places, identity in flip_idx, no test set exported."""
    for split in ("train", "valid"):
        picture(folder / f"{split}/images/a_jpg.rf.21d9ecc535939df6226dbf15204e64a1.jpg")
        write(folder / f"{split}/labels/a_jpg.rf.21d9ecc535939df6226dbf15204e64a1.txt", YOLO_LINE)
    write(
        folder / "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nkpt_shape: [3, 3]\nflip_idx: [0, 1, 2]\n"
        "\nnc: 1\nnames: ['face']\n\nroboflow:\n  workspace: w\n  project: p\n  version: 1\n  license: CC BY 4.0\n",
    )
    write(folder / "README.roboflow.txt", "\nfaces - v1\n")
    return folder


def yolo_cvat(folder: Path) -> Path:
    """A list of images for each split."""
    picture(folder / "images/train/a.jpg")
    picture(folder / "images/train/empty.jpg")
    write(folder / "labels/train/a.txt", YOLO_LINE)
    write(folder / "train.txt", "images/train/a.jpg\nimages/train/empty.jpg\n")
    write(folder / "data.yaml", "names:\n  0: face\nkpt_shape:\n- 3\n- 3\npath: ./\ntrain: train.txt\n")
    return folder


# Label Studio: the JSON export of version 1.x.
def label_studio_region(kind: str, id: str, value: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "type": kind,
        "value": dict(value),
        "origin": "manual",
        "to_name": "image",
        "from_name": "kp" if kind == "keypointlabels" else "bbox",
        "image_rotation": 0,
        "original_width": 200,
        "original_height": 100,
    } | more


def label_studio_point(label: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.25, "keypointlabels": [label]}
    return label_studio_region("keypointlabels", f"{label}{x}{y}", value, **more)


def label_studio_box(
    id: str, x: float, y: float, width: float, height: float, label: str = "face", **more: Any
) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    return label_studio_region("rectanglelabels", id, value, **more)


def label_studio_task(image: str, *results: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": 10764,
        "annotations": [
            {
                "id": 11996,
                "completed_by": {"id": 1, "email": "a@b.test", "first_name": "", "last_name": ""},
                "result": list(results),
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": "2025-05-02T13:40:45.998046Z",
                "lead_time": 172.763,
                "prediction": {},
            }
        ],
        "file_upload": image.rpartition("/")[2],
        "drafts": [],
        "predictions": [],
        "data": {"image": image},
        "meta": {},
        "project": 18,
    } | more


def label_studio(folder: Path) -> Path:
    picture(folder / "images/a.jpg")
    task = label_studio_task(
        "/data/upload/18/1a2b3c4d-a.jpg",
        label_studio_point("nose", 50, 50, parentID="r"),
        label_studio_point("left_eye", 40, 25, parentID="r"),
        label_studio_point("right_eye", 60, 25, parentID="r"),
        label_studio_box("r", 30, 10, 40, 60),
        {"type": "relation", "to_id": "q", "from_id": "r", "direction": "right"},
    )
    write(folder / "project-18-at-2025-05-02-14-46-abcdef12.json", json.dumps([task]))
    return folder


def coco_roboflow(folder: Path) -> Path:
    """Roboflow's COCO: a folder for each split with its images and _annotations.coco.json in it."""
    for split in ("train", "valid", "test"):
        name = "a_jpg.rf.21d9ecc535939df6226dbf15204e64a1.jpg"
        picture(folder / split / name)
        content = {
            "info": {"year": "2024", "version": "1", "description": "Exported from roboflow.com"},
            "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
            "categories": [
                {"id": 0, "name": "faces-Qg7R", "supercategory": "none"},
                {
                    "id": 1,
                    "name": "face",
                    "supercategory": "faces-Qg7R",
                    "keypoints": ["left", "right", "nose"],
                    "skeleton": [[1, 2]],
                },
            ],
            "images": [{"id": 0, "license": 1, "file_name": name, "height": 100, "width": 200}],
            "annotations": [
                {
                    "id": 0,
                    "image_id": 0,
                    "category_id": 1,
                    "bbox": [60, 20, 80, 60],
                    "area": 4800,
                    "segmentation": [],
                    "iscrowd": 0,
                    "keypoints": [80, 50, 2, 120, 50, 1, 0, 0, 0],
                }
            ],
        }
        write(folder / split / "_annotations.coco.json", json.dumps(content))
    write(folder / "README.roboflow.txt", "\nfaces - v1\n")
    return folder


def cvat_jobs(folder: Path) -> Path:
    """Two exports of CVAT for images, each unpacked in a folder of its own."""
    for job in ("job_1", "job_2"):
        picture(folder / job / "images/a.jpg")
        write(
            folder / job / "annotations.xml",
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
            '  <image id="0" name="a.jpg" width="200" height="100">\n'
            '    <points label="face" source="manual" occluded="0" points="80.50,50.50;120.50,50.50;100.00,70.00" '
            'z_order="0">\n    </points>\n  </image>\n</annotations>\n',
        )
    return folder


def lapa(folder: Path) -> Path:
    for split in ("train", "val", "test"):
        picture(folder / split / "images/10009865324_0.jpg")
        picture(folder / split / "labels/10009865324_0.png")
        write(folder / split / "landmarks/10009865324_0.txt", counted(face_points(106)))
    return folder


def jd_landmark(folder: Path) -> Path:
    """The first challenge: folders by source, .jpg.txt, boxes in rect, and corrected files apart."""
    for name in ("AFW_134212_1", "AFW_134212_2"):
        picture(folder / f"Training_data/AFW/picture/{name}.jpg")
        write(folder / f"Training_data/AFW/landmark/{name}.jpg.txt", counted(face_points(106)))
    write(folder / "Corrected_landmark/AFW_134212_2.jpg.txt", counted(face_points(106) + 0.5))
    picture(folder / "Test_data1/picture/b.jpg")
    write(folder / "Test_data1/landmark/b.jpg.txt", counted(face_points(106)))
    write(folder / "Test_data1/rect/b.jpg.rect", "48 18 142 80\n")
    return folder


def fll3(folder: Path) -> Path:
    """The third challenge: masked pictures, and no landmarks for those of validation."""
    for split in ("train", "val"):
        picture(folder / f"FLL3_dataset/{split}/picture_mask/c.jpg")
        write(folder / f"FLL3_dataset/{split}/bbox/c.txt", "48 18 142 80")
    write(folder / "FLL3_dataset/train/landmark/c.txt", counted(face_points(106)))
    return folder


def ibug300vw(folder: Path) -> Path:
    for video in ("001", "114", "562"):
        write(folder / video / "vid.avi", "RIFF")
        for frame in (1, 2):
            picture(folder / video / f"image/{frame:06d}.png")
            write(folder / video / f"annot/{frame:06d}.pts", pts(face_points(68) + frame))
    return folder


def w300lp(folder: Path) -> Path:
    """300W-LP as its archive unpacks: the .mat beside an image has the same pt2d for every view."""
    wrong = np.full((2, 68), 7.0)
    for view in (0, 1):
        stem = f"AFW_134212_1_{view}"
        for part in ("AFW", "AFW_Flip"):
            picture(folder / part / f"{stem}.jpg", 450, 450)
            about: dict[str, Any] = {"pt2d": wrong, "roi": np.array([[53.0, -166, 638, 419]])}
            write_mat5(folder / part / f"{stem}.mat", Pose_Para=np.zeros((1, 7)), **about)
        marks = face_points(68) + view + 1
        write_mat5(folder / f"landmarks/AFW/{stem}_pts.mat", pts_2d=marks, pts_3d=marks + 10)
    write_mat5(folder / "Code/ModelGeneration/shape_simple.mat", mu=np.zeros((3, 4)))
    return folder


def aflw2000(folder: Path) -> Path:
    for number, degrees in ((2, 12.0), (4, -45.0), (6, 75.0)):
        stem = f"AFLW2000/image{number:05d}"
        picture(folder / f"{stem}.jpg", 450, 450)
        points = np.concatenate([face_points(68).T + 1, np.full((1, 68), -80.0)])
        pose = np.array([[0.1, np.deg2rad(degrees), 0, 180, 200, -60, 0.001]])
        write_mat5(folder / f"{stem}.mat", pt3d_68=points.astype("f4"), pt2d=np.full((2, 21), -1.0), Pose_Para=pose)
    return folder


# The first 68 of a MERL-RAV file: three kinds of landmarks.
def merl_rav_text(landmarks: NDArray[np.float64], hidden: Sequence[int] = (), gone: Sequence[int] = ()) -> str:
    values = landmarks + 1
    values[list(hidden)] *= -1
    rows = ["-1 -1" if m in gone else f"{x!r} {y!r}" for m, (x, y) in enumerate(values.tolist())]
    return "version: 1\nn_points:  68\n{\n" + "\n".join(rows) + "\n}"


def merl_rav(folder: Path) -> Path:
    """As its script copies images and labels together."""
    for pose, split in (("frontal", "trainset"), ("left", "testset"), ("righthalf", "testset")):
        place = folder / f"merl_rav_organized/{pose}/{split}"
        picture(place / "image00002.jpg")
        write(place / "image00002.pts", merl_rav_text(face_points(68), hidden=(3, 4), gone=(0, 1)))
    return folder / "merl_rav_organized"


def merl_rav_published(folder: Path) -> Path:
    """The labels as published, two faces in one image of AFLW beside them."""
    picture(folder / "aflw/flickr/0/image20991.jpg")
    for face in (1, 2):
        file = folder / f"merl_rav_labels/frontal/testset/labels/image20991_{face}.pts"
        write(file, merl_rav_text(face_points(68) * (1, 0.4) + (0, 35 * face)))
    return folder / "merl_rav_labels"


# What was read before, in the smallest form, so that none of it is taken for something else.
def pts_300w(folder: Path) -> Path:
    for place in ("afw", "helen/testset"):
        picture(folder / place / "a.jpg")
        write(folder / place / "a.pts", pts(face_points(68)))
    return folder


def pts_apart(folder: Path) -> Path:
    """Images in a folder of their own."""
    picture(folder / "images/train/a.jpg")
    write(folder / "labels/train/a.pts", pts(face_points(68) + 1))
    return folder


def csv(folder: Path) -> Path:
    picture(folder / "a.jpg")
    write(folder / "faces.csv", "image,x0,y0,x1,y1\na.jpg,1,2,3,4\n")
    return folder


def aflw19(folder: Path) -> Path:
    picture(folder / "images/a.jpg")
    row = ",".join(["images/a.jpg", "1", "80", "100", "50", *(f"{v}" for v in face_points(19).ravel())])
    write(folder / "face_landmarks_aflw_train.csv", "image_name,scale,size,x,y\n" + row + "\n")
    return folder


def wflw(folder: Path) -> Path:
    picture(folder / "WFLW_images/0--Parade/a.jpg")
    row = " ".join(f"{v}" for v in face_points(98).ravel()) + " 1 2 90 80 0 0 0 0 0 0 0--Parade/a.jpg\n"
    write(folder / "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt", row)
    return folder


def cofw(folder: Path) -> Path:
    image, phis = np.zeros((100, 200), np.uint8), np.concatenate([face_points(29).T.ravel(), np.zeros(29)])
    folder.mkdir()
    write_cofw(folder / "COFW_train_color.mat", "Tr", [image], phis[None], np.array([[1.0, 2, 90, 80]]))
    return folder


def cofw68(folder: Path) -> Path:
    write_mat5(folder / "test_annotations/1_points.mat", Points=face_points(68), Occ=np.zeros((1, 68)))
    return folder


def imglab(folder: Path) -> Path:
    picture(folder / "a.jpg")
    parts = "".join(f"<part name='{m}' x='{m}' y='2'/>" for m in range(3))
    box = f"<box top='1' left='1' width='9' height='9'>{parts}</box>"
    write(folder / "training.xml", f"<dataset><images><image file='a.jpg'>{box}</image></images></dataset>")
    return folder


def coco(folder: Path) -> Path:
    picture(folder / "images/a.jpg")
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": [1, 2, 2, 3, 4, 2]}],
        "categories": [{"id": 1, "name": "face", "keypoints": ["a", "b"]}],
    }
    write(folder / "annotations/person_keypoints_train2017.json", json.dumps(content))
    return folder


def labelme(folder: Path) -> Path:
    for name in ("train/a", "train/b"):
        picture(folder / f"{name}.jpg")
        shapes = [{"label": str(m), "points": [[m + 1, 2]], "shape_type": "point"} for m in range(3)]
        write(folder / f"{name}.json", json.dumps({"shapes": shapes, "imagePath": f"{name[-1]}.jpg"}))
    return folder


FAKES: list[tuple[str, Callable[[Path], Path]]] = [
    *(("yolo", make) for make in (yolo_ultralytics, yolo_roboflow, yolo_cvat)),
    ("labelstudio", label_studio),
    *(("coco", make) for make in (coco_roboflow, coco)),
    ("cvat", cvat_jobs),
    *(("lapa", make) for make in (lapa, jd_landmark, fll3)),
    ("ibug300vw", ibug300vw),
    *(("w300lp", make) for make in (w300lp, aflw2000)),
    *(("merlrav", make) for make in (merl_rav, merl_rav_published)),
    *(("pts", make) for make in (pts_300w, pts_apart)),
    ("csv", csv),
    ("aflw19", aflw19),
    ("wflw", wflw),
    ("cofw", cofw),
    ("cofw68", cofw68),
    ("imglab", imglab),
    ("labelme", labelme),
]
