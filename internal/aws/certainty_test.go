package aws

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

// scripted answers some calls itself, before the fake does.
type scripted struct {
	*fakeControl
	operation string
	answers   []scriptedAnswer // taken one by one
}

type scriptedAnswer struct {
	code, message string
	lost          bool // the call has its effect, and the answer is lost
}

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.Header.Get("X-Amz-Target"), s.operation) || len(s.answers) == 0 {
		return s.fakeControl.RoundTrip(req)
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	if a.lost {
		if _, err := s.fakeControl.RoundTrip(req); err != nil {
			return nil, err
		}
		return nil, io.ErrUnexpectedEOF
	}
	status, body := refuse(a.code, a.message)
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
}

func newScripted(t *testing.T, operation string, answers ...scriptedAnswer) (*fakeControl, *Provider) {
	fake, cloud := newFake(t)
	cfg := cloud.cfg
	cfg.HTTPClient = &http.Client{Transport: &scripted{fake, operation, answers}}
	return fake, New(cfg).Provider()
}

func many(n int, a scriptedAnswer) []scriptedAnswer {
	all := make([]scriptedAnswer, n)
	for i := range all {
		all[i] = a
	}
	return all
}

// While a request is followed, nothing that a poll meets says that nothing was
// made; and the next run, with the same token, finds the object.
func TestPollFailureIsNeverNotMade(t *testing.T) {
	for _, code := range []string{"ExpiredTokenException", "AccessDeniedException", "UnrecognizedClientException", "ValidationException"} {
		synctest.Test(t, func(t *testing.T) {
			fake, p := newScripted(t, "GetResourceRequestStatus", scriptedAnswer{code: code, message: "no"})
			made, err := p.Create(t.Context(), vpc())
			if err == nil || made.Certainty != engine.Unknown || made.Call != engine.Poll {
				t.Errorf("%s: %v, certainty %d, call %q", code, err, made.Certainty, made.Call)
			}
			if expired := code != "AccessDeniedException" && code != "ValidationException"; errors.Is(err, engine.ErrCredentials) != expired {
				t.Errorf("%s: %v", code, err)
			}
			again := vpc()
			again.Begun = time.Now()
			if made, err = p.Create(t.Context(), again); err != nil || made.Certainty != engine.Made || len(fake.objects) != 1 {
				t.Errorf("%s: then %v, %d objects", code, err, len(fake.objects))
			}
		})
	}
}

// Polls that are throttled for minutes are polled again; no second request is sent.
func TestThrottledPollsSendNothingAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, p := newScripted(t, "GetResourceRequestStatus", many(40, scriptedAnswer{code: "ThrottlingException", message: "Rate exceeded"})...)
		if _, err := p.Create(t.Context(), vpc()); err != nil || len(fake.objects) != 1 || len(fake.sent) != 1 {
			t.Errorf("%v, %d objects, sent %v", err, len(fake.objects), fake.sent)
		}
	})
}

// An answer that is lost is asked for again, under the same token.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, p := newScripted(t, "CreateResource", many(3, scriptedAnswer{lost: true})...)
		if _, err := p.Create(t.Context(), vpc()); err != nil || len(fake.objects) != 1 {
			t.Errorf("%v, %d objects", err, len(fake.objects))
		}
	})
}

// After AWS has forgotten the token of an earlier run, the object is found by its tags.
func TestForgottenTokenMakesNoSecondObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		first, err := cloud.Provider().Create(t.Context(), vpc())
		if err != nil {
			t.Fatal(err)
		}
		clear(fake.replies)
		r := vpc()
		r.Begun = time.Now()
		time.Sleep(40 * time.Hour)
		second, err := cloud.Provider().Create(t.Context(), r)
		if err != nil || second.ID != first.ID || len(fake.objects) != 1 {
			t.Errorf("%v: made %s and %s, %d objects", err, first.ID, second.ID, len(fake.objects))
		}
	})
}

// A failure that tells nothing ends with a look by tag: what was made is
// taken, and only if nothing was may the next attempt be a new one.
func TestUncertainFailureIsLookedInto(t *testing.T) {
	for name, made := range map[string]bool{"it was made": true, "it was not": false} {
		synctest.Test(t, func(t *testing.T) {
			fake, cloud := newFake(t)
			if made {
				fake.objects["vpc-lost"] = maps.Clone(vpc().Want)
				fake.objects["vpc-lost"]["Tags"] = listTags(nil, owner, nil)
			}
			fake.fail = []progress{{ErrorCode: "InternalFailure"}}
			got, err := cloud.Provider().Create(t.Context(), vpc())
			if made && (err != nil || got.ID != "vpc-lost") || !made && (err == nil || got.Certainty != engine.NotMade) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		})
	}
}

// A type by which nobody can tell whose an object is: nothing is assumed.
func TestUnrecognizableStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		fake.fail = []progress{{ErrorCode: "InternalFailure"}}
		made, err := cloud.Provider().Create(t.Context(), engine.Request{Type: "AWS::EC2::VPCGatewayAttachment", Name: "a",
			Token: "t", Tags: owner, Want: plan.Props{"VpcId": "vpc-1", "InternetGatewayId": "igw-1"}})
		if err == nil || made.Certainty != engine.Unknown {
			t.Errorf("%+v, %v", made, err)
		}
	})
}

