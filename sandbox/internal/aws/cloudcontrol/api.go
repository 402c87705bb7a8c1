// Package cloudcontrol is the Cloud Control API: one way to create, read,
// update, delete and list resources of any type. Requests that change
// something are asynchronous, as they are on AWS: the answer is a token, and
// the client asks what became of it.
//
// api.go answers requests; operation.go carries accepted ones out; types.go
// lists the resource types, whose rules are in package region; schema.go knows
// CloudFormation's description of them; stacks.go lends all this to CloudFormation.
package cloudcontrol

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// MaxInFlight is how many requests may be under way at once. AWS publishes no
// number; this is where field reports see throttling begin.
const MaxInFlight = 15

// How long AWS remembers.
const (
	clientTokenLife = 36 * time.Hour
	requestLife     = 7 * 24 * time.Hour
)

// Service answers Cloud Control requests.
type Service struct {
	store *region.Store
	now   func() time.Time
	scale float64 // of every latency; 1 is the table's
	types map[string]resourceType
}

type resourceType struct {
	handler
	*schema
}

// New makes the service.
func New(store *region.Store, now func() time.Time, scale float64) (*Service, error) {
	s := &Service{store: store, now: now, scale: scale, types: map[string]resourceType{}}
	for name, h := range handlers(now) {
		sch, err := loadSchema(name)
		if err != nil {
			return nil, err
		}
		s.types[name] = resourceType{h, sch}
	}
	return s, nil
}

// Types names the types of resources, in order.
func (s *Service) Types() []string { return slices.Sorted(maps.Keys(s.types)) }

// request is the input of every operation.
type request struct {
	TypeName                    string
	Identifier                  string
	DesiredState                string
	PatchDocument               string
	ClientToken                 string
	RequestToken                string
	ResourceModel               string
	NextToken                   string
	MaxResults                  *int
	ResourceRequestStatusFilter struct{ Operations, OperationStatuses []string }
}

// pages are those of both lists of this API.
var pages = wire.Paging{Least: 1, Most: 100, Default: 100, BadSize: "ValidationException", BadToken: "InvalidRequestException"}

func (r request) size() string {
	if r.MaxResults == nil {
		return ""
	}
	return strconv.Itoa(*r.MaxResults)
}

// Event is a ProgressEvent.
type Event struct {
	TypeName        string
	Identifier      string `json:",omitempty"`
	RequestToken    string
	Operation       string
	OperationStatus string
	EventTime       float64 // seconds since 1970
	ResourceModel   string  `json:",omitempty"`
	StatusMessage   string  `json:",omitempty"`
	ErrorCode       string  `json:",omitempty"`
	RetryAfter      float64 `json:",omitempty"`
}

type progress struct{ ProgressEvent Event }

// Serve answers one operation.
func (s *Service) Serve(op string, body []byte) (any, error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, region.Errorf(region.Invalid, "SerializationException", "%s", err)
	}
	if serve, ok := s.Operations()[op]; ok {
		return serve(r)
	}
	return nil, wire.UnknownAction(wire.JSON10, op)
}

// Operations lists what is implemented.
func (s *Service) Operations() map[string]func(request) (any, error) {
	return map[string]func(request) (any, error){
		"CreateResource": func(r request) (any, error) { return s.change(r, create, s.checkCreate) },
		"UpdateResource": func(r request) (any, error) { return s.change(r, update, s.checkUpdate) },
		"DeleteResource": func(r request) (any, error) {
			return s.change(r, remove, func(*region.State, resourceType, *region.Operation, request) error { return nil })
		},
		"GetResource":              s.get,
		"ListResources":            s.list,
		"GetResourceRequestStatus": s.status,
		"ListResourceRequests":     s.requests,
		"CancelResourceRequest":    s.cancel,
	}
}

func (s *Service) typeNamed(name string) (resourceType, error) {
	t, ok := s.types[name]
	if !ok {
		return t, region.Errorf(region.NotFound, "TypeNotFoundException",
			"The type '%s' cannot be found: the sandbox has no handler for it.", name)
	}
	return t, nil
}

