package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// managedAPI answers EKS and Systems Manager, and hands the rest to a query API.
type managedAPI struct {
	queryAPI
	eks        map[string]func(body string) string // by method and path; "!Code" is an error
	parameters map[string]string
}

func (m *managedAPI) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Host, "ssm.") {
		return m.parameter(req)
	}
	if !strings.Contains(req.URL.Host, "eks.") {
		return m.queryAPI.RoundTrip(req)
	}
	call := req.Method + " " + req.URL.Path
	body := ""
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(data)
	}
	m.asked = append(m.asked, call)
	reply := m.eks[call]
	if reply == nil {
		return nil, fmt.Errorf("nobody should ask for %s", call)
	}
	text, status, header := reply(body), http.StatusOK, http.Header{}
	if code, failed := strings.CutPrefix(text, "!"); failed {
		status, text = http.StatusConflict, "{}"
		header.Set("X-Amzn-ErrorType", code)
	}
	return &http.Response{StatusCode: status, Header: header, Request: req, Body: io.NopCloser(bytes.NewBufferString(text))}, nil
}

// parameter answers GetParameter.
func (m *managedAPI) parameter(req *http.Request) (*http.Response, error) {
	var in struct{ Name string }
	if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
		return nil, err
	}
	status, body := http.StatusOK, fmt.Sprintf(`{"Parameter": {"Value": %q}}`, m.parameters[in.Name])
	if m.parameters[in.Name] == "" {
		status, body = http.StatusBadRequest, `{"__type": "ParameterNotFound"}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (m *managedAPI) cloud() *Cloud {
	return New(aws.Config{Region: "us-west-2", HTTPClient: &http.Client{Transport: m},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""), Retryer: func() aws.Retryer { return aws.NopRetryer{} }})
}

// behind is the Auto Scaling group of a managed group.
func behind(name, instances string) string {
	return "<member><AutoScalingGroupName>" + name + "</AutoScalingGroupName><MinSize>2</MinSize><DesiredCapacity>2</DesiredCapacity><Instances>" + instances +
		"</Instances><Tags><member><Key>eks:cluster-name</Key><Value>shop</Value></member><member><Key>eks:nodegroup-name</Key><Value>web</Value></member></Tags></member>"
}

func groupsAPI(found ...string) func(url.Values) string {
	return func(form url.Values) string {
		if form.Get("AutoScalingGroupNames.member.1") == "web" {
			return "<AutoScalingGroups></AutoScalingGroups>"
		}
		return "<AutoScalingGroups>" + strings.Join(found, "") + "</AutoScalingGroups>"
	}
}

const groupPath = "/clusters/shop/node-groups/web"

var ending = handover.Ending{Group: "eks-web-1", Cluster: "shop", Nodegroup: "web"}

// The sizes of a managed group are changed by EKS, which takes a group that is
// resized past it for broken; a change that is under way is waited for.
func TestManagedGroupIsResizedByEKS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := 1
		api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingGroups": groupsAPI(behind("eks-web-1", ""))}}}
		api.eks = map[string]func(string) string{
			"POST " + groupPath + "/update-config": func(body string) string {
				if busy--; busy >= 0 {
					return "!ResourceInUseException"
				}
				if !strings.Contains(body, `"minSize":0`) {
					t.Errorf("asked for %s", body)
				}
				return `{"update": {"id": "u1", "status": "InProgress"}}`
			},
			"GET /clusters/shop/updates/u1": func(string) string { return `{"update": {"id": "u1", "status": "Successful"}}` },
		}
		if err := api.cloud().Scaling().SetMin(t.Context(), "web", 0); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(api.asked, "UpdateAutoScalingGroup") || !slices.Contains(api.asked, "GET /clusters/shop/updates/u1") {
			t.Errorf("asked %v", api.asked)
		}
	})
}

// EKS would end what runs on a group's nodes when it is deleted: one that has any
// is not, and neither is one of a name that several clusters have.
func TestManagedGroupIsDeletedOnlyWhenEmpty(t *testing.T) {
	full := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": groupsAPI(behind("eks-web-1", "<member><InstanceId>i-1</InstanceId></member>"))}}}
	if err := full.cloud().Scaling().DeleteGroup(t.Context(), ending); err == nil || !strings.Contains(err.Error(), "it has 1 instances") {
		t.Errorf("a group with an instance: %v", err)
	}
	two := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": groupsAPI(behind("eks-web-1", ""), behind("eks-web-2", ""))}}}
	var p *problem.Error
	if _, err := two.cloud().Scaling().Group(t.Context(), "web"); !errors.As(err, &p) || !strings.Contains(p.Fix, "asg/eks-web-1") {
		t.Errorf("two groups of one name: %v", err)
	}
	anothers := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingGroups": groupsAPI()}}}
	anothers.eks = map[string]func(string) string{
		"GET " + groupPath: func(string) string {
			return `{"nodegroup": {"status": "ACTIVE", "resources": {"autoScalingGroups": [{"name": "eks-web-2"}]}}}`
		},
	}
	if err := anothers.cloud().Scaling().DeleteGroup(t.Context(), ending); err != nil {
		t.Errorf("a group that was made since under the same name: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		left, asked := 3, 0
		api := &managedAPI{queryAPI: queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingGroups": groupsAPI(behind("eks-web-1", ""))}}}
		api.eks = map[string]func(string) string{
			"DELETE " + groupPath: func(string) string { asked++; return "{}" },
			"GET " + groupPath: func(string) string {
				if left--; left < 0 {
					return "!ResourceNotFoundException"
				}
				if asked == 0 {
					return `{"nodegroup": {"status": "ACTIVE", "resources": {"autoScalingGroups": [{"name": "eks-web-1"}]}}}`
				}
				return `{"nodegroup": {"status": "DELETING"}}`
			},
		}
		if err := api.cloud().Scaling().DeleteGroup(t.Context(), ending); err != nil || left >= 0 || asked != 1 {
			t.Errorf("an empty group: %v, %d looks left, asked %d times", err, left, asked)
		}
	})
}

// A new release is EKS's own update; one that a budget stopped says so.
func TestManagedGroupIsUpgradedByEKS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &managedAPI{}
		status := "Successful"
		api.eks = map[string]func(string) string{
			"GET " + groupPath: func(string) string {
				return `{"nodegroup": {"status": "ACTIVE", "version": "1.36", "releaseVersion": "1.36.3-20261001"}}`
			},
			"POST " + groupPath + "/update-version": func(string) string { return `{"update": {"id": "u1", "status": "InProgress"}}` },
			"GET /clusters/shop/updates/u1": func(string) string {
				return `{"update": {"id": "u1", "status": "` + status + `", "errors": [{"errorCode": "PodEvictionFailure", "errorMessage": "max retries"}]}}`
			},
		}
		r := engine.Request{Type: "AWS::EKS::Nodegroup", ID: "shop/web"}
		old := plan.Props{"ReleaseVersion": "1.36.3-20261001"}
		if moved, err := api.cloud().Provider().upgrade(t.Context(), r, old, plan.Props{"ReleaseVersion": "1.36.3-20261101"}); !moved || err != nil {
			t.Errorf("%v %v", moved, err)
		}
		status = "Failed"
		_, err := api.cloud().Provider().upgrade(t.Context(), r, old, plan.Props{"ReleaseVersion": "1.36.3-20261101"})
		var p *problem.Error
		if !errors.As(err, &p) || !strings.Contains(p.Fix, "pdb") {
			t.Errorf("a budget that kept a pod: %v", err)
		}
		api.asked = nil
		if moved, err := api.cloud().Provider().upgrade(t.Context(), r, plan.Props{}, old); !moved || err != nil || len(api.asked) != 1 {
			t.Errorf("a release that it has: %v %v %v", moved, err, api.asked)
		}
	})
}
