"""The post's own criteria, groups across texts, and what becomes of its claims.

*The post*, here and everywhere, is the public study *Metastable states in the transformer activation space*, part 1, of
GPT-2, BERT and ALBERT. It asks in five groups: A whether clusters form, B whether they persist, C whether attention
shows them, D whether the energy rises, E whether there are two time scales and what sets the speed of collapse.
"""
