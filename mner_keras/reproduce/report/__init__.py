"""The report: tables, runs and the posts that they find hard, in one HTML page that asks for no other file."""

from mner_keras.reproduce.report.make import make_report
from mner_keras.reproduce.report.page import render_page

__all__ = ["make_report", "render_page"]
