# May this very call go out? Reads may; a write needs its grant; an undo is owed.
package smartops.tool_call

import data.smartops.common
import data.smartops.image_safety
import data.smartops.terraform_safety

# A call is let through or not: nobody is asked at this point.
decision := {
	"allow": allow,
	"requires_approval": false,
	"denials": [denial | some denial in denials],
	"reasons": [reason | some reason in reasons],
}

default allow := false

allow if {
	wellformed
	count(denials) == 0
	count(reasons) > 0
}

# --- The document -------------------------------------------------------------------------

call_shape := {
	"tenant": "string", "environment": "string", "tool": "string", "registered": "boolean",
	"purpose": "string", "target": "string", "halted": "boolean", "undo_owed": "boolean",
	"now_ms": "number",
}

grant_shape := {
	"valid": "boolean", "environment": "string", "expires_at_ms": "number", "automatic": "boolean",
}

# The fields are named only when something is amiss: naming costs more than looking.
malformed contains common.shape_denial("tool_call.malformed", "", field) if {
	not common.shaped(input, call_shape)
	some field in common.misshapen(input, call_shape)
}

malformed contains common.shape_denial("tool_call.malformed", "/grant", field) if {
	not without_grant
	not common.shaped(object.get(input, "grant", {}), grant_shape)
	some field in common.misshapen(object.get(input, "grant", {}), grant_shape)
}

without_grant if is_null(input.grant)

wellformed if {
	count(malformed) == 0
	is_boolean(input.halted)
}

denials contains denial if some denial in malformed

# --- The tool -----------------------------------------------------------------------------

denials contains {
	"rule": "tool_call.tool_unregistered", "path": "/tool",
	"message": sprintf("%v is not registered in this version", [input.tool]),
} if {
	not input.registered == true
}

denials contains {
	"rule": "tool_call.tool_category_unknown", "path": "/category",
	"message": sprintf("%v has no known category", [input.tool]),
} if {
	input.registered == true
	not common.known_category(input)
}

# --- Writes -------------------------------------------------------------------------------

writes if not common.reads(input)

undoes if input.purpose == "undo"

denials contains {
	"rule": "tool_call.halted", "path": "/halted",
	"message": "the task is halted: nothing is written, nothing is undone",
} if {
	writes
	input.halted == true
}

denials contains {
	"rule": "tool_call.undo_not_owed", "path": "/undo_owed",
	"message": "no write of this step was dispatched, so there is nothing to take back",
} if {
	writes
	undoes
	not input.undo_owed == true
}

denials contains {
	"rule": "tool_call.grant_missing", "path": "/grant",
	"message": "a write needs a grant",
} if {
	writes
	not undoes
	not has_grant
}

has_grant if is_object(input.grant)

denials contains {
	"rule": "tool_call.grant_invalid", "path": "/grant/valid",
	"message": "the grant is revoked, superseded, or does not name this step",
} if {
	needs_grant
	not input.grant.valid == true
}

denials contains {
	"rule": "tool_call.grant_expired", "path": "/grant/expires_at_ms",
	"message": "the grant has expired",
} if {
	needs_grant
	not lasts
}

lasts if input.now_ms < input.grant.expires_at_ms

denials contains {
	"rule": "tool_call.grant_other_environment", "path": "/grant/environment",
	"message": sprintf("the grant is for %v, the call goes to %v", [
		input.grant.environment,
		input.environment,
	]),
} if {
	needs_grant
	input.grant.environment != input.environment
}

# What a plan may not do by itself, a grant that nobody gave cannot allow.
denials contains {
	"rule": "tool_call.grant_needs_person", "path": "/grant/automatic",
	"message": "writes in production and irreversible ones need a grant given by a person",
} if {
	needs_grant
	not input.grant.automatic == false
	must_be_approved
}

# --- What it would do ---------------------------------------------------------------------

# The plan was held to the same rules; a bundle that is newer than its grant may be stricter.
# Both modules ask nothing of a read: `writes` only spares looking them up.
denials contains denial if {
	writes
	not undoes
	common.listed(input.tool, data.image.tools)
	some denial in image_safety.denials
}

denials contains denial if {
	writes
	not undoes
	common.listed(input.tool, data.terraform.tools)
	some denial in terraform_safety.denials
}

needs_grant if {
	writes
	not undoes
	is_object(input.grant)
}

must_be_approved if common.production

must_be_approved if input.category != "reversible"

# --- Why it may go ------------------------------------------------------------------------

reasons contains {
	"rule": "tool_call.read", "message": "reads need no grant",
} if {
	common.reads(input)
}

reasons contains {
	"rule": "tool_call.undo_owed", "message": "an undo is owed for every write that was dispatched",
} if {
	writes
	undoes
	input.undo_owed == true
}

reasons contains {
	"rule": "tool_call.granted", "message": "a valid grant names this step",
} if {
	needs_grant
	input.grant.valid == true
	input.grant.environment == input.environment
	input.now_ms < input.grant.expires_at_ms
}
