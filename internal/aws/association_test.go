package aws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

// subnets is a Cloud Control API whose associations EC2 knows, too.
type subnets struct {
	*fakeControl
	asked []string // EC2's actions
	lose  bool     // the answer of the next switch
}

func newSubnets(t *testing.T) (*subnets, *Provider) {
	t.Helper()
	control, _ := newFake(t)
	s := &subnets{fakeControl: control}
	return s, New(aws.Config{Region: "us-west-2", Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient: &http.Client{Transport: s}, Retryer: func() aws.Retryer { return aws.NopRetryer{} }}).Provider()
}

func (s *subnets) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, _ := url.ParseQuery(string(body)) // the others' is JSON
	action := form.Get("Action")
	if !strings.Contains(action, "RouteTable") {
		req.Body = io.NopCloser(bytes.NewReader(body))
		return s.fakeControl.RoundTrip(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, action)
	status, text := http.StatusOK, ""
	if action == "DescribeRouteTables" {
		text = s.describe(form.Get("Filter.1.Value.1"))
	} else if text = s.replace(form); text == "" {
		status, text = http.StatusBadRequest, "<Response><Errors><Error><Code>InvalidAssociationID.NotFound</Code><Message>no</Message></Error></Errors></Response>"
	}
	if s.lose && action != "DescribeRouteTables" {
		s.lose = false
		return nil, errors.New("connection reset by peer")
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func (s *subnets) describe(subnet string) string {
	var items strings.Builder
	for id, o := range s.objects {
		if o["SubnetId"] == subnet {
			fmt.Fprintf(&items, "<item><routeTableId>%s</routeTableId><associationSet><item><routeTableAssociationId>%s</routeTableAssociationId><subnetId>%s</subnetId></item></associationSet></item>",
				o["RouteTableId"], id, subnet)
		}
	}
	return "<DescribeRouteTablesResponse><routeTableSet>" + items.String() + "</routeTableSet></DescribeRouteTablesResponse>"
}

func (s *subnets) replace(form url.Values) string {
	old := form.Get("AssociationId")
	o := s.objects[old]
	if o == nil {
		return ""
	}
	delete(s.objects, old)
	id := old + "+"
	s.objects[id] = map[string]any{"Id": id, "SubnetId": o["SubnetId"], "RouteTableId": form.Get("RouteTableId")}
	return "<ReplaceRouteTableAssociationResponse><newAssociationId>" + id + "</newAssociationId></ReplaceRouteTableAssociationResponse>"
}

func association(id, table string) engine.Request {
	return engine.Request{Type: associationType, Name: "private-a", ID: id, Sole: func() bool { return true },
		Old: plan.Props{"SubnetId": "subnet-1", "RouteTableId": "rtb-1"}, Want: plan.Props{"SubnetId": "subnet-1", "RouteTableId": table}}
}

// A subnet that gets another route table is switched: at no moment it has none.
func TestRouteTableIsSwitched(t *testing.T) {
	s, p := newSubnets(t)
	s.objects["rtbassoc-1"] = map[string]any{"Id": "rtbassoc-1", "SubnetId": "subnet-1", "RouteTableId": "rtb-1"}
	r := association("rtbassoc-1", "rtb-2")
	if got := p.Replaces(r.Type, r.Old, r.Want); got != nil {
		t.Errorf("it is to be made anew, for %v", got)
	}
	obj, err := p.Update(t.Context(), r)
	if err != nil || obj.ID != "rtbassoc-1+" || obj.Outputs["RouteTableId"] != "rtb-2" || len(s.sent) != 0 {
		t.Errorf("%+v, %v; Cloud Control was sent %q", obj, err, s.sent)
	}
}

// The answer was lost, and the state has an identifier that is not there any
// more: the next run finds what stands, whatever it does with it.
func TestSwitchedAssociationIsFoundAgain(t *testing.T) {
	lost := func() (*subnets, *Provider) {
		s, p := newSubnets(t)
		s.objects["rtbassoc-1"] = map[string]any{"Id": "rtbassoc-1", "SubnetId": "subnet-1", "RouteTableId": "rtb-1"}
		s.lose = true
		if _, err := p.Update(t.Context(), association("rtbassoc-1", "rtb-2")); err == nil {
			t.Fatal("the answer was not lost")
		}
		return s, p
	}
	s, p := lost()
	if obj, err := p.Read(t.Context(), association("rtbassoc-1", "")); err != nil || obj.ID != "rtbassoc-1+" {
		t.Errorf("read: %+v, %v", obj, err)
	}
	s.asked = nil
	if obj, err := p.Update(t.Context(), association("rtbassoc-1", "rtb-2")); err != nil || obj.ID != "rtbassoc-1+" || len(s.asked) != 1 {
		t.Errorf("repeated: %+v, %v, asked %v", obj, err, s.asked)
	}
	if obj, err := p.Update(t.Context(), association("rtbassoc-1", "rtb-1")); err != nil || obj.ID != "rtbassoc-1++" {
		t.Errorf("taken back: %+v, %v", obj, err)
	}
	s, p = lost()
	other := association("rtbassoc-1", "")
	other.Sole = func() bool { return false } // what the subnet has is that of what replaced it
	if err := p.Delete(t.Context(), other); err != nil || len(s.objects) != 1 {
		t.Errorf("deleted what replaced it: %v", err)
	}
	if _, err := p.Read(t.Context(), other); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("read what replaced it: %v", err)
	}
	if err := p.Delete(t.Context(), association("rtbassoc-1", "")); err != nil || len(s.objects) != 0 {
		t.Errorf("deleted: %v, left %v", err, s.objects)
	}
	if err := p.Delete(t.Context(), association("rtbassoc-1", "")); err != nil {
		t.Errorf("deleted again: %v", err)
	}
	if _, err := p.Read(t.Context(), association("rtbassoc-1", "")); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("read what is gone: %v", err)
	}
	if _, err := p.Update(t.Context(), association("rtbassoc-1", "rtb-2")); err == nil {
		t.Error("updated what is gone")
	}
}

// A create that was cut off is found by its subnet, if it leads to the table;
// one that stood before is not taken over.
func TestAssociationIsAdoptedByItsSubnet(t *testing.T) {
	for _, c := range []struct {
		table string
		known bool
		made  engine.Certainty
	}{{"rtb-2", false, engine.Made}, {"rtb-9", false, engine.Unknown}, {"rtb-2", true, engine.Unknown}} {
		s, p := newSubnets(t)
		s.objects["rtbassoc-7"] = map[string]any{"Id": "rtbassoc-7", "SubnetId": "subnet-1", "RouteTableId": c.table}
		s.fail = []progress{{ErrorCode: "AlreadyExists", StatusMessage: "the subnet is associated"}}
		r := association("", "rtb-2")
		r.Token, r.Begun, r.Known = "token", time.Now().Add(-time.Hour), func(string) bool { return c.known }
		made, err := p.Create(t.Context(), r)
		if (made.Certainty == engine.Made) != (c.made == engine.Made) || (err == nil) != (c.made == engine.Made) {
			t.Errorf("one that leads to %s, known %v: %+v, %v", c.table, c.known, made, err)
		}
	}
}
