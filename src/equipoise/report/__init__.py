"""The report of a run, for a manager and for a scientist: one HTML page that opens offline.

words -> numbers for people;  parts -> what a page is made of;  plots -> drawings;  view -> what
sections ask of the findings; evidence, decision, summary -> the sections;  page -> the HTML.
"""

from equipoise.report.page import render_report, report_libraries, spec_json

__all__ = ["render_report", "report_libraries", "spec_json"]
