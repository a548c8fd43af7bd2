"""`MNERMA`: modality attention over word, characters and picture."""

from __future__ import annotations

import keras

from mner_keras.baselines.inputs import RegionTagger, check_widths, region_inputs, token_inputs
from mner_keras.baselines.layers import ModalityAttention
from mner_keras.data.encoder import PostEncoder
from mner_keras.layers import CRF, BiLSTM, CharBiLSTM, WordEmbedding
from mner_keras.layers.checks import check_rate


@keras.saving.register_keras_serializable(package="mner_keras")
class MNERMA(RegionTagger):
    """Each token attends to three modalities, its word, its characters and the post's picture; BiLSTM; CRF.

    `x_t = a_tw x^w_t + a_tc x^c_t + a_tv x^v` with `a_t = softmax(W [x^w_t; x^c_t; x^v] + b)` (`ModalityAttention`),
    characters read by a BiLSTM, `h = BiLSTM(x)`, potentials `W h_t + b`.

    The paper is not at hand. The picture is the mean of its regions here, and the last layer of Inception there; a
    sigmoid before the softmax, which would hold the weights within a factor of 2.718 of each other, may have been the
    paper's form. The widths are of the size that such models had; the optimiser (Adagrad, rate 0.02, batch 10) is from
    memory of the paper.

    Args:
        num_tags: the number of tags, K.
        vocabulary_size: rows of the trainable word table.
        char_vocabulary_size: rows of the character table.
        frozen_vocabulary_size: rows of the frozen word table.
        max_characters: characters of a token in a batch.
        word_dim: width of the word vectors.
        char_dim: width of the characters' vectors.
        char_hidden_dim: width of the character BiLSTM; half of it a direction.
        modality_dim: width of x, to which each modality is projected.
        hidden_dim: width of h; half of it a direction of the BiLSTM.
        visual_dim: width of the regions' features.
        dropout: rate on x and on h.
        encoder: turns posts into batches, and is saved with the model.
        loss_reduction: `"mean"` or `"sum"` over the posts of a batch.

    Example:

    >>> encoder = MNERMA.fit_encoder(load_dataset("sample")["train"])
    >>> model = MNERMA.from_encoder(encoder)

    Reference:
        Moon, Neves & Carvalho, "Multimodal named entity recognition for short social media posts", NAACL 2018.
    """

    def __init__(
        self,
        num_tags: int,
        vocabulary_size: int,
        char_vocabulary_size: int,
        frozen_vocabulary_size: int = 0,
        max_characters: int = 24,
        word_dim: int = 200,
        char_dim: int = 50,
        char_hidden_dim: int = 100,
        modality_dim: int = 200,
        hidden_dim: int = 200,
        visual_dim: int = 512,
        dropout: float = 0.5,
        encoder: PostEncoder | None = None,
        loss_reduction: str = "mean",
        name: str = "mner_ma",
    ) -> None:
        check_widths(
            word_dim=word_dim,
            char_dim=char_dim,
            char_hidden_dim=char_hidden_dim,
            modality_dim=modality_dim,
            hidden_dim=hidden_dim,
        )
        check_rate("dropout", dropout)
        inputs = {**token_inputs(max_characters), **region_inputs(visual_dim)}
        token_mask = inputs["token_mask"]
        words = WordEmbedding(
            vocabulary_size, word_dim, frozen_vocabulary_size, unknown="uniform", name="word_embedding"
        )(inputs["word_ids"])
        characters = CharBiLSTM(char_vocabulary_size, char_dim, char_hidden_dim, name="char_bilstm")(inputs["char_ids"])
        tokens = ModalityAttention(modality_dim, name="modality_attention")(
            words, characters, inputs["visual_features"], region_mask=inputs["visual_mask"]
        )
        tokens = keras.layers.Dropout(dropout, name="token_dropout")(tokens)
        hidden = BiLSTM(hidden_dim, name="bilstm")(tokens, mask=token_mask)
        hidden = keras.layers.Dropout(dropout, name="text_dropout")(hidden)
        scores = keras.layers.Dense(num_tags, name="potentials")(hidden)
        potentials = CRF(num_tags, name="crf")(scores, mask=token_mask)
        super().__init__(
            inputs,
            {"potentials": potentials, "mask": token_mask},
            encoder=encoder,
            loss_reduction=loss_reduction,
            name=name,
        )
        self.num_tags = num_tags
        self.vocabulary_size = vocabulary_size
        self.char_vocabulary_size = char_vocabulary_size
        self.frozen_vocabulary_size = frozen_vocabulary_size
        self.max_characters = max_characters
        self.word_dim = word_dim
        self.char_dim = char_dim
        self.char_hidden_dim = char_hidden_dim
        self.modality_dim = modality_dim
        self.hidden_dim = hidden_dim
        self.visual_dim = visual_dim
        self.dropout = dropout
