"""The papers' figures: functions that return a matplotlib figure, one kind a module, and `draw_figure` by number."""

from mner_keras.reproduce.figures.attention_map import attention_map_figure
from mner_keras.reproduce.figures.case_study import case_study_figure
from mner_keras.reproduce.figures.cases import PostCase, make_cases
from mner_keras.reproduce.figures.draw import FIGURES, FigureRequest, draw_figure
from mner_keras.reproduce.figures.hsn_attention import hsn_attention_figure
from mner_keras.reproduce.figures.loss_curves import loss_curves_figure
from mner_keras.reproduce.figures.modality_space import linear_separability, modality_space_figure, sample_features
from mner_keras.reproduce.figures.writing import write_figure

__all__ = [
    "FIGURES",
    "FigureRequest",
    "PostCase",
    "attention_map_figure",
    "case_study_figure",
    "draw_figure",
    "hsn_attention_figure",
    "linear_separability",
    "loss_curves_figure",
    "make_cases",
    "modality_space_figure",
    "sample_features",
    "write_figure",
]
