"""What redraw.py is made of, on top of `harness`: what measures, and what draws.

Read in this order: `scene` (what is asked), `plan` (who is measured, and how long it takes), `turn` (one repetition),
`loads`, `memory`, `mass` and `collector` (what is done in it), `cell` (one repetition as a line), `journal` (what is
kept) and `runner` (all of it in turn).

Then `series` (what the journals say), `figure` (what each figure shows), `look`, `lines`, `bars` and `draw` (how),
`caption` (what has to be said below), `order` (whether a second run says the same), `second` (what is kept of that),
`part` (the figures' part of RESULTS.md), `losses` (who is ahead of Floodway) and `page` (writes all of it).
"""
