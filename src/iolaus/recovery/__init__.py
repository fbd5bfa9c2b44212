"""Room 5: every node is seen, reached and brought back when its host is gone.

`reach` judges over several paths what is silent, the host, its management
controller, the rack's network, its power or ourselves, and says the evidence.
`ladder` plans the way back from the softest step to the hardest and stops
where a person is needed.  The room decides and steps; who may ask, and what
runs it, is wired above.
"""