// change accepts a request that changes something, or tells what became of it
// if it was accepted before.
func (s *Service) change(r request, action string, check func(*region.State, resourceType, *region.Operation,
	request) error) (any, error) {
	t, err := s.typeNamed(r.TypeName)
	if err != nil {
		return nil, err
	}
	if action == update && !t.Updatable() {
		return nil, region.Errorf(region.Invalid, "UnsupportedActionException",
			"Resource type %s does not support UPDATE action", r.TypeName)
	}
	op := &region.Operation{Token: region.UUID(), ClientToken: r.ClientToken, Type: r.TypeName, Action: action,
		Status:      "PENDING",
		Fingerprint: fingerprint(action, r), Started: region.Stamp(s.now()), Changed: region.Stamp(s.now())}
	if action != create {
		if op.Identifier, err = t.identifier(r.Identifier); err != nil {
			return nil, err
		}
	}
	var event Event
	err = s.store.Update(func(st *region.State) error {
		old, err := s.replay(st, op)
		if old != nil || err != nil {
			event = s.event(st, old)
			return err
		}
		if err := s.admit(st, op); err != nil {
			return err
		}
		if err := check(st, t, op, r); err != nil {
			return err
		}
		s.forget(st)
		st.Operations[op.Token] = op
		event = s.event(st, op)
		return nil
	})
	return progress{event}, err
}

// replay finds the request that was sent before with the same client token.
func (s *Service) replay(st *region.State, op *region.Operation) (*region.Operation, error) {
	if op.ClientToken == "" {
		return nil, nil
	}
	for _, o := range st.Operations {
		if o.ClientToken != op.ClientToken || s.now().Sub(o.Started) > clientTokenLife {
			continue
		}
		if o.Fingerprint != op.Fingerprint {
			return nil, region.Errorf(region.Invalid, "ClientTokenConflictException",
				"The specified client token has already been used in another resource request.")
		}
		return o, nil
	}
	return nil, nil
}

// admit refuses what is too much at once.
func (s *Service) admit(st *region.State, op *region.Operation) error {
	flying := 0
	for _, o := range st.Operations {
		if o.Ended() {
			continue
		}
		if o.Stack == "" {
			flying++
		}
		if op.Identifier != "" && o.Identifier == op.Identifier && o.Type == op.Type {
			return region.Errorf(region.Busy, "ConcurrentOperationException",
				"Another operation with request token %s is being performed on this resource.", o.Token)
		}
	}
	if flying >= MaxInFlight {
		return region.Errorf(region.Busy, "ThrottlingException", "Rate exceeded")
	}
	return nil
}

// forget drops requests that AWS would have dropped.
func (s *Service) forget(st *region.State) {
	for token, o := range st.Operations {
		if o.Ended() && s.now().Sub(o.Changed) > requestLife {
			delete(st.Operations, token)
		}
	}
}

func (s *Service) checkCreate(_ *region.State, t resourceType, op *region.Operation, r request) error {
	if err := json.Unmarshal([]byte(r.DesiredState), &op.Want); err != nil || op.Want == nil {
		return region.Errorf(region.Invalid, "InvalidRequestException", "Invalid DesiredState: it must be a JSON object")
	}
	if found := present(t.ReadOnly, op.Want); len(found) > 0 {
		return region.Errorf(region.Invalid, "ValidationException",
			"Model validation failed (Encountered unsupported read-only properties in the desired state: %s)", found)
	}
	return t.verify(op.Want)
}

