"""Study files, what identifies a run, and the statistics over faces and seeds."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from filelock import FileLock

from acrloss.errors import DataError
from acrloss.study.results import Result, keep_old_results, read_results, write_results
from acrloss.study.study_file import Run, read_study
from acrloss.study.tables import markdown_table, paired_difference, score_table, subset_table
from acrloss.study.trainings import train_all

STUDY = """
data: synthetic:60@1
settings: {epochs: 2, crop: {size: 32}}
methods:
  L2: {loss: l2}
  Wing: {loss: wing, crop: {enlargement: 1.3}}
seeds: [0, 4]
"""


def read(text: str, folder: Path) -> Any:
    (folder / "s.yaml").write_text(text)
    return read_study(folder / "s.yaml", folder / "out")


def some_faces(folder: Path) -> Path:
    """A CSV file of two faces of 19 landmarks in one picture."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "a.png"), np.full((90, 120, 3), 80, np.uint8))
    rows = ["image,person," + ",".join(f"x{i},y{i}" for i in range(19))]
    for person, left in (("ann", 20.5), ("bob", 70.5)):
        rows.append(f"a.png,{person}," + ",".join(f"{left + 2 * i % 30},{30.5 + i}" for i in range(19)))
    (folder / "faces.csv").write_text("\n".join(rows) + "\n")
    return folder / "faces.csv"


def test_a_study_is_every_method_with_every_seed(tmp_path: Path) -> None:
    study = read(STUDY, tmp_path)
    assert (study.name, study.score, study.methods) == ("s", "val", ["L2", "Wing"])
    assert [(run.method, run.seed) for run in study.runs] == [("L2", 0), ("Wing", 0), ("L2", 4), ("Wing", 4)]
    assert study.runs[1].options == {
        "epochs": 2,
        "crop": {"size": 32, "enlargement": 1.3},
        "loss": "wing",
        "seed": 0,
        "score": "val",
    }
    assert len({run.folder for run in study.runs}) == 4


def test_a_run_is_known_by_all_that_determines_it(tmp_path: Path) -> None:
    before = {run.folder for run in read(STUDY, tmp_path).runs}
    renamed = read(STUDY.replace("Wing:", "W:").replace("seeds: [0, 4]", "seeds: [4, 0, 7]"), tmp_path)
    assert before < {run.folder for run in renamed.runs}, "a new name or seed makes no run anew"
    for other in (STUDY.replace("epochs: 2", "epochs: 3"), STUDY.replace("@1", "@2"), STUDY + "score: test\n"):
        assert not before & {run.folder for run in read(other, tmp_path).runs}


def test_changed_data_is_other_data(tmp_path: Path) -> None:
    file = some_faces(tmp_path / "faces")
    text = STUDY.replace("synthetic:60@1", f"{{A: {file.parent}, B: synthetic:9}}")
    before = read(text, tmp_path)
    assert before.data == ["A", "B"]
    (file.parent / "notes.txt").write_text("no data")
    (file.parent / "out" / "runs").mkdir(parents=True)
    same = read(text, tmp_path)
    assert [a.folder for a in before.runs] == [b.folder for b in same.runs]
    # One digit: names and sizes are what they were.
    row = file.read_text()
    file.write_text(row.replace(",20.5", ",21.5"))
    after = read(text, tmp_path)
    assert [a.folder == b.folder for a, b in zip(before.runs, after.runs, strict=True)] == [False] * 4 + [True] * 4
    # Pixels too.
    file.write_text(row)
    assert read(text, tmp_path).runs[0].folder == before.runs[0].folder
    image = file.with_name("a.png")
    image.write_bytes(image.read_bytes()[:-1] + b"\0")
    assert read(text, tmp_path).runs[0].folder != before.runs[0].folder
    # What cannot be read is refused before anything is trained.
    file.write_text("image,x0,y0\n")
    with pytest.raises(DataError, match=r"s\.yaml: .*faces"):
        read(text, tmp_path)


