"""What posts, runs and tables look like: the HTML view of a post, the run report, the demo, the papers' figures."""

from mner_keras.views.case import PostCase, make_cases
from mner_keras.views.charts import linear_separability, loss_curves_figure, modality_space_figure, sample_features
from mner_keras.views.figures import attention_map_figure, case_study_figure, hsn_attention_figure, write_figure
from mner_keras.views.paper_figures import draw_figure
from mner_keras.views.post_view import PostView, show

__all__ = [
    "PostCase",
    "PostView",
    "attention_map_figure",
    "case_study_figure",
    "draw_figure",
    "hsn_attention_figure",
    "linear_separability",
    "loss_curves_figure",
    "make_cases",
    "modality_space_figure",
    "sample_features",
    "show",
    "write_figure",
]
