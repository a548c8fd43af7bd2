"""`AGBAN`: the adversarial gated bilinear attention network."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from agban_keras.classifier_every import update_every
from agban_keras.layers import (
    GatedBilinearAttention,
    GradientReversal,
    ModalityClassifier,
    ObjectConcatenation,
    VisualProjector,
)
from agban_keras.layers.initializers import linear_initializer
from agban_keras.reversal_schedule import ReversalSchedule
from mner_keras.data.encoder import PostEncoder, VisualInput
from mner_keras.layers import CRF, BiLSTM, CharBiLSTM, WordEmbedding
from mner_keras.layers.checks import check_choice, check_count
from mner_keras.tagger import Tagger


@keras.saving.register_keras_serializable(package="agban_keras")
class AGBAN(Tagger):
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
    nothing but for `fusion="concatenate"`, where each place has weights of its own.

    Args:
        num_tags: the number of tags, K.
        vocabulary_size: rows of the trainable word table.
        char_vocabulary_size: rows of the character table.
        frozen_vocabulary_size: rows of the frozen word table.
        max_characters: characters of a token in a batch.
        word_dim: width of the word vectors, d_w.
        char_dim: width of the characters' vectors, d_ce.
        char_hidden_dim: width of the character BiLSTM, d_c; half of it a direction.
        hidden_dim: width of the word BiLSTM, d; half of it a direction.
        visual_dim: width of the objects' features.
        num_objects: objects read of a picture, k, 1 to 5 in the paper.
        rank: width of the bilinear form, d'.
        gate_units: width of the gate, d_g.
        gate: whether the gate filters the objects.
        softmax: eq. 9 as one distribution over all `"pairs"` of tokens and objects, or over the `"objects"` of each
            token.
        fusion: `"attention"` for gated bilinear attention; `"concatenate"` for one vector of all objects, added to each
            token (`rank`, `gate_units`, `gate` and `softmax` play no part then).
        adversarial: whether the modality classifier takes part.
        reversal: lambda: `"schedule"` (Ganin & Lempitsky, the released code) or a number (1 is the printed game).
        classifier_every: the classifier is updated on one training step of so many (algorithm 1's z-steps).
        dropout: rate on the characters' vectors, on the token representation and on the BiLSTM's output.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"sum"` over the posts of a batch, to which table II's learning rate belongs, or `"mean"`.

    Example:

    >>> posts = load_dataset("sample")["train"]
    >>> encoder = AGBAN.fit_encoder(posts)
    >>> model = AGBAN.from_encoder(encoder)
    >>> model.compile(keras.optimizers.SGD(0.005))

    Reference:
        Zheng et al., "Object-aware multimodal named entity recognition in social media posts with adversarial
        learning", IEEE Transactions on Multimedia 23, 2021.
    """

    encoder_defaults = {"use_pos": False, "fold_digits": True, "visual": "objects", "visual_count": 3}
    explained = {"attention": "nk", "text_features": "nd", "object_features": "kd"}

    def __init__(
        self,
        num_tags: int,
        vocabulary_size: int,
        char_vocabulary_size: int,
        frozen_vocabulary_size: int = 0,
        max_characters: int = 24,
        word_dim: int = 200,
        char_dim: int = 30,
        char_hidden_dim: int = 50,
        hidden_dim: int = 200,
        visual_dim: int = 1024,
        num_objects: int = 3,
        rank: int = 200,
        gate_units: int = 200,
        gate: bool = True,
        softmax: str = "pairs",
        fusion: str = "attention",
        adversarial: bool = True,
        reversal: float | str = "schedule",
        classifier_every: int = 8,
        dropout: float = 0.5,
        encoder: PostEncoder | None = None,
        loss_reduction: str = "sum",
        name: str = "agban",
    ) -> None:
        check_count("classifier_every", classifier_every)
        check_count("num_objects", num_objects)
        check_choice("fusion", fusion, ("attention", "concatenate"))
        check_choice("adversarial", adversarial, (True, False))
        # === Layers ===
        word_embedding = WordEmbedding(
            vocabulary_size, word_dim, frozen_vocabulary_size, unknown="uniform", name="word_embedding"
        )
        char_bilstm = CharBiLSTM(char_vocabulary_size, char_dim, char_hidden_dim, dropout, name="char_bilstm")
        bilstm = BiLSTM(hidden_dim, name="bilstm")
        projector = VisualProjector(hidden_dim, name="visual_projector")
        crf = CRF(num_tags, boundary=False, name="crf")

        # === Functional model ===
        inputs = {
            "word_ids": keras.Input((None,), dtype="int32", name="word_ids"),
            "char_ids": keras.Input((None, max_characters), dtype="int32", name="char_ids"),
            "token_mask": keras.Input((None,), dtype="bool", name="token_mask"),
            "visual_features": keras.Input((None, visual_dim), name="visual_features"),
            "visual_mask": keras.Input((None,), dtype="bool", name="visual_mask"),
        }
        token_mask = inputs["token_mask"]
        object_mask = inputs["visual_mask"][:, :num_objects]
        tokens = keras.layers.Concatenate(name="token_representation")(
            [word_embedding(inputs["word_ids"]), char_bilstm(inputs["char_ids"])]
        )
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        text = bilstm(tokens, mask=token_mask)
        text = keras.layers.Dropout(dropout, name="text_dropout")(text)  # G_T [B, n, d]
        objects = projector(inputs["visual_features"][:, :num_objects], mask=object_mask)  # G_V [B, k, d]
        outputs = {"mask": token_mask, "text_features": text, "object_features": objects}
        if fusion == "attention":
            attention = GatedBilinearAttention(rank, gate_units, gate, softmax, name="attention")
            fused, outputs["attention"] = attention(
                text, objects, text_mask=token_mask, object_mask=object_mask, return_attention_scores=True
            )  # G_M [B, n, d], A [B, n, k]
        else:
            concatenation = ObjectConcatenation(num_objects, name="concatenation")
            fused = concatenation(text, objects, object_mask=object_mask)  # [B, n, d]
        scores = keras.layers.Dense(
            num_tags, use_bias=False, kernel_initializer=linear_initializer(), name="potentials"
        )(fused)
        outputs["potentials"] = crf(scores, mask=token_mask)
        if adversarial:
            both = keras.layers.Concatenate(axis=1, name="both_modalities")([text, objects])
            both_mask = keras.layers.Concatenate(axis=1, name="both_masks")([token_mask, object_mask])
            both = GradientReversal(reversal, name="gradient_reversal")(both)
            classifier = ModalityClassifier(name="modality_classifier")
            outputs["modality_logits"] = classifier(both, mask=both_mask)
            outputs["modality_mask"] = both_mask
        super().__init__(inputs, outputs, encoder=encoder, loss_reduction=loss_reduction, name=name)
        if adversarial:
            self.crf_loss_tracker = keras.metrics.Mean(name="crf_loss")
            self.adversarial_loss_tracker = keras.metrics.Mean(name="adversarial_loss")

        # === Config ===
        self.num_tags = num_tags
        self.vocabulary_size = vocabulary_size
        self.char_vocabulary_size = char_vocabulary_size
        self.frozen_vocabulary_size = frozen_vocabulary_size
        self.max_characters = max_characters
        self.word_dim = word_dim
        self.char_dim = char_dim
        self.char_hidden_dim = char_hidden_dim
        self.hidden_dim = hidden_dim
        self.visual_dim = visual_dim
        self.num_objects = num_objects
        self.rank = rank
        self.gate_units = gate_units
        self.gate = gate
        self.softmax = softmax
        self.fusion = fusion
        self.adversarial = adversarial
        self.reversal = reversal
        self.classifier_every = classifier_every
        self.dropout = dropout

    @classmethod
    def no_pictures(cls, count: int | None = None) -> VisualInput:
        """What an encoder without a feature store gives: masked objects of Mask R-CNN's width, 1024."""
        return VisualInput("objects", count or 3, dim=1024)

    @classmethod
    def from_encoder(cls, encoder: PostEncoder, **arguments: Any) -> AGBAN:
        if encoder.visual is not None:
            arguments.setdefault("num_objects", encoder.visual.count)
        return super().from_encoder(encoder, **arguments)

    def compile(self, optimizer="rmsprop", **kwargs) -> None:
        super().compile(optimizer, **kwargs)
        if self.adversarial and self.classifier_every > 1:
            update_every(self.optimizer, self.get_layer("modality_classifier"), self.classifier_every)

    def fit(self, *args, callbacks=None, **kwargs):
        if self.adversarial:
            callbacks = [ReversalSchedule(self.get_layer("gradient_reversal")), *keras.tree.flatten(callbacks or ())]
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        crf_loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not self.adversarial:
            return crf_loss
        adversarial_loss = self.adversarial_loss(y_pred)
        self.crf_loss_tracker.update_state(crf_loss)
        self.adversarial_loss_tracker.update_state(adversarial_loss)
        return crf_loss + adversarial_loss

    def adversarial_loss(self, outputs):
        """L_adv (eq. 8), reduced over the posts as the CRF's loss is; a scalar."""
        logits, mask = outputs["modality_logits"], outputs["modality_mask"]
        tokens = ops.shape(outputs["mask"])[1]
        is_text = ops.arange(ops.shape(logits)[1])[None] < tokens
        classifier = self.get_layer("modality_classifier")
        return self.reduce_rows(classifier.loss(logits, is_text, mask), outputs)
