# May this person decide on this plan? The same holds for approving and for rejecting.
#
# Three ways: a voice on a plan that waits, a word that was given beforehand for a class of plans
# (asked for each plan that it would let through), and one person's alone, in an emergency. How many
# must agree is not asked here: that is the gate's to count.
package smartops.approval

import data.smartops.common

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

approval_shape := {
	"task": "string", "tenant": "string", "environment": "string", "decision": "string",
	"way": "string", "roles": "array", "approver": "object", "editors": "array",
	"settings": "object",
}

approver_shape := {"roles": "array", "disabled": "boolean", "local_credentials": "boolean"}

acting_shape := {"actor": "string", "roles": "array", "disabled": "boolean"}

malformed contains common.shape_denial("approval.malformed", "", field) if {
	not common.shaped(input, approval_shape)
	some field in common.misshapen(input, approval_shape)
}

malformed contains common.shape_denial("approval.malformed", "/approver", field) if {
	not common.shaped(object.get(input, "approver", {}), approver_shape)
	some field in common.misshapen(object.get(input, "approver", {}), approver_shape)
}

# Null says that nobody is there; a missing field says nothing.
malformed contains common.shape_denial("approval.malformed", "", "requester") if {
	not person_or_null(object.get(input, "requester", false))
}

malformed contains common.shape_denial("approval.malformed", "", "acting_for") if {
	not object_or_null(object.get(input, "acting_for", false))
}

malformed contains common.shape_denial("approval.malformed", "/acting_for", field) if {
	is_object(input.acting_for)
	some field in common.misshapen(input.acting_for, acting_shape)
}

malformed contains common.shape_denial("approval.malformed", "", "way") if {
	not known_way
}

person_or_null(value) if type_name(value) in {"string", "null"}

object_or_null(value) if type_name(value) in {"object", "null"}

known_way if input.way in {"voice", "standing", "break_glass"}

wellformed if {
	count(malformed) == 0
	is_object(input.approver)
}

denials contains denial if some denial in malformed

# --- The person ---------------------------------------------------------------------------

denials contains {
	"rule": "approval.unmapped", "path": "/approver/actor",
	"message": "these credentials belong to no known person",
} if {
	not mapped
}

denials contains {
	"rule": "approval.disabled", "path": "/approver/disabled",
	"message": "this person's access is switched off",
} if {
	not input.approver.disabled == false
}

denials contains {
	"rule": "approval.disabled", "path": "/acting_for/disabled",
	"message": "the access of the person whose voice it is is switched off",
} if {
	is_object(input.acting_for)
	not input.acting_for.disabled == false
}

mapped if is_string(input.approver.actor)

breaks_glass if data.limits.break_glass_role in input.approver.roles

in_own_name if is_null(input.acting_for)

# --- Roles --------------------------------------------------------------------------------

# Whose roles count: of a voice that was handed over, those that were handed over with it.
held contains role if {
	is_null(input.acting_for)
	some role in input.approver.roles
}

held contains role if some role in input.acting_for.roles

# A senior approver is an approver.
speaks_as contains role if some role in held

speaks_as contains data.limits.approver_role if data.limits.senior_role in held

wanted contains role if some role in input.roles

role_held if count(wanted & speaks_as) > 0

denials contains {
	"rule": "approval.role_missing", "path": "/approver/roles",
	"message": sprintf("deciding needs the role %v", [concat(" or ", sort(wanted))]),
} if {
	input.way != "break_glass"
	not role_held
}

denials contains {
	"rule": "approval.break_glass_role", "path": "/approver/roles",
	"message": sprintf("breaking the glass needs the role %v", [data.limits.break_glass_role]),
} if {
	input.way == "break_glass"
	not breaks_glass
}

# Nobody answers for an emergency, or for what is to come, in somebody else's name.
denials contains {
	"rule": "approval.own_word", "path": "/acting_for",
	"message": "this word is given in one's own name only",
} if {
	input.way != "voice"
	not in_own_name
}

denials contains {
	"rule": "approval.standing_production", "path": "/approver/roles",
	"message": sprintf("beforehand, for production, needs the role %v", [data.limits.senior_role]),
} if {
	input.way == "standing"
	common.production
	not data.limits.senior_role in held
}

# --- Four eyes ----------------------------------------------------------------------------

# Who speaks, and for whom: handing a voice over takes nobody's hand out of the plan.
persons contains input.approver.actor if is_string(input.approver.actor)

persons contains input.acting_for.actor if is_object(input.acting_for)

denials contains {
	"rule": "approval.own_request", "path": "/approver/actor",
	"message": "who asked for the work cannot decide on it",
} if {
	input.way != "break_glass"
	input.requester in persons
}

denials contains {
	"rule": "approval.own_edit", "path": "/approver/actor",
	"message": "who edited the plan cannot decide on it",
} if {
	input.way != "break_glass"
	some editor in input.editors
	editor in persons
}

# --- Credentials --------------------------------------------------------------------------

denials contains {
	"rule": "approval.local_credentials", "path": "/approver/local_credentials",
	"message": "local credentials do not decide on production here",
} if {
	common.production
	input.way != "break_glass"
	weak_credentials
}

denials contains {
	"rule": "approval.local_credentials", "path": "/approver/local_credentials",
	"message": "local credentials do not break the glass here",
} if {
	input.way == "break_glass"
	weak_credentials
}

weak_credentials if {
	not input.approver.local_credentials == false
	not input.settings.local_credentials_in_production == true
}

# --- Reasons ------------------------------------------------------------------------------

reasons contains {
	"rule": "approval.distinct_approver",
	"message": sprintf("holds the role %v and had no hand in the plan", [concat(" or ", sort(wanted & speaks_as))]),
} if {
	input.way != "break_glass"
	is_string(input.approver.actor)
	role_held
}

reasons contains {
	"rule": "approval.break_glass",
	"message": "may let a plan run alone in an emergency, and answers for it",
} if {
	input.way == "break_glass"
	is_string(input.approver.actor)
	data.limits.break_glass_role in input.approver.roles
}
