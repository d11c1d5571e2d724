"""Draw the plots of a sweep: one Vega-Lite specification each, which gives HTML, PNG and PDF."""