def test_how_the_data_is_read_counts(tmp_path: Path) -> None:
    file = some_faces(tmp_path / "faces")
    methods = "{A: {}, B: {data_options: {one_based: true}}, C: {scheme: generic}}"
    text = f"data: {file}\nseeds: [0]\nmethods: {methods}"
    a, b, c = read(text, tmp_path).runs
    assert len({a.fingerprint, b.fingerprint, c.fingerprint}) == 3
    again = read(text.replace("one_based: true", "one_based: false"), tmp_path).runs
    assert again[1].fingerprint == a.fingerprint


def test_runs_and_results_of_versions_before_are_taken_over(tmp_path: Path) -> None:
    file = some_faces(tmp_path / "faces")
    text = f"data: {{A: {file.parent}}}\nseeds: [0]\nmethods: {{L2: {{loss: l2}}}}"
    (run,) = read(text, tmp_path).runs
    # They knew data by the hash of "PATH SIZE" lines.
    lines = "\n".join(f"{name} {(file.parent / name).stat().st_size}" for name in ("a.png", "faces.csv"))
    listing = hashlib.sha256(lines.encode()).hexdigest()
    former = run.folder.with_name(run.folder.name.rpartition("-")[0] + f"-{listing[:8]}")
    assert run.folder != former
    former.mkdir(parents=True)
    assert read(text, tmp_path).runs[0].folder == former
    run.folder.mkdir()
    assert read(text, tmp_path).runs[0].folder == run.folder, "what was begun since counts more"
    path = tmp_path / "results.json"
    write_results(path, [replace(result(0, [1.0]), run=run, fingerprint=listing)])
    assert len(read_results(path, read(text, tmp_path))) == 1
    assert keep_old_results(path, [run]) is None
    write_results(path, [replace(result(0, [1.0]), run=run, fingerprint="0" * 64)])
    assert read_results(path, read(text, tmp_path)) == []
    assert keep_old_results(path, [run]) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "a study is a mapping"),
        ("data: [", "mend the YAML"),
        ("methods: {A: {loss: l2}}", "'data' is missing"),
        ("data: x", "'methods' is missing"),
        ("data: x\nmethods: [l2]", "'methods' maps names"),
        ("data: x\nmethods: {A: l2}", "'methods' maps names"),
        ("data: x\nmethods: {A: {}}\nsetings: {}", "unknown key 'setings'"),
        ("data: x\nmethods: {A: {}}\nsettings: 3", "'settings' maps options"),
        ("data: x\nmethods: {A: {}}\nseeds: 3", "'seeds' is a list"),
        ("data: x\nmethods: {A: {}}\nseeds: [-1]", "'seeds' is a list"),
        ("data: x\nmethods: {A: {}}\nscore: tset", "'score' is val or test"),
        ("data: x\nmethods: {A: {}}\nsettings: false", "'settings' maps options"),
        ("data: x\nmethods: {A: {seed: 3}}", "'seed' is the study's own matter"),
        ("data: x\nmethods: {A: {}}\nsettings: {data.x: 3}", "'data.x' is the study's own matter"),
        ("data: x\nmethods: {A: {loss: l1}, A: {loss: l2}}", "key 'A' is there twice.*line 2"),
        ("data: x\nmethods: {1: {loss: l1}, '1': {loss: l2}}", "key '1' is there twice"),
        ("data: x\nmethods: {1: {loss: l1}}", "key 1 is no text; put it in quotes"),
        ("data: x\nmethods: {A: {loss_options: {on: 2}}}", "key True is no text"),
        ("data: x\nmethods: {A: &a {loss_options: {x: *a}}}", "the alias \\*a in line 2 is refused"),
        ("data: x\nmethods: " + "{a: " * 30 + "1" + "}" * 30, "levels within each other, line 2"),
        ("data: [a, b]\nmethods: {A: {}}", "'data' is a source of faces"),
        ("data: {N: }\nmethods: {A: {}}", "'data' is a source of faces"),
        ("data: 3\nmethods: {A: {}}", "'data' is a source of faces"),
        ("data: null\nmethods: {A: {}}", "'data' is missing"),
        ("data: synthetic:9\nmethods: [null]", "'methods' maps names"),
        ("data: synthetic:9\nmethods: {A: [null]}", "'methods' maps names"),
        ("data: synthetic:9\nmethods: {A: {}}\nseeds: null", "'seeds' is a list of whole numbers"),
        ("data: synthetic:9\nmethods: {A: {}}\nseeds: [null]", "'seeds' is a list of whole numbers"),
        ("data: synthetic:9\nmethods: {A: {scheme: [x]}}", r"A: scheme: expected a text, got \['x'\]"),
        ("data: synthetic:9\nmethods: {A: {format: 3}}", "A: format: expected a text, got 3"),
        ("data: none\nmethods: {A: {data_options: null}}", "A: data_options: expected options by name, .* not None"),
    ],
)
def test_a_wrong_study_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(text, tmp_path)
    assert "\n" not in str(caught.value)
    assert "s.yaml" in str(caught.value)


