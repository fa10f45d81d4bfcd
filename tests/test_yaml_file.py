"""YAML from strangers: a small file stays a small value, and each fault is one line that names file and line."""

import re
import tracemalloc
from pathlib import Path

import pytest

from acrloss.errors import DataError
from acrloss.yaml_file import read_yaml

# Nine levels of nine: 387,420,489 times "lol" in 444 bytes.
ALIASES = "a0: &a0 lol\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ALIASES, r"the alias \*a0 in line 2 is refused; write out what it stands for"),
        ("a: &x {b: 1}\nc:\n  <<: *x", r"the alias \*x in line 3 is refused"),
        ("a: 1\nb: " + "[" * 3000 + "]" * 3000, "line 2"),
        ("a: 1\nb: " + "[" * 21 + "]" * 21, "more than 20 levels within each other, line 2"),
        ("a: 1\nb: " + ":".join(["59"] * 100_000), "a value of more than 10000 characters in line 2"),
        ("a: 1\nb: 2\na: 3", "key 'a' is there twice in line 3"),
        ("a: 1\nb: {1: x}", "key 1 is no text; put it in quotes"),
        ("a: [{on: x}]", "key True is no text; put it in quotes"),
        ("a: 2020-99-99", "month must be in"),
        ("a: 1\nb: [1 }\nc: 3", "in line 2; mend the YAML"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("", "a study is a mapping of keys to values, but it holds nothing"),
        ("[1, 2]", "a study is a mapping of keys to values, but it holds a list"),
        (b"a: 1\nb: \xff", "line 2 is no UTF-8 text; save it as UTF-8"),
        (b"a: \x00", "not a YAML file: control characters are not allowed"),
        ("#" * 1_000_001, "1000001 bytes; a study may have at most 1000000"),
    ],
)
def test_what_is_refused(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: .*{message}") as caught:
            read_yaml(path, "a study")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b'\xef\xbb\xbfa: {b: [1, 2.5, null]}\nc: "\xc3\xa9"\n' + b"d: " + b"[" * 18 + b"]" * 18)
    values = read_yaml(path)
    assert values["a"] == {"b": [1, 2.5, None]}
    assert values["c"] == "é"
    assert str(values["d"]) == "[" * 18 + "]" * 18


def test_texts_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "a: 1e3\nb: [no, 2024-02-30, 0x10, 'x']\nc: {0: face, 1: !!python/name:os.system x}\nd:\n1: 12:30\n"
    )
    assert read_yaml(path, texts=True) == {
        "a": "1e3",
        "b": ["no", "2024-02-30", "0x10", "x"],
        "c": {"0": "face", "1": "x"},
        "d": "",
        "1": "12:30",
    }
    path.write_text("1: a\n'1': b\n")
    with pytest.raises(DataError, match="key '1' is there twice"):
        read_yaml(path, texts=True)
