import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats.containers.yaml_mapping import load_yaml


def test_every_scalar_is_the_text_that_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    text = "a: 1e3\nb: [no, 2024-02-30, 0x10, 'x']\nc: {0: face, 1: !!python/name:os.system x}\nd:\n1: 12:30\n"
    path.write_text(text)
    assert load_yaml(path) == {
        "a": "1e3",
        "b": ["no", "2024-02-30", "0x10", "x"],
        "c": {"0": "face", "1": "x"},
        "d": "",
        "1": "12:30",
    }


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, r"a\.yaml:2: .*an alias \(\*name\) is refused; write out what it stands for"),
        ("a: &a {b: *a}\n", r"a\.yaml:1: .*an alias"),
        ("<<: *base\n", r"a\.yaml:1: .*an alias"),
        ("a: " + "[" * 100_000, "nested too deep"),
        ("a: " + '{"x":' * 30_000, "nested too deep"),
        ("- " * 90_000, "nested too deep"),
        ("a: [1\n", r"a\.yaml:2: not a YAML file"),
        ("a: 'x\n", r"a\.yaml:2: not a YAML file"),
        ("\t- a\n", r"a\.yaml:1: not a YAML file"),
        ("? [a, b]\n: c\n", r"a\.yaml:1: not a YAML file that can be read: found unhashable key"),
        ("a: 1\n---\nb: 2\n", r"a\.yaml:2: not a YAML file"),
        ("just text", "expected keys such as kpt_shape, got str"),
        ("", "expected keys such as kpt_shape, got NoneType"),
        ("a: \x07\n", "not a YAML file"),
        ("a: b\n" * 50_000, "250000 bytes is too large for a YAML file that describes a data set"),
    ],
)
def test_what_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message) as caught:
            load_yaml(path)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text("&*a: [{}]-\n'\"#|>!%@`,?", max_size=80).map(str.encode))
def test_anything(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    message = str(path)
    try:
        load_yaml(path)
    except DataError as error:
        message = str(error)
    assert message.startswith(str(path))


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("names:\n" + "".join(f"  {i}: class {i}\n" for i in range(9000)))
    assert len(load_yaml(path)["names"]) == 9000
