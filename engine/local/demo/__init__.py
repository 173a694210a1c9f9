"""The demonstration: five departments, a coordinator, and questions over simulated residents."""
