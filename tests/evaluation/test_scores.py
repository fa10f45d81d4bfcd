import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.evaluation.scores import THRESHOLDS, Evaluation, evaluate
from acrloss.formats import read_annotations
from acrloss.networks.landmark_net import LandmarkNet, create_model
from acrloss.prediction.annotated import predict_annotated, predict_mean_face
from acrloss.reports.tables import normalizer_table, region_table, score_table, warning
from acrloss.schemes import Scheme, generic_scheme, get_scheme

Float = NDArray[np.float64]
IBUG = get_scheme("ibug68")
TAGS = [frozenset({"full", "common"}), frozenset({"full", "common"}), frozenset({"full", "challenging"})]


def known_faces() -> Annotations:
    """Three faces: eyes 100 px apart (outer corners), pupils 80 px, landmark box 120 x 90 px."""
    landmarks = np.zeros((3, 68, 2))
    landmarks[:, 36:42, 0] = [-50, -42, -38, -30, -38, -42]
    landmarks[:, 42:48, 0] = [30, 38, 42, 50, 42, 38]
    landmarks[:, 0] = [-60, 0]
    landmarks[:, 16] = [60, 0]
    landmarks[:, 8] = [0, 90]
    return Annotations.create(
        ["a.jpg", "b.jpg", "c.jpg"], landmarks, IBUG, subsets=TAGS, source="faces", skipped=["d.pts: 67 points"]
    )


def find(evaluation: Any, subset: str, normalizer: str) -> Any:
    (score,) = (s for s in evaluation.scores if s.subset == subset and s.normalizer == normalizer)
    return score


def test_the_truth_scores_nothing_but_zero() -> None:
    faces = known_faces()
    evaluation = evaluate(faces, faces.landmarks.copy())
    for score in evaluation.scores:
        assert score.nme == 0
        assert set(score.failure_rate.values()) == {0}
        assert set(score.auc.values()) == {100}
        assert set(score.regions.values()) == {0}
    assert evaluation.unscored == ()


def test_known_offsets_give_hand_computed_figures() -> None:
    faces = known_faces()
    # 5, 10 and 15 px off.
    predictions = faces.landmarks + np.array([[3.0, 4.0], [-6.0, 8.0], [9.0, -12.0]])[:, None]
    evaluation = evaluate(faces, predictions)
    lengths: dict[str, float] = {
        "interocular": 100.0,
        "interpupil": 80.0,
        "box_diagonal": 150.0,
        "box_size": (120 * 90) ** 0.5,
    }
    assert {s.normalizer for s in evaluation.scores} == set(lengths)
    for normalizer, length in lengths.items():
        expected = 100 * np.array([5, 10, 15]) / length
        np.testing.assert_allclose(evaluation.nme[normalizer], expected)
        for subset, members in (("full", [0, 1, 2]), ("common", [0, 1]), ("challenging", [2])):
            score = find(evaluation, subset, normalizer)
            part = expected[members]
            assert score.faces == len(members)
            assert score.nme == pytest.approx(part.mean())
            assert set(score.failure_rate) == set(score.auc) == {f"{t:g}" for t in THRESHOLDS}
            for threshold in THRESHOLDS:
                assert score.failure_rate[f"{threshold:g}"] == pytest.approx(100 * np.mean(part > threshold))
                assert score.auc[f"{threshold:g}"] == pytest.approx(
                    100 * np.mean(np.clip(1 - part / threshold, 0, None))
                )
            assert score.regions == pytest.approx(dict.fromkeys(IBUG.regions, part.mean()))
    assert evaluation.normalizer == "interocular"
    assert evaluation.score == find(evaluation, "full", "interocular")


def test_regions_hold_their_own_landmarks() -> None:
    faces = known_faces()
    predictions = faces.landmarks.copy()
    name, points = next(iter(IBUG.regions.items()))
    predictions[:, list(points), 0] += 7
    score = evaluate(faces, predictions).score
    assert score.regions[name] == pytest.approx(7)
    assert score.nme == pytest.approx(7 * len(points) / 68)
    for other, others in IBUG.regions.items():
        assert score.regions[other] == pytest.approx(7 * len(set(points) & set(others)) / len(others))


def test_missing_landmarks_are_left_out_of_the_mean() -> None:
    faces = known_faces()
    landmarks = faces.landmarks.copy()
    landmarks[0, :34] = np.nan
    holed = Annotations.create(faces.images, landmarks, IBUG)
    predictions = faces.landmarks.copy()
    predictions[0, :51, 1] += 10  # of 34 known landmarks 17 are 10 px off
    evaluation = evaluate(holed, predictions)
    assert evaluation.nme["interocular"].tolist() == pytest.approx([5, 0, 0])
    assert evaluation.score.subset == "all"
    assert np.isnan(evaluation.errors["interocular"][0, :34]).all()


