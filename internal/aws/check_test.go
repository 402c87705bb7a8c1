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

// The key of a cluster's Secrets is for life: any change is refused, with its reason, and not planned as a new cluster.
func TestKeyOfSecretsStays(t *testing.T) {
	_, cloud := newFake(t)
	key := func(arn string) plan.Props {
		return plan.Props{"EncryptionConfig": []any{plan.Props{"Resources": []any{"secrets"}, "Provider": plan.Props{"KeyArn": arn}}}}
	}
	for _, c := range []struct {
		old, want plan.Props
		refused   bool
	}{{key("a"), key("a"), false}, {plan.Props{}, plan.Props{}, false}, {key("a"), key("b"), true}, {key("a"), plan.Props{}, true}, {plan.Props{}, key("a"), true}} {
		err := cloud.Provider().Check("AWS::EKS::Cluster", "shop", c.old, c.want)
		var p *problem.Error
		if got := errors.As(err, &p) && p.Kind == problem.Refused && p.Fix != ""; got != c.refused {
			t.Errorf("%v to %v: %v", c.old, c.want, err)
		}
	}
}
