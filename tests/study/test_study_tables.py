"""What a study's page says, against values worked out here by other means, and headlines that the intervals allow."""

import re
import statistics
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from acrloss.study.report import write_study_report
from acrloss.study.results import Result, read_results, write_results
from acrloss.study.study_file import Run, Study
from acrloss.study.tables import (
    difficulty_table,
    escape_markdown,
    faces_of,
    paired_difference,
    ranking_of,
    region_table,
    score_table,
)

FACES = [2.0, 4.1, 7.3, 8.0, 9.0, 12.0]


def result(method: str, seed: int, nme: list[float], **changed: Any) -> Result:
    run = Run("300-W", method, seed, "faces", {"seed": seed, "m": method}, None, None, Path("x"))
    images = tuple(map(str, range(len(nme))))
    made = Result(
        run,
        images,
        (frozenset[str](),) * len(nme),
        "interocular",
        np.array(nme),
        {"jaw": 5.0 + seed, "nose": 2.0},
        np.array([1.0, 2, 3, 4, 5 + seed]),
        {"train_nme": np.array([9.0, 8.0]), "val_nme": np.array([9.5, 7.0 + seed])},
        90.0 + 60 * seed,
        {},
        None,
    )
    return replace(made, **changed)


def methods() -> dict[str, list[Result]]:
    """ "far" is 3 worse than "first" on every face; "near" 0.2 better with one seed and 0.3 worse with the other."""
    return {
        "first": [result("first", s, [f + 0.1 * s for f in FACES]) for s in (0, 1)],
        "far": [result("far", s, [f + 3 + 0.1 * s for f in FACES]) for s in (0, 1)],
        "near": [result("near", s, [f + 0.1 * s + (-0.2, 0.3)[s] for f in FACES]) for s in (0, 1)],
    }


def test_scores_are_means_over_seeds_with_their_deviation() -> None:
    caption, header, rows = score_table("300-W", methods())
    assert caption == "300-W: 6 faces, % of the inter-ocular distance, mean ± sd over seeds"
    assert header == [
        *("method", "seeds", "NME %", "difference to first", "in %"),
        *("FR@8 %", "FR@10 %", "AUC@8 %", "AUC@10 %", "minutes a run"),
    ]
    cells = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    for name, runs in methods().items():
        errors = [list(map(float, r.nme)) for r in runs]

        def over_seeds(values: list[float]) -> str:
            return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"

        assert cells[name]["NME %"] == over_seeds([sum(e) / 6 for e in errors])
        for t in (8, 10):
            failures = [100 * sum(x > t for x in e) / 6 for e in errors]
            areas = [100 * sum(max(0.0, 1 - x / t) for x in e) / 6 for e in errors]
            assert cells[name][f"FR@{t} %"] == over_seeds(failures)
            assert cells[name][f"AUC@{t} %"] == over_seeds(areas)
        assert cells[name]["minutes a run"] == "2.0"
        assert cells[name]["seeds"] == "2"
    assert cells["far"]["difference to first"] == "+3.00 [+3.00, +3.00]"
    assert cells["far"]["in %"] == f"{300 / (sum(FACES) / 6 + 0.05):+.1f}"
    assert cells["near"]["difference to first"] == "+0.05 [-0.20, +0.30]"
    assert cells["first"]["difference to first"] == cells["first"]["in %"] == "–"


def test_one_seed_has_no_deviation() -> None:
    one = {"a": [result("a", 0, FACES)]}
    row = score_table("d", one)[2][0]
    assert row[2] == f"{sum(FACES) / 6:.2f}"
    assert "±" not in " ".join(row)


def test_regions_and_difficulty_are_over_seeds() -> None:
    caption, header, rows = region_table("300-W", methods())
    assert (caption, header) == ("300-W: error by region", ["method", "jaw", "nose"])
    assert rows[1] == ["far", f"5.50 ± {0.5**0.5:.2f}", "2.00 ± 0.00"]
    _, header, rows = difficulty_table("300-W", methods())
    assert header == ["method", "fifth 1", "fifth 2", "fifth 3", "fifth 4", "fifth 5"]
    assert rows[2][1:] == ["1.00 ± 0.00", "2.00 ± 0.00", "3.00 ± 0.00", "4.00 ± 0.00", f"5.50 ± {0.5**0.5:.2f}"]


