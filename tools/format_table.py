"""Write the table of formats into docs/datasets/README.md, from what each format says of itself."""

from pathlib import Path

from acrloss.formats.registry import table

PAGE = Path(__file__).parents[1] / "docs" / "datasets" / "README.md"
BEGIN, END = "<!-- formats: written by tools/format_table.py -->", "<!-- end of formats -->"


def main() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *table(), "", END + after]), encoding="utf-8")


if __name__ == "__main__":
    main()
