import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.schemes import Scheme, generic_scheme, get_scheme, save_scheme, scheme_names
from acrloss.schemes.mirror import check_flip

# The pairs as the field prints them, 1-based for COFW, written out apart from the code.
IBUG68_PAIRS = (
    "0-16 1-15 2-14 3-13 4-12 5-11 6-10 7-9 17-26 18-25 19-24 20-23 21-22 31-35 32-34 36-45 37-44 38-43 39-42 "
    "40-47 41-46 48-54 49-53 50-52 55-59 56-58 60-64 61-63 65-67"
)
COFW29_PAIRS = "1-2 3-4 5-7 6-8 9-10 11-12 13-15 14-16 17-18 19-20 23-24"
WFLW98_PAIRS = (
    "0-32 1-31 2-30 3-29 4-28 5-27 6-26 7-25 8-24 9-23 10-22 11-21 12-20 13-19 14-18 15-17 33-46 34-45 35-44 "
    "36-43 37-42 38-50 39-49 40-48 41-47 60-72 61-71 62-70 63-69 64-68 65-75 66-74 67-73 55-59 56-58 76-82 "
    "77-81 78-80 87-83 86-84 88-92 89-91 95-93 96-97"
)
AFLW19_PAIRS = "1-6 2-5 3-4 7-12 8-11 9-10 13-15 16-18"
LAPA106_PAIRS = (
    "0-32 1-31 2-30 3-29 4-28 5-27 6-26 7-25 8-24 9-23 10-22 11-21 12-20 13-19 14-18 15-17 33-46 34-45 35-44 "
    "36-43 37-42 38-50 39-49 40-48 41-47 55-65 56-64 57-63 58-62 59-61 66-79 67-78 68-77 69-76 70-75 71-82 72-81 "
    "73-80 74-83 84-90 85-89 86-88 91-95 92-94 96-100 97-99 101-103 104-105"
)


def small(**changes: object) -> dict[str, object]:
    """A five-point scheme: eyes, nose, mouth corners."""
    values: dict[str, object] = {
        "name": "five",
        "num_landmarks": 5,
        "flip_pairs": [[0, 1], [3, 4]],
        "interocular": [0, 1],
        "regions": {"eyes": [0, 1], "mouth": [3, 4]},
        "contours": [{"points": [3, 4], "closed": False}],
    }
    return values | changes


def symmetric_shape(scheme: Scheme, seed: int = 0) -> np.ndarray:
    """A random shape whose mirror image is the scheme's flip, with well separated landmarks."""
    rng = np.random.default_rng(seed)
    shape = np.zeros((scheme.num_landmarks, 2))
    for m, partner in enumerate(scheme.flip):
        if m == partner:
            shape[m] = (0, m)
        elif m < partner:
            shape[m] = (-rng.uniform(2, 30), m + rng.uniform(0, 0.5))
            shape[partner] = shape[m] * (-1, 1)
    return shape


@pytest.mark.parametrize(
    ("name", "count", "pairs", "base"),
    [
        ("ibug68", 68, IBUG68_PAIRS, 0),
        ("cofw29", 29, COFW29_PAIRS, 1),
        ("wflw98", 98, WFLW98_PAIRS, 0),
        ("aflw19", 19, AFLW19_PAIRS, 1),
        ("lapa106", 106, LAPA106_PAIRS, 0),
        ("menpo39", 39, "", 0),
    ],
)
def test_built_in_flips_are_the_published_ones(name: str, count: int, pairs: str, base: int) -> None:
    scheme = get_scheme(name)
    assert scheme.num_landmarks == count
    expected = np.arange(count)
    for pair in pairs.split():
        a, b = (int(m) - base for m in pair.split("-"))
        expected[[a, b]] = b, a
    assert scheme.flip == tuple(expected)