// checkUpdate applies the patch to the live model, as it can be read: what is
// write-only is not in it.
func (s *Service) checkUpdate(st *region.State, t resourceType, op *region.Operation, r request) error {
	live, ok := t.live(st, op.Identifier)
	if !ok {
		return missing(op.Type, op.Identifier)
	}
	patch, err := parsePatch(r.PatchDocument)
	if err != nil {
		return err
	}
	for _, change := range patch {
		path, _ := change.Path()
		if change.Kind() != "test" && covers(slices.Concat(t.CreateOnly, t.ReadOnly), path) {
			return region.Errorf(region.Invalid, "NotUpdatableException",
				"Invalid patch update: createOnlyProperties [/properties%s] cannot be updated", path)
		}
	}
	before, _ := json.Marshal(live)
	after, err := patch.Apply(before)
	if err != nil {
		return region.Errorf(region.Invalid, "InvalidRequestException", "Invalid patch document: %s", err)
	}
	if err := json.Unmarshal(after, &op.Want); err != nil {
		return region.Errorf(region.Invalid, "InvalidRequestException", "Invalid patch document: %s", err)
	}
	return t.verify(op.Want)
}

// parsePatch reads a patch. AWS's own examples write paths with and without
// the leading slash.
func parsePatch(document string) (jsonpatch.Patch, error) {
	var list []map[string]any
	if err := json.Unmarshal([]byte(document), &list); err != nil || len(list) == 0 {
		return nil, region.Errorf(region.Invalid, "InvalidRequestException",
			"Invalid patch document: it must be a JSON list of operations")
	}
	for _, op := range list {
		for _, key := range []string{"path", "from"} {
			if path, ok := op[key].(string); ok && !strings.HasPrefix(path, "/") {
				op[key] = "/" + path
			}
		}
	}
	data, _ := json.Marshal(list)
	return jsonpatch.DecodePatch(data)
}

func (t resourceType) verify(model props) error {
	if found := t.validate(model); len(found) > 0 {
		return region.Errorf(region.Invalid, "ValidationException", "Model validation failed (%s)",
			strings.Join(found, "\n"))
	}
	return nil
}

// identifier accepts the parts of an identifier joined with | or as JSON.
func (t resourceType) identifier(text string) (string, error) {
	if !strings.HasPrefix(text, "{") {
		return text, nil
	}
	var parts map[string]string
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return "", region.Errorf(region.Invalid, "InvalidRequestException", "Identifier %s is not valid", text)
	}
	values := make([]string, len(t.Identifier))
	for i, p := range t.Identifier {
		values[i] = parts[property(p)]
	}
	return strings.Join(values, "|"), nil
}

// live is the model of a resource as it can be read.
func (t resourceType) live(st *region.State, id string) (props, bool) {
	model, ok := t.Read(st, id)
	if !ok {
		return nil, false
	}
	for key := range model {
		if !t.inModel(key) {
			delete(model, key)
		}
	}
	strip(t.WriteOnly, model)
	return model, true
}

func (t resourceType) inModel(name string) bool {
	_, ok := t.Properties[name]
	return ok
}

type description struct {
	Identifier string
	Properties string
}

func (s *Service) get(r request) (any, error) {
	t, err := s.typeNamed(r.TypeName)
	if err != nil {
		return nil, err
	}
	id, err := t.identifier(r.Identifier)
	if err != nil {
		return nil, err
	}
	var model props
	var ok bool
	s.store.View(func(st *region.State) { model, ok = t.live(st, id) })
	if !ok {
		return nil, missing(r.TypeName, id)
	}
	return struct {
		TypeName            string
		ResourceDescription description
	}{r.TypeName, description{id, text(model)}}, nil
}

func missing(typ, id string) error {
	return region.Errorf(region.NotFound, "ResourceNotFoundException",
		"Resource of type '%s' with identifier '%s' was not found.", typ, id)
}