def test_faces_without_a_score_are_named_with_the_reason() -> None:
    faces = known_faces()
    landmarks = faces.landmarks.copy()
    landmarks[1, 45] = np.nan
    holed = Annotations.create(faces.images, landmarks, IBUG, subsets=TAGS)
    predictions = faces.landmarks + 1.0
    predictions[2] = np.nan
    evaluation = evaluate(holed, predictions)
    no_eye, no_image = evaluation.unscored
    assert no_eye == "b.jpg: its inter-ocular distance is not known"
    assert no_image.startswith("c.jpg: ")
    assert "image cannot be read" in no_image
    assert evaluation.score.faces == 1
    assert find(evaluation, "full", "box_size").faces == 2
    empty = find(evaluation, "challenging", "interocular")
    assert empty.faces == 0
    assert np.isnan([empty.nme, *empty.failure_rate.values(), *empty.auc.values(), *empty.regions.values()]).all()


def test_a_half_lost_prediction_counts_as_a_failure() -> None:
    faces = known_faces()
    predictions = faces.landmarks.copy()
    predictions[0, 3] = np.nan
    evaluation = evaluate(faces, predictions)
    assert evaluation.unscored == ()
    assert evaluation.score.faces == 3
    assert evaluation.score.failure_rate["10"] == pytest.approx(100 / 3)


def test_the_dictionary_is_strict_json() -> None:
    faces = known_faces()
    predictions = faces.landmarks + 2.0
    predictions[2] = np.nan  # the only challenging face
    evaluation = evaluate(faces, predictions)
    plain = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert plain["scheme"] == "ibug68"
    assert plain["data"] == "faces"
    assert plain["skipped_when_reading"] == ["d.pts: 67 points"]
    assert plain["unscored"] == list(evaluation.unscored)
    assert len(plain["scores"]) == 12
    first = plain["scores"][0]
    assert (first["subset"], first["normalizer"], first["faces"]) == ("full", "interocular", 2)
    assert first["nme"] == pytest.approx(2 * 2**0.5, abs=1e-6)
    assert first["failure_rate"] == {"8": 0, "10": 0}
    challenging = [s for s in plain["scores"] if s["subset"] == "challenging"]
    assert all(s["nme"] is None and s["auc"]["8"] is None for s in challenging)
    assert plain["landmark_errors"]["normalizer"] == "interocular"
    assert plain["landmark_errors"]["mean"] == pytest.approx([2 * 2**0.5] * 68, abs=1e-6)


def test_custom_schemes_are_scored_by_their_box() -> None:
    landmarks = np.array([[[0.0, 0.0], [30.0, 40.0], [10.0, 10.0]]])
    faces = Annotations.create(["a"], landmarks, generic_scheme(3))
    evaluation = evaluate(faces, landmarks + np.array([3.0, 4.0]))
    assert evaluation.normalizer == "box_diagonal"
    assert evaluation.score.nme == pytest.approx(10)
    assert evaluation.score.regions == {}


def test_thresholds_are_any_and_told() -> None:
    faces = known_faces()
    predictions = faces.landmarks + np.array([[3.0, 4.0], [-6.0, 8.0], [9.0, -12.0]])[:, None]
    evaluation = evaluate(faces, predictions, thresholds=[12, 5, 7.5, 5])
    # 5, 10 and 15 % of the inter-ocular distance.
    assert list(evaluation.thresholds) == [5, 7.5, 12]
    assert evaluation.score.failure_rate == pytest.approx({"5": 200 / 3, "7.5": 200 / 3, "12": 100 / 3})
    assert evaluation.score.auc == pytest.approx({"5": 0, "7.5": 100 / 9, "12": 100 * (7 / 12 + 2 / 12) / 3})
    plain = evaluation.to_dict()
    assert plain["thresholds"] == [5, 7.5, 12]
    assert plain["scores"][0]["auc"]["12"] == pytest.approx(25, abs=1e-6)
    assert score_table(evaluation)[1][3:] == ["FR@5 %", "FR@7.5 %", "FR@12 %", "AUC@5 %", "AUC@7.5 %", "AUC@12 %"]
    refused: list[list[float]] = [[], [0.0], [8, -1], [float("nan")], [float("inf")]]
    for wrong in refused:
        with pytest.raises(ValueError, match="threshold"):
            evaluate(faces, predictions, thresholds=wrong)


