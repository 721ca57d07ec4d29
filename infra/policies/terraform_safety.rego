# Infrastructure as code. What a step would apply is its argument `plan`, as
# `terraform show -json` writes it: `resource_changes` and `configuration.provider_config`.
package smartops.terraform_safety

import data.smartops.common
import data.smartops.planned

# Of a plan, every step that applies something; of a call, the call itself.
subjects contains [sprintf("/steps/%v/arguments/plan", [i]), step.tool, step.arguments] if {
	count(planned.applying_terraform) > 0
	some i, step in input.steps
	object.remove(step, planned.own) in planned.applying_terraform
}

subjects contains ["/arguments/plan", input.tool, input.arguments] if {
	common.listed(input.tool, data.terraform.tools)
	not common.reads(input)
}

plans contains [path, arguments.plan] if {
	some [path, _, arguments] in subjects
	readable(arguments)
}

readable(arguments) if {
	is_object(arguments.plan.configuration.provider_config)
	is_array(arguments.plan.resource_changes)
	every change in arguments.plan.resource_changes {
		is_string(change.type)
		is_array(change.change.actions)
		type_name(object.get(change.change, "after", null)) in {"object", "null"}
	}
}

# What exists afterwards, new or changed.
resources contains [sprintf("%v/resource_changes/%v", [path, i]), change.type, after(change)] if {
	some [path, plan] in plans
	some i, change in plan.resource_changes
	makes(change)
}

makes(change) if not leaves_nothing(change)

leaves_nothing(change) if change.change.actions in [["no-op"], ["read"], ["delete"], ["forget"]]

# Without a readable state afterwards there is nothing that could be in order.
after(change) := change.change.after if is_object(change.change.after)

else := {}

denials contains {
	"rule": "terraform_safety.plan_missing", "path": path,
	"message": sprintf("%v comes without the plan that it would apply", [tool]),
} if {
	some [path, tool, arguments] in subjects
	not readable(arguments)
}

# --- Providers ----------------------------------------------------------------------------

providers contains [sprintf("%v/configuration/provider_config/%v", [path, name]), config] if {
	some [path, plan] in plans
	some name, config in plan.configuration.provider_config
}

denials contains {
	"rule": "terraform_safety.provider", "path": sprintf("%v/full_name", [path]),
	"message": sprintf("%v is no approved provider", [object.get(config, "full_name", "it")]),
} if {
	some [path, config] in providers
	not approved(object.get(config, "full_name", null))
}

approved(provider) if provider in data.terraform.approved_providers

denials contains {
	"rule": "terraform_safety.resource_provider",
	"path": sprintf("%v/resource_changes/%v/provider_name", [path, i]),
	"message": sprintf("%v is made by no approved provider", [object.get(change, "address", "it")]),
} if {
	some [path, plan] in plans
	some i, change in plan.resource_changes
	makes(change)
	not approved(object.get(change, "provider_name", null))
}

denials contains {
	"rule": "terraform_safety.version_not_pinned", "path": sprintf("%v/version_constraint", [path]),
	"message": "name one version, as 5.31.0 is: a range is another provider next week",
} if {
	some [path, config] in providers
	not pinned(config)
}

pinned(config) if semver.is_valid(trim_space(trim_prefix(trim_space(config.version_constraint), "=")))

# --- Secrets ------------------------------------------------------------------------------

denials contains {
	"rule": "terraform_safety.secret", "path": sprintf("%v/%v", [path, concat("/", names)]),
	"message": "a secret is written out; name it by reference",
} if {
	some [path, written] in texts
	walk(written, [where, value])
	is_string(value)
	value != ""
	names := [sprintf("%v", [part]) | some part in where]
	secret(where, value)
}

texts contains [path, state] if some [path, _, state] in resources

texts contains [path, config] if some [path, config] in providers

# The name of what a text stands in: one of a list has that of the list, a constant that of its
# expression. What a reference names is no secret.
secret(where, _) if {
	names := [part | some part in where; is_string(part); part != "constant_value"]
	lower(names[count(names) - 1]) in data.terraform.secret_names
}

