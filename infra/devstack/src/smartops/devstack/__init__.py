"""nats-server, PostgreSQL and every service on one machine, under one supervisor."""