def test_options_with_dots_are_those_within(tmp_path: Path) -> None:
    text = "data: synthetic:9\nseeds: [0]\nsettings: {crop.size: 32}\n"
    dotted = read(text + "methods: {A: {}, B: {crop: {size: 64}}, C: {crop.size: 48, crop.enlargement: 1.3}}", tmp_path)
    crops = [run.options["crop"] for run in dotted.runs]
    assert crops == [{"size": 32}, {"size": 64}, {"size": 48, "enlargement": 1.3}]
    nested = read(text.replace("crop.size: 32", "crop: {size: 32}") + "methods: {A: {}}", tmp_path)
    assert nested.runs[0].folder == dotted.runs[0].folder


def test_the_output_is_no_data(tmp_path: Path) -> None:
    some_faces(tmp_path)
    text = f"data: {tmp_path}\nseeds: [0]\nmethods: {{A: {{}}}}"
    # The study's file itself lies in the data, and so do the runs.
    before = [read(text, tmp_path).runs[0] for _ in range(2)][1]
    (tmp_path / "out" / "runs").mkdir(parents=True)
    (tmp_path / "out" / "runs" / "x").write_text("1")
    after = read(text, tmp_path).runs[0]
    assert (after.folder, after.fingerprint, after.listing) == (before.folder, before.fingerprint, before.listing)


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    run = read(STUDY, tmp_path).runs[0]
    run.folder.mkdir(parents=True)
    with FileLock(run.folder / "lock"):
        ((_, wrong),) = train_all([run], 1)
    assert "another acrloss compare trains it" in wrong
    assert not (run.folder / "train").exists()


def result(seed: int, nme: Any, images: Any = None, method: str = "m") -> Result:
    """The result of a run with the NME of each of its faces; the first face is in the subset "hard", all in "full"."""
    run = Run("d", method, seed, "faces", {"seed": seed}, None, None, Path("x"))
    names = tuple(map(str, range(len(nme)) if images is None else images))
    curves = {"train_nme": np.array([9.0, np.nan]), "val_nme": np.array([8.0, 7.0])}
    nme = np.asarray(nme, dtype=np.float64)
    subsets = (frozenset({"hard", "full"}), *[frozenset({"full"})] * (len(names) - 1))
    regions = {"jaw": 5.0, "ear": np.nan}
    return Result(run, names, subsets, "interocular", nme, regions, np.arange(5.0), curves, 12.0, {"a": 1}, None)


def test_differences_are_paired_by_face_and_seed() -> None:
    rng = np.random.default_rng(0)
    faces = rng.uniform(2, 20, 300)
    reference = [result(s, faces + rng.normal(0, 0.1, 300)) for s in range(3)]
    better = [result(s, faces - 0.5 + rng.normal(0, 0.1, 300)) for s in (2, 0, 1)]
    mean, low, high = paired_difference(better, reference)
    assert mean == pytest.approx(-0.5, abs=0.02)
    assert low < mean < high
    # Faces of very different difficulty, but the interval is of their differences.
    assert high - low < 0.05
    assert paired_difference(reference, reference) == (0, 0, 0)


