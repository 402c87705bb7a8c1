package aws

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

// stale reads objects as they were for so many reads after an update.
type stale struct {
	*fakeControl
	reads int
	was   string // properties before the update; empty: there was none
}

func (s *stale) RoundTrip(req *http.Request) (*http.Response, error) {
	target := req.Header.Get("X-Amz-Target")
	if strings.HasSuffix(target, "UpdateResource") {
		for _, props := range s.objects {
			text, _ := json.Marshal(props)
			s.was = string(text)
			if n, counts := props["LatestVersionNumber"].(string); counts {
				props["LatestVersionNumber"] = n + "1"
			}
		}
	}
	if strings.HasSuffix(target, "GetResource") && s.was != "" && s.reads > 0 {
		s.reads--
		body, _ := json.Marshal(map[string]any{"ResourceDescription": map[string]any{"Properties": s.was}})
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
	}
	return s.fakeControl.RoundTrip(req)
}

// For a second or so AWS may read an object as it was before an update. What
// others refer to is what it is like after that.
func TestStaleReadIsNotTakenForTheUpdate(t *testing.T) {
	for _, c := range []struct {
		typ, output string
		old, want   plan.Props
		live, then  any
	}{
		{"AWS::IAM::Role", "Description", plan.Props{"Description": "a"}, plan.Props{"Description": "b"}, "a", "b"},
		{"AWS::EC2::LaunchTemplate", "LatestVersionNumber", plan.Props{"LaunchTemplateData": plan.Props{"ImageId": "a"}},
			plan.Props{"LaunchTemplateData": plan.Props{"ImageId": "b"}}, "1", "11"},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake, cloud := newFake(t)
			cfg := cloud.cfg
			cfg.HTTPClient = &http.Client{Transport: &stale{fakeControl: fake, reads: 3}}
			fake.objects["x"] = map[string]any{c.output: c.live}
			obj, err := New(cfg).Provider().Update(t.Context(), engine.Request{Type: c.typ, ID: "x", Old: c.old, Want: c.want})
			if err != nil || obj.Outputs[c.output] != c.then {
				t.Errorf("%s: %v, %s is %v, want %v", c.typ, err, c.output, obj.Outputs[c.output], c.then)
			}
		})
	}
}

// A service that writes what it was given in words of its own is believed after a while.
func TestUpdateInOtherWordsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		cfg := cloud.cfg
		cfg.HTTPClient = &http.Client{Transport: &stale{fakeControl: fake, reads: 1 << 30}}
		fake.objects["x"] = map[string]any{"Description": "a"}
		r := engine.Request{Type: "AWS::IAM::Role", ID: "x", Old: plan.Props{"Description": "a"}, Want: plan.Props{"Description": "b"}}
		if _, err := New(cfg).Provider().Update(t.Context(), r); err != nil {
			t.Error(err)
		}
	})
}
