"""All that is particular to DreamFactory: variables, health, login, Host, first admin."""
