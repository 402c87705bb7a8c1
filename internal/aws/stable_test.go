package aws

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

// describing answers what a cluster's status is, one after the other, the last one for
// ever. Once it is ACTIVE the cluster has an endpoint.
type describing struct {
	*fakeControl
	statuses []string
	asked    int
}

func (e *describing) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(req.URL.Path, "/clusters/") {
		return e.fakeControl.RoundTrip(req)
	}
	status := e.statuses[min(e.asked, len(e.statuses)-1)]
	e.asked++
	if status == "ACTIVE" {
		e.objects["shop-0a1b2c3"]["Endpoint"] = "https://example.com"
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: req,
		Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"cluster":{"name":"shop-0a1b2c3","status":%q}}`, status)))}, nil
}

// A cluster that a killed run began is still being made when it is found again:
// it is taken over once it is good, with what only a finished one has. One that
// came to nothing is not taken for finished.
func TestAdoptedClusterIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		statuses []string
		want     engine.Certainty
	}{
		{[]string{"CREATING", "CREATING", "UPDATING", "ACTIVE"}, engine.Made},
		{[]string{"CREATING", "FAILED"}, engine.Unready},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake, cloud := newFake(t)
			service := &describing{fakeControl: fake, statuses: c.statuses}
			cfg := cloud.cfg
			cfg.HTTPClient = &http.Client{Transport: service}
			r := engine.Request{Type: "AWS::EKS::Cluster", Name: "shop-0a1b2c3", Token: "t", Tags: owner,
				Want: plan.Props{"Name": "shop-0a1b2c3", "Version": "1.36"}}
			fake.objects["shop-0a1b2c3"] = maps.Clone(r.Want)
			fake.objects["shop-0a1b2c3"]["Tags"] = listTags(nil, owner, nil)
			fake.fail = []progress{{ErrorCode: "AlreadyExists"}}
			made, err := New(cfg).Provider().Create(t.Context(), r)
			if made.Certainty != c.want || (err == nil) != (c.want == engine.Made) || service.asked != len(c.statuses) {
				t.Errorf("%v: asked %d times, %+v, %v", c.statuses, service.asked, made, err)
			}
			if c.want == engine.Made && made.Outputs["Endpoint"] == nil {
				t.Errorf("taken over without an endpoint: %v", made.Outputs)
			}
		})
	}
}
