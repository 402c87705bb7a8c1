package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/droverhq/drover/sandbox/internal/aws/fault"
)

// disturb orders a fault, as the command does.
func (w *world) disturb(f fault.Fault) fault.Fault {
	w.t.Helper()
	resp, err := http.Post(w.url+"/_sandbox/faults", "application/json", strings.NewReader(*text(f)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var made fault.Fault
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %v", resp.Status, err)
	}
	return made
}

// Each protocol tells a fault in its own words, so that SDKs know what it is.
// Kills: a word that another protocol has, an operation that is not recognised.
func TestFaultsInTheWordsOfEachProtocol(t *testing.T) {
	w := newWorld(t)
	calls := map[string]func() error{
		"ec2": func() error {
			_, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
			return err
		},
		"autoscaling": func() error {
			_, err := w.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{})
			return err
		},
		"cloudcontrolapi": func() error {
			_, err := w.cc.ListResourceRequests(t.Context(), &cloudcontrol.ListResourceRequestsInput{})
			return err
		},
		"eks": func() error {
			_, err := w.eks.ListClusters(t.Context(), &eks.ListClustersInput{})
			return err
		},
	}
	operations := map[string]string{"ec2": "DescribeVpcs", "autoscaling": "DescribeAutoScalingGroups",
		"cloudcontrolapi": "ListResourceRequests", "eks": "ListClusters"}
	for _, c := range []struct {
		kind  fault.Kind
		codes map[string]string
	}{
		{fault.Throttle, map[string]string{"ec2": "RequestLimitExceeded", "autoscaling": "Throttling",
			"cloudcontrolapi": "ThrottlingException", "eks": "ThrottlingException"}},
		{fault.Expire, map[string]string{"ec2": "RequestExpired", "autoscaling": "ExpiredToken",
			"cloudcontrolapi": "ExpiredTokenException", "eks": "ExpiredTokenException"}},
		{fault.Fail, map[string]string{"ec2": "InternalError", "autoscaling": "InternalFailure",
			"cloudcontrolapi": "InternalFailure", "eks": "ServerException"}},
	} {
		for service, code := range c.codes {
			w.disturb(fault.Fault{Kind: c.kind, Service: service, Operation: operations[service], Count: 1})
			wantCode(t, calls[service](), code)
			if err := calls[service](); err != nil {
				t.Errorf("%s %s: the second call: %v", service, c.kind, err)
			}
		}
	}
}

// An answer that is lost was a deed: the client sees an error, the object is
// there. And a fault for one resource leaves another alone.
func TestLoseTheAnswerOfOneResource(t *testing.T) {
	w := newWorld(t)
	made := w.disturb(fault.Fault{Kind: fault.Lose, Operation: "CreateTags", Resource: "lost=&?"})
	a := w.make("AWS::EC2::VPC", props{"CidrBlock": "10.1.0.0/16"})["VpcId"].(string)
	tag := func(key string) error {
		_, err := w.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{a},
			Tags: []ec2types.Tag{{Key: &key, Value: awssdk.String("x")}}})
		return err
	}
	if err := tag("kept"); err != nil {
		t.Error(err)
	}
	if err := tag("lost=&?"); err == nil {
		t.Error("the answer came")
	}
	out, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{a}})
	if err != nil || len(out.Vpcs[0].Tags) != 2 {
		t.Errorf("tags %v, %v", out, err)
	}
	req, _ := http.NewRequest(http.MethodDelete, w.url+"/_sandbox/faults/"+made.ID, nil)
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(err, resp)
	}
	if err := tag("lost=&?"); err != nil {
		t.Errorf("after the fault was taken away: %v", err)
	}
}

// A code of one's own comes with its own status, or with the one that is given.
func TestFailWithACode(t *testing.T) {
	w := newWorld(t)
	w.disturb(fault.Fault{Kind: fault.Fail, Service: "ec2", Code: "UnauthorizedOperation", Status: 403, Count: 1})
	_, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	wantCode(t, err, "UnauthorizedOperation")
	w.disturb(fault.Fault{Kind: fault.Slow, Service: "ec2", Delay: fault.Duration(50 * time.Millisecond), Count: 1})
	begin := time.Now()
	if _, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); err != nil || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

// After AWS's time has moved, clients go on with their own clock, and what they
// signed before is too old. Kills: clients that are refused for their clock,
// signatures that move along.
func TestClockAgesWhatWasSignedBefore(t *testing.T) {
	w := newWorld(t)
	describe := func() error {
		_, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
		return err
	}
	var signed *http.Request
	keep := func(o *ec2.Options) { o.HTTPClient = keeper{&signed} }
	if _, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}, keep); err == nil {
		t.Fatal("the request was sent")
	}
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // signatures know seconds
	resp, err := http.Post(w.url+"/_sandbox/clock?forward=36h", "", nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(err, resp)
	}
	if err := describe(); err != nil {
		t.Errorf("signed now: %v", err)
	}
	resp, err = http.DefaultClient.Do(signed)
	if err != nil || resp.StatusCode == http.StatusOK {
		t.Errorf("signed before: %v %v", resp, err)
	}
	w.restart(speed)
	if resp, err = http.Get(w.url + "/_sandbox/clock"); err != nil {
		t.Fatal(err)
	}
	var now Time
	if err := json.NewDecoder(resp.Body).Decode(&now); err != nil || time.Duration(now.Ahead) != 36*time.Hour {
		t.Errorf("%+v, %v", now, err)
	}
}

// keeper keeps a request instead of sending it.
type keeper struct{ kept **http.Request }

func (k keeper) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	*k.kept = r.Clone(context.Background())
	(*k.kept).Body = io.NopCloser(bytes.NewReader(body))
	return nil, errors.Join(err, errors.New("kept"))
}

// Pulls of images are hit by what is ordered for the registry, and by nothing else.
func TestPullsAreHitByFaultsOfTheRegistry(t *testing.T) {
	w := newWorld(t)
	pull := func(image string) (int, string) {
		t.Helper()
		resp, err := http.Get(w.url + "/_sandbox/pull?image=" + image)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, strings.TrimSpace(string(text))
	}
	w.disturb(fault.Fault{Kind: fault.Throttle}) // every request of a client
	w.disturb(fault.Fault{Kind: fault.Fail, Service: fault.Registry, Resource: "web:1", Count: 2})
	w.disturb(fault.Fault{Kind: fault.Expire, Service: fault.Registry, Resource: "own/"})
	for _, c := range []struct {
		image string
		code  int
		says  string
	}{{"shop/web:1", 404, "not found"}, {"shop/web:2", 200, ""}, {"own/api", 401, "expired"}, {"web:1", 404, "not found"}, {"web:1", 200, ""}} {
		if code, text := pull(c.image); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %q, want %d %q", c.image, code, text, c.code, c.says)
		}
	}
}