secret(_, value) if startswith(value, "-----BEGIN ")

secret(_, value) if regex.match(`\bA(KIA|SIA)[0-9A-Z]{16}\b`, value)

# --- Open to the world --------------------------------------------------------------------

denials contains {
	"rule": "terraform_safety.open_to_the_world", "path": path,
	"message": sprintf("port %v is open to everybody", [port]),
} if {
	some [path, opening] in openings
	everybody(opening)
	some port in data.terraform.guarded_ports
	lets_in(opening, port)
}

openings contains [sprintf("%v/ingress/%v", [path, i]), opening] if {
	some [path, _, state] in resources
	is_array(state.ingress)
	some i, opening in state.ingress
}

openings contains [path, state] if {
	some [path, kind, state] in resources
	kind in {"aws_security_group_rule", "aws_vpc_security_group_ingress_rule"}
	object.get(state, "type", "ingress") != "egress"
}

# What cannot be read lets in everybody: so an opening in another form is seen.
openings contains [sprintf("%v/ingress", [path]), object.get(state, "ingress", null)] if {
	some [path, _, state] in resources
	not listing(object.get(state, "ingress", null))
}

listing(value) if type_name(value) in {"array", "null"}

everybody(opening) if not is_object(opening)

everybody(opening) if {
	is_object(opening)
	some field in ["cidr_blocks", "ipv6_cidr_blocks"]
	not listing(object.get(opening, field, null))
}

everybody(opening) if {
	some field in ["cidr_blocks", "ipv6_cidr_blocks"]
	is_array(opening[field])
	some block in opening[field]
	everywhere(block)
}

everybody(opening) if {
	some field in ["cidr_ipv4", "cidr_ipv6"]
	opening[field] != null
	everywhere(opening[field])
}

everywhere(block) if not is_string(block)

# However the addresses before it are written.
everywhere(block) if {
	is_string(block)
	endswith(trim_space(block), "/0")
}

lets_in(opening, _) if not has_ports(opening)

has_ports(opening) if {
	is_number(opening.from_port)
	is_number(opening.to_port)
}

lets_in(opening, port) if {
	opening.from_port <= port
	port <= opening.to_port
}

lets_in(opening, _) if opening.protocol in {"-1", "all"}

lets_in(opening, _) if opening.ip_protocol in {"-1", "all"}

# --- Encryption, tags, databases ----------------------------------------------------------

denials contains {
	"rule": "terraform_safety.unencrypted", "path": sprintf("%v/%v", [path, field]),
	"message": sprintf("%v is not encrypted", [kind]),
} if {
	some [path, kind, state] in resources
	field := data.terraform.encrypted_by[kind]
	not state[field] == true
}

denials contains {
	"rule": "terraform_safety.tag_missing", "path": sprintf("%v/tags/%v", [path, tag]),
	"message": sprintf("%v has no tag %v", [kind, tag]),
} if {
	some [path, kind, state] in resources
	"tags" in object.keys(state)
	some tag in data.terraform.required_tags
	not tagged(state, tag)
}

tagged(state, tag) if trim_space(state.tags[tag]) != ""

tagged(state, tag) if trim_space(state.tags_all[tag]) != ""

denials contains {
	"rule": "terraform_safety.database_single_zone", "path": sprintf("%v/multi_az", [path]),
	"message": sprintf("%v in production stands in more than one zone", [kind]),
} if {
	some [path, kind, state] in databases
	not state.multi_az == true
}

denials contains {
	"rule": "terraform_safety.database_backups", "path": sprintf("%v/backup_retention_period", [path]),
	"message": sprintf("%v in production keeps backups for %v days", [
		kind,
		data.terraform.database_backup_days,
	]),
} if {
	some [path, kind, state] in databases
	not kept_long_enough(state)
}

databases contains [path, kind, state] if {
	common.production
	some [path, kind, state] in resources
	kind in data.terraform.database_types
}

kept_long_enough(state) if {
	is_number(state.backup_retention_period)
	state.backup_retention_period >= data.terraform.database_backup_days
}
