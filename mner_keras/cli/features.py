"""`mner features`."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from mner_keras.cli.options import Address, AsJson, Engine, Jobs, PrecisionName, ShardOption
from mner_keras.cli.terminal import note, print_json, progress_bar, start_keras
from mner_keras.errors import InputError

if TYPE_CHECKING:
    from mner_keras.vision.extraction import Extractor

app = Typer(help="Create, import and inspect stores of picture features.", no_args_is_help=True)

OUT = Annotated[Path, Option("--out", help="The store to write (HDF5).")]
DTYPE = Annotated[str, Option(metavar="float16|float32", help="Number type of the store.")]
BATCH_SIZE = Annotated[int, Option(min=1, help="Pictures per batch.")]
OVERWRITE = Annotated[bool, Option("--overwrite", help="Replace an existing feature store.")]
SHOWN = 10  # ignored entries that are named


def _extract(
    make_extractor: Callable,
    pictures: Annotated[list[Path], Argument(help="Folders of pictures, or pictures.")],
    out: Annotated[Path, Option(help="The store to write (HDF5); with --shard, --jobs or Ray, a folder of parts.")],
    dtype: DTYPE = "float32",
    batch_size: BATCH_SIZE = 16,
    max_errors: Annotated[
        float, Option(min=0, max=1, help="Share of unreadable pictures above which the exit code is 1.")
    ] = 1.0,
    shard: ShardOption = None,
    jobs: Jobs = 1,
    engine: Engine = "local",
    address: Address = "",
    overwrite: OVERWRITE = False,
) -> None:
    """Fill the store and print a summary; exit with 1 if too many pictures were unreadable."""
    from mner_keras.scale.shards import Shard, run_jobs
    from mner_keras.vision.feature_writer import check_target
    from mner_keras.vision.pictures import find_pictures

    share = Shard.parse(shard)
    found, passed = find_pictures(pictures)
    if run_jobs(out, ".h5", shard, jobs, engine, address, note):
        return
    if share is not None:
        found = {image_id: path for image_id, path in found.items() if share.holds(image_id)}
        out = share.part(out, ".h5")
    check_target(out, dtype)
    if passed:
        more = f" and {len(passed) - SHOWN:,} more" if len(passed) > SHOWN else ""
        note(f"ignored, not named as pictures: {', '.join(passed[:SHOWN])}{more}")
    start_keras(all_cores=True)
    from mner_keras.vision.extraction import extract_features

    extractor = make_extractor()
    try:
        with progress_bar("pictures") as progress:
            result = extract_features(found, extractor, out, dtype, batch_size, overwrite, progress=progress)
    except KeyboardInterrupt:
        note(f"interrupted; the same command continues ({out})")
        sys.exit(130)
    failed, listed = len(result.failed), f" ({out}.errors.csv)" if result.failed else ""
    print(
        f"{out}: {result.added:,} pictures added, {result.kept:,} already there, {failed:,} could not be read{listed}; "
        f"{result.seconds:.1f} s, {result.added / max(result.seconds, 1e-3):.1f} pictures per second"
    )
    if failed and failed / len(found) > max_errors:
        note(
            f"{100 * failed / len(found):.1f} % of the pictures could not be read, more than --max-errors "
            f"{100 * max_errors:g} % allows"
        )
        sys.exit(1)


def _extraction(make: Callable) -> Callable:
    """Add a command with the options of `_extract`, from a function with some of its own that makes an extractor."""
    shared, own = (dict(inspect.signature(function).parameters) for function in (_extract, make))
    del shared["make_extractor"]

    def command(**given) -> None:
        _extract(lambda: make(**{name: given[name] for name in own}), **{name: given[name] for name in shared})

    both = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in {**own, **shared, **own}.values()]
    command.__doc__ = make.__doc__
    command.__signature__ = inspect.Signature(both)
    command.__annotations__ = {option.name: option.annotation for option in both}
    return app.command(make.__name__.replace("_", "-"))(command)


@_extraction
def vgg16(
    weights: Annotated[
        Path | None, Option(help="VGG16 weights without the classifier. (default: Keras', downloaded)")
    ] = None,
    batch_size: BATCH_SIZE = 16,
) -> "Extractor":
    """Extract HSN's features: VGG16's last pooling layer, 49 regions of 512 numbers per picture, row by row.

    A picture's id is its file name without the extension. The store also gets the features of a white picture as
    `_blank`. After an interruption, the same command continues. Unreadable pictures are skipped, so that their posts
    get the blank picture, and listed with the reason in OUT.errors.csv.
    """
    from mner_keras.vision.vgg16 import VGG16Regions

    return VGG16Regions(weights, batch_size)


@_extraction
def mask_rcnn(
    top: Annotated[int, Option(min=1, help="Maximum number of objects per picture, most probable first.")] = 5,
    weights: Annotated[
        Path | None,
        Option(help="Mask R-CNN weights in the layout of mask_rcnn_coco.h5. (default: that file, downloaded: 258 MB)"),
    ] = None,
    min_score: Annotated[float, Option(min=0, max=1, help="Minimum probability of an object's class.")] = 0.7,
    side: Annotated[
        int, Option(help="Side of the square that pictures are resized to, in pixels; a multiple of 64.")
    ] = 1024,
    num_proposals: Annotated[int, Option(min=1, help="Region proposals per picture.")] = 1000,
    precision: Annotated[PrecisionName, Option(help="Numeric precision of the network.")] = "float32",
    batch_size: BATCH_SIZE = 1,
) -> "Extractor":
    """Extract AGBAN's features: the objects that Mask R-CNN detects, up to TOP vectors of 1024 numbers per picture.

    Each object also gets its name (one of COCO's 80 classes), box and probability. Ids, `_blank`, resuming and
    OUT.errors.csv work as in `mner features vgg16`.
    """
    import keras

    from mner_keras.vision.mask_rcnn import MaskRCNNObjects

    keras.config.set_dtype_policy(precision)
    with progress_bar("bytes of weights") as progress:
        return MaskRCNNObjects(weights, top, min_score, side, num_proposals, batch_size, progress)


@_extraction
def backbone(
    preset: Annotated[str, Option(help="Name of a KerasHub preset (downloaded on first use), or its folder.")],
    batch_size: BATCH_SIZE = 16,
) -> "Extractor":
    """Extract regions for HSN with an image backbone of KerasHub: ViT, DeiT, DINOv2, CLIP, SigLIP, ResNet and others.

    Each cell of the last feature map, or each patch of the picture, is a region, row by row from the top left. The
    preset's own image converter does the preprocessing. Requires the extra `backbones`
    (pip install 'mner-keras[backbones]'). Ids, `_blank`, resuming and OUT.errors.csv work as in `mner features vgg16`.
    """
    from mner_keras.vision.backbones import BackboneRegions

    return BackboneRegions(preset, batch_size)


@app.command()
def words(
    file: Annotated[Path, Argument(help="JSON with a caption, or a list of labels, by picture.")],
    vectors: Annotated[Path, Option(help="File of word vectors.")],
    out: OUT,
    regions: Annotated[int | None, Option(min=1, help="Regions per picture, for HSN. (default: 49)")] = None,
    objects: Annotated[int | None, Option(min=1, help="Most objects per picture, for AGBAN.")] = None,
    overwrite: OVERWRITE = False,
) -> None:
    """Turn words about pictures into features: captions or labels that any captioner or detector wrote.

    FILE is a JSON object of captions, or of lists of labels, by picture file name. Instead of a label, `label`, `score`
    and `box` (top, left, bottom, right) are possible. Each word of a caption, except stop words, and each label becomes
    its word vector, through a fixed random projection: 49 regions of 512 numbers that share the words in order, or with
    --objects the first K, of 1024 numbers. The blank picture is zeros; the store is float16.
    """
    if regions and objects:
        raise InputError("`--regions` and `--objects` exclude each other")
    from mner_keras.vision.words import extract_words

    kind, count = ("objects", objects) if objects else ("regions", regions or 49)
    added, kept, unknown = extract_words(file, vectors, out, kind, count, overwrite)
    print(f"{out}: {added:,} pictures added, {kept:,} already there, {unknown:,} without a known word")


@app.command("import")
def import_(
    file: Annotated[
        Path, Argument(help="VGG16 features of Zhang et al. (2018), HDF5, or AGBAN's text file of object features.")
    ],
    out: OUT,
    weights: Annotated[
        Path | None,
        Option(help="VGG16 weights for the blank picture. (default: Keras' own if they were downloaded before)"),
    ] = None,
    dtype: DTYPE = "float32",
    overwrite: OVERWRITE = False,
) -> None:
    """Convert the features that authors published into a store.

    HDF5: one dataset per image id, (1, 512, 7, 7), is stored as 49 regions of 512. The store also gets the blank
    picture if VGG16's weights are available; otherwise posts without a picture see zeros. Text: four lines per image:
    its file name, the objects' names separated by tabs, their k x 1024 numbers, and a blank line.
    """
    from mner_keras.vision.feature_store import NO_BLANK, FeatureStore
    from mner_keras.vision.imports import has_regions, import_features, keras_vgg16_file

    extractor = None
    if has_regions(file) and (weights := weights or keras_vgg16_file()):  # an import downloads nothing
        start_keras(all_cores=True)
        from mner_keras.vision.vgg16 import VGG16Regions

        extractor = VGG16Regions(weights, batch_size=1)
    with progress_bar("features") as progress:
        count = import_features(file, out, dtype, overwrite, progress, extractor)
    print(f"{out}: {count:,} pictures of {file}")
    if FeatureStore(out).lacks_blank:
        note(f"{out}: {NO_BLANK}; the same command with --weights adds it")


@app.command()
def merge(
    folder: Annotated[Path, Argument(help="Folder of the parts that `--shard` wrote.")],
    out: OUT,
    overwrite: OVERWRITE = False,
) -> None:
    """Merge the parts of all shards into one store.

    The pictures are copied one by one. The folder of parts is a store, too; one file is faster to read.
    """
    from mner_keras.vision.feature_writer import merge_parts

    with progress_bar("pictures") as progress:
        added, kept = merge_parts(folder, out, overwrite, progress)
    print(f"{out}: {added:,} pictures added, {kept:,} already there")


@app.command()
def info(
    store: Annotated[Path, Argument(help="A feature store: a file, or a folder of parts.")],
    check: Annotated[bool, Option("--check", help="Read all values; fail on NaN, infinity or damage.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what a store contains: pictures, vectors, their width and the extractor."""
    from mner_keras.vision.feature_store import NO_BLANK, FeatureStore

    opened = FeatureStore(store)
    about = opened.describe()
    if check:
        with progress_bar("pictures") as progress:
            opened.check(progress)
    if as_json:
        print_json(about)
        return
    counts = ", ".join(f"{number:,} with {count}" for count, number in about["vectors"].items())
    parts = f" in {len(opened.files):,} parts" if store.is_dir() else ""
    print(f"{about['path']}: {about['pictures']:,} pictures, {about['bytes']:,} bytes{parts}")
    print(f"vectors: width {about['width']}, {about['dtype']}; pictures {counts or 'none'}")
    if about["blank"] or opened.lacks_blank:
        print(f"blank picture: {'yes' if about['blank'] else NO_BLANK}")
    if check:
        print("values: all finite")
    if not about["finished"]:
        print("unfinished: repeat the command that wrote it to continue")
    for name, value in sorted(about["attributes"].items()):
        print(f"{name}: {value}")
