"""The bus: topology as data, its provisioner, least-privilege users, and our pull loop.

Import what you need from its modules: those that only describe (`topology`, `users`, `errors`)
are cheap, `subscriber` and `broker` bring FastStream with them.
"""
