import pytest

from acrloss.formats.fields.splits import split_named


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("person_keypoints_train2017", "train"),
        ("testing_with_face_landmarks", "test"),
        ("Validation", "val"),
        ("labels_ibug_300W", ""),
        ("trained", ""),
        ("train_and_test", ""),
        ("", ""),
    ],
)
def test_split_named(name: str, split: str) -> None:
    assert split_named(name) == split
