package aws

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

var owner = map[string]string{"drover:stack": "dev", "drover:urn": "urn:drover:dev:shop:AWS::IAM::Role:web"}

func role() engine.Request {
	return engine.Request{Type: "AWS::IAM::Role", Name: "web-0a1b2c3", Token: "t", Tags: owner,
		Want: plan.Props{"RoleName": "web-0a1b2c3", "Description": "nodes"}}
}

func vpc() engine.Request {
	return engine.Request{Type: "AWS::EC2::VPC", Name: "main-0a1b2c3", Token: "t", Tags: owner,
		Want: plan.Props{"CidrBlock": "172.16.0.0/16"}}
}

// A create that is repeated after a crash finds what the first one made, also
// if that took several tries, each with a token of its own.
func TestCreateRepeatedMakesOneObject(t *testing.T) {
	notYet := progress{ErrorCode: "InvalidRequest", StatusMessage: "Invalid IAM Instance Profile name"}
	for name, fail := range map[string][]progress{
		"at once":              nil,
		"after IAM settled":    {notYet, notYet},
		"after throttling":     {{ErrorCode: "Throttling", StatusMessage: "Rate exceeded"}},
		"after another change": {{ErrorCode: "ResourceConflict", Identifier: "vpc-of-somebody"}},
		"after EC2 had heard of its parent": {{ErrorCode: "NotFound", StatusMessage: "The subnet ID 'subnet-1' does not exist (InvalidSubnetID.NotFound)"},
			{ErrorCode: "NotFound", StatusMessage: "Subnet not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, cloud := newFake(t)
				fake.fail = fail
				first, err := cloud.Provider().Create(t.Context(), vpc())
				if err != nil {
					t.Fatal(err)
				}
				second, err := cloud.Provider().Create(t.Context(), vpc())
				if err != nil {
					t.Fatal(err)
				}
				if first.ID != second.ID || len(fake.objects) != 1 {
					t.Errorf("made %s and %s, %d objects; want one", first.ID, second.ID, len(fake.objects))
				}
			})
		})
	}
}

func TestCreateReturnsIdentifierParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		fake.objects["203.0.113.7|eipalloc-1"] = map[string]any{"Domain": "vpc"}
		obj, err := cloud.Provider().Read(t.Context(), engine.Request{Type: "AWS::EC2::EIP", ID: "203.0.113.7|eipalloc-1"})
		if err != nil {
			t.Fatal(err)
		}
		if obj.Outputs["AllocationId"] != "eipalloc-1" || obj.Outputs["PublicIp"] != "203.0.113.7" {
			t.Errorf("outputs %v lack the identifier's parts", obj.Outputs)
		}
	})
}

