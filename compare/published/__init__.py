"""The post's own criteria, groups across texts, and what becomes of its claims."""
