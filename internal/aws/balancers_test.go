package aws

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
)

// some are the load balancers of one family. What is not known to it as it names it
// has let go of everything, and is told with its host alone.
type some []handover.Balancer

func (s some) Balancers(_ context.Context, q handover.Inquiry) ([]handover.Balancer, error) {
	all := slices.Clone(s)
	for i, b := range all {
		if !slices.Contains(q.Known, b.Name) {
			all[i] = handover.Balancer{Name: b.Name, Host: b.Host}
		}
	}
	return all, nil
}

func (s some) tagged(context.Context) ([]found, error) { return nil, nil }

// A hand-over knows load balancers by name: one must not hide another.
func TestFamiliesShareNoName(t *testing.T) {
	b := Balancers{families: []family{some{{Name: "web", Host: "classic"}, {Name: "api"}}, some{{Name: "web", Host: "network"}}}}
	all, err := b.Balancers(t.Context(), handover.Inquiry{})
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	if all[0].Name != "web" || all[2].Name != "web (2)" || all[2].Host != "network" {
		t.Errorf("%+v", all)
	}
}

// One that was told by another name is asked by its own, and keeps the one that a
// move knows it by, also when the first of that name is gone.
func TestAFamilyIsAskedByItsOwnNames(t *testing.T) {
	first := some{{Name: "web", Host: "classic", Draining: time.Second}}
	second := some{{Name: "web", Host: "network", Draining: time.Minute}}
	for name, families := range map[string][]family{"both": {first, second}, "the second alone": {some{}, second}} {
		all, err := Balancers{families: families}.Balancers(t.Context(), handover.Inquiry{Known: []string{"web (2)"}})
		if err != nil || len(all) == 0 {
			t.Fatal(name, all, err)
		}
		last := all[len(all)-1]
		if last.Name != "web (2)" || last.Draining != time.Minute {
			t.Errorf("%s: asked about by its own name it would tell how it drains: %+v", name, last)
		}
	}
}

// described has, for each family, what it says of each of its kinds, by AWS's word for
// the kind.
var described = map[string]func() map[string]handover.Balancer{
	fmt.Sprintf("%T", classic{}): func() map[string]handover.Balancer {
		return map[string]handover.Balancer{"": ofClassic(elbtypes.LoadBalancerDescription{}, nil)}
	},
	fmt.Sprintf("%T", &grouped{}): func() map[string]handover.Balancer {
		all := map[string]handover.Balancer{}
		for _, kind := range types.LoadBalancerTypeEnum("").Values() {
			tg := &targetGroup{TargetGroup: types.TargetGroup{TargetType: types.TargetTypeEnumInstance, TargetGroupArn: aws.String("arn")}, crossZone: "use_load_balancer_configuration"}
			all[string(kind)] = tg.balancer(&balancer{LoadBalancer: types.LoadBalancer{Type: kind}})
		}
		return all
	},
}

// The model of hand-overs has every kind of load balancer of every family that is asked,
// and says of each what this package says; and what it does there is less than that.
func TestTheModelHasEveryKindOfLoadBalancer(t *testing.T) {
	asked := map[string]handover.Balancer{}
	for _, family := range New(aws.Config{}).Balancers().families {
		name := fmt.Sprintf("%T", family)
		if described[name] == nil {
			t.Fatalf("described has nothing of family %s", name)
		}
		for kind, says := range described[name]() {
			if _, taken := asked[kind]; taken {
				t.Errorf("two families have a kind %q: the model tells kinds apart by that word alone", kind)
			}
			asked[kind] = says
		}
	}
	for _, kind := range world.BalancerKinds {
		is, known := asked[kind.Name]
		if delete(asked, kind.Name); !known || kind.Lag != is.Lag || kind.Zonal != is.Zonal || kind.Reuses != is.Reuses || kind.Groups != (is.Group != "") {
			t.Errorf("%q: the model says %+v, the code %+v", kind.Name, kind, is)
		}
		if kind.Sends > 0 && kind.Lag <= kind.Sends {
			t.Errorf("%s sends for %s, and is waited for for %s", kind.Name, kind.Sends, kind.Lag)
		}
	}
	for name := range asked {
		t.Errorf("the model has no kind %q", name)
	}
}
