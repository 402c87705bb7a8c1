package aws

import (
	"errors"
	"testing"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// EKS takes a control plane up by one minor version; all else is told when the plan is made.
func TestVersionSkipsAndDowngradesAreRefused(t *testing.T) {
	_, cloud := newFake(t)
	for versions, refused := range map[[2]string]bool{
		{"1.35", "1.36"}: false, {"1.36", "1.36"}: false, {"1.33", "1.36"}: true, {"1.36", "1.35"}: true, {"1.9", "1.10"}: false,
	} {
		err := cloud.Provider().Check("AWS::EKS::Cluster", "shop", plan.Props{"Version": versions[0]}, plan.Props{"Version": versions[1]})
		var p *problem.Error
		if got := errors.As(err, &p) && p.Kind == problem.Refused && p.Fix != ""; got != refused {
			t.Errorf("%v: %v", versions, err)
		}
	}
}
