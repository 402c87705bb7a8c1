// Package ec2 is the EC2 API, and what makes an instance of the model a
// running node.
//
// api.go joins the actions, which each file lists for its kind of objects; list.go is what all Describe calls share, ids.go
// how identifiers are refused. vpcs.go to launchtemplates.go answer requests,
// one kind of objects each. Two parts act on the model: boot.go starts the machine of a
// new instance and ends the machine of a terminated one; nat.go brings NAT gateways up and down.
package ec2

import (
	"net/http"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

// Service answers EC2 requests.
type Service struct {
	store *region.Store
	now   func() time.Time
}

// New makes the service.
func New(store *region.Store, now func() time.Time) *Service {
	return &Service{store: store, now: now}
}

// Actions lists what is implemented.
func (s *Service) Actions() map[string]wire.Action {
	all := wire.Join(s.placeActions(), s.vpcActions(), s.subnetActions(), s.gatewayActions(),
		s.addressActions(), s.routeActions(), s.groupActions(), s.instanceActions(), s.templateActions(), s.volumeActions(), s.tagActions())
	for name, action := range all {
		all[name] = checked(action)
	}
	return all
}

// errDryRun is the success of a request that was not to change anything.
var errDryRun = region.Errorf(region.Invalid, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")

// checked refuses what the action did not look at, and ends dry runs. Actions
// that change something have done both before, in change.
func checked(action wire.Action) wire.Action {
	return func(r *http.Request, f wire.Form) (any, error) {
		out, err := action(r, f)
		if err == nil {
			err = end(f)
		}
		return out, err
	}
}

// change carries a request out. What fails, and what is a dry run, leaves
// nothing behind; both are tried to the end.
func (s *Service) change(f wire.Form, do func(*region.State) error) error {
	return s.store.Update(func(st *region.State) error {
		if err := do(st); err != nil {
			return err
		}
		return end(f)
	})
}

// once is change for what a client token protects from being made twice.
func (s *Service) once(f wire.Form, create func(*region.State) (string, error), show func(*region.State, string)) error {
	return s.change(f, func(st *region.State) error {
		claim := region.Claim{Operation: f.Get("Action"), Token: f.Get("ClientToken"), Fingerprint: f.All()}
		known := true // a repeated request was looked at when it came first
		id, err := st.Once(claim, s.now(), "IdempotentParameterMismatch", func() (string, error) {
			known = false
			return create(st)
		})
		if known {
			f.Ignore(f.Unread()...)
		}
		if err == nil {
			show(st, id)
		}
		return err
	})
}

func end(f wire.Form) error {
	f.Ignore("Action", "Version")
	dry := f.Bool("DryRun")
	if unread := f.Unread(); len(unread) > 0 {
		return region.Errorf(region.Invalid, "UnknownParameter",
			"The parameter %s is not recognized, or the sandbox does not implement it", strings.Join(unread, ", "))
	}
	if wrong := f.Wrong(); wrong != "" {
		return region.Errorf(region.Invalid, "InvalidParameterValue", "%s", wrong)
	}
	if dry {
		return errDryRun
	}
	return nil
}

// need refuses a request without a parameter.
func need(f wire.Form, names ...string) error {
	for _, n := range names {
		if f.Get(n) == "" {
			return region.Errorf(region.Invalid, "MissingParameter", "The request must contain the parameter %s", n)
		}
	}
	return nil
}

// done is EC2's answer to what has nothing to tell.
func done(err error) (any, error) { return nil, err }