def test_normalisers_of_the_built_in_schemes() -> None:
    assert get_scheme("ibug68").interocular == (36, 45)
    assert get_scheme("ibug68").interpupil == ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))
    assert get_scheme("cofw29").interocular == (8, 9)
    assert get_scheme("cofw29").interpupil == ((16,), (17,))
    assert get_scheme("wflw98").interocular == (60, 72)
    assert get_scheme("wflw98").interpupil == ((96,), (97,))
    assert get_scheme("aflw19").interocular == (6, 11)
    assert get_scheme("lapa106").interocular == (66, 79)
    assert get_scheme("mediapipe478").interpupil == ((468,), (473,))
    assert get_scheme("menpo39").interocular is None


def test_mediapipe_flip_mirrors_its_published_outlines() -> None:
    """Both sides as MediaPipe's face_mesh_connections lists them, and its test image's irises."""
    flip = get_scheme("mediapipe478").flip
    eyes = (
        [33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173],
        [263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398],
    )
    brows = ([46, 53, 52, 65, 55, 70, 63, 105, 66, 107], [276, 283, 282, 295, 285, 300, 293, 334, 296, 336])
    oval = (
        [109, 67, 103, 54, 21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148],
        [338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377],
    )
    lips = ([61, 146, 91, 181, 84, 185, 40, 39, 37, 78], [291, 375, 321, 405, 314, 409, 270, 269, 267, 308])
    for right, left in (eyes, brows, oval, lips):
        assert [flip[m] for m in right] == left
    middle = [0, 1, 2, 4, 5, 6, 10, 13, 14, 17, 94, 152, 164, 168, 195, 197]
    assert [flip[m] for m in middle] == middle
    # Right, top, left and bottom edges of either iris in MediaPipe's test image.
    irises = {469: (371, 175), 470: (362, 167), 471: (354, 175), 472: (363, 182)}
    irises |= {474: (458, 174), 475: (449, 167), 476: (440, 174), 477: (449, 181)}
    for m, (x, y) in irises.items():
        assert abs((811 - x) - irises[flip[m]][0]) <= 2
        assert abs(y - irises[flip[m]][1]) <= 2
    assert flip[468] == 473


def test_profiles_are_not_judged_by_their_mirror_image() -> None:
    check_flip(get_scheme("menpo39"), np.random.default_rng(39).normal(size=(60, 39, 2)))


@pytest.mark.parametrize("name", ["ibug68", "cofw29", "wflw98", "aflw19", "lapa106"])
def test_regions_cover_the_face_once_and_mirror_each_other(name: str) -> None:
    scheme = get_scheme(name)
    assert sorted(m for points in scheme.regions.values() for m in points) == list(range(scheme.num_landmarks))
    for region, points in scheme.regions.items():
        other = region.replace("right", "@").replace("left", "right").replace("@", "left")
        assert {scheme.flip[m] for m in points} == set(scheme.regions[other]), region


@pytest.mark.parametrize("name", ["ibug68", "cofw29", "wflw98", "aflw19", "lapa106", "mediapipe478"])
def test_drawn_lines_are_the_same_on_the_mirrored_face(name: str) -> None:
    scheme = get_scheme(name)

    def segments(flip: bool) -> set[frozenset[int]]:
        result = set()
        for points, closed in scheme.contours:
            ring = [*points, points[0]] if closed else list(points)
            ring = [scheme.flip[m] if flip else m for m in ring]
            result |= {frozenset(pair) for pair in pairwise(ring)}
        return result

    assert segments(False) == segments(True)


