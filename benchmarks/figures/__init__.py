"""What redraw.py is made of: the runner of the figures, on top of `harness`.

Read in this order: `scene` (what is asked), `plan` (who is measured, and how long it takes), `turn` (one repetition),
`loads`, `memory`, `mass` and `collector` (what is done in it), `cell` (one repetition as a line), `journal` (what is
kept) and `runner` (all of it in turn).
"""
