-- What people agree to beforehand has streams of its own, as each use of it is counted there.
insert into smartops_log.writers (role, category) values ('smartops_policy', 'standing');