def test_the_headline_s_normaliser_can_be_chosen() -> None:
    faces = known_faces()
    boxes = np.array([[0, 0, 30, 40], [np.nan] * 4, [0, 0, 60, 80]])
    faces = Annotations.create(faces.images, faces.landmarks, IBUG, boxes=boxes, subsets=TAGS)
    predictions = faces.landmarks + np.array([3.0, 4.0])
    evaluation = evaluate(faces, predictions, normalizer="annotated_box_diagonal")
    assert evaluation.nme["annotated_box_diagonal"].tolist() == pytest.approx([10, np.nan, 5], nan_ok=True)
    assert (evaluation.score.subset, evaluation.score.normalizer) == ("full", "annotated_box_diagonal")
    assert evaluation.score.nme == pytest.approx(7.5)
    assert evaluation.score.faces == 2
    assert evaluation.unscored == ("b.jpg: its diagonal of the annotated box is not known",)
    assert evaluation.to_dict()["unscored_reasons"] == {"its diagonal of the annotated box is not known": 1}
    assert warning(evaluation) == [
        "1 face of 3 not scored: its diagonal of the annotated box is not known; the inter-ocular distance scores 3 "
        "(--normalizer interocular)"
    ]
    assert {s.normalizer for s in evaluate(faces, predictions).scores} == set(evaluation.nme)
    with pytest.raises(ValueError, match="unknown normalizer 'eyes'; choose from interocular"):
        evaluate(faces, predictions, normalizer="eyes")
    with pytest.raises(ValueError, match="needs annotated boxes"):
        evaluate(known_faces(), predictions, normalizer="annotated_box_size")


def test_where_no_face_has_the_usual_length_the_next_one_headlines() -> None:
    # One landmark: its box is a point, so that only the annotated box measures it.
    faces = Annotations.create(
        ["a", "b"], np.array([[[5.0, 5]], [[9, 9]]]), generic_scheme(1), boxes=[[0, 0, 30, 40], [0, 0, 30, 40]]
    )
    evaluation = evaluate(faces, faces.landmarks + np.array([3.0, 4.0]))
    assert evaluation.normalizer == "annotated_box_diagonal"
    assert evaluation.score.nme == pytest.approx(10)
    landmarks = known_faces().landmarks.copy()
    landmarks[:, 36] = np.nan
    holed = evaluate(Annotations.create(["a", "b", "c"], landmarks, IBUG), landmarks + 1)
    assert (holed.normalizer, holed.score.faces) == ("box_diagonal", 3)


def test_a_network_that_is_no_better_than_the_mean_face_is_said() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([[[0.0, 0.0], [100.0, 0.0], [10.0, 30.0]]]) + rng.normal(0, 1, (40, 3, 2))
    scheme = Scheme("wing", 3, (0, 1, 2), interocular=(0, 1), noun="aerofoil")
    faces = Annotations.create(list(map(str, range(40))), truth, scheme)

    def off_by(pixels: Float) -> Evaluation:
        return evaluate(faces, truth + np.stack([pixels, 0 * pixels], axis=-1)[:, None])

    mean = off_by(np.full(40, 5.0))
    assert warning(off_by(np.full(40, 4.0) + rng.normal(0, 0.5, 40)), baseline=mean) == []
    (worse,) = warning(off_by(np.full(40, 7.0)), baseline=mean)
    nmes = off_by(np.full(40, 7.0)).score.nme, mean.score.nme
    assert worse.startswith("WORSE THAN THE MEAN AEROFOIL, which looks at no picture: ")
    assert f"NME {nmes[0]:.2f} %, that of the mean aerofoil {nmes[1]:.2f} %, difference +" in worse
    # As often better as worse, by as much.
    level = np.where(np.arange(40) % 2, 4.0, 6.0)
    (line,) = warning(off_by(level), baseline=mean)
    assert line.startswith("NOT TOLD APART FROM THE MEAN AEROFOIL")
    assert warning(mean, baseline=mean)[0].startswith("NOT TOLD APART")
    # One face tells nothing; a lost one is the worst.
    one = faces.select(np.arange(40) == 0)
    assert "NOT TOLD APART" in warning(evaluate(one, one.landmarks), baseline=evaluate(one, one.landmarks + 3))[0]
    lost = truth.copy()
    lost[0] = np.inf
    assert "WORSE THAN" in warning(evaluate(faces, lost), baseline=mean)[0]
    assert warning(off_by(np.full(40, 7.0))) == []