// A failed create may leave something behind. Kills: deleting or adopting by
// name alone, forgetting a half-made object, retrying what cannot succeed.
func TestFailedCreate(t *testing.T) {
	theirs := map[string]any{"RoleName": "web-0a1b2c3", "Tags": []any{map[string]any{"Key": "team", "Value": "x"}}}
	ours := map[string]any{"RoleName": "web-0a1b2c3", "Description": "old words", "Tags": []any{
		map[string]any{"Key": "drover:stack", "Value": "dev"},
		map[string]any{"Key": "drover:urn", "Value": owner["drover:urn"]}}}
	tests := map[string]struct {
		have    map[string]any // an object of our name that exists before
		request engine.Request
		fail    []progress
		left    int    // objects afterwards
		err     string // "": it succeeds
		fix     string
	}{
		"one of our name and tags is adopted": {have: ours, request: role(), left: 1},
		"one of our name is somebody's": {have: theirs, request: role(), left: 1,
			err: "AlreadyExists", fix: "another name"},
		"a half-made one is deleted": {request: vpc(), have: map[string]any{"VpcId": "half"}, left: 0,
			fail: []progress{{ErrorCode: "GeneralServiceException", StatusMessage: "no", Identifier: "half"}}, err: "no"},
		"one that somebody else half made is not": {have: theirs, request: role(), left: 1,
			fail: []progress{{ErrorCode: "AccessDenied", StatusMessage: "iam:CreateRole", Identifier: "web-0a1b2c3"}},
			err:  "iam:CreateRole", fix: "allow the action"},
		"one that exists though not stabilized is taken": {request: vpc(), have: map[string]any{"VpcId": "half"}, left: 1,
			fail: []progress{{ErrorCode: "NotStabilized", Identifier: "half"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, cloud := newFake(t)
				id := "half"
				if named, ok := tt.have["RoleName"].(string); ok {
					id = named
				}
				if tt.have != nil {
					fake.objects[id] = maps.Clone(tt.have)
				}
				fake.fail = tt.fail
				made, err := cloud.Provider().Create(t.Context(), tt.request)
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				var p *problem.Error
				if errors.As(err, &p) && !strings.Contains(p.Fix, tt.fix) {
					t.Errorf("fix %q, want %q in it", p.Fix, tt.fix)
				}
				if err != nil && made.Certainty != engine.NotMade {
					t.Errorf("%v: nothing of ours is left, and it does not say so", err)
				}
				if len(fake.objects) != tt.left {
					t.Errorf("%d objects left, want %d: %v", len(fake.objects), tt.left, fake.objects)
				}
			})
		})
	}
}

func TestAdoptedObjectBecomesAsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		first := role()
		first.Want["Description"] = "as it was before the file changed"
		if _, err := cloud.Provider().Create(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		later := role()
		later.Token = "another" // a run that lost the first token
		if _, err := cloud.Provider().Create(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		if got := fake.objects["web-0a1b2c3"]["Description"]; got != "nodes" {
			t.Errorf("description %q; an adopted object must become what the file says", got)
		}
	})
}

// A launch template's identifier is AWS's, and its tags are never read back:
// it is found by its name, and ours by the random suffix of that name.
func TestAdoptByName(t *testing.T) {
	for name, adopted := range map[string]bool{"web-0a1b2c3": true, "web": false} {
		synctest.Test(t, func(t *testing.T) {
			fake, cloud := newFake(t)
			fake.objects["lt-other"] = map[string]any{"LaunchTemplateName": "other"}
			fake.objects["lt-lost"] = map[string]any{"LaunchTemplateName": name}
			obj, err := cloud.Provider().Create(t.Context(), engine.Request{Type: "AWS::EC2::LaunchTemplate", Name: name, Token: "t",
				Tags: owner, Want: plan.Props{"LaunchTemplateName": name, "LaunchTemplateData": plan.Props{}}})
			if adopted != (err == nil && obj.ID == "lt-lost") {
				t.Errorf("%s: got %q and %v, want it adopted: %v", name, obj.ID, err, adopted)
			}
		})
	}
}

// After a run that ended in a failure, the user repairs the cause and runs
// again with the same token, which AWS answers with the old failure.
func TestOldFailureIsNotReplayedForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		fake.fail = []progress{{ErrorCode: "AccessDenied", StatusMessage: "ec2:CreateVpc"}}
		if _, err := cloud.Provider().Create(t.Context(), vpc()); err == nil {
			t.Fatal("the first run must fail")
		}
		if _, err := cloud.Provider().Create(t.Context(), vpc()); err != nil {
			t.Fatalf("the second run met %v", err)
		}
	})
}

func TestUpdateSendsOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		p := cloud.Provider()
		r := role()
		obj, err := p.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		r.ID, r.Old = obj.ID, r.Want
		sent := len(fake.sent)
		if _, err := p.Update(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if len(fake.sent) != sent {
			t.Errorf("nothing changed, yet it sent %v", fake.sent[sent:])
		}
		r.Want = plan.Props{"RoleName": "web-0a1b2c3", "Description": "workers"}
		fake.fail = []progress{{ErrorCode: "Throttling"}}
		if _, err := p.Update(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if want := `Update [{"op":"add","path":"/Description","value":"workers"}]`; fake.sent[len(fake.sent)-1] != want {
			t.Errorf("sent %s, want %s", fake.sent[len(fake.sent)-1], want)
		}
	})
}