def test_the_interval_of_a_difference_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    first = [result("a", s, rng.uniform(2, 9, 6).tolist()) for s in (0, 1, 2)]
    other = [result("b", s, rng.uniform(2, 9, 6).tolist()) for s in (0, 1, 2)]
    table = np.array([b.nme - a.nme for a, b in zip(first, other, strict=True)])
    draws = np.random.default_rng(0)
    times = draws.multinomial(6, [1 / 6] * 6, 2000)
    seeds = draws.integers(0, 3, (2000, 3))
    means = sorted(
        sum(sum(t * x for t, x in zip(times[i], table[s], strict=True)) / 6 for s in seeds[i]) / 3 for i in range(2000)
    )

    def quantile(share: float) -> float:
        at = share * 1999
        low = int(at)
        return float(means[low] + (at - low) * (means[low + 1] - means[low]))

    found = paired_difference(other, first)
    assert found == pytest.approx((table.mean(), quantile(0.025), quantile(0.975)), rel=1e-9)
    # And the same the other way round.
    assert paired_difference(first, other)[0] == pytest.approx(-found[0])


def test_the_best_is_named_and_only_where_it_is_told_apart() -> None:
    ranking = ranking_of(methods())
    assert (ranking.best, ranking.level, ranking.worse) == ("first", ("near",), ("far",))
    two = {name: methods()[name] for name in ("far", "first")}
    assert (ranking_of(two).best, ranking_of(two).worse) == ("first", ("far",))


class _Heading(HTMLParser):
    text = ""
    inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.inside = self.inside or tag == "h1"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "h1"

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def report(
    folder: Path, results: dict[str, list[Result]], score: str = "test", text: str = "data: x"
) -> tuple[str, str]:
    """The page's headline, and report.md, of results of one study."""
    runs = tuple(r.run for found in results.values() for r in found)
    study = SimpleNamespace(name="s", score=score, runs=runs, text=text, methods=list(results), data=["300-W"])
    every = [r for found in results.values() for r in found]
    page = write_study_report(cast("Study", study), every, [], folder, "acrloss compare s.yaml")
    heading = _Heading()
    heading.feed(page.read_text(encoding="utf-8"))
    return heading.text, (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_headlines_say_no_more_than_the_intervals(tmp_path: Path) -> None:
    all_of_them, text = report(tmp_path, methods())
    assert all_of_them == (
        "300-W: first (7.12 %) and near (7.17 %) are not told apart: NME in % of the inter-ocular distance, on 6 "
        "faces; far is worse"
    )
    assert all_of_them in text
    assert "VALIDATION" not in text
    sure, _ = report(tmp_path, {name: methods()[name] for name in ("far", "first")})
    assert sure == "300-W: first has the lowest NME, 7.12 % of the inter-ocular distance, on 6 faces"
    alone, _ = report(tmp_path, {"far": methods()["far"]})
    assert alone == "300-W: far: NME 10.12 % of the inter-ocular distance, on 6 faces"


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("score", "role"), [("val", ""), ("test", "validation")])
def test_validation_is_loud(score: str, role: str, tmp_path: Path) -> None:
    # A study that asks for test faces gets validation faces where the data has no others.
    results = {name: [replace(r, role=role) for r in runs] for name, runs in methods().items()}
    _, text = report(tmp_path, results, score)
    assert "**VALIDATION, NOT TEST: " in text
    assert "scored on the validation faces" in text
    assert ("they chose the epoch" in text) == bool(role)
    assert '<p class="warning"' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_markdown_holds_no_tags_of_a_user(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> ![x](javascript:1) \x1b[31m"
    results = {hostile: methods()["first"], "b": methods()["far"]}
    _, text = report(tmp_path, results, text=f"data: x\nmethods: {{'{hostile}': {{}}}}\n```\n")
    assert "<script" not in text
    assert "\x1b" not in text
    assert "](javascript" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert escape_markdown("a & b_c | `d`\n*e* <f>") == r"a &amp; b\_c \| \`d\` \*e\* &lt;f&gt;"


def test_numbers_of_faces_are_counted_in_words() -> None:
    assert faces_of({"a": [result("a", 0, [1.0])]}) == "1 face"
    assert faces_of({"a": [result("a", 0, [1.0] * 5200)], "b": [result("b", 0, [1.0] * 76)]}) == "76 to 5,200 faces"
    wings = {"a": [result("a", 0, FACES, noun="wing", title="distance of landmarks 0 and 5")]}
    assert score_table("d", wings)[0] == "d: 6 wings, % of the distance of landmarks 0 and 5, mean ± sd over seeds"


def test_words_and_role_are_kept_with_the_results(tmp_path: Path) -> None:
    made = result("a", 0, FACES, noun="wing", title="distance of landmarks 0 and 5", role="validation")
    write_results(tmp_path / "r.json", [made])
    study = SimpleNamespace(runs=(made.run,))
    (again,) = read_results(tmp_path / "r.json", cast("Study", study))
    assert (again.noun, again.title, again.role) == (made.noun, made.title, made.role)
    plain = result("a", 0, FACES)
    write_results(tmp_path / "plain.json", [plain])
    assert "noun" not in (tmp_path / "plain.json").read_text()
    (again,) = read_results(tmp_path / "plain.json", cast("Study", study))
    assert (again.noun, again.title, again.role) == ("face", "", "")
