"""`Tagger`: a model that trains on posts and tags posts."""

import dataclasses
import inspect
import os
from collections.abc import Iterable, Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops
from PIL import Image

from mner_keras.crf_model import CRFModel
from mner_keras.data.batches import PostBatches, as_dataset
from mner_keras.data.post import Post
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.errors import InputError
from mner_keras.layers.checks import check_choice
from mner_keras.predictor import Predictor
from mner_keras.registry import Training, training_of
from mner_keras.tagged_post import TaggedPost, as_post, tagged_post
from mner_keras.text.vectors import WordVectors
from mner_keras.training import TrainingSchedule, TrainingState, check_steps, make_optimizer
from mner_keras.vision.extraction import Extractor
from mner_keras.vision.feature_store import FeatureStore

FORMAT = 2  # of the models' files
MIN_EVALUATION_BATCH = 32  # posts, by default: smaller batches only cost time


class Tagger(CRFModel):
    """Base class of the models: trains on posts, tags posts, and is saved to one self-contained file.

    A subclass builds a functional graph over `batch_inputs(preprocessor)` and passes it on. Each argument of its
    constructor becomes an attribute of the same name, unless the model has another one of that name, and is saved.

    Args:
        inputs: `keras.Input` by batch key; other keys of a batch are ignored.
        outputs: a dict with `potentials` `[B, n, K]`, `mask` `[B, n]` and what else the subclass reads.
        preprocessor: converts posts into batches; saved with the model. If it has pretrained word vectors, the
            model's layer `word_embedding` copies them.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Keras' `predict` and `decode` take arrays. `potentials`, `log_likelihood`, `tag` and `explain` take posts. To copy a
    model use `type(model).from_config(model.get_config())`: `keras.models.clone_model` gives a plain functional model.
    """

    preprocessing: dict[str, Any] = {"use_pos": False}
    """The arguments of `PostPreprocessor.fit` that belong to the paper's settings."""

    takes_backbone = False
    """Whether a preprocessor of the model may have a pretrained text backbone, or leave out words or characters."""

    explained: dict[str, str] = {}
    """The arrays that `explain` returns, by name, and their axes: `n` tokens, `k` regions or objects, `d` features."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        model = super().__new__(cls, *args, **kwargs)
        # Partially: Keras also calls `__new__` without arguments.
        arguments = inspect.signature(cls.__init__).bind_partial(model, *args, **kwargs)
        arguments.apply_defaults()
        model._arguments = {name: value for name, value in arguments.arguments.items() if name != "self"}
        return model

    def __init__(
        self, inputs: dict, outputs: dict, preprocessor: PostPreprocessor, loss_reduction: str = "mean", **kwargs
    ) -> None:
        check_choice("loss_reduction", loss_reduction, ("mean", "sum"))
        super().__init__(inputs, outputs, tags=preprocessor.tags, **kwargs)
        self.preprocessor = preprocessor
        self.loss_reduction = loss_reduction
        for name, value in self._arguments.items():
            if not hasattr(self, name):
                setattr(self, name, value)
        self._training: Training | None = None
        self._schedule: dict[str, Any] | None = None
        self.temperature = 1.0
        """What divides potentials and the CRF's scores where entities get their scores; it changes no tag."""
        self._predictor = Predictor(self)
        if preprocessor.backbone is not None and not preprocessor.backbone.fine_tune:
            # Not in the graph, but in the model's file.
            self.frozen_backbone = preprocessor.backbone.frozen
        if preprocessor.vectors is not None:
            self.get_layer("word_embedding").load_vectors(*preprocessor.word_vectors())

    @classmethod
    def fit_preprocessor(
        cls,
        posts: Iterable[Post],
        vectors: WordVectors | None = None,
        features: FeatureStore | str | os.PathLike | None = None,
        pictures: bool = True,
        **options: Any,
    ) -> PostPreprocessor:
        """Return a `PostPreprocessor` with the settings of the model's paper.

        Args:
            posts: the training posts.
            features: the store of the pictures' features; without it the sizes are those of the paper's extractor.
            pictures: whether the posts' pictures are used; if not, every post counts as one without a picture.
            options: other arguments of `PostPreprocessor.fit`.

        Raises:
            ValueError: a pretrained backbone for a model that takes none.
        """
        options = {**cls.preprocessing, **options}
        for name, value in {"backbone": None, "use_words": True, "use_characters": True}.items():
            if not cls.takes_backbone and options.get(name, value) != value:
                expected = f"`{name}` must be {value}: {cls.__name__} takes no pretrained backbone"
                raise ValueError(f"{expected}. Received: {name}={options[name]!r}")
        return PostPreprocessor.fit(posts, vectors, features, pictures=pictures, **options)

    def call(self, inputs, training=None, mask=None):
        # A batch may contain keys that this model does not read.
        return super().call(self._select(inputs), training=training)

    def compile(self, optimizer=None, training: Training | None = None, **kwargs) -> None:
        """Configure the training.

        Args:
            optimizer: a Keras optimiser; by default the one of the model's paper, or AdamW with a warm-up where a
                backbone is fine-tuned. `fit` builds its learning rate schedule as soon as the numbers of steps and
                epochs are known.
            training: other settings than the paper's for the default optimiser.
            kwargs: the other arguments of Keras' `compile`; `loss` and `metrics` are built in.
        """
        if None not in (optimizer, training):
            raise ValueError(f"`training` must be None with an optimiser of its own. Received: training={training!r}")
        self._training = self._schedule = None
        if optimizer is None:
            self._training = training or self._paper_training
            optimizer = make_optimizer(self._training)
        super().compile(optimizer, **kwargs)

    def get_compile_config(self) -> dict | None:
        config = super().get_compile_config()
        if config is None or self._training is None:
            return config
        return {**config, "optimizer": None, "training": dataclasses.asdict(self._training)}

    def compile_from_config(self, config: dict) -> None:
        if (training := config.pop("training", None)) is not None:
            training = Training(**training)
        self.compile(**keras.saving.deserialize_keras_object(config), training=training)

    def fit(
        self,
        x=None,
        y=None,
        features: FeatureStore | str | os.PathLike | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
        epochs: int = 1,
        initial_epoch: int = 0,
        validation_data=None,
        callbacks=None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train the model.

        Args:
            x: posts with tags; or a data set of `preprocessor.dataset`; or, with `y`, a dict of arrays.
            y: the tags of arrays, int32 `[N, n]`.
            features: the store of the posts' pictures.
            batch_size: posts per batch; by default that of the model's paper.
            seed: the order of posts and the dropout depend on (seed, epoch) alone, so that a training that
                `initial_epoch` or `keras.callbacks.BackupAndRestore` resumes equals one without interruption. By
                default a new seed. The initial weights depend on `keras.utils.set_random_seed`.
            epochs: the epoch at which to stop; `initial_epoch` is the one at which to start.
            validation_data: posts, whose pictures are in `features`; or `(posts, features)`; or what `x` and `y` may
                be otherwise. Each epoch then reports `val_loss` and `val_f1`.
            kwargs: the other arguments of Keras' `fit`.

        Raises:
            ValueError: `validation_split` with posts; data of unknown length where the settings depend on it.
        """
        batches = None
        if _are_posts(x):
            if split := kwargs.get("validation_split"):
                expected = "`validation_split` must be 0 with posts: pass posts as `validation_data`"
                raise ValueError(f"{expected}. Received: validation_split={split}")
            posts_per_batch = batch_size or self._paper_training.batch_size
            batches = PostBatches(self.preprocessor, x, features, posts_per_batch, shuffle=True, seed=seed)
            x, seed, batch_size = as_dataset(batches), batches.seed, None
            kwargs.setdefault("validation_batch_size", self._batch_size(max(posts_per_batch, MIN_EVALUATION_BATCH)))
        if validation_data is not None:
            validation_data, kwargs["validation_batch_size"] = self._evaluation_data(
                validation_data, features, kwargs.get("validation_batch_size")
            )
        if y is None:
            # Data sets of posts have an order of their own.
            kwargs.setdefault("shuffle", False)
        return super().fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            initial_epoch=initial_epoch,
            validation_data=validation_data,
            # The first callback: `BackupAndRestore` must find the training prepared.
            callbacks=[TrainingState(initial_epoch, seed, batches), *keras.tree.flatten(callbacks or ())],
            **kwargs,
        )

    def begin_training(self, steps_per_epoch: int | None, epochs: int, initial_epoch: int = 0) -> None:
        """Prepare for a training from `initial_epoch` to `epochs`; `fit` calls it before the first step.

        Where the learning rate depends on the steps per epoch and they are unknown (`None`), it raises `ValueError`.
        """
        settings = self._training
        if settings is None or not (settings.learning_rate_decay or settings.warmup):
            return
        check_steps(steps_per_epoch, "the schedule of the learning rate")
        rates = settings.learning_rate, settings.learning_rate_decay, settings.warmup
        first_step = int(self.optimizer.iterations) - initial_epoch * steps_per_epoch
        schedule = TrainingSchedule(*rates, steps_per_epoch, epochs, first_step)
        if schedule.get_config() != self._schedule:
            self._schedule = schedule.get_config()
            self.optimizer.learning_rate = schedule
            self.make_train_function(force=True)

    def evaluate(self, x=None, y=None, features=None, batch_size: int | None = None, **kwargs: Any):
        """Compute loss and F1 (0 to 1). The arguments are those of `fit` and of Keras' `evaluate`, which it returns."""
        if _are_posts(x):
            x, batch_size = self._evaluation_data(x, features, batch_size)
        return super().evaluate(x, y, batch_size=batch_size, **kwargs)

    def _evaluation_data(self, data: Any, features: Any, batch_size: int | None) -> tuple[Any, int | None]:
        """Return a data set for posts or `(posts, features)`, other data as it is; and the batch size for Keras."""
        if not _are_posts(data):
            if not (isinstance(data, (tuple, list)) and len(data) == 2 and _are_posts(data[0])):
                return data, batch_size
            data, features = data
        if self.preprocessor.bucket:
            # Posts of similar length share a batch; the scores do not depend on the order.
            data = sorted(data, key=len)
        batch_size = batch_size or self._batch_size(MIN_EVALUATION_BATCH)
        return as_dataset(PostBatches(self.preprocessor, data, features, batch_size)), None

    def _batch_size(self, usual: int) -> int:
        """Return the usual batch size; the paper's for a model whose results depend on the batch."""
        return usual if self.preprocessor.bucket else self._paper_training.batch_size

    @property
    def _paper_training(self) -> Training:
        backbone = self.preprocessor.backbone
        return training_of(type(self), backbone is not None and backbone.fine_tune)

    def potentials(self, posts: Iterable[Post | str | Sequence[str]], features=None, batch_size: int | None = None):
        """Return the potentials of each post's tokens, a list of float32 `[n, K]`; the arguments are those of `tag`."""
        posts = [as_post(post) for post in posts]
        found: list[Any] = [None] * len(posts)
        for rows, _, arrays in self._predictor("potentials", posts, features, batch_size):
            for row, array in zip(rows, arrays, strict=False):
                found[row] = np.asarray(array, "float32")[: len(posts[row])]
        return found

    def log_likelihood(self, posts: Iterable[Post], features=None, batch_size: int | None = None) -> np.ndarray:
        """Return the log-likelihood of each post's tags, float32 `[N]`; the arguments are those of `tag`.

        A post without tags, or with a tag that the model does not know, raises `InputError`.
        """
        posts = list(posts)
        if any(post.tags is None for post in posts):
            raise InputError("expected posts with tags, found posts without")
        found = np.zeros(len(posts), "float32")
        for rows, inputs, potentials in self._predictor("potentials", posts, features, batch_size):
            mask = inputs["token_mask"]
            tags = np.zeros(mask.shape, "int32")
            for i, row in enumerate(rows):
                tags[i, : len(posts[row])] = self.preprocessor.tag_ids(posts[row].tags)
            found[rows] = ops.convert_to_numpy(self.crf.log_likelihood(potentials, tags, mask))[: len(rows)]
        return found

    def tag(
        self,
        posts: Iterable[Post | str | Sequence[str]],
        features: FeatureStore | str | os.PathLike | None = None,
        batch_size: int | None = None,
        pictures: Sequence[str | os.PathLike | Image.Image | None] | None = None,
        extractor: Extractor | None = None,
        scores: bool = True,
    ) -> list[TaggedPost]:
        """Find the names in posts.

        Args:
            posts: posts, plain texts, or lists of tokens.
            features: the store of the posts' pictures. A post whose picture it does not contain counts as one without a
                picture, and so does every post without `features`.
            pictures: instead of `features`, a path, a PIL image or `None` for each post. A picture that cannot be read
                counts as none, with a warning.
            extractor: turns `pictures` into features; by default the extractor that created the training features.
            scores: whether entities have scores; without them tagging is faster.

        Returns:
            a `TaggedPost` for each post, in order. The score of an entity is the smallest marginal probability of its
            tags.

        Raises:
            ValueError: the numbers of pictures and posts differ; both `features` and `pictures` are given.
            InputError: features of another width than the model's; pictures that the model cannot read.
        """
        posts = [as_post(post) for post in posts]
        tagged: list[TaggedPost | None] = [None] * len(posts)
        names = np.array(self.preprocessor.tags, object)
        given = posts, features, batch_size, pictures, extractor
        for rows, _, found in self._predictor("tags" if scores else "tags alone", *given):
            tags, probabilities = map(np.asarray, found) if scores else (np.asarray(found), [None] * len(found))
            for row, tags_of_row, of_row in zip(rows, names[tags].tolist(), probabilities, strict=False):
                tagged[row] = tagged_post(posts[row], tuple(tags_of_row[: len(posts[row])]), of_row)
        return tagged

    def explain(
        self, posts, features=None, batch_size: int | None = None, pictures=None, extractor: Extractor | None = None
    ) -> list[dict[str, np.ndarray]]:
        """Return what the model attends to when it tags posts: of each, arrays by the names in `explained`, unpadded.

        Arguments and errors are those of `tag`; for a model without attention, an `InputError`.
        """
        names = [name for name in self.explained if name in self.output]
        if not names:
            raise InputError(f"{type(self).__name__} has no attention to explain")
        posts = [as_post(post) for post in posts]
        found: list[dict[str, np.ndarray]] = [{} for _ in posts]
        for rows, inputs, arrays in self._predictor("explained", posts, features, batch_size, pictures, extractor):
            seen = inputs["visual_mask"].sum(axis=1) if "visual_mask" in inputs else np.zeros(len(rows), int)
            for name in names:
                for array, row, count in zip(arrays[name], rows, seen, strict=False):
                    size = {"n": len(posts[row]), "k": count}
                    cut_off = tuple(slice(size.get(axis)) for axis in self.explained[name])
                    found[row][name] = np.asarray(array, "float32")[cut_off]
        return found

    def get_config(self) -> dict:
        """Return the constructor's arguments, the preprocessor as plain JSON values, and the temperature."""
        config = {"format": FORMAT, "temperature": self.temperature, **self._arguments}
        return {**config, "preprocessor": self.preprocessor.get_config()}

    @classmethod
    def from_config(cls, config: dict, custom_objects=None) -> Self:
        arguments = {name: value for name, value in config.items() if name not in ("format", "temperature")}
        model = cls(**{**arguments, "preprocessor": PostPreprocessor.from_config(config["preprocessor"])})
        model.temperature = config.get("temperature", 1.0)
        return model


def _are_posts(data: Any) -> bool:
    return isinstance(data, Sequence) and all(isinstance(post, Post) for post in data[:1])
