"""A web page that segments videos: ``python -m mmdet_vis.webui``.

Only :mod:`mmdet_vis.webui.app` and :mod:`mmdet_vis.webui.server` import gradio; all that decides what is computed,
refused or deleted is in the other files.
"""