def test_the_interval_knows_that_seeds_differ() -> None:
    faces = np.random.default_rng(0).uniform(2, 20, 500)
    reference = [result(s, faces) for s in range(3)]
    shifted = [result(s, faces + shift) for s, shift in enumerate((-0.3, 0.0, 0.3))]
    mean, low, high = paired_difference(shifted, reference)
    assert mean == pytest.approx(0)
    assert low == pytest.approx(-0.3)
    assert high == pytest.approx(0.3)
    # Seeds may hold out other faces.
    reference = [result(s, faces[s : s + 400], range(s, s + 400)) for s in range(3)]
    others = [result(s, faces[s : s + 400] + 1, range(s, s + 400)) for s in range(3)]
    assert paired_difference(others, reference) == pytest.approx((1, 1, 1))


def test_without_a_common_seed_there_is_no_difference() -> None:
    assert np.isnan(paired_difference([result(0, [1.0])], [result(1, [1.0])])).all()


def test_seeds_with_few_faces_count_for_what_they_have() -> None:
    # Every face is worse by 2; the second seed has one face, the third none that is known.
    reference = [result(0, np.ones(10)), result(1, [1.0]), result(2, [np.nan])]
    worse = [result(0, np.full(10, 3.0)), result(1, [3.0]), result(2, [np.nan])]
    assert paired_difference(worse, reference) == pytest.approx((2, 2, 2))
    # A seed that has no face of a subset says nothing about it.
    easy = replace(result(1, [1.0, 5.0], method="m"), subsets=(frozenset({"full"}),) * 2)
    runs = {"a": [result(0, [8.0, 1.0]), easy], "b": [result(0, [6.0, 1.0], method="b")], "c": [easy]}
    _, header, rows = subset_table("d", runs)
    assert header[1] == "hard (1 face), NME %"
    assert rows[0][1:] == ["8.00", "–", "–"]
    assert rows[1][1:] == ["6.00", "-2.00 [-2.00, -2.00]", "-25.0"]
    assert rows[2][1:] == ["–", "–", "–"]


def test_differences_name_the_method_they_are_to() -> None:
    # The first of the study has no run: the next stands in, and the table says so.
    runs = {"Wing": [result(0, [1.0, 2.0])], "a|b": [result(0, [2.0, 3.0])]}
    table = score_table("300-W", runs)
    assert table[1][3] == "difference to Wing"
    text = markdown_table(("x `y`", ["method", "a\n<b>"], [["a|b *c*", "1"]]))
    assert text.splitlines() == ["x \\`y\\`", "", "| method | a &lt;b&gt; |", "| :-- | --: |", "| a\\|b \\*c\\* | 1 |"]


def test_data_that_no_file_can_be_called_is_one_line(tmp_path: Path) -> None:
    for source in ("synthetic:" + "9" * 400, "x" * 5000, "synthetic:a@b"):
        text = STUDY.replace("synthetic:60@1", source)
        if source.startswith("synthetic"):
            with pytest.raises(DataError, match=r"s\.yaml: .*synthetic"):
                read(text, tmp_path)
        else:
            assert {run.fingerprint for run in read(text, tmp_path).runs} == {None}


def test_subsets_are_scored_apart() -> None:
    runs = {m: [result(s, [nme, 1.0, 2.0], method=m) for s in (0, 1)] for m, nme in (("L2", 8.0), ("Wing", 6.0))}
    caption, header, rows = subset_table("300-W", runs)
    assert caption.startswith("300-W: subsets")
    assert header == ["method", "hard (1 face), NME %", "difference to L2", "in %"], "what holds all faces is no subset"
    assert rows[0] == ["L2", "8.00 ± 0.00", "–", "–"]
    assert rows[1][:2] == ["Wing", "6.00 ± 0.00"]
    assert rows[1][2].startswith("-2.00 [")
    assert rows[1][3] == "-25.0"
    whole = {"L2": [replace(runs["L2"][0], subsets=(frozenset({"full"}),) * 3)]}
    assert subset_table("300-W", whole)[2] == []


