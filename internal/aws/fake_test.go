package aws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// fakeControl is a small Cloud Control API behind an http.Client, without a network, so that it
// also works in fake time. Each request takes a second. fail scripts how the next mutating
// requests end.
type fakeControl struct {
	mu       sync.Mutex
	objects  map[string]map[string]any // by identifier
	replies  map[string]string         // client token -> request token
	requests map[string]*progress
	fail     []progress // taken one by one by creates, updates and deletes; an empty code lets one pass
	sent     []string   // "CreateResource token", "UpdateResource patch", …
	made     int
	types    map[string]string // type -> registry schema, for DescribeType
}

type progress struct {
	OperationStatus string
	ErrorCode       string  `json:",omitempty"`
	StatusMessage   string  `json:",omitempty"`
	Identifier      string  `json:",omitempty"`
	RequestToken    string  `json:",omitempty"`
	RetryAfter      float64 `json:",omitempty"`
	due             time.Time
}

// newFake makes the Cloud that talks to it.
func newFake(t *testing.T) (*fakeControl, *Cloud) {
	t.Helper()
	f := &fakeControl{objects: map[string]map[string]any{}, replies: map[string]string{},
		requests: map[string]*progress{}, types: map[string]string{}}
	return f, New(aws.Config{
		Region:      "us-west-2",
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient:  &http.Client{Transport: f},
		Retryer:     retryer,
	})
}

func (f *fakeControl) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	status, answer := f.answer(req.Header.Get("X-Amz-Target"), body)
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req,
		Body: io.NopCloser(bytes.NewReader(answer))}, nil
}

func (f *fakeControl) answer(operation string, body []byte) (int, []byte) {
	if operation == "" {
		return f.describeType(string(body))
	}
	var in struct {
		TypeName, Identifier, ClientToken, DesiredState, PatchDocument, RequestToken string
	}
	_ = json.Unmarshal(body, &in)
	operation = strings.TrimPrefix(operation, "CloudApiService.")
	switch operation {
	case "GetResourceRequestStatus":
		e := f.requests[in.RequestToken]
		if time.Now().Before(e.due) {
			return ok(map[string]any{"ProgressEvent": progress{OperationStatus: "IN_PROGRESS", RequestToken: e.RequestToken}})
		}
		return ok(map[string]any{"ProgressEvent": e})
	case "GetResource":
		props, found := f.objects[in.Identifier]
		if !found {
			return refuse("ResourceNotFoundException", in.Identifier)
		}
		text, _ := json.Marshal(props)
		return ok(map[string]any{"ResourceDescription": map[string]any{"Identifier": in.Identifier, "Properties": string(text)}})
	case "ListResources":
		var list []any
		for id := range f.objects {
			list = append(list, map[string]any{"Identifier": id, "Properties": "{}"})
		}
		return ok(map[string]any{"ResourceDescriptions": list})
	}
	f.sent = append(f.sent, strings.TrimSuffix(operation, "Resource")+" "+in.ClientToken)
	if old, again := f.replies[in.ClientToken]; again {
		return ok(map[string]any{"ProgressEvent": f.requests[old]})
	}
	e := f.end(operation, in.Identifier, in.DesiredState, in.PatchDocument)
	e.RequestToken = fmt.Sprint("request-", len(f.requests))
	e.due = time.Now().Add(time.Second)
	f.requests[e.RequestToken], f.replies[in.ClientToken] = &e, e.RequestToken
	return ok(map[string]any{"ProgressEvent": progress{OperationStatus: "IN_PROGRESS", RequestToken: e.RequestToken}})
}

// end carries a request out at once; its answer is due later.
func (f *fakeControl) end(operation, id, desired, patch string) progress {
	if len(f.fail) > 0 {
		e := f.fail[0]
		f.fail = f.fail[1:]
		if e.ErrorCode != "" {
			e.OperationStatus = "FAILED"
			return e
		}
	}
	switch operation {
	case "CreateResource":
		props := map[string]any{}
		_ = json.Unmarshal([]byte(desired), &props)
		for _, key := range []string{"RoleName", "AutoScalingGroupName"} {
			if name, ok := props[key].(string); ok {
				id = name
			}
		}
		for _, other := range f.objects { // a name that is not the identifier
			if name := props["LaunchTemplateName"]; name != nil && other["LaunchTemplateName"] == name {
				return progress{OperationStatus: "FAILED", ErrorCode: "AlreadyExists"}
			}
		}
		if _, taken := f.objects[id]; taken {
			return progress{OperationStatus: "FAILED", ErrorCode: "AlreadyExists", Identifier: id}
		}
		f.made++
		if id == "" {
			id = fmt.Sprint("made-", f.made)
		}
		f.objects[id] = props
	case "UpdateResource":
		var ops []patchLine
		_ = json.Unmarshal([]byte(patch), &ops)
		f.sent[len(f.sent)-1] = "Update " + patch
		for _, op := range ops {
			op.apply(f.objects[id])
		}
	case "DeleteResource":
		if _, found := f.objects[id]; !found {
			return progress{OperationStatus: "FAILED", ErrorCode: "NotFound", Identifier: id}
		}
		delete(f.objects, id)
	}
	return progress{OperationStatus: "SUCCESS", Identifier: id}
}

type patchLine operation

// apply is RFC 6902's add and remove on members of objects.
func (op patchLine) apply(doc map[string]any) {
	keys := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
	for _, key := range keys[:len(keys)-1] {
		doc = doc[key].(map[string]any)
	}
	last := keys[len(keys)-1]
	if op.Op == "remove" {
		if _, there := doc[last]; !there {
			panic("remove of a path that is not there: " + op.Path)
		}
		delete(doc, last)
		return
	}
	doc[last] = op.Value
}

func (f *fakeControl) describeType(form string) (int, []byte) {
	for typ, schema := range f.types {
		if strings.Contains(form, strings.ReplaceAll(typ, ":", "%3A")) {
			return http.StatusOK, []byte(`<DescribeTypeResponse><DescribeTypeResult><ProvisioningType>FULLY_MUTABLE</ProvisioningType><Schema>` +
				strings.ReplaceAll(schema, `"`, "&quot;") + `</Schema></DescribeTypeResult></DescribeTypeResponse>`)
		}
	}
	return http.StatusBadRequest, []byte(`<ErrorResponse><Error><Code>TypeNotFoundException</Code></Error></ErrorResponse>`)
}

func ok(v any) (int, []byte) {
	data, _ := json.Marshal(v)
	return http.StatusOK, data
}

func refuse(code, message string) (int, []byte) {
	data, _ := json.Marshal(map[string]string{"__type": code, "message": message})
	return http.StatusBadRequest, data
}
