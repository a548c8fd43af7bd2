"""`mner compare`."""

import dataclasses
import statistics
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from mner_keras.cli.options import Scheme
from mner_keras.cli.terminal import print_json, print_table


def compare(
    runs: Annotated[list[Path], Argument(metavar="RUN", help="Folders of finished runs.")],
    posts: Annotated[int, Option(min=0, help="Number of differing posts to show.")] = 10,
    scheme: Scheme = "strict",
    as_json: Annotated[bool, Option("--json", help="Print JSON, with every differing post.")] = False,
) -> None:
    """Compare runs on the test split: scores, significance, and the posts on which they differ.

    Runs that differ only in the seed are one system. The others are compared with the first one by a paired bootstrap
    over posts and, from three common seeds on, by a t-test paired by seed. Both are one-tailed.
    """
    from mner_keras.papers.compare import compare_runs, disagreements, read_groups
    from mner_keras.papers.render import comparison_cells
    from mner_keras.run.run import SCHEMES

    groups = read_groups(runs)
    base, *others = groups
    compared = {name: dataclasses.asdict(compare_runs(groups[name], groups[base], scheme)) for name in others}
    differing = disagreements(groups)
    if as_json:
        systems = []
        for name, group in groups.items():
            paths, scores = {}, {}
            for seed, run in group.items():
                paths[seed], scores[seed] = str(run.path), run.scores(scheme)
            systems.append({"name": name, "runs": paths, "scores": scores})
        against = {"system": base, **compared}
        print_json({"scheme": SCHEMES[scheme], "systems": systems, "against": against, "posts": differing})
        return
    rows = []
    for name, group in groups.items():
        scores = [run.scores(scheme)["micro"] for run in group.values()]
        cells = [_mean([row[key] for row in scores]) for key in ("precision", "recall", "f1")]
        rows.append([name, ", ".join(map(str, sorted(group))), *cells])
    print_table(f"test split, {SCHEMES[scheme]}", ["", "seeds", "precision", "recall", "F1"], rows)
    if compared:
        print_table(f"against {base}: p-value of a better row", *comparison_cells(compared))
        print(f"{len(differing):,} posts on which they differ" + (f", the first {posts}:" if differing else ""))
        for post in differing[:posts]:
            print(f"\npost {post['post']}, picture {post['image'] or 'none'}: {' '.join(post['tokens'])}")
            width = max(map(len, ("gold", *post["found"])))
            for name, entities in {"gold": post["gold"], **post["found"]}.items():
                right = " ✓" if name != "gold" and entities == post["gold"] else ""
                text = ", ".join(f"{text} ({kind})" for kind, text in entities) or "–"
                print(f"  {name:{width}}  {text}{right}")


def _mean(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"