func (s *Service) list(r request) (any, error) {
	t, err := s.typeNamed(r.TypeName)
	if err != nil {
		return nil, err
	}
	model := props{}
	if r.ResourceModel != "" {
		if err := json.Unmarshal([]byte(r.ResourceModel), &model); err != nil {
			return nil, region.Errorf(region.Invalid, "InvalidRequestException", "Invalid ResourceModel: %s", err)
		}
	}
	required := t.Handlers["list"].HandlerSchema.Required
	for _, key := range required {
		if _, ok := model[key]; !ok {
			return nil, region.Errorf(region.Invalid, "InvalidRequestException",
				"Missing or invalid ResourceModel property in %s list handler request input. "+
					"Required property: [#: required key [%s] not found]", r.TypeName, key)
		}
	}
	var found []description
	s.store.View(func(st *region.State) {
		ids := t.List(st)
		slices.Sort(ids)
		for _, id := range ids {
			live, _ := t.live(st, id)
			if slices.ContainsFunc(required, func(key string) bool { return live[key] != model[key] }) {
				continue
			}
			found = append(found, description{id, text(live)})
		}
	})
	page, next, err := wire.Page(pages, found, r.NextToken, r.size())
	if err != nil {
		return nil, err
	}
	return struct {
		TypeName             string
		ResourceDescriptions []description
		NextToken            string `json:",omitempty"`
	}{r.TypeName, page, next}, nil
}

func (s *Service) status(r request) (any, error) {
	var event Event
	err := s.store.Read(func(st *region.State) error {
		op, err := sent(st, r.RequestToken)
		if err != nil {
			return err
		}
		event = s.event(st, op)
		return nil
	})
	return progress{event}, err
}

// sent is the request of a token that a client of this API was given.
func sent(st *region.State, token string) (*region.Operation, error) {
	if op, ok := st.Operations[token]; ok && op.Stack == "" {
		return op, nil
	}
	return nil, region.Errorf(region.NotFound, "RequestTokenNotFoundException", "Request with token %s was not found", token)
}

func (s *Service) requests(r request) (any, error) {
	filter := r.ResourceRequestStatusFilter
	var events []Event
	s.store.View(func(st *region.State) {
		for _, op := range region.Sorted(st.Operations) {
			if op.Stack == "" && wanted(filter.Operations, op.Action) && wanted(filter.OperationStatuses, op.Status) {
				events = append(events, s.event(st, op))
			}
		}
	})
	slices.SortStableFunc(events, func(a, b Event) int { return int(1000 * (b.EventTime - a.EventTime)) })
	page, next, err := wire.Page(pages, events, r.NextToken, r.size())
	if err != nil {
		return nil, err
	}
	return struct {
		ResourceRequestStatusSummaries []Event
		NextToken                      string `json:",omitempty"`
	}{page, next}, nil
}

func wanted(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }

// cancel stops a request that has changed nothing yet; one that has is only no
// longer waited for. Nothing is rolled back.
func (s *Service) cancel(r request) (any, error) {
	var event Event
	err := s.store.Update(func(st *region.State) error {
		op, err := sent(st, r.RequestToken)
		if err != nil {
			return err
		}
		if op.Ended() {
			return region.Errorf(region.Invalid, "ConcurrentModificationException", "The request %s has ended with %s",
				op.Token, op.Status)
		}
		op.Status, op.Changed = "CANCEL_COMPLETE", region.Stamp(s.now())
		event = s.event(st, op)
		return nil
	})
	return progress{event}, err
}

// event says what became of a request.
func (s *Service) event(st *region.State, op *region.Operation) Event {
	if op == nil {
		return Event{}
	}
	e := Event{TypeName: op.Type, Identifier: op.Identifier, RequestToken: op.Token, Operation: op.Action,
		OperationStatus: op.Status,
		EventTime:       seconds(op.Changed), StatusMessage: op.Message, ErrorCode: op.ErrorCode}
	if !op.Ended() {
		e.RetryAfter = seconds(s.now().Add(s.scaled(retryAfter)))
	}
	if op.Status == "SUCCESS" && op.Action != remove {
		if model, ok := s.types[op.Type].live(st, op.Identifier); ok {
			e.ResourceModel = text(model)
		}
	}
	return e
}

func (s *Service) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * s.scale) }

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func text(model props) string {
	data, _ := json.Marshal(model) // JSON data always marshals
	return string(data)
}

// fingerprint tells requests apart that carry the same client token.
func fingerprint(action string, r request) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{action, r.TypeName, r.Identifier, r.DesiredState,
		r.PatchDocument}))
	return hex.EncodeToString(sum[:])
}
