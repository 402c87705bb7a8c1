package wire

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Join makes one table of a service's chapters. An action that two of them have is a
// mistake that must not go unnoticed: one would answer in the other's place.
func Join(chapters ...map[string]Action) map[string]Action {
	all := map[string]Action{}
	for _, chapter := range chapters {
		for name, action := range chapter {
			if all[name] != nil {
				panic(fmt.Sprintf("action %s is there twice", name))
			}
			all[name] = action
		}
	}
	return all
}

// Must has an action of a query service other than EC2 refuse a request that lacks
// what the service requires, before anything is looked at. Clients that are made from
// AWS's models do not send such a request; others may.
func Must(action Action, names ...string) Action {
	return func(r *http.Request, f Form) (any, error) {
		for _, name := range names {
			if !f.Says(name) {
				return nil, Missing(name)
			}
		}
		return action(r, f)
	}
}

// Missing is what a query service says of a parameter that it requires.
func Missing(name string) error {
	return region.Errorf(region.Invalid, "ValidationError",
		"1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", strings.ToLower(name[:1])+name[1:])
}
