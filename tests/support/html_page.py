"""What a test reads of a page of HTML: whether it is well formed, and whether it asks for other files."""

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr", "source"}
RESOURCES = ("src", "srcset", "href", "xlink:href", "action", "poster", "data", "background", "ping")


class HtmlPage(HTMLParser):
    """A page that is read from top to bottom.

    Attributes:
        elements: tag and attributes of each element.
        problems: what is wrong with it.
        texts: the text of each element with an id, by the id.
        tables: for each table, whether it has a caption, and the cells of each row.
    """

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.problems, self.texts, self.tables = [], [], {}, []
        self._open = []
        self._table = []
        self.feed(text)
        self.close()
        if self._open:
            self.problems.append(f"never closed: {[tag for tag, _ in self._open]}")
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        self.problems += [f"id {one!r} twice" for one in set(ids) if ids.count(one) > 1]
        for tag, attributes in self.elements:
            self._check(tag, attributes, set(ids))
        for table in self.tables:
            self._check_table(table)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag == "table":
            self._table.append({"caption": False, "rows": [], "spanned": {}})
        elif tag == "caption":
            self._table[-1]["caption"] = True
        elif tag == "tr":
            self._table[-1]["rows"].append([])
        elif tag in ("td", "th"):
            self._table[-1]["rows"][-1].append((tag, attributes))
        if tag not in VOID:
            self._open.append((tag, attributes))
            if "id" in attributes:
                self.texts[attributes["id"]] = ""

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self._open or self._open[-1][0] != tag:
            self.problems.append(f"</{tag}> at line {self.getpos()[0]} closes {self._open[-1:]}")
            return
        self._open.pop()
        if tag == "table":
            self.tables.append(self._table.pop())

    def handle_data(self, data):
        for tag, attributes in self._open:
            if "id" in attributes:
                self.texts[attributes["id"]] += data
            if tag == "style" and re.search(r"url\(|@import", data):
                self.problems.append("the style asks for a file")

    def _check(self, tag, attributes, ids):
        for name in RESOURCES:
            value = attributes.get(name)
            if value is None:
                continue
            if value.startswith("#"):
                if value[1:] not in ids:
                    self.problems.append(f"<{tag} {name}={value!r}> leads nowhere")
            elif not value.startswith("data:"):
                self.problems.append(f"<{tag}> asks for {value[:60]!r}")
        if "url(" in attributes.get("style", ""):
            self.problems.append(f"<{tag}>'s style asks for a file")
        self.problems += [f"<{tag} {name}>" for name in attributes if name.startswith("on")]
        if tag == "th" and attributes.get("scope") not in ("row", "col", "rowgroup", "colgroup"):
            self.problems.append("a heading of a table without its scope")
        if tag == "svg" and "aria-hidden" not in attributes and not attributes.get("aria-label"):
            self.problems.append("a drawing without a label")
        for name in ("aria-labelledby", "aria-describedby"):
            self.problems += [f"{name}={one!r}" for one in attributes.get(name, "").split() if one not in ids]

    def _check_table(self, table):
        if not table["caption"]:
            self.problems.append("a table without a caption")
        widths, hanging = [], []
        for row in table["rows"]:
            width = sum(int(cell.get("colspan", 1)) for _, cell in row) + len(hanging)
            hanging = [left - 1 for left in hanging if left > 1]
            hanging += [int(cell["rowspan"]) - 1 for _, cell in row if int(cell.get("rowspan", 1)) > 1]
            widths.append(width)
        if len(set(widths)) > 1:
            self.problems.append(f"a table with rows of {sorted(set(widths))} cells")

    def of_class(self, name):
        """The attributes of the elements of a class."""
        return [attributes for _, attributes in self.elements if name in attributes.get("class", "").split()]
