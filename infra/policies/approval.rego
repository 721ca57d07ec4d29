# May this person decide on this plan? The same holds for approving and for rejecting.
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
	"approver": "object", "editors": "array", "settings": "object",
}

approver_shape := {"roles": "array", "disabled": "boolean", "local_credentials": "boolean"}

malformed contains common.shape_denial("approval.malformed", "", field) if {
	some field in common.misshapen(input, approval_shape)
}

malformed contains common.shape_denial("approval.malformed", "/approver", field) if {
	some field in common.misshapen(object.get(input, "approver", {}), approver_shape)
}

# Null says that no person is behind the request; a missing field says nothing.
malformed contains common.shape_denial("approval.malformed", "", "requester") if {
	not type_name(input.requester) in {"string", "null"}
}

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
	not is_string(input.approver.actor)
}

denials contains {
	"rule": "approval.disabled", "path": "/approver/disabled",
	"message": "this person's access is switched off",
} if {
	not input.approver.disabled == false
}

denials contains {
	"rule": "approval.role_missing", "path": "/approver/roles",
	"message": sprintf("deciding needs the role %v", [data.limits.approver_role]),
} if {
	not data.limits.approver_role in input.approver.roles
}

# --- Four eyes ----------------------------------------------------------------------------

denials contains {
	"rule": "approval.own_request", "path": "/approver/actor",
	"message": "who asked for the work cannot decide on it",
} if {
	input.approver.actor == input.requester
}

denials contains {
	"rule": "approval.own_edit", "path": "/approver/actor",
	"message": "who edited the plan cannot decide on it",
} if {
	input.approver.actor in input.editors
}

# --- Credentials --------------------------------------------------------------------------

denials contains {
	"rule": "approval.local_credentials", "path": "/approver/local_credentials",
	"message": "local credentials do not decide on production here",
} if {
	common.production
	not input.approver.local_credentials == false
	not input.settings.local_credentials_in_production == true
}

reasons contains {
	"rule": "approval.distinct_approver",
	"message": sprintf("holds the role %v and had no hand in the plan", [data.limits.approver_role]),
} if {
	is_string(input.approver.actor)
	data.limits.approver_role in input.approver.roles
}