func TestDelete(t *testing.T) {
	inUse := progress{ErrorCode: "GeneralServiceException", StatusMessage: "The vpc has dependencies and cannot be deleted (DependencyViolation)"}
	for name, tt := range map[string]struct {
		fail []progress
		err  string
	}{
		"at once":              {},
		"once nothing uses it": {fail: []progress{inUse, inUse, inUse}},
		"not allowed":          {fail: []progress{{ErrorCode: "AccessDenied", StatusMessage: "ec2:DeleteVpc"}}, err: "ec2:DeleteVpc"},
		"used for ever":        {fail: slices.Repeat([]progress{inUse}, 1000), err: "DependencyViolation"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, cloud := newFake(t)
				fake.objects["vpc-1"] = map[string]any{}
				fake.fail = tt.fail
				var waits []string
				r := engine.Request{Type: "AWS::EC2::VPC", ID: "vpc-1", Wait: func(s string) { waits = append(waits, s) }}
				err := cloud.Provider().Delete(t.Context(), r)
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				if tt.err == "" {
					if err := cloud.Provider().Delete(t.Context(), r); err != nil {
						t.Errorf("delete of what is gone: %v", err)
					}
				}
				if len(tt.fail) > 1 && !slices.ContainsFunc(waits, func(s string) bool { return strings.Contains(s, "has dependencies") }) {
					t.Errorf("it waited without saying for what: %v", waits)
				}
			})
		})
	}
}

func TestReadOfNothing(t *testing.T) {
	_, cloud := newFake(t)
	_, err := cloud.Provider().Read(t.Context(), engine.Request{Type: "AWS::EC2::VPC", ID: "vpc-1"})
	if !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

func TestCancelledWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cloud := newFake(t)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := cloud.Provider().Create(ctx, vpc()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
	})
}

// The engine must be able to drive types that the embedded table does not hold.
func TestUnknownTypeIsReadFromTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, cloud := newFake(t)
		fake.types["AWS::SQS::Queue"] = `{"typeName":"AWS::SQS::Queue","primaryIdentifier":["/properties/QueueUrl"],` +
			`"createOnlyProperties":["/properties/QueueName"],"readOnlyProperties":["/properties/QueueUrl"],` +
			`"handlers":{"update":{}},"properties":{"Tags":{"type":"array","items":{"$ref":"#/definitions/Tag"}}},` +
			`"definitions":{"Tag":{"properties":{"Key":{},"Value":{}}}},"tagging":{"taggable":true,"tagProperty":"/properties/Tags"}}`
		p := cloud.Provider()
		if got := p.Replaces("AWS::SQS::Queue", plan.Props{"QueueName": "a"}, plan.Props{"QueueName": "b"}); !slices.Equal(got, []string{"QueueName"}) {
			t.Errorf("replaces %v, want QueueName", got)
		}
		obj, err := p.Create(t.Context(), engine.Request{Type: "AWS::SQS::Queue", Token: "t", Tags: owner, Want: plan.Props{"QueueName": "a"}})
		if err != nil {
			t.Fatal(err)
		}
		if tagsOf(fake.objects[obj.ID]["Tags"])["drover:stack"] != "dev" {
			t.Errorf("object %v has no owner tags", fake.objects[obj.ID])
		}
		var bad *problem.Error
		if _, err := p.Create(t.Context(), engine.Request{Type: "AWS::SQS::Qeue"}); !errors.As(err, &bad) {
			t.Errorf("a type that does not exist: %v, want a problem with a remedy", err)
		}
	})
}
