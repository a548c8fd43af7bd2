"""The colours of all views, each on white and on black: pages, entity types, objects. WCAG AA holds in both."""

COLOURS = {
    "page": ("#ffffff", "#15181c"),
    "panel": ("#f4f6f9", "#1f242b"),  # behind fields and cards
    "ink": ("#1b1d21", "#e8eaed"),
    "quiet": ("#565c66", "#a9b0ba"),
    "rule": ("#d3d7dd", "#3b414a"),
    "link": ("#0b57a4", "#8ec2ff"),
    "heat": ("#f39237", "#8f4500"),  # attention
    "cool": ("#4f8fd6", "#4f8fd6"),  # gamma, a line
    "good": ("#6cbf84", "#1f5f35"),
    "error": ("#8c0019", "#ffb3bd"),
    "alert": ("#fdecee", "#3d141b"),  # behind an error
}
TYPES = ("PER", "LOC", "ORG", "OTHER")
TYPE_COLOURS = (  # first those of `TYPES`, then those of all other types
    ("#1f5fa8", "#8ec2ff"),
    ("#1b6a33", "#7fd494"),
    ("#7a3e9d", "#d3a6f0"),
    ("#9c3f0a", "#ffb27d"),
    ("#8a1538", "#ff9db5"),
    ("#00616b", "#6fd6df"),
    ("#5a5900", "#d3d36b"),
    ("#3c3c8c", "#b9b9ff"),
)
FILL = 25  # percent of a type's colour behind its entities
OBJECT_COLOURS = (
    ("#c00061", "#ff8fc2"),
    ("#00639c", "#8ec2ff"),
    ("#00704f", "#6fd8b4"),
    ("#8f6200", "#f0c566"),
    ("#7a3e9d", "#d3a6f0"),
)


def type_number(kind: str) -> int:
    """The place of an entity type in `TYPE_COLOURS`."""
    kind = "OTHER" if kind == "MISC" else kind
    return TYPES.index(kind) if kind in TYPES else len(TYPES) + sum(map(ord, kind)) % (len(TYPE_COLOURS) - len(TYPES))
