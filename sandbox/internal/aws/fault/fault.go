// Package fault makes AWS misbehave to order: requests that match a Fault are
// refused, delayed, never answered, or carried out without an answer. The
// endpoint hands it every request that is signed well, before the service that
// would answer it; `drover sandbox fault` gives the orders.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is what becomes of a request.
type Kind string

// The kinds of faults.
const (
	Throttle Kind = "throttle" // refused: too many requests
	Fail     Kind = "fail"     // refused with Code
	Expire   Kind = "expire"   // refused: the credentials have expired
	Hang     Kind = "hang"     // never answered; the connection stays open until the fault is over
	Lose     Kind = "lose"     // carried out, and the connection is cut instead of an answer
	Slow     Kind = "slow"     // carried out after Delay
)

// Kinds are all of them, in the order of the command's help.
var Kinds = []Kind{Throttle, Fail, Expire, Hang, Lose, Slow}

// Fault is one order. What it does not narrow down it hits: without a service,
// an operation and a resource that is every request.
type Fault struct {
	ID        string    `json:"id"`
	Kind      Kind      `json:"kind"`
	Service   string    `json:"service,omitempty"`   // as in the signature: ec2, cloudcontrolapi
	Operation string    `json:"operation,omitempty"` // DescribeInstances; * stands for any text
	Resource  string    `json:"resource,omitempty"`  // text that the request holds: an ID, a name, an ARN
	Code      string    `json:"code,omitempty"`      // of Fail; empty: the service's own internal error
	Status    int       `json:"status,omitempty"`    // HTTP status of Fail; 0: the one that goes with Code
	Delay     Duration  `json:"delay,omitempty"`     // of Slow
	Count     int       `json:"count,omitempty"`     // how many requests it hits; 0: no limit
	Until     time.Time `json:"until,omitzero"`      // when it is over; zero: when it is taken away
	Hits      int       `json:"hits"`                // so far
}

// Call is a request as far as a fault looks at it.
type Call struct {
	Service, Operation string
	Text               string // path, query and body, with their escapes undone
}

// check refuses an order that could not mean anything.
func (f Fault) check() error {
	var known bool
	for _, k := range Kinds {
		known = known || k == f.Kind
	}
	switch {
	case !known:
		return fmt.Errorf("%q is no kind of fault", f.Kind)
	case f.Count < 0:
		return errors.New("a count is at least 1")
	case (f.Code != "" || f.Status != 0) && f.Kind != Fail:
		return fmt.Errorf("only %s has a code or a status", Fail)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("%d is no HTTP status of an error", f.Status)
	case (f.Delay != 0) != (f.Kind == Slow):
		return fmt.Errorf("%s has a delay, and nothing else does", Slow)
	case f.Delay < 0:
		return errors.New("a delay is more than nothing")
	}
	return nil
}

// Over tells whether it hits nothing any more.
func (f Fault) Over(now time.Time) bool {
	return f.Count > 0 && f.Hits >= f.Count || !f.Until.IsZero() && !now.Before(f.Until)
}

// Registry is the service, and Pull the operation, of a node that pulls an image. A fault
// hits it only if it names the service: it is no request of a client of AWS.
const (
	Registry = "ecr"
	Pull     = "BatchGetImage"
)

func (f Fault) matches(c Call) bool {
	return (f.Service == "" && c.Service != Registry || strings.EqualFold(f.Service, c.Service)) &&
		(f.Operation == "" || glob(f.Operation, c.Operation)) &&
		strings.Contains(c.Text, f.Resource)
}

// glob matches text that may have any text where the pattern has a star.
func glob(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, head)
	if !ok || !star {
		return ok && text == ""
	}
	for i := range len(text) + 1 {
		if glob(rest, text[i:]) {
			return true
		}
	}
	return false
}

// Duration is a time.Duration that reads and writes as "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}
