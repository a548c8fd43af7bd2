"""`AGBAN`: the adversarial gated bilinear attention network, and `ObjectTagger`, the base of both its forms."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from agban_keras.layers import (
    GatedBilinearAttention,
    GradientReversal,
    ModalityClassifier,
    ObjectConcatenation,
    VisualProjector,
)
from agban_keras.layers.networks import linear_initializer
from mner_keras.data.preprocessor import PostPreprocessor
from mner_keras.inputs import batch_inputs, token_representation, word_embedding
from mner_keras.layers import CRF, BiLSTM, CharBiLSTM
from mner_keras.layers.checks import Count, Rate, TwoWay, check_arguments, check_count
from mner_keras.tagger import Tagger
from mner_keras.training import check_steps
from mner_keras.vision.visual_input import MASK_RCNN_OBJECTS


class ObjectTagger(Tagger):
    """A tagger that reads the objects of a picture and may have a `GradientReversal`."""

    preprocessing = {"use_pos": False, "fold_digits": True, "visual": MASK_RCNN_OBJECTS}

    @classmethod
    def fit_preprocessor(
        cls, posts, vectors=None, features=None, pictures: bool = True, num_objects: int = 3, **options: Any
    ) -> PostPreprocessor:
        """Return a `PostPreprocessor` with the paper's settings.

        `num_objects` is the number of objects read per picture, k, 1 to 5 in the paper; see `Tagger.fit_preprocessor`.
        """
        check_count("num_objects", num_objects)
        visual = dataclasses.replace(MASK_RCNN_OBJECTS, count=num_objects)
        return super().fit_preprocessor(posts, vectors, features, pictures, **{"visual": visual, **options})

    def begin_training(self, steps_per_epoch, epochs, initial_epoch=0) -> None:
        super().begin_training(steps_per_epoch, epochs, initial_epoch)
        for layer in self.layers:
            if isinstance(layer, GradientReversal) and layer.strength == "schedule":
                check_steps(steps_per_epoch, "the schedule of lambda")
                layer.set_total_steps(steps_per_epoch * epochs)


def update_on(optimizer: keras.optimizers.Optimizer, layer: keras.layers.Layer, updates: Callable[[Any], Any]) -> None:
    """Make an optimizer update a layer's weights only on the steps, counted from 1, of which `updates` is true.

    On the other steps (of algorithm 1) the weights are restored after the optimizer's update, weight decay and momentum
    included. Gradients still flow through the layer, and its batch statistics are updated on all steps.
    """
    apply = optimizer.apply

    def apply_gated(grads, trainable_variables=None):
        on = updates(ops.convert_to_tensor(optimizer.iterations) + 1)
        before = [ops.copy(ops.convert_to_tensor(weight)) for weight in layer.trainable_variables]
        result = apply(grads, trainable_variables)
        for weight, value in zip(layer.trainable_variables, before, strict=True):
            weight.assign(ops.where(on, ops.convert_to_tensor(weight), value))
        return result

    optimizer.apply = apply_gated


@keras.saving.register_keras_serializable(package="agban_keras")
class AGBAN(ObjectTagger):
    """Adversarial gated bilinear attention network for multimodal named entity recognition.

    Words and their characters pass a BiLSTM, `G_T` (eq. 1-6); detected objects pass a feed-forward network, `G_V`
    (eq. 7); a modality classifier behind a gradient reversal layer pulls both into one space (eq. 8, 22-25); gated
    bilinear attention adds to each token the objects that concern it (eq. 9-14); a linear layer without bias and a CRF
    without start and end scores read the tags (eq. 16-21). The defaults are the paper's table II.

    The loss is `L_crf + L_adv`: the reversal layer makes the projectors descend `L_crf - lambda L_adv` while the
    classifier descends `L_adv`. A post without a picture has no objects. `explain` gives `attention` `[n, k]` (A) and
    the projected features, `text_features` `[n, d]` (G_T) and `object_features` `[k, d]` (G_V).

    The rows of the paper's table III are arguments: `fusion="concatenate", adversarial=False` (Object-Concat),
    `gate=False, adversarial=False` (Object-BAN), `adversarial=False` (Object-GBAN). The order of the objects changes
    nothing, except with `fusion="concatenate"`, where each place has its own weights.

    Under `tf.distribute` the losses are those of one device, but each replica normalises with the batch statistics of
    its own posts, as Keras' `BatchNormalization` does.

    Args:
        preprocessor: converts posts into batches; saved with the model (`fit_preprocessor`).
        word_dim: width of the word vectors; by default that of the pretrained vectors, else 200.
        char_dim: width of the characters' vectors, d_ce.
        char_hidden_dim: width of the character BiLSTM, d_c; half of it per direction.
        hidden_dim: width of the word BiLSTM, d; half of it per direction.
        rank, gate_units, gate, softmax: see `GatedBilinearAttention`.
        fusion: `"attention"` for gated bilinear attention; `"concatenate"` for one vector of all objects, added to each
            token (`ObjectConcatenation`; `rank`, `gate_units`, `gate` and `softmax` are then ignored).
        adversarial: whether to train the modality classifier.
        reversal: lambda: `"schedule"` (Ganin & Lempitsky, the released code) or a number (1 is the printed game).
        classifier_every: update the classifier only on every N-th training step (algorithm 1's z-steps).
        dropout: rate on the characters' vectors, on the token representation and on the BiLSTM's output.
        loss_reduction: `"sum"` over the posts of a batch, to which table II's learning rate belongs, or `"mean"`.

    Example:

    >>> posts = load_dataset("sample")["train"]
    >>> preprocessor = AGBAN.fit_preprocessor(posts)
    >>> model = AGBAN(preprocessor)
    >>> model.compile(keras.optimizers.SGD(0.005))

    Reference:
        Zheng et al., "Object-aware multimodal named entity recognition in social media posts with adversarial
        learning", IEEE Transactions on Multimedia 23, 2021.
    """

    takes_backbone = True
    explained = {"attention": "nk", "text_features": "nd", "object_features": "kd"}

    def __init__(
        self,
        preprocessor: PostPreprocessor,
        word_dim: Count | None = None,
        char_dim: Count = 30,
        char_hidden_dim: TwoWay = 50,
        hidden_dim: TwoWay = 200,
        rank: Count = 200,
        gate_units: Count = 200,
        gate: bool = True,
        softmax: Literal["objects", "pairs"] = "pairs",
        fusion: Literal["attention", "concatenate"] = "attention",
        adversarial: bool = True,
        reversal: float | str = "schedule",
        classifier_every: Count = 8,
        dropout: Rate = 0.5,
        loss_reduction: str = "sum",
        name: str = "agban",
    ) -> None:
        check_arguments(AGBAN.__init__, self._arguments)
        words = word_embedding(preprocessor, word_dim, 200, unknown="uniform")
        char_bilstm = CharBiLSTM(
            preprocessor.char_vocabulary_size, char_dim, char_hidden_dim, dropout, name="char_bilstm"
        )
        bilstm = BiLSTM(hidden_dim, name="bilstm")
        projector = VisualProjector(hidden_dim, name="visual_projector")
        crf = CRF(preprocessor.num_tags, boundary=False, name="crf")

        inputs = batch_inputs(preprocessor)
        token_mask, object_mask = inputs["token_mask"], inputs["visual_mask"]
        tokens = token_representation(preprocessor, inputs, words, char_bilstm)
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        text = bilstm(tokens, mask=token_mask)
        text = keras.layers.Dropout(dropout, name="text_dropout")(text)  # G_T [B, n, d]
        objects = projector(inputs["visual_features"], mask=object_mask)  # G_V [B, k, d]
        outputs = {"mask": token_mask, "text_features": text, "object_features": objects}
        if fusion == "attention":
            attention = GatedBilinearAttention(rank, gate_units, gate, softmax, name="attention")
            fused, outputs["attention"] = attention(
                text, objects, text_mask=token_mask, object_mask=object_mask, return_attention_scores=True
            )  # G_M [B, n, d], A [B, n, k]
        else:
            concatenation = ObjectConcatenation(preprocessor.visual.count, name="concatenation")
            fused = concatenation(text, objects, object_mask=object_mask)  # [B, n, d]
        scores = keras.layers.Dense(
            preprocessor.num_tags, use_bias=False, kernel_initializer=linear_initializer(), name="potentials"
        )(fused)
        outputs["potentials"] = crf(scores, mask=token_mask)
        if adversarial:
            both = keras.layers.Concatenate(axis=1, name="both_modalities")([text, objects])
            both_mask = keras.layers.Concatenate(axis=1, name="both_masks")([token_mask, object_mask])
            both = GradientReversal(reversal, name="gradient_reversal")(both)
            classifier = ModalityClassifier(name="modality_classifier")
            outputs["modality_logits"] = classifier(both, mask=both_mask)
            outputs["modality_mask"] = both_mask
        super().__init__(inputs, outputs, preprocessor=preprocessor, loss_reduction=loss_reduction, name=name)
        if adversarial:
            self.crf_loss_tracker = keras.metrics.Mean(name="crf_loss")
            self.adversarial_loss_tracker = keras.metrics.Mean(name="adversarial_loss")

    def compile(self, optimizer=None, **kwargs) -> None:
        super().compile(optimizer, **kwargs)
        if self.adversarial and self.classifier_every > 1:
            classifier = self.get_layer("modality_classifier")
            update_on(self.optimizer, classifier, lambda step: ops.equal(step % self.classifier_every, 0))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        crf_loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not self.adversarial:
            return crf_loss
        adversarial_loss = self.adversarial_loss(y_pred)
        self.track_loss(self.crf_loss_tracker, crf_loss, y_pred)
        self.track_loss(self.adversarial_loss_tracker, adversarial_loss, y_pred)
        return crf_loss + adversarial_loss

    def adversarial_loss(self, outputs):
        """Return L_adv (eq. 8), reduced over the posts like the CRF's loss; a scalar."""
        logits, mask = outputs["modality_logits"], outputs["modality_mask"]
        tokens = ops.shape(outputs["mask"])[1]
        is_text = ops.arange(ops.shape(logits)[1])[None] < tokens
        classifier = self.get_layer("modality_classifier")
        return self.reduce_rows(classifier.loss(logits, is_text, mask), outputs)
