"""Flight SQL from the desk: any ADBC, JDBC, pandas or polars client asks with the person's own key."""
