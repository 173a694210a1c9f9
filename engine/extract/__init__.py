"""A department's database, read into files in its node's home, from which the node cuts its snapshots.

A node reads files and dials nothing but its coordinator. So another process reads the database: at the owner's word,
in one read-only transaction, the columns that node.toml names and no others. It holds the account of the database,
which the node never sees; and it holds none of the node's keys.
"""
