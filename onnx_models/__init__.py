"""The networks: one file each, with its module, its loss, its batches and its graph.

Files here import each other by relative names: the folder is packaged as ``recsql.onnx_models``.
"""