def test_permute_takes_arrays_and_tensors_and_undoes_itself() -> None:
    scheme = get_scheme("ibug68")
    marks = np.random.default_rng(0).normal(size=(3, 68, 2))
    swapped = scheme.permute(marks)
    np.testing.assert_array_equal(swapped[:, 36], marks[:, 45])
    np.testing.assert_array_equal(scheme.permute(swapped), marks)
    tensor = torch.from_numpy(marks)
    assert torch.equal(scheme.permute(tensor), torch.from_numpy(swapped))
    with pytest.raises(ValueError, match=r"expected landmarks \(..., 68, 2\), got \(3, 67, 2\)"):
        scheme.permute(marks[:, 1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip": (1, 2, 0)}, "involution"),
        ({"flip": (0, 1)}, "each of 0 … 2"),
        ({"flip": (0, 1, 3)}, "each of 0 … 2"),
        ({"interocular": (0, 3)}, "interocular names landmark 3"),
        ({"interocular": (1, 1)}, "two different"),
        ({"interpupil": ((0,), ())}, "interpupil group 1 is empty"),
        ({"regions": {"nose": (-1,)}}, "nose names landmark -1"),
        ({"contours": (((0, 9), True),)}, "contour 0 names landmark 9"),
        ({"num_landmarks": 0, "flip": ()}, "at least 1"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"name": "three", "num_landmarks": 3, "flip": (0, 2, 1)}
    with pytest.raises(ValueError, match=message) as caught:
        Scheme(**(values | changes))  # type: ignore[arg-type]
    assert "scheme three" in str(caught.value)


@pytest.mark.parametrize("name", ["ibug68", "cofw29", "wflw98"])
def test_dictionary_and_file_keep_everything(name: str, tmp_path: Path) -> None:
    scheme = get_scheme(name)
    assert Scheme.from_dict(json.loads(json.dumps(scheme.to_dict()))) == scheme
    assert get_scheme(save_scheme(scheme, tmp_path / "scheme.yaml")) == scheme


def test_custom_file_with_the_smallest_content(tmp_path: Path) -> None:
    path = tmp_path / "five.yaml"
    path.write_text("name: five\nnum_landmarks: 5\nflip_pairs: [[0, 1], [3, 4]]\n")
    scheme = get_scheme(path)
    assert scheme == Scheme("five", 5, (1, 0, 2, 4, 3))
    assert get_scheme(str(path)) == scheme


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip_pairs": [[0, 1], [1, 2]]}, "'flip_pairs' names landmark 1 in two pairs"),
        ({"flip_pairs": [[0, 5]]}, "'flip_pairs' must hold pairs of landmarks 0 … 4, got"),
        ({"flip_pairs": "0-1"}, r"'flip_pairs' must be a list of pairs of landmarks, as in \[\[0, 1\].*; got '0-1'"),
        ({"flip_pairs": [0, 1]}, "'flip_pairs' must be a list of pairs .*; got 0"),
        ({"flip_pairs": [[0, 1, 2]]}, r"'flip_pairs' must be a list of pairs .*; got \[0, 1, 2\]"),
        ({"flip_pairs": [{"0": 1}]}, "'flip_pairs' must be a list of pairs .*; got {'0': 1}"),
        ({"flip_pairs": None}, "'flip_pairs' must be a list of pairs .* or \\[\\] for none; got None"),
        ({"num_landmarks": "five"}, "'num_landmarks' must be a whole number"),
        ({"num_landmarks": 10**9}, "'num_landmarks' must be a whole number"),
        ({"interocular": [0]}, r"'interocular' must be two landmarks, .* as in \[0, 1\]; got \[0\]"),
        ({"interocular": 5}, "'interocular' must be two landmarks, .*; got 5"),
        ({"interocular": [[0], [1]]}, r"'interocular' must be two landmarks, .*; got \[\[0\], \[1\]\]"),
        ({"interocular": ["0", "1"]}, "'interocular' must be two landmarks, .*; got .*'0'"),
        (
            {"interpupil": [0, 1]},
            r"'interpupil' must be two lists of landmarks .* as in \[\[0\], \[1\]\].*; got \[0, 1\]",
        ),
        ({"interpupil": [[0], [1], [2]]}, "'interpupil' must be two lists of landmarks"),
        ({"interpupil": {"right": [0], "left": [1]}}, "'interpupil' must be two lists of landmarks"),
        ({"regions": [1]}, r"'regions' must be names with lists of landmarks, as in {eyes: \[0, 1\].*; got \[1\]"),
        ({"regions": {"eyes": 0}}, "'regions' must be names with lists of landmarks.*; got {'eyes': 0}"),
        ({"regions": {"eyes": [None]}}, "'regions' must be names with lists of landmarks"),
        ({"regions": {"eyes": [0, 7]}}, "eyes names landmark 7"),
        ({"contours": [[0, 1]]}, r"'contours' must be a list of lines .*{points: .*; got \[0, 1\]"),
        ({"contours": {"points": [0, 1]}}, "'contours' must be a list of lines"),
        ({"contours": [{"points": [0, 1], "closed": 1}]}, "'contours' must be a list of lines"),
        ({"contours": [None]}, "'contours' must be a list of lines .*; got None"),
        ({"profile": "yes"}, "'profile' must be true or false; got 'yes'"),
        ({"colour": "red"}, "unknown key 'colour'; a scheme has contours, "),
        ({"interpupils": [[0], [1]]}, "unknown key 'interpupils'; .*; did you mean interpupil"),
        ({"flips": [[0, 1]]}, "unknown key 'flips'; .*; did you mean flip_pairs"),
        ({"name": None}, "'name' must be a text"),
    ],
)
def test_bad_files_name_file_and_key(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(json.dumps(small(**changes)))  # JSON is YAML
    with pytest.raises(DataError, match=message) as caught:
        get_scheme(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_keys_and_files(tmp_path: Path) -> None:
    for key in ("name", "num_landmarks", "flip_pairs"):
        values = small()
        del values[key]
        (tmp_path / "bad.yaml").write_text(json.dumps(values))
        with pytest.raises(DataError, match=f"bad.yaml: key '{key}' is missing"):
            get_scheme(tmp_path / "bad.yaml")
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read"):
        get_scheme(tmp_path / "none.yaml")
    (tmp_path / "text.yaml").write_text("a: [1,\n b: }")
    with pytest.raises(DataError, match=r"text\.yaml: not a YAML file.*line 2"):
        get_scheme(tmp_path / "text.yaml")
    (tmp_path / "code.yaml").write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(DataError, match="could not determine a constructor"):
        get_scheme(tmp_path / "code.yaml")


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_as_scheme_file_give_one_clear_line(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        get_scheme(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean ibug68"):
        get_scheme("iBUG-68")
    with pytest.raises(DataError, match="give one of ibug68, cofw29, wflw98"):
        get_scheme("qqqq")
    assert scheme_names() == ["ibug68", "cofw29", "wflw98", "aflw19", "lapa106", "menpo39", "mediapipe478"]


def test_check_flip_passes_true_pairs_and_names_the_wrong_ones() -> None:
    scheme = get_scheme("ibug68")
    shape = symmetric_shape(scheme)
    check_flip(scheme, shape)
    rng = np.random.default_rng(2)
    faces = shape + rng.normal(scale=0.3, size=(80, 68, 2))
    check_flip(scheme, faces)
    flip = list(scheme.flip)
    # Still an involution: the outer eye corners are exchanged with the ends of the jaw.
    flip[36], flip[16], flip[0], flip[45] = 16, 36, 45, 0
    wrong = Scheme("wrong", 68, tuple(flip))
    for shapes in (shape, faces):
        with pytest.raises(DataError, match="scheme wrong") as caught:
            check_flip(wrong, shapes)
        named = {int(word) for word in str(caught.value).replace(")", " ").split() if word.isdigit()}
        assert named == {0, 16, 36, 45}
    with pytest.raises(DataError):
        check_flip(generic_scheme(68), shape)


def test_check_flip_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(68, 2\).*got \(5, 2\)"):
        check_flip(get_scheme("ibug68"), np.ones((5, 2)))
    with pytest.raises(ValueError, match="finite"):
        check_flip(get_scheme("ibug68"), np.full((68, 2), np.nan))
    with pytest.raises(ValueError, match="one point"):
        check_flip(get_scheme("ibug68"), np.ones((68, 2)))


def test_generic_scheme_knows_only_its_size() -> None:
    assert generic_scheme(7).flip == tuple(range(7))
    assert generic_scheme(3, flip=[1, 0, 2], name="eyes").flip == (1, 0, 2)


def test_regions_are_bounded() -> None:
    values = {"name": "x", "num_landmarks": 2, "flip_pairs": [], "regions": {f"r{i}": [0] for i in range(1000)}}
    assert len(Scheme.from_dict(values).regions) == 1000
    values["regions"]["more"] = [1]  # type: ignore[index]
    with pytest.raises(ValueError, match="at most 1000 regions, got 1001"):
        Scheme.from_dict(values)
