"""`FeatureCRF`: a linear-chain CRF over features of tokens, without a network; text only."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from mner_keras.baselines.token_features import read_gazetteers, stanford_features, t_ner_features
from mner_keras.data.post import Post
from mner_keras.errors import InputError
from mner_keras.layers.checks import Strength, check_arguments, check_count
from mner_keras.tagged_post import TaggedPost, as_post, tagged_post

FORMAT = "feature-crf 1"


class FeatureCRF:
    """A linear-chain CRF over hand-made features, after Stanford NER or T-NER.

    The originals are programs in Java and in Python 2; these are their documented features, on CRFsuite. `"stanford"`
    omits the original's second-order label features. `"t-ner"` has the context, spelling and dictionary features of
    Ritter et al., but not their Brown clusters, their tweet-trained part-of-speech, chunk and capitalisation features,
    or their types by LabeledLDA over Freebase: it segments and types at once. The originals' scores may differ.

    It needs the extra `crf` (python-crfsuite).

    Args:
        features: `"stanford"` or `"t-ner"`.
        gazetteers: a folder of name lists for `"t-ner"` (`read_gazetteers`), saved with the model.
        l1: coefficient of the L1 penalty.
        l2: coefficient of the L2 penalty, `1 / (2 sigma^2)`; by default 0.5 for `"stanford"` (sigma 1, its default) and
            0.05 for `"t-ner"` (variance 10, the default of the library that it used).

    Attributes:
        history: after `fit`, one dict per iteration: `epoch` and `loss`, the penalised negative log-likelihood.
        num_parameters: after `fit`, the number of weights.

    Example:

    >>> data = load_dataset("sample")
    >>> model = FeatureCRF().fit(data["train"])
    >>> model.tag(data["test"])[0].entities

    Reference:
        Finkel, Grenager & Manning, "Incorporating non-local information into information extraction systems by Gibbs
        sampling", ACL 2005; Ritter, Clark, Mausam & Etzioni, "Named entity recognition in tweets", EMNLP 2011.
    """

    def __init__(
        self,
        features: Literal["stanford", "t-ner"] = "stanford",
        gazetteers: str | os.PathLike | None = None,
        l1: Strength = 0.0,
        l2: Strength | None = None,
    ) -> None:
        check_arguments(FeatureCRF.__init__, {"features": features, "l1": l1, "l2": l2})
        if gazetteers is not None and features != "t-ner":
            expected = f"None with features={features!r}"
            raise ValueError(f"`gazetteers` must be {expected}. Received: gazetteers={gazetteers!r}")
        # Nothing below works without it.
        _crfsuite()
        self.features = features
        self.l1 = l1
        self.l2 = (0.5 if features == "stanford" else 0.05) if l2 is None else l2
        self.lists = {} if gazetteers is None else read_gazetteers(gazetteers)
        self.history: list[dict[str, float]] = []
        self.num_parameters: int | None = None
        self._model: bytes | None = None

    def fit(self, posts: Iterable[Post], dev: Sequence[Post] = (), epochs: int = 200) -> FeatureCRF:
        """Train on posts with tags.

        Args:
            posts: the posts.
            dev: ignored; L-BFGS stops when the likelihood no longer rises.
            epochs: maximum number of L-BFGS iterations.

        Raises:
            InputError: no post, or a post without tags.
        """
        check_count("epochs", epochs)
        posts = list(posts)
        if not posts or any(post.tags is None for post in posts):
            raise InputError("expected posts with tags to train on, found " + ("some without" if posts else "none"))
        trainer = _crfsuite().Trainer(algorithm="lbfgs", verbose=False)
        settings = {"c1": self.l1, "c2": self.l2, "max_iterations": epochs, "feature.possible_transitions": True}
        trainer.set_params(settings)
        for post in posts:
            trainer.append(self.token_features(post.tokens), list(post.tags))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            trainer.train(os.fspath(path))
            self._model = path.read_bytes()
        self.history = [{"epoch": row["num"], "loss": row["loss"]} for row in trainer.logparser.iterations]
        self.num_parameters = trainer.logparser.featgen_num_features
        return self

    def token_features(self, tokens: Sequence[str]) -> list[list[str]]:
        """Return the features of each token of a post."""
        return list(stanford_features(tokens) if self.features == "stanford" else t_ner_features(tokens, self.lists))

    def tag(self, posts: Iterable[Post | str | Sequence[str]], scores: bool = True) -> list[TaggedPost]:
        """Tag posts: `Post`s, plain texts, or lists of tokens; with or without the entities' scores.

        Raises:
            ValueError: the model is not trained.
        """
        if self._model is None:
            raise ValueError("`tag` needs a trained model: call `fit`, or `load` a saved one")
        tagger = _crfsuite().Tagger()
        tagger.open_inmemory(self._model)
        tagged = []
        for post in map(as_post, posts):
            tagger.set(self.token_features(post.tokens))
            tags = tuple(tagger.tag())
            shares = [tagger.marginal(tag, place) for place, tag in enumerate(tags)] if scores else None
            tagged.append(tagged_post(post, tags, shares))
        return tagged

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to one file: a zip archive of its settings, its lists and CRFsuite's weights."""
        if self._model is None:
            raise ValueError("`save` needs a trained model: call `fit` first")
        lists = {name: sorted(map(list, entries)) for name, entries in self.lists.items()}
        config = {"format": FORMAT, "features": self.features, "l1": self.l1, "l2": self.l2, "lists": lists}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("model.crfsuite", self._model)

    @classmethod
    def load(cls, path: str | os.PathLike) -> FeatureCRF:
        """Open a file that `save` wrote.

        Raises:
            InputError: no such file, or another kind of file.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                weights = archive.read("model.crfsuite")
        except OSError as error:
            raise InputError(f"expected a feature CRF; {error.strerror or error}", path) from None
        except (zipfile.BadZipFile, KeyError, ValueError):
            raise InputError("expected a feature CRF, found another kind of file", path) from None
        if not isinstance(config, dict) or config.pop("format", None) != FORMAT:
            raise InputError("expected a feature CRF of this version, found another kind of file", path)
        lists = config.pop("lists")
        model = cls(**config)
        model.lists = {name: {tuple(entry) for entry in entries} for name, entries in lists.items()}
        model._model = weights
        return model


def _crfsuite() -> Any:
    try:
        import pycrfsuite
    except ImportError:
        raise InputError("a feature CRF needs python-crfsuite: pip install 'mner-keras[crf]'") from None
    return pycrfsuite
