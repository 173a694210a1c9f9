"""A person's own local app: web pages on 127.0.0.1, by the role of the home, signing with the person's own key."""
