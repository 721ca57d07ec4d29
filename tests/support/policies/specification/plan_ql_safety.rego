# Joins the example's denials to ours.
package smartops.plan

denials contains {"rule": "ql.safety", "path": "", "message": message} if {
	some message in data.ql.safety.deny
}