def test_objects_are_not_called_faces() -> None:
    landmarks = np.array([[[0.0, 0.0], [100.0, 0.0], [10.0, 30.0]]] * 3)
    landmarks[1, 0] = np.nan
    scheme = Scheme("wing", 3, (0, 1, 2), interocular=(0, 1), regions={"tip": (1,)}, noun="aerofoil")
    faces = Annotations.create(["a", "b", "c"], landmarks, scheme, source="x")
    evaluation = evaluate(faces, landmarks + np.array([3.0, 4.0]))
    tables = [score_table(evaluation, baseline=evaluation), normalizer_table(evaluation), region_table(evaluation)]
    text = " ".join([str(tables), *warning(evaluation), faces.summary(), *evaluation.unscored])
    assert "3 aerofoils" in text
    assert "the mean aerofoil everywhere" in text
    assert "distance of landmarks 0 and 1" in text
    assert "face" not in text
    assert "ocular" not in text
    assert [generic_scheme(3).count(1), IBUG.count(1), IBUG.count(5200)] == ["1 object", "1 face", "5,200 faces"]


def test_wrong_shapes_are_refused() -> None:
    faces = known_faces()
    for predictions in (faces.landmarks[:2], faces.landmarks[:, :5], faces.landmarks[..., 0]):
        with pytest.raises(ValueError, match=r"expected predictions of shape \(3, 68, 2\), got"):
            evaluate(faces, predictions)


def constant_network(shape: Float) -> LandmarkNet:
    """A network that finds `shape` (M, 2) on every crop."""
    network = create_model("test_efficientnet", IBUG, CropSpec(48, enlargement=1.5), shape, pretrained="none")
    torch.nn.init.zeros_(network.get_parameter("head.weight"))
    return network


