"""Pieces of a page: tables, figures, sections. Text is escaped here and nowhere else."""

from html import escape
from pathlib import Path


def element(name, content, **attributes):
    """`content` is HTML; attribute `class_` is class."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items()
                    if value)
    return f"<{name}{words}>{content}</{name}>"


def table(frame, caption="", text_columns=(), marks=None):
    """A DataFrame of strings; its index heads the rows, behind marks (HTML) if there are any; columns that are not in
    text_columns are set flush right."""
    kind = {column: "" if column in text_columns else "number" for column in frame.columns}
    head = element("th", escape(frame.index.name or ""), scope="col")
    head += "".join(element("th", escape(str(c)), scope="col", class_=kind[c]) for c in frame.columns)
    body = ""
    for name, row, mark in zip(frame.index, frame.itertuples(index=False), marks or [""] * len(frame)):
        cells = "".join(element("td", escape(str(v)), class_=kind[c]) for c, v in zip(frame.columns, row))
        body += element("tr", element("th", mark + escape(str(name)), scope="row") + cells)
    title = element("caption", escape(caption)) if caption else ""
    whole = element("table", title + element("thead", element("tr", head)) + element("tbody", body))
    return element("div", whole, class_="scroll")


def figure(title, svg, alt, note="", wide=False, legend=""):
    picture = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
    heading = element("h3", escape(title)) + legend
    caption = element("figcaption", escape(note)) if note else ""
    return element("figure", heading + picture + caption, class_="wide" if wide else "")


def swatch(colour, dashes=(), mark="line"):
    """The look of a line ("line", dashes in line widths) or of "points", as a small picture."""
    if mark == "points":
        drawn = f'<circle cx="14" cy="5" r="3.5" fill="{colour}"/>'
    else:
        pattern = f' stroke-dasharray="{" ".join(str(2 * d) for d in dashes)}"' if dashes else ""
        drawn = f'<path d="M1 5H27" stroke="{colour}" stroke-width="2.5"{pattern}/>'
    return f'<svg class="swatch" width="28" height="10" aria-hidden="true">{drawn}</svg>'


def legend(entries):
    """entries: (label, swatch)."""
    return element("ul", "".join(element("li", mark + escape(label)) for label, mark in entries), class_="legend")


def section(title, *content):
    return element("section", element("h2", escape(title)) + "".join(content)) if any(content) else ""


def tiles(facts):
    """facts: (name, (value, unit), note)."""
    items = ""
    for name, (value, unit), note in facts:
        shown = escape(value) + (" " + element("span", escape(unit)) if unit else "")
        items += element("div", element("dt", escape(name)) + element("dd", shown + element("small", escape(note))))
    return element("dl", items, class_="tiles")


def settings(config):
    """{"section.key": value} as one short list a section."""
    groups = {}
    for key, value in config.items():
        section_name, _, name = key.partition(".")
        groups.setdefault(section_name, []).append((name, value))
    lists = ""
    for name, pairs in groups.items():
        rows = "".join(element("dt", escape(k)) + element("dd", escape(v) or "&nbsp;") for k, v in pairs)
        lists += element("div", element("h3", escape(name)) + element("dl", rows))
    return element("div", lists, class_="settings")


def document(title, subtitle, body):
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<header>"
            f"{element('h1', escape(title))}{element('p', escape(subtitle))}</header>\n<main>\n{body}\n</main>\n"
            "</body>\n</html>\n")
