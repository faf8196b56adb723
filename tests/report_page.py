"""What every report.html must be: for the tests of made-up runs and of the records."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

SECTIONS = (
    "Effects", "Where the time of a task goes", "Latency", "Throughput over time", "What became of every task",
    "Validity", "Round by round", "Machine, software, settings", "How to repeat it",
)  # fmt: skip
LOADING = ("script", "link", "img", "image", "iframe", "object", "embed", "video", "audio", "use", "base", "source")


def parsed(page: str) -> ET.Element:
    """Return the page's root element; ParseError where its markup is not well-formed."""
    closed = re.sub(r"(<meta [^>]*)>", r"\1/>", page.removeprefix("<!doctype html>\n"))
    return ET.fromstring(closed)  # noqa: S314 - our own file


def sections(page: str) -> list[str]:
    """Return the headings of the page's sections, in their order."""
    return ["".join(heading.itertext()) for heading in parsed(page).iter("h2")]


def external(page: str) -> list[str]:
    """Return whatever a browser would have to fetch to show the page: links that a person may follow are not of it."""
    root = parsed(page)
    found = [element.tag for element in root.iter() if element.tag in LOADING]
    for element in root.iter():
        found += [f"{element.tag} {name}" for name in element.attrib if name in ("src", "srcset", "data", "xlink:href")]
        if "href" in element.attrib and element.tag != "a":
            found.append(f"{element.tag} href")
        found += [value for value in element.attrib.values() if "url(" in value or value.startswith("javascript:")]
    styles = "".join(style.text or "" for style in root.iter("style"))
    return found + re.findall(r"@import|url\([^)]*\)", styles)
