import base64
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.images.encode import encode_png
from acrloss.reports.page import Gallery, ReportContent, render_report, write_report

HOSTILE = "<script>alert('x')</script> & \"quoted\" <img src=x onerror=alert(1)> {{ 7 * 7 }}"
VOID = {"meta", "link", "img", "br"}


def picture(width: int, height: int, suffix: str = ".png") -> bytes:
    image = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return encode_png(image) if suffix == ".png" else bytes(cv2.imencode(suffix, image)[1])


CONTENT = ReportContent(
    title="acrloss run: ACR on 300-W",
    headline="inter-ocular NME 3.98 % on 554 faces (300-W common)",
    summary="EfficientNet-Lite0 at 112 px, 30 epochs.",
    highlights=[("3.98 %", "inter-ocular NME, common")],
    tables=[
        ("Comparison", ["run", "NME (%)", "note"], [["ACR", "3.98", "best"], ["L2", "–", "7"], ["-", "12.5 %", "x"]])
    ],
    figures=[("Learning curves", picture(60, 30)), ("Worst faces", picture(40, 40, ".jpg"))],
    details=[("How to reproduce", "acrloss train --data data/300w")],
)


class Page(HTMLParser):
    """Elements, texts and whether every element that opens also closes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(data.strip())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_page_shows_everything_that_it_is_given(tmp_path: Path) -> None:
    path = write_report(tmp_path / "run", CONTENT)
    assert path == tmp_path / "run" / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    expected = [CONTENT.title, CONTENT.headline, CONTENT.summary, "3.98 %", "inter-ocular NME, common", "Comparison"]
    expected += ["NME (%)", "ACR", "3.98", "L2", "12.5 %", "Learning curves", "Worst faces", "How to reproduce"]
    for text in [*expected, "acrloss train --data data/300w"]:
        assert text in page.texts, text
    assert len(page.of("tr")) == 4
    assert len(page.of("details")) == 1


def test_pictures_are_inside_the_page() -> None:
    page = Page(render_report(CONTENT))
    images = page.of("img")
    for attributes, (caption, data), kind in zip(images, CONTENT.figures, ("png", "jpeg"), strict=True):
        start, _, payload = str(attributes["src"]).partition(",")
        assert start == f"data:image/{kind};base64"
        assert base64.b64decode(payload) == data
        assert attributes["alt"] == caption
    assert (images[0]["width"], images[0]["height"]) == ("60", "30")


def test_page_asks_for_nothing_from_outside() -> None:
    html = render_report(CONTENT)
    page = Page(html)
    assert not page.of("script")
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert "url(" not in html
    for _, attributes in page.elements:
        for name in ("src", "href"):
            assert str(attributes.get(name) or "data:").startswith("data:")
    policy = [a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_hostile_text_stays_text() -> None:
    page = Page(
        render_report(
            ReportContent(
                title=HOSTILE,
                headline=HOSTILE,
                summary=HOSTILE,
                highlights=[(HOSTILE, HOSTILE)],
                tables=[(HOSTILE, [HOSTILE], [[HOSTILE]])],
                figures=[(HOSTILE, picture(20, 20))],
                details=[(HOSTILE, HOSTILE)],
            )
        )
    )
    assert not page.of("script")
    (image,) = page.of("img")
    assert image["alt"] == HOSTILE
    assert "onerror" not in image
    assert page.texts.count(HOSTILE) == 12  # <title> too, and no template in it was run


def test_columns_of_numbers_are_set_to_the_right() -> None:
    page = Page(render_report(CONTENT))
    assert [cell.get("class") for cell in page.of("th")] == [None, "number", None]
    assert [cell.get("class") for cell in page.of("td")[:3]] == [None, "number", None]


def test_figures_share_a_row_only_in_pairs() -> None:
    wide, square, tall = picture(60, 20), picture(30, 30), picture(20, 60)

    def layouts(*pictures: bytes) -> list[str]:
        page = Page(render_report(replace(CONTENT, figures=[("", data) for data in pictures])))
        return [str(figure["class"]).split()[1] for figure in page.of("figure")]

    assert layouts(wide, square, square, tall) == ["wide", "half", "half", "tall"]
    assert layouts(square, wide, square, square, square) == ["single", "wide", "half", "half", "single"]


def plain(colour: tuple[int, int, int]) -> bytes:
    """A JPEG of 200 x 200 px of one RGB colour."""
    return bytes(cv2.imencode(".jpg", np.full((200, 200, 3), colour[::-1], np.uint8))[1])


FULL = replace(
    CONTENT,
    warnings=["VALIDATION, NOT TEST"],
    facts=[("Data", ["", ""], [["trained on", "1 face"]])],
    links=[("All faces", "faces.csv"), ("Check", "../check%20it/check.html")],
    galleries=[Gallery("Worst faces", [("6 %", plain((255, 0, 0))), ("5 %", plain((0, 200, 0)))])],
    lists=[("All of them", ["", "image"], [["1", "a.jpg"]])],
)


def test_what_a_page_can_hold_is_on_it_and_leads_nowhere_else() -> None:
    html = render_report(FULL)
    page = Page(html)
    for text in ("VALIDATION, NOT TEST", "trained on", "1 face", "All faces", "Worst faces", "6 %", "a.jpg"):
        assert text in page.texts, text
    assert not page.of("script")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in page.of("a"):
        target = str(attributes["href"])
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert target in ("faces.csv", "../check%20it/check.html")
    for image in page.of("img"):
        assert str(image["src"]).startswith("data:image/")
    # The empty header of the facts is not shown; the list is folded.
    assert len(page.of("thead")) == len(page.of("table")) - 1
    assert page.open == []
    assert html.index("<details") < html.index("a.jpg")


def test_intervals_stand_below_their_figures() -> None:
    rows = [["run", "3.98 [3.85, 4.12]", "+0.15 [-1.45, +1.75]", "a [b]"]]
    html = render_report(replace(CONTENT, tables=[("t", ["", "NME", "difference", "name"], rows)]))
    assert '3.98 <span class="interval">[3.85, 4.12]</span>' in html
    assert '+0.15 <span class="interval">[-1.45, +1.75]</span>' in html
    assert "<td>a [b]</td>" in html
    assert [cell.get("class") for cell in Page(html).of("th")] == [None, "number", "number", None]


def test_an_empty_report_is_a_page() -> None:
    page = Page(render_report(ReportContent(title="t", headline="h")))
    assert "h" in page.texts
    assert not page.of("table")
    assert not page.of("figure")


def test_wrong_content_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="figure 'x': expected the bytes of a PNG or JPEG"):
        render_report(replace(CONTENT, figures=[("x", b"GIF89a")]))
    with pytest.raises(ValueError, match="figure 'x'"):
        render_report(replace(CONTENT, figures=[("x", picture(20, 20)[:12])]))
    with pytest.raises(ValueError, match="table 'y': expected 2 cells a row, got 1"):
        render_report(replace(CONTENT, tables=[("y", ["a", "b"], [["1"]])]))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        write_report(tmp_path / "file", CONTENT)


Views = dict[tuple[str, int], NDArray[np.uint8]]
HEIGHT = 1400
COLUMNS = 14
TABLE = ("t", ["run", *(f"figure {i}" for i in range(COLUMNS))], [["a", *["1.00"] * COLUMNS]] * 4)
BARE = replace(CONTENT, figures=[], highlights=[])
PAGES = {
    "page": CONTENT,
    "full": FULL,
    "long": replace(BARE, tables=[TABLE]),
    "short": replace(BARE, tables=[(TABLE[0], TABLE[1][:3], [row[:3] for row in TABLE[2]])]),
}
# What is looked at, and in windows of which widths.
LIGHT = [
    *(("page", 1200), ("page", 500), ("full", 1200), ("full", 500), ("full#picture-1-1", 1200)),
    *(("full#picture-1-1", 500), ("long", 500), ("short", 500)),
]
DARK = [("page", 1200)]


def shots(folder: Path, views: list[tuple[str, int]], scheme: int) -> Views:
    """What a browser shows of pages' first 1400 px, each in a window of its own width; scheme 0 is dark.

    The windows are frames side by side, for starting the browser takes longer than all that it shows.
    """
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on this machine to render the page with")
    frames = []
    for view, width in views:
        name, _, anchor = view.partition("#")
        address = f"{(folder / name / 'report.html').as_uri()}#{anchor}"
        shown = f'src="{address}" width="{width}" height="{HEIGHT}" style="border: 0; float: left"'
        frames.append(f"<iframe {shown}></iframe>")
    page, file, whole = folder / "frames.html", folder / "frames.png", sum(width for _, width in views)
    page.write_text(f'<body style="margin: 0; width: {whole}px">{"".join(frames)}')
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    flags += "--disable-component-update --disable-sync --hide-scrollbars"
    command = [browser, *flags.split(), f"--user-data-dir={folder / 'profile'}", f"--window-size={whole},{HEIGHT}"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={file}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (HEIGHT, whole, 3)
    parts = np.split(np.asarray(image, dtype=np.uint8), np.cumsum([width for _, width in views])[:-1], axis=1)
    return dict(zip(views, parts, strict=True))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, content in PAGES.items():
        write_report(folder / name, content)
    return folder


@pytest.fixture(scope="module")
def light(pages: Path) -> Views:
    return shots(pages, LIGHT, 1)


@pytest.mark.parametrize("width", [1200, 500])
def test_a_picture_is_enlarged_by_its_link_alone(light: Views, width: int) -> None:
    image = light["full#picture-1-1", width].astype(int)
    red = (image[..., 2] > 200) & (image[..., 1] < 60)
    # It fills the window as far as a square can, and everything else is behind it.
    assert red.sum() > 0.8 * min(0.96 * width, 0.86 * HEIGHT) ** 2
    rows, columns = np.nonzero(red)
    assert abs(columns.mean() - width / 2) < 5
    assert abs(rows.mean() - 700) < 40
    assert np.median(image[:40]) < 60
    small = light["full", width].astype(int)
    assert (((small[..., 2] > 200) & (small[..., 1] < 60)).sum()) < 0.1 * red.sum()


def test_a_table_that_goes_on_has_a_shadow_where_it_does(light: Views) -> None:
    images = [light[name, 500] for name in ("long", "short")]
    # Between the last figure that is seen and the edge of the card, over the rows of the table.
    edge = [image[330:440, 474:484].astype(float).mean() for image in images]
    left = [image[330:440, 20:24].astype(float).mean() for image in images]
    assert edge[0] < edge[1] - 15
    assert left[0] == pytest.approx(left[1], abs=3)


@pytest.mark.parametrize(("name", "width", "scheme"), [("desktop", 1200, 1), ("phone", 500, 1), ("dark", 1200, 0)])
def test_a_browser_shows_the_page(pages: Path, light: Views, name: str, width: int, scheme: int) -> None:
    image = (light if scheme else shots(pages, DARK, scheme))["page", width]
    level = image.mean(axis=2)
    assert level.std() > 10, "the page is not blank"
    background = float(np.median(level))
    assert background < 60 if name == "dark" else background > 220
    # The pictures are noise in every colour: some of their pixels are far from any colour of the page itself.
    assert (np.ptp(image.astype(int), axis=2) > 150).sum() > 2000