def test_results_are_written_and_read_back(tmp_path: Path) -> None:
    study = read(STUDY, tmp_path)
    results = [replace(result(0, [3.25, np.nan, 4.0]), run=run, fingerprint=run.fingerprint) for run in study.runs[:3]]
    write_results(tmp_path / "results.json", results)
    back = read_results(tmp_path / "results.json", study)
    assert [r.run for r in back] == list(study.runs[:3])
    for before, after in zip(results, back, strict=True):
        assert (after.images, after.normalizer, after.seconds) == (before.images, before.normalizer, before.seconds)
        assert after.subsets == before.subsets
        np.testing.assert_array_equal(after.nme, before.nme)
        np.testing.assert_array_equal(after.by_difficulty, before.by_difficulty)
        np.testing.assert_array_equal(after.curves["train_nme"], before.curves["train_nme"])
        assert after.regions["jaw"] == 5
        assert np.isnan(after.regions["ear"])
    write_results(tmp_path / "again.json", back)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "results.json").read_bytes()
    assert read_results(tmp_path / "none.json", study) == []


def test_results_count_without_the_data_but_not_on_other_data(tmp_path: Path) -> None:
    faces = some_faces(tmp_path / "faces").parent
    text = STUDY.replace("synthetic:60@1", f"{{A: {faces}}}")
    study = read(text, tmp_path)
    made = [replace(result(0, [1.0]), run=run, fingerprint=run.fingerprint) for run in study.runs]
    write_results(tmp_path / "results.json", made)
    moved = tmp_path / "moved"
    faces.rename(moved)
    without = read_results(tmp_path / "results.json", read(text, tmp_path))
    assert len(without) == 4
    write_results(tmp_path / "again.json", without)
    same = (tmp_path / "again.json").read_bytes() == (tmp_path / "results.json").read_bytes()
    assert same, "the data is remembered where it is not at hand"
    text = text.replace(str(faces), str(moved))
    assert len(read_results(tmp_path / "results.json", read(text, tmp_path))) == 4, "only the place is another"
    (moved / "faces.csv").write_text((moved / "faces.csv").read_text().replace(",20.5", ",21.5"))
    assert read_results(tmp_path / "results.json", read(text, tmp_path)) == []


def test_results_of_other_runs_are_kept(tmp_path: Path) -> None:
    study = read(STUDY, tmp_path)
    made = [replace(result(0, [1.0]), run=run, fingerprint=run.fingerprint) for run in study.runs]
    path = tmp_path / "results.json"
    assert keep_old_results(path, study.runs) is None, "there are none"
    write_results(path, made[:2])
    before = path.read_bytes()
    assert keep_old_results(path, study.runs) is None, "nothing would be lost"
    kept = keep_old_results(path, study.runs[1:])
    assert kept is not None
    assert kept.read_bytes() == before
    assert kept.name.startswith("results-until-20")
    assert not path.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda text: "[]",
        lambda text: text.replace("acrloss-study-results", "other"),
        lambda text: text.replace('"version": 1', '"version": 99'),
        lambda text: text.replace('"faces": 0', '"faces": 7'),
        lambda text: text.replace('"nme": [1.0]', '"nme": [1.0, 2.0]'),
        lambda text: text.replace('"nme": [1.0]', '"nme": ["x"]'),
        lambda text: text.replace('"seconds"', '"secs"'),
    ],
)
def test_damaged_results_are_one_line(damage: Any, tmp_path: Path) -> None:
    study = read(STUDY, tmp_path)
    write_results(
        tmp_path / "r.json", [replace(result(0, [1.0]), run=study.runs[0], fingerprint=study.runs[0].fingerprint)]
    )
    text = (tmp_path / "r.json").read_text()
    assert damage(text) != text
    (tmp_path / "r.json").write_text(damage(text))
    with pytest.raises(DataError, match=r"r\.json: no results of a study") as caught:
        read_results(tmp_path / "r.json", study)
    assert "\n" not in str(caught.value)
