package aws

import (
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
)

// EKS leaves the log group of a control plane, and what runs in the cluster at
// the version that it had: both are told, and only then.
func TestWhatEKSLeavesToTheUserIsTold(t *testing.T) {
	_, cloud := newFake(t)
	logging := plan.Props{"ClusterLogging": plan.Props{"EnabledTypes": []any{plan.Props{"Type": "api"}}}}
	at := func(version string) plan.Props { return plan.Props{"Version": version} }
	for _, c := range []struct {
		about, typ string
		old, want  plan.Props
		severity   event.Severity // empty: nothing is told
		words      string
	}{
		{"a cluster with logs goes", "AWS::EKS::Cluster", plan.Props{"Logging": logging}, nil, event.Warning,
			"leaves the log group /aws/eks/shop-1/cluster|aws logs delete-log-group --region us-west-2 --log-group-name /aws/eks/shop-1/cluster"},
		{"one without goes", "AWS::EKS::Cluster", at("1.36"), nil, "", ""},
		{"one with logs stays", "AWS::EKS::Cluster", plan.Props{"Logging": logging}, plan.Props{}, "", ""},
		{"its version changes", "AWS::EKS::Cluster", at("1.35"), at("1.36"), event.Note, "becomes 1.36|kube-proxy, CoreDNS|--kubernetes-version 1.36"},
		{"something else of it does", "AWS::EKS::Cluster", at("1.36"), at("1.36"), "", ""},
		{"another type", "AWS::RDS::DBInstance", plan.Props{"Logging": logging}, nil, "", ""},
	} {
		found := cloud.Provider().Advise(c.typ, "shop-1", c.old, c.want)
		if (len(found) > 0) != (c.severity != "") {
			t.Errorf("%s: %+v", c.about, found)
			continue
		}
		for _, f := range found {
			for _, words := range strings.Split(c.words, "|") {
				if f.Severity != c.severity || !strings.Contains(f.Effect+" "+f.Fix, words) {
					t.Errorf("%s: %+v, want %q", c.about, f, words)
				}
			}
		}
	}
}

// A NAT gateway in each zone takes an Elastic IP each: more than the usual quota
// in large regions.
func TestElasticIPQuotaIsTold(t *testing.T) {
	_, cloud := newFake(t)
	for total, want := range map[int]event.Severity{4: "", 5: event.Note, 6: event.Warning} {
		found := cloud.Provider().Quota("AWS::EC2::EIP", total)
		if (len(found) == 1) != (want != "") || len(found) == 1 && (found[0].Severity != want || !strings.Contains(found[0].Fix, "natGateways: single")) {
			t.Errorf("%d addresses: %+v, want %q", total, found, want)
		}
	}
	if found := cloud.Provider().Quota("AWS::EC2::VPC", 9); found != nil {
		t.Errorf("another type: %+v", found)
	}
}
