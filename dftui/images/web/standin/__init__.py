"""A small stand-in for DreamFactory's web image: the same paths, states, tokens and log lines, nothing more.

It is what the bundled images serve where the real image cannot be pulled. It keeps users in the configured database,
the token blacklist and cached facts in the configured cache, and signs tokens with APP_KEY, so that several replicas
behave, and misbehave, as several DreamFactories do.
"""

VERSION = "7.3.3"
