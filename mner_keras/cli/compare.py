"""`mner compare`."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mner_keras.cli.tables import print_table

if TYPE_CHECKING:
    from mner_keras.reproduce.groups import Disagreement, RunGroup


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of finished runs.", show_default=False)],
    posts: Annotated[int, typer.Option(help="Posts to show on which they differ.")] = 10,
    scheme: Annotated[
        str, typer.Option(help="How entities are read: strict (IOB2), or lenient, as conlleval does.")
    ] = "strict",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every post on which they differ.")] = False,
) -> None:
    """Compare runs on the test split: scores, significance, and the posts on which they differ.

    Runs that differ in the seed alone are one system; the others are compared with the first one given: by a paired
    bootstrap over posts, and from three common seeds on by a t-test paired by seed, both one-tailed.
    """
    from mner_keras.errors import InputError, did_you_mean
    from mner_keras.reproduce.groups import compare_groups, disagreements, read_groups
    from mner_keras.run.scores import SCHEMES

    if scheme not in SCHEMES:
        raise InputError(
            f"`scheme` must be one of {', '.join(SCHEMES)}, found {scheme!r}.{did_you_mean(scheme, SCHEMES)}"
        )
    if posts < 0:
        raise InputError(f"`posts` must be at least 0, found {posts}")
    groups = read_groups(runs)
    against = {group.name: compare_groups(group, groups[0], scheme) for group in groups[1:]}
    differing = disagreements(groups)
    if as_json:
        record = {
            "scheme": SCHEMES[scheme],
            "systems": [_record(group, scheme) for group in groups],
            "against": {"system": groups[0].name, **{n: dataclasses.asdict(found) for n, found in against.items()}},
            "posts": [dataclasses.asdict(post) for post in differing],
        }
        print(json.dumps(record, indent=2, ensure_ascii=False))
        return
    rows = []
    for group in groups:
        scores = [found["micro"] for found in group.scores(scheme).values()]
        seeds = ", ".join(map(str, sorted(group.folders)))
        rows.append(
            [group.name, seeds, *(_mean([row[key] for row in scores]) for key in ("precision", "recall", "f1"))]
        )
    print_table(f"test split, {SCHEMES[scheme]}", ["", "seeds", "precision", "recall", "F1"], rows)
    if against:
        rows = [
            [
                name,
                f"{found.difference:+.2f}",
                f"{found.bootstrap:.3f}",
                f"[{found.low:+.2f}, {found.high:+.2f}]",
                "" if found.t_test is None else f"{found.t_test:.4f}",
            ]
            for name, found in against.items()
        ]
        header = ["", "F1 difference", "bootstrap p", "95 % interval", "t-test p"]
        print_table(f"against {groups[0].name}: p that the row is better", header, rows)
        print(f"{len(differing):,} posts on which they differ" + (f", the first {posts}:" if differing else ""))
        for post in differing[:posts]:
            _print_post(post)


def _record(group: RunGroup, scheme: str) -> dict[str, Any]:
    return {
        "name": group.name,
        "runs": {seed: str(folder) for seed, folder in group.folders.items()},
        "scores": group.scores(scheme),
    }


def _mean(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"


def _print_post(post: Disagreement) -> None:
    width = max(map(len, ("gold", *post.found)))
    print(f"\npost {post.place + 1}, picture {post.image or 'none'}: {' '.join(post.tokens)}")
    for name, entities in (("gold", post.gold), *post.found.items()):
        right = "" if name == "gold" else " ✓" if entities == post.gold else ""
        print(f"  {name:{width}}  {', '.join(f'{text} ({kind})' for kind, text in entities) or '–'}{right}")
