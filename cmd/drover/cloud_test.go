package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// account is the least of AWS that a stack of raw resources needs: who calls,
// and Cloud Control, which carries everything out at once. It has a second
// account, for whoever assumes a role.
type account struct {
	mu      sync.Mutex
	objects map[string]map[string]any // by type, and place if that is not the first account in us-west-2: one of each
	made    int                       // in all; identifiers are numbers
}

// assumed is the access key of whoever has assumed a role.
const assumed = "assumed"

// cloud serves an account, which the programs of the script find.
func cloud(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: cloud")
	}
	a := &account{objects: make(map[string]map[string]any)}
	server := httptest.NewServer(a)
	ts.Defer(server.Close)
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"} {
		ts.Setenv(k, v)
	}
	accounts.Store(ts.MkAbs("."), a)
}

// accounts are those of the scripts that run, by their folder.
var accounts sync.Map

// outside TYPE PROPERTY VALUE does by hand to the object of a type what the
// VALUE says: "-" deletes the object, "?V" wants the property to be V, and
// anything else sets it.
func outside(ts *testscript.TestScript, neg bool, args []string) {
	found, ok := accounts.Load(ts.Getenv("WORK"))
	if neg || len(args) != 3 || !ok {
		ts.Fatalf("usage: outside TYPE PROPERTY VALUE, after cloud")
	}
	a, _ := found.(*account)
	a.mu.Lock()
	defer a.mu.Unlock()
	object, typ, property, value := a.objects[args[0]], args[0], args[1], args[2]
	want, ask := strings.CutPrefix(value, "?")
	switch {
	case object == nil:
		ts.Fatalf("there is no %s", typ)
	case value == "-":
		delete(a.objects, typ)
	case ask && fmt.Sprint(object[property]) != want:
		ts.Fatalf("%s of %s is %v, want %s", property, typ, object[property], want)
	case !ask:
		object[property] = value
	}
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	credential := strings.Split(r.Header.Get("Authorization"), "/") // …Credential=KEY/DATE/REGION/…
	region, number := credential[min(2, len(credential)-1)], "111122223333"
	if strings.HasSuffix(credential[0], "="+assumed) {
		number = "222233334444"
	}
	switch {
	case strings.Contains(string(body), "Action=GetCallerIdentity"):
		_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>%s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, number)
		return
	case strings.Contains(string(body), "Action=AssumeRole"):
		_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>b</SecretAccessKey>`+
			`<SessionToken>c</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, assumed)
		return
	}
	place := ""
	if region != "us-west-2" || number != "111122223333" {
		place = "@" + region + "/" + number
	}
	operation, is := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "CloudApiService.")
	answer := a.carryOut(operation, place, body)
	if !is || answer == nil {
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": "ResourceNotFoundException", "message": "no"}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (a *account) carryOut(operation, place string, body []byte) any {
	var in struct{ TypeName, Identifier, DesiredState, PatchDocument string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil
	}
	key := in.TypeName + place
	object, exists := a.objects[key]
	done := func(id string) any {
		return map[string]any{"ProgressEvent": map[string]any{"OperationStatus": "SUCCESS", "Identifier": id, "RequestToken": "1"}}
	}
	switch {
	case operation == "ListResources":
		return map[string]any{"ResourceDescriptions": []any{}}
	case operation == "CreateResource":
		object = make(map[string]any)
		a.objects[key] = object
		a.made++
		_ = json.Unmarshal([]byte(in.DesiredState), &object)
		return done(fmt.Sprint(a.made))
	case !exists:
		return nil
	case operation == "GetResource":
		text, _ := json.Marshal(object)
		return map[string]any{"ResourceDescription": map[string]any{"Identifier": in.Identifier, "Properties": string(text)}}
	case operation == "UpdateResource":
		var patch []struct {
			Op, Path string
			Value    any
		}
		_ = json.Unmarshal([]byte(in.PatchDocument), &patch)
		for _, p := range patch {
			object[strings.Trim(p.Path, "/")] = p.Value
		}
		return done(in.Identifier)
	case operation == "DeleteResource":
		delete(a.objects, key)
		return done(in.Identifier)
	}
	return nil
}