def test_network_and_mean_face_are_laid_into_each_face_s_crop(faces_300w: Path, tmp_path: Path) -> None:
    faces = read_annotations(str(faces_300w))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(Path(faces.images[0]).read_bytes()[:500])
    faces = Annotations.create(
        [*faces.images[:5], str(cut), *faces.images[6:]], faces.landmarks, IBUG, subsets=faces.subsets
    )
    shape = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2))
    network = constant_network(shape)
    sizes: list[int] = []

    def watch(batches: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        assert total is not None
        sizes.append(total)
        yield from batches

    found = predict_annotated(network, faces, batch_size=7, progress=watch)
    assert sizes == [4]
    expected = predict_mean_face(shape, faces, network.crop)
    # By hand: crop units times the crop's side, from its upper left corner.
    box = faces.landmark_boxes()
    side = 1.5 * (box[:, 2:] - box[:, :2]).max(axis=1)[:, None]
    corner = (box[:, 2:] + box[:, :2]) / 2 - side / 2
    np.testing.assert_allclose(expected, corner[:, None] + side[:, None] * shape, atol=1e-9)
    assert np.isnan(found[5]).all()
    readable = np.arange(len(faces)) != 5
    np.testing.assert_allclose(found[readable], expected[readable], atol=1e-3)
    evaluation = evaluate(faces, found)
    (unscored,) = evaluation.unscored
    assert unscored.startswith(f"{cut}: ")
    assert evaluation.score.faces == 23
    assert {s.subset for s in evaluation.scores} == {"all", "full", "common", "challenging"}


def test_the_batch_size_does_not_matter(faces_300w: Path) -> None:
    faces = read_annotations(str(faces_300w)).split("test")
    torch.manual_seed(1)
    network = create_model("test_efficientnet", IBUG, CropSpec(48), pretrained="none")
    torch.nn.init.normal_(network.get_parameter("head.weight"), std=0.1)
    one, many = (predict_annotated(network, faces, batch_size=size) for size in (1, 64))
    np.testing.assert_allclose(one, many, atol=1e-2)
    assert np.ptp(one - faces.landmarks, axis=0).max() > 1  # it does look at the pictures


def test_a_network_of_nan_is_no_unreadable_image(faces_300w: Path) -> None:
    faces = read_annotations(str(faces_300w)).split("test")
    network = constant_network(np.full((68, 2), 0.5))
    with torch.no_grad():
        network.get_parameter("head.bias")[7] = torch.nan
    with pytest.raises(DataError, match=r"landmarks for .*face_0.* are not finite; retrain"):
        predict_annotated(network, faces)


def test_intervals_hold_the_figures_and_shrink_with_the_faces() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for copies in (20, 80):
        landmarks = np.repeat(known_faces().landmarks[:1], copies, axis=0)
        faces = Annotations.create([f"{i}.jpg" for i in range(copies)], landmarks, IBUG)
        score = evaluate(faces, landmarks + rng.gamma(4, 2, (copies, 1, 1))).score
        low, high = score.nme_interval
        assert low < score.nme < high
        widths.append(high - low)
        for figures, intervals in (
            (score.failure_rate, score.failure_rate_interval),
            (score.auc, score.auc_interval),
        ):
            assert figures.keys() == intervals.keys()
            assert all(intervals[t][0] <= figures[t] <= intervals[t][1] for t in figures)
        assert score.failure_rate_interval["8"] != score.failure_rate_interval["10"]
    assert widths[1] < 0.75 * widths[0]
    one = evaluate(faces.select([0]), landmarks[:1] + 1)
    assert np.isnan(one.score.nme_interval).all()
    assert one.to_dict()["scores"][0]["nme_interval"] == [None, None]


def test_visible_landmarks_are_scored_apart() -> None:
    faces = known_faces()
    visible = np.ones((3, 68), dtype=bool)
    visible[0, :34] = False
    visible[1] = False
    faces = Annotations.create(faces.images, faces.landmarks, IBUG, visible=visible, subsets=TAGS)
    predictions = faces.landmarks.copy()
    predictions[:, :34, 0] += 10
    evaluation = evaluate(faces, predictions)
    assert evaluation.score.nme == pytest.approx(5)
    scores = {score.subset: score for score in evaluation.visible_scores}
    # Face 0: only good landmarks are visible; face 1: none is; face 2: all are.
    assert {name: (s.faces, s.nme) for name, s in scores.items()} == {
        "full": (2, pytest.approx(2.5)),
        "common": (1, 0),
        "challenging": (1, pytest.approx(5)),
    }
    assert {score.normalizer for score in scores.values()} == {"interocular"}
    assert evaluation.to_dict()["visible_scores"][0]["faces"] == 2
    # A landmark that is not annotated is no hidden one.
    landmarks = faces.landmarks.copy()
    landmarks[0, 0] = np.nan
    assert evaluate(Annotations.create(faces.images, landmarks, IBUG), predictions).visible_scores == ()


def test_occlusion_is_scored_over_annotated_landmarks() -> None:
    faces = known_faces()
    landmarks = faces.landmarks.copy()
    landmarks[2] = np.nan
    landmarks[2, 36:48] = faces.landmarks[2, 36:48]
    visible = np.asarray(np.isfinite(landmarks).all(axis=-1))
    visible[0, :10] = False
    faces = Annotations.create(faces.images, landmarks, IBUG, visible=visible)
    occlusion = np.zeros((3, 68))
    occlusion[0, 6:11] = 0.5
    occlusion[0, 11] = 0.49
    occlusion[2, :5] = 1  # not annotated: neither right nor wrong
    scores = evaluate(faces, faces.landmarks, occlusion).occlusion
    assert scores is not None
    assert (scores.precision, scores.recall, scores.predicted, scores.occluded) == (80, 40, 5, 10)
    silent = evaluate(faces, faces.landmarks, np.zeros((3, 68))).occlusion
    assert silent is not None
    assert np.isnan([silent.precision, silent.recall]).all()
    assert evaluate(faces, faces.landmarks).occlusion is None
    with pytest.raises(ValueError, match=r"expected occlusion of shape \(3, 68\)"):
        evaluate(faces, faces.landmarks, occlusion[:2])


def test_missing_faces_of_a_protocol_are_said() -> None:
    faces = known_faces()
    official = {"test": 689, "full": 3, "challenging": 135}
    faces = Annotations.create(faces.images, faces.landmarks, IBUG, subsets=TAGS, official_faces=official)
    evaluation = evaluate(faces, faces.landmarks + 1)
    assert {s.subset: s.official_faces for s in evaluation.scores} == {"full": 3, "common": None, "challenging": 135}
    _, header, rows = score_table(evaluation)
    shown = {row[0]: row[header.index("number")] for row in rows}
    assert shown == {"full": "3", "common": "2", "challenging (1 of the official 135)": "1"}
    # Where no tag names the whole test set, its split does.
    plain = Annotations.create(faces.images, faces.landmarks, IBUG, splits=["test"] * 3, official_faces=official)
    assert score_table(evaluate(plain, faces.landmarks))[2][0][0] == "all (3 of the official 689)"
    other = Annotations.create(faces.images, faces.landmarks, IBUG, splits=["val"] * 3, official_faces=official)
    assert evaluate(other, faces.landmarks).score.official_faces is None
