"""The manual, the references made from the code, and how they become a web site (site.py)."""
