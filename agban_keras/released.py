"""`ReleasedAGBAN`: the model of the AGBAN authors' released code."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from agban_keras.layers import (
    GradientReversal,
    ReleasedAttention,
    ReleasedCRF,
    ReleasedModalityClassifier,
    ReleasedNetwork,
)
from agban_keras.layers.initializers import begin_uniformly, linear_initializer, width_initializer
from agban_keras.object_tagger import ObjectTagger, update_on
from agban_keras.released_state import load_arrays
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.checks import check_count

RELEASED_TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-OTHER", "I-OTHER", "B-ORG", "I-ORG")
"""The tags in the order of the released code's labels 1 to 9."""


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedAGBAN(ObjectTagger):
    """AGBAN as computed by its authors' released PyTorch code, which differs from the printed model (`AGBAN`).

    Differences: one softmax over all pairs of objects and tokens (`ReleasedAttention`), weight-normalised linear
    layers, batch normalisation of the attention's output, a CRF with labels for padding, START and STOP
    (`ReleasedCRF`), and a classifier that normalises each modality separately (`ReleasedModalityClassifier`), with
    weighted classes, and is not updated on every eighth step. The loss is the sum of the CRF's and the classifier's for
    both modalities. `load_released_state` loads the arrays of a trained PyTorch module.

    **Its output depends on the batch's padding**: padded tokens are part of the attention and of the batch statistics,
    as in the released code. Compare on batches of the same length. Rows without tokens, which only our data sets
    create, are excluded everywhere. As in the released code, batches are not bucketed or rounded to fixed lengths:
    training shuffles the posts, tagging keeps their order, ten at once, and each batch is padded to its longest post.

    Potentials have `num_tags + 3` scores: padding, the tags in the order of `RELEASED_TAGS` (other types come last),
    START, STOP. Targets and decoded tags are indices of the preprocessor's tags; a decoded padding, START or STOP
    becomes O. `explain` gives `attention` `[glimpses, m, n]`, `text_features` `[n, d]` and `object_features` `[m, d]`.

    The released code built its vocabulary over train, dev and test: pass the posts of dev and test to
    `fit_preprocessor` as `other_posts` (`mner train --transductive`). Training here differs in that an LSTM's two
    biases are one weight, moving variances are biased, and words are cut at `max_characters`.

    Args:
        preprocessor, word_dim, char_dim, char_hidden_dim, hidden_dim, reversal, loss_reduction: see `AGBAN`.
        rank: a third of the width of the bilinear form.
        glimpses: the number of attention distributions, and of rounds of the gate.
        num_training_tokens: used in the classes' weights: `posts m / (tokens + posts m)` for a token,
        num_training_posts: and `tokens / (tokens + posts m)` for an object.
        classifier_rests_every: the classifier is not updated on every N-th training step; 0 to always update it.
        dropout: rate on the characters' vectors, on the token representation, on the BiLSTM's output and on the
            objects in the bilinear form.
        attention_dropout: rate before the attention's relu layers.

    Example:

    >>> posts = load_dataset("sample")["train"]
    >>> preprocessor = ReleasedAGBAN.fit_preprocessor(posts)
    >>> model = ReleasedAGBAN(preprocessor)
    >>> model.compile(keras.optimizers.SGD(0.005))

    Reference:
        Zheng et al., "Object-aware multimodal named entity recognition in social media posts with adversarial
        learning", IEEE Transactions on Multimedia 23, 2021, and the code that its authors published.
    """

    preprocessing = {**ObjectTagger.preprocessing, "bucket": False}
    explained = {"attention": "dkn", "text_features": "nd", "object_features": "kd"}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: int | None = None,
        char_dim: int = 30,
        char_hidden_dim: int = 50,
        hidden_dim: int = 200,
        rank: int = 200,
        glimpses: int = 1,
        num_training_tokens: int = 64439,
        num_training_posts: int = 4000,
        reversal: float | str = "schedule",
        classifier_rests_every: int = 8,
        dropout: float = 0.5,
        attention_dropout: float = 0.2,
        loss_reduction: str = "sum",
        name: str = "released_agban",
    ) -> None:
        check_count("num_training_tokens", num_training_tokens)
        check_count("num_training_posts", num_training_posts)
        check_count("classifier_rests_every", classifier_rests_every, 0)
        # === Layers ===
        words = word_embedding(preprocessor, word_dim, 200, unknown="uniform")
        char_bilstm = CharBiLSTM(
            preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, dropout, name="char_bilstm"
        )
        bilstm = BiLSTM(hidden_dim, name="bilstm")
        begin_uniformly(char_bilstm.lstm)
        begin_uniformly(bilstm)
        projector = ReleasedNetwork((512, 256), hidden_dim, name="visual_projector")
        attention = ReleasedAttention(rank, glimpses, dropout, attention_dropout, name="attention")
        norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="fusion_norm")
        dense = keras.layers.Dense(
            preprocessor.num_tags + 3,
            kernel_initializer=linear_initializer(),
            bias_initializer=width_initializer(hidden_dim),
            name="potentials",
        )
        crf = ReleasedCRF(preprocessor.num_tags + 3, _labels(preprocessor.tags), name="crf")

        # === Functional model ===
        inputs = batch_inputs(preprocessor)
        token_mask = inputs["token_mask"]
        object_mask = inputs["visual_mask"]
        # The batch statistics include every place of a row, padded or not.
        row = ops.any(token_mask, axis=1, keepdims=True)
        token_places, object_places = ops.logical_or(token_mask, row), ops.logical_or(object_mask, row)
        tokens = keras.layers.Concatenate(name="token_representation")(
            [words(inputs["word_ids"]), char_bilstm(inputs["char_ids"])]
        )
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        text = bilstm(tokens, mask=token_mask)
        text = keras.layers.Dropout(dropout, name="text_dropout")(text)  # [B, n, d]
        features = inputs["visual_features"]
        features = ops.where(object_mask[..., None], features, ops.zeros_like(features))
        objects = projector(features, mask=object_places)  # [B, m, d]
        fused, scores = attention(text, objects, object_mask=object_mask, return_attention_scores=True)
        potentials = crf(dense(norm(fused, mask=token_places)), mask=token_mask)  # [B, n, K + 3]
        both = keras.layers.Concatenate(axis=1, name="both_modalities")([text, objects])
        both = GradientReversal(reversal, name="gradient_reversal")(both)
        classifier = ReleasedModalityClassifier(name="modality_classifier")
        logits = classifier(both, text_mask=token_places, object_mask=object_places)
        outputs = {
            "potentials": potentials,
            "mask": token_mask,
            "attention": scores,  # [B, glimpses, m, n]
            "text_features": text,  # [B, n, d]
            "object_features": objects,  # [B, m, d]
            "modality_logits": logits,  # [B, n + m, 2]
            "object_mask": object_mask,
        }
        super().__init__(inputs, outputs, preprocessor=preprocessor, loss_reduction=loss_reduction, name=name)
        self.crf_loss_tracker = keras.metrics.Mean(name="crf_loss")
        self.textual_loss_tracker = keras.metrics.Mean(name="textual_loss")
        self.visual_loss_tracker = keras.metrics.Mean(name="visual_loss")

    def load_released_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Load the weights of the released PyTorch module.

        Args:
            arrays: its `state_dict`, as NumPy arrays by name. The batch norms' `num_batches_tracked` and
                `modal_clf_loss.weight` are ignored, and optional.

        Raises:
            ValueError: an array is unknown, missing or of another shape; no weight is changed then.
        """
        load_arrays(self, arrays)

    def compile(self, optimizer=None, **kwargs) -> None:
        super().compile(optimizer, **kwargs)
        if self.classifier_rests_every:
            classifier = self.get_layer("modality_classifier")
            update_on(self.optimizer, classifier, lambda step: ops.not_equal(step % self.classifier_rests_every, 0))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        crf_loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        textual_loss, visual_loss = self.modality_losses(y_pred)
        self.track_loss(self.crf_loss_tracker, crf_loss, y_pred)
        self.track_loss(self.textual_loss_tracker, textual_loss, y_pred)
        self.track_loss(self.visual_loss_tracker, visual_loss, y_pred)
        return crf_loss + textual_loss + visual_loss

    def modality_losses(self, outputs):
        """Return the classifier's weighted cross-entropies of the tokens and of the objects, two scalars.

        Each is the sum over a post's valid places, reduced over the posts like the CRF's loss.
        """
        log_probabilities = ops.log_softmax(ops.cast(outputs["modality_logits"], "float32"), axis=-1)
        mask, object_mask = ops.cast(outputs["mask"], "float32"), ops.cast(outputs["object_mask"], "float32")
        tokens = ops.shape(mask)[1]
        seen = self.num_training_posts * self.preprocessor.visual.count
        weight = seen / (self.num_training_tokens + seen)
        textual = -weight * ops.sum(log_probabilities[:, :tokens, 1] * mask, axis=1)
        visual = (weight - 1) * ops.sum(log_probabilities[:, tokens:, 0] * object_mask, axis=1)
        return self.reduce_rows(textual, outputs), self.reduce_rows(visual, outputs)


def _labels(tags: list[str]) -> list[int]:
    """Return the label of each tag: 1 + its place in the released order; unknown types come last."""
    place = {tag: number for number, tag in enumerate(RELEASED_TAGS)}
    order = sorted(range(len(tags)), key=lambda tag: place.get(tags[tag], len(place)))
    return [1 + order.index(tag) for tag in range(len(tags))]
