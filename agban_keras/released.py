"""`ReleasedAGBAN`: the model of the AGBAN authors' released code."""

from collections.abc import Iterator, Mapping

import keras
import numpy as np
from keras import ops

from agban_keras.agban import ObjectTagger, update_on
from agban_keras.layers import (
    GradientReversal,
    ReleasedAttention,
    ReleasedCRF,
    ReleasedModalityClassifier,
    ReleasedNetwork,
)
from agban_keras.layers.networks import linear_initializer, width_initializer
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.errors import did_you_mean
from mner_keras.inputs import batch_inputs, token_representation, word_embedding
from mner_keras.layers import BiLSTM, CharBiLSTM
from mner_keras.layers.checks import Count, Natural, Rate, TwoWay, check_arguments

# The tags in the order of the released code's labels 1 to 9.
RELEASED_TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-OTHER", "I-OTHER", "B-ORG", "I-ORG")
# Arrays that have the shape of the weight here, where others are transposed; and those with an axis of 1 around theirs.
_AS_HERE = {"char_embeddings.weight", "word_embeddings.weight", "crf.transitions"}
_BROADCAST = {"v_att.logits.h_bias", "v_att.logits.h_mat_v"}


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
        dropout: rate on characters' vectors, token representation, BiLSTM's output and objects in the bilinear form.
        attention_dropout: rate before the attention's relu layers.

    Reference:
        Zheng et al. 2021 (see `AGBAN`), and the code that its authors published.
    """

    preprocessing = {**ObjectTagger.preprocessing, "bucket": False}
    explained = {"attention": "dkn", "text_features": "nd", "object_features": "kd"}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 30,
        char_hidden_dim: TwoWay = 50,
        hidden_dim: TwoWay = 200,
        rank: Count = 200,
        glimpses: Count = 1,
        num_training_tokens: Count = 64439,
        num_training_posts: Count = 4000,
        reversal: float | str = "schedule",
        classifier_rests_every: Natural = 8,
        dropout: Rate = 0.5,
        attention_dropout: Rate = 0.2,
        loss_reduction: str = "sum",
        name: str = "released_agban",
    ) -> None:
        check_arguments(ReleasedAGBAN.__init__, self._arguments)
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

        inputs = batch_inputs(preprocessor)
        token_mask, object_mask = inputs["token_mask"], inputs["visual_mask"]
        # The batch statistics include every place of a row, padded or not.
        row = ops.any(token_mask, axis=1, keepdims=True)
        token_places, object_places = ops.logical_or(token_mask, row), ops.logical_or(object_mask, row)
        tokens = token_representation(preprocessor, inputs, words, char_bilstm)
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
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        weights = list(_weights(self))
        shapes = {name: _shape(name, weight) for name, weight in weights}
        if problems := list(_problems(arrays, shapes)):
            raise ValueError("`arrays` must be those of the released module.\n" + "\n".join(problems))
        for name, weight in weights:
            array = np.asarray(arrays[name], "float32")
            array = array.reshape(weight.shape) if name in _AS_HERE | _BROADCAST else array.T
            # An LSTM has two biases there, which come one after the other, and one here.
            (weight.assign_add if ".bias_hh_" in name else weight.assign)(array)

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
        """Return the classifier's weighted cross-entropies, summed over a post's tokens and objects: two scalars."""
        log_probabilities = ops.log_softmax(ops.cast(outputs["modality_logits"], "float32"), axis=-1)
        mask, object_mask = ops.cast(outputs["mask"], "float32"), ops.cast(outputs["object_mask"], "float32")
        tokens = ops.shape(mask)[1]
        seen = self.num_training_posts * self.preprocessor.visual.count
        weight = seen / (self.num_training_tokens + seen)
        textual = -weight * ops.sum(log_probabilities[:, :tokens, 1] * mask, axis=1)
        visual = (weight - 1) * ops.sum(log_probabilities[:, tokens:, 0] * object_mask, axis=1)
        return self.reduce_rows(textual, outputs), self.reduce_rows(visual, outputs)


def begin_uniformly(bilstm: BiLSTM) -> None:
    """Set the initialisers of an unbuilt BiLSTM to those of the authors' framework.

    All weights are uniform within `1 / sqrt(units per direction)`, and the forget gate has no bias of its own.
    """
    for cell in (bilstm.forward_lstm.cell, bilstm.backward_lstm.cell):
        # One initialiser each: a shared one would give equal values to weights of equal shape.
        for weight in ("kernel", "recurrent", "bias"):
            setattr(cell, f"{weight}_initializer", width_initializer(cell.units))
        cell.unit_forget_bias = False


def _labels(tags: list[str]) -> list[int]:
    """Return the label of each tag: 1 + its place in the released order; unknown types come last."""
    place = {tag: number for number, tag in enumerate(RELEASED_TAGS)}
    order = sorted(range(len(tags)), key=lambda tag: place.get(tags[tag], len(place)))
    return [1 + order.index(tag) for tag in range(len(tags))]


def _shape(name: str, weight: keras.Variable) -> tuple[int, ...]:
    """Return the shape of an array of the released module."""
    shape = tuple(weight.shape)
    if name in _BROADCAST:
        return (1, shape[0], 1, *(shape[1:] or (1,)))
    return shape if name in _AS_HERE else shape[::-1]


def _problems(arrays: dict[str, np.ndarray], shapes: dict[str, tuple]) -> Iterator[str]:
    for name in (name for name in shapes if name not in arrays):
        yield f"Expected {name!r} of the shape {shapes[name]}. Received: no array of this name"
    counts = {name.replace("running_var", "num_batches_tracked"): () for name in shapes if "running_var" in name}
    known = {**shapes, **counts, "modal_clf_loss.weight": (2,)}
    for name, array in arrays.items():
        if name not in known:
            hint = did_you_mean(str(name), known)
            yield f"Expected no array {name!r}.{hint} Received: {name!r} of the shape {array.shape}"
        elif array.shape != known[name]:
            yield f"Expected {name!r} of the shape {known[name]}. Received: the shape {array.shape}"
        elif array.dtype.kind not in "fiu":
            yield f"Expected numbers in {name!r}. Received: {array.dtype}"


def _weights(model: ReleasedAGBAN) -> Iterator[tuple[str, keras.Variable]]:
    """Yield the name of each array of the released module, and the weight that it sets."""

    def named(name, weights, parts):
        yield from ((f"{name}.{part}", weight) for part, weight in zip(parts, weights, strict=True))

    def linear(dense, name):
        return named(name, dense.weights, ("weight", "bias"))

    def weight_norm(layer, name):
        return named(name, (layer.direction, layer.length, layer.bias), ("weight_v", "weight_g", "bias"))

    def batch_norm(norm, name):
        return named(name, norm.weights, ("weight", "bias", "running_mean", "running_var"))

    def both_lstms(bilstm, name):
        # Both frameworks use the same order of gates: input, forget, cell, output.
        for lstm, end in ((bilstm.forward_lstm, "l0"), (bilstm.backward_lstm, "l0_reverse")):
            kernel, recurrent, bias = lstm.cell.weights
            parts = (f"weight_ih_{end}", f"weight_hh_{end}", f"bias_ih_{end}", f"bias_hh_{end}")
            yield from named(name, (kernel, recurrent, bias, bias), parts)

    def network(layer, name):
        # Linear, batch norm, relu, and so on: relu has an index but no array.
        for i, (dense, norm) in enumerate(zip(layer.inner, layer.norms, strict=True)):
            yield from linear(dense, f"{name}.{3 * i}")
            yield from batch_norm(norm, f"{name}.{3 * i + 1}")
        yield from linear(layer.outer, f"{name}.{3 * len(layer.inner)}")

    chars, attention = model.get_layer("char_bilstm"), model.get_layer("attention")
    yield "char_embeddings.weight", chars.embedding.embeddings
    yield from both_lstms(chars.lstm, "char_lstm")
    yield "word_embeddings.weight", model.get_layer("word_embedding").table
    yield from both_lstms(model.get_layer("bilstm"), "word_lstm")
    form = attention.bias, attention.length, attention.direction
    yield from named("v_att.logits", form, ("h_bias", "h_mat_g", "h_mat_v"))
    yield from weight_norm(attention.object_net, "v_att.logits.v_net.main.1")
    yield from weight_norm(attention.text_net, "v_att.logits.q_net.main.1")
    for i in range(attention.glimpses):
        yield from weight_norm(attention.attended_nets[i], f"b_net.{i}.main.1")
        yield from weight_norm(attention.gate_text_nets[i], f"g_t_prj.{i}.main.0")
        yield from weight_norm(attention.gate_object_nets[i], f"g_v_prj.{i}.main.0")
        yield from weight_norm(attention.gate_nets[i], f"g_prj.{i}.main.0")
    yield from batch_norm(model.get_layer("fusion_norm"), "cat_bn")
    yield from linear(model.get_layer("potentials"), "hidden2tag")
    yield "crf.transitions", model.crf.transitions
    yield from network(model.get_layer("visual_projector"), "map_to_text")
    yield from network(model.get_layer("modality_classifier").network, "modal_clf")
