package region

import (
	"errors"
	"fmt"
)

// Kind groups the many error codes of the services by what went wrong, so that
// Cloud Control can turn any of them into one of its own.
type Kind int

// Kinds of errors.
const (
	Invalid    Kind = iota // the request makes no sense
	NotFound               // what it names is not there
	Exists                 // the name is taken
	Dependency             // something still uses it
	Limit                  // there is no room for more
	Busy                   // it may succeed later; a Cloud Control handler waits for it
)

// Error is an answer of AWS: the code of the service that would give it.
type Error struct {
	Kind    Kind
	Code    string // InvalidVpcID.NotFound
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error.
func Errorf(kind Kind, code, format string, args ...any) error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// IsKind tells whether err is an answer of that kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// missing is the answer of EC2 for an ID that names nothing.
func missing(what, kind, id string) error {
	return Errorf(NotFound, "Invalid"+what+".NotFound", "The %s ID '%s' does not exist", kind, id)
}

// inUse is the answer of EC2 for an object that others still need.
func inUse(kind, id string) error {
	return Errorf(Dependency, "DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.", kind, id)
}
