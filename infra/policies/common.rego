# Words that the entrypoints share. Each is written so that a missing field falls on
# the strict side: unknown is a write, unlisted is production.
package smartops.common

reads(subject) if subject.category == "read"

known_category(subject) if subject.category in data.limits.tool_categories

default production := true

production := false if input.environment in data.limits.non_production_environments

# Whether a list of tools, `{"names": [...], "prefixes": [...]}`, has this one.
listed(name, tools) if name in tools.names

listed(name, tools) if {
	is_string(name)
	strings.any_prefix_match(name, tools.prefixes)
}

# Whether every field that `shape` names is there and of its type.
shaped(document, shape) if {
	every field, kind in shape {
		type_name(document[field]) == kind
	}
}

# Fields of `document` that are missing or not of the type that `shape` names.
misshapen(document, shape) := {field |
	some field, kind in shape
	not has_kind(document, field, kind)
}

has_kind(document, field, kind) if type_name(document[field]) == kind

shape_denial(rule, path, field) := {
	"rule": rule,
	"path": sprintf("%v/%v", [path, field]),
	"message": sprintf("%v is missing or of the wrong type", [field]),
}
