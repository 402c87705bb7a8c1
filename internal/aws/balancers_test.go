package aws

import (
	"context"
	"testing"

	"github.com/droverhq/drover/internal/handover"
)

// some are the load balancers of one family.
type some []handover.Balancer

func (s some) Balancers(context.Context, handover.Inquiry) ([]handover.Balancer, error) {
	return s, nil
}

// A hand-over knows load balancers by name: one must not hide another.
func TestFamiliesShareNoName(t *testing.T) {
	b := Balancers{families: []handover.Balancers{some{{Name: "web", Host: "classic"}, {Name: "api"}}, some{{Name: "web", Host: "network"}}}}
	all, err := b.Balancers(t.Context(), handover.Inquiry{})
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	if all[0].Name != "web" || all[2].Name != "web (2)" || all[2].Host != "network" {
		t.Errorf("%+v", all)
	}
}