// What is certain is a short list; everything else is not.
func TestCertainIsAWhitelist(t *testing.T) {
	for _, f := range []*failure{
		{code: "AccessDenied", call: engine.Poll}, {code: "Throttling", call: engine.Poll},
		{code: "InternalFailure", call: engine.Send}, {code: "SomethingNew", call: engine.Send},
		{code: "GeneralServiceException", call: engine.Send, handler: true}, {code: "Throttling", call: engine.Send, handler: true},
		{code: "NotStabilized", call: engine.Send, handler: true}, {code: "SomethingNew", call: engine.Send, handler: true},
	} {
		if f.certain() {
			t.Errorf("%+v counts as certain", f)
		}
	}
}

// An object of the wanted name that carries our stack's name and URN, and is
// another generation's or another stack's, is never taken over.
func TestForeignGenerationIsNotAdopted(t *testing.T) {
	for name, change := range map[string]func(r *engine.Request){
		"another generation": func(r *engine.Request) { r.Tags["drover:generation"] = "2" },
		"another stack":      func(r *engine.Request) { r.Tags["drover:stack-id"] = "b" },
		"known to the state": func(r *engine.Request) { r.Known = func(id string) bool { return id == "web-0a1b2c3" } },
	} {
		synctest.Test(t, func(t *testing.T) {
			fake, cloud := newFake(t)
			first, second := role(), role()
			first.Tags = map[string]string{"drover:urn": "u", "drover:stack-id": "a", "drover:generation": "1"}
			second.Tags, second.Token = maps.Clone(first.Tags), "other"
			change(&second)
			if _, err := cloud.Provider().Create(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			made, err := cloud.Provider().Create(t.Context(), second)
			if err == nil || made.Certainty != engine.NotMade || len(fake.objects) != 1 {
				t.Errorf("%s: %+v, %v", name, made, err)
			}
		})
	}
}

// Two of a user-given name cannot stand at once, however the type identifies them.
func TestDeleteFirstSeesFixedNames(t *testing.T) {
	_, cloud := newFake(t)
	for _, c := range []struct {
		typ       string
		old, want plan.Props
		first     bool
	}{
		{"AWS::IAM::Role", plan.Props{"RoleName": "app", "Path": "/a/"}, plan.Props{"RoleName": "app", "Path": "/b/"}, true},
		{"AWS::IAM::Role", plan.Props{"RoleName": "app-1111111"}, plan.Props{"RoleName": "app-2222222"}, false},
		{"AWS::EC2::SecurityGroup", plan.Props{"GroupName": "db", "VpcId": "a", "GroupDescription": "x"},
			plan.Props{"GroupName": "db", "VpcId": "a", "GroupDescription": "y"}, true},
		{"AWS::EC2::SecurityGroup", plan.Props{"GroupName": "db", "VpcId": "a"}, plan.Props{"GroupName": "db", "VpcId": "b"}, false},
		{"AWS::EC2::VPC", plan.Props{"CidrBlock": "10.0.0.0/16"}, plan.Props{"CidrBlock": "10.1.0.0/16"}, false},
		{associationType, plan.Props{"SubnetId": "a"}, plan.Props{"SubnetId": "a"}, true},
		{associationType, plan.Props{"SubnetId": "a"}, plan.Props{"SubnetId": "b"}, false},
	} {
		if got := cloud.Provider().DeleteFirst(c.typ, c.old, c.want); got != c.first {
			t.Errorf("%s %v -> %v: %v", c.typ, c.old, c.want, got)
		}
	}
}

// A name that another resource of the type takes is seen, and one of another
// parent is not taken for it.
func TestClaimsAreNames(t *testing.T) {
	_, cloud := newFake(t)
	for _, c := range []struct {
		typ        string
		one, other plan.Props
		same       bool
	}{
		{"AWS::IAM::Role", plan.Props{"RoleName": "app", "Path": "/a/"}, plan.Props{"RoleName": "app", "Path": "/b/"}, true},
		{"AWS::IAM::Role", plan.Props{"RoleName": "app"}, plan.Props{"RoleName": "web"}, false},
		{"AWS::IAM::Role", plan.Props{}, plan.Props{}, false},
		{"AWS::EC2::SecurityGroup", plan.Props{"GroupName": "db", "VpcId": "a"}, plan.Props{"GroupName": "db", "VpcId": "a"}, true},
		{"AWS::EC2::SecurityGroup", plan.Props{"GroupName": "db", "VpcId": "a"}, plan.Props{"GroupName": "db", "VpcId": "b"}, false},
		{"AWS::EC2::VPC", plan.Props{"CidrBlock": "10.0.0.0/16"}, plan.Props{"CidrBlock": "10.0.0.0/16"}, false},
		{associationType, plan.Props{"SubnetId": "a", "RouteTableId": "x"}, plan.Props{"SubnetId": "a", "RouteTableId": "y"}, true},
		{associationType, plan.Props{"SubnetId": "a"}, plan.Props{"SubnetId": "b"}, false},
	} {
		one, other := cloud.Provider().Claims(c.typ, c.one), cloud.Provider().Claims(c.typ, c.other)
		if got := slices.ContainsFunc(one, func(s string) bool { return slices.Contains(other, s) }); got != c.same {
			t.Errorf("%s: %q and %q", c.typ, one, other)
		}
	}
}
