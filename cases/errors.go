package cases

import "github.com/symbolon/symbolon/fault"

// Errors of the rules.
var (
	ErrCredentials     = fault.New(fault.Unauthenticated, "credentials_wrong", "E-mail address or password is not right.")
	ErrBusy            = fault.New(fault.Unavailable, "busy", "Too much is going on. Try again in a moment.")
	ErrStaff           = fault.New(fault.Forbidden, "staff_has_no_case", "Staff accounts have no case of their own.")
	ErrLevelUnknown    = fault.New(fault.NotFound, "level_unknown", "There is no such level.")
	ErrLevelNotOpen    = fault.New(fault.Conflict, "level_not_open", "This level cannot be changed now.")
	ErrFrozen          = fault.New(fault.Conflict, "case_frozen", "Somebody answered that it was not them. Nothing is taken until we have looked at it.")
	ErrStepUnknown     = fault.New(fault.NotFound, "step_unknown", "This case has no such step.")
	ErrStepsIncomplete = fault.New(fault.Conflict, "steps_incomplete", "Some steps are still to do.")
	ErrChannel         = fault.New(fault.Conflict, "channel_not_allowed", "This step cannot be done from here.")
	ErrTooManyTakes    = fault.New(fault.Conflict, "too_many_takes", "Too many unfinished takes of this step.")
	ErrTakeTooLarge    = fault.New(fault.TooLarge, "upload_too_large", "This is more than the step takes.")
	ErrBudget          = fault.New(fault.TooLarge, "case_budget_exceeded", "This case has received too many bytes today.")
	ErrFiletype        = fault.New(fault.Unsupported, "filetype_unsupported", "This kind of file is not taken here.")
	ErrNotForStep      = fault.New(fault.Conflict, "upload_not_for_this_step", "This upload was not made for this step.")
	ErrKind            = fault.New(fault.Invalid, "case_kind_unsupported", "This kind of case is not offered here.")
)
