"""The solver of linear demands: dual prices, whole units, ties and certificates; kernels are
compiled.
"""
