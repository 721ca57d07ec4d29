-- What became of agents' work is noted by policy, in streams of their own.
insert into smartops_log.writers (role, category) values ('smartops_policy', 'track');
