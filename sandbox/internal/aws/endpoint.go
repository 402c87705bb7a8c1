package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/autoscaling"
	"github.com/droverhq/drover/sandbox/internal/aws/clock"
	"github.com/droverhq/drover/sandbox/internal/aws/cloudformation"
	"github.com/droverhq/drover/sandbox/internal/aws/ec2"
	"github.com/droverhq/drover/sandbox/internal/aws/elb"
	"github.com/droverhq/drover/sandbox/internal/aws/elbv2"
	"github.com/droverhq/drover/sandbox/internal/aws/fault"
	"github.com/droverhq/drover/sandbox/internal/aws/iam"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/sigv4"
	"github.com/droverhq/drover/sandbox/internal/aws/sts"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// maxBody is more than any request of these services may have.
const maxBody = 4 << 20

// endpoint is the one HTTP handler for all services. Which one a request is
// for stands in the scope of its signature.
type endpoint struct {
	region string
	store  *region.Store
	clock  *clock.Clock
	log    *slog.Logger
	faults *fault.Set

	query map[string]queryService
	json  map[string]jsonService
	rest  map[string]restService
}

// queryService speaks the query protocol or EC2's dialect of it.
type queryService struct {
	protocol  wire.Protocol
	namespace string
	version   string // of the API; empty: any
	actions   map[string]wire.Action
}

// jsonService speaks JSON; the operation stands in X-Amz-Target after a prefix.
type jsonService struct {
	protocol wire.Protocol
	prefix   string
	serve    func(op string, body []byte) (any, error)
}

// restService speaks REST; the operation stands in method and path.
type restService interface {
	Operation(r *http.Request) string
	Serve(r *http.Request) (any, error)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := region.UUID()
	w.Header().Set("X-Amzn-RequestId", id)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	signature, err := sigv4.Parse(r.Header, r.URL.Query())
	var caller region.Caller
	if err == nil {
		caller, err = e.verify(signature, r, body)
	}
	protocol := e.protocolOf(signature.Service, r)
	if err != nil {
		protocol.WriteError(w, id, refusal(protocol, err))
		return
	}
	r = r.WithContext(wire.WithCaller(r.Context(), caller))
	call := e.callOf(signature.Service, r, body)
	e.faults.Serve(w, r, call, func(f fault.Fault) { e.refuse(w, id, protocol, call, f) },
		func(w http.ResponseWriter) { e.dispatch(w, r, id, signature.Service, protocol, body) })
}

// verify checks the signature, its time, its region and its session token. IAM
// is global and signs for us-east-1, as older clients do for STS.
func (e *endpoint) verify(s sigv4.Signature, r *http.Request, body []byte) (who region.Caller, err error) {
	err = e.store.Read(func(st *region.State) (err error) {
		if err = s.Verify(r, body, st.Secret); err == nil {
			who, err = st.Caller(s.AccessKey, s.Token, e.clock.Now())
		}
		return err
	})
	if err != nil {
		return who, err
	}
	global := s.Region == "us-east-1" && (s.Service == "iam" || s.Service == "sts")
	if s.Region != e.region && !global {
		return who, fmt.Errorf("%w: the credential should be scoped to region %s, not %s", sigv4.ErrMismatch, e.region,
			s.Region)
	}
	s.Time = e.clock.At(s.Time)
	return who, s.Fresh(e.clock.Now())
}

// protocolOf is how a service's clients talk; for a request that is not signed
// it is guessed.
func (e *endpoint) protocolOf(service string, r *http.Request) wire.Protocol {
	if q, ok := e.query[service]; ok {
		return q.protocol
	}
	if j, ok := e.json[service]; ok {
		return j.protocol
	}
	if _, ok := e.rest[service]; ok {
		return wire.REST
	}
	if r.Header.Get("X-Amz-Target") != "" {
		return wire.JSON11
	}
	return wire.Query
}

// refusal puts a bad signature into the words of a protocol.
func refusal(p wire.Protocol, err error) error {
	words := refusals[p]
	code := words.missing
	switch {
	case errors.Is(err, sigv4.ErrUnknownKey), errors.Is(err, region.ErrUnknownToken):
		code = words.unknown
	case errors.Is(err, sigv4.ErrMismatch):
		code = words.mismatch
	case errors.Is(err, sigv4.ErrStale):
		code = words.stale
	case errors.Is(err, region.ErrExpiredToken):
		code = words.expired
	}
	return region.Errorf(region.Invalid, code, "%s", err)
}

// refusals are the codes of each protocol for what is wrong with a signature.
var refusals = map[wire.Protocol]struct{ missing, unknown, mismatch, stale, expired string }{
	wire.Query:  {"MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "SignatureDoesNotMatch", "ExpiredToken"},
	wire.EC2:    {"AuthFailure", "AuthFailure", "AuthFailure", "RequestExpired", "RequestExpired"},
	wire.JSON10: jsonRefusals,
	wire.JSON11: jsonRefusals,
	wire.REST:   jsonRefusals,
}

var jsonRefusals = struct{ missing, unknown, mismatch, stale, expired string }{"MissingAuthenticationTokenException",
	"UnrecognizedClientException", "InvalidSignatureException", "InvalidSignatureException", "ExpiredTokenException"}

func (e *endpoint) dispatch(w http.ResponseWriter, r *http.Request, id, service string, p wire.Protocol, body []byte) {
	if q, ok := e.query[service]; ok {
		e.serveQuery(w, r, id, service, q, body)
		return
	}
	var result any
	var err error
	op := r.Method + " " + r.URL.Path
	if j, ok := e.json[service]; ok {
		op = strings.TrimPrefix(r.Header.Get("X-Amz-Target"), j.prefix)
		result, err = j.serve(op, body)
	} else if rest, ok := e.rest[service]; ok {
		r.Body = io.NopCloser(bytes.NewReader(body)) // it was read for its signature
		result, err = rest.Serve(r)
	} else {
		err = wire.UnknownAction(p, service+" "+op)
	}
	e.logError(service, op, err)
	if err != nil {
		p.WriteError(w, id, err)
		return
	}
	p.WriteJSON(w, http.StatusOK, result)
}

func (e *endpoint) serveQuery(w http.ResponseWriter, r *http.Request, id, service string, q queryService, body []byte) {
	form := wire.NewForm(parameters(r, body))
	name := form.Get("Action")
	if other, ok := e.query[service+" "+form.Get("Version")]; ok {
		q = other // one service, two APIs
	}
	action, ok := q.actions[name]
	var result any
	err := wire.UnknownAction(q.protocol, name)
	if ok && (q.version == "" || q.version == form.Get("Version")) {
		result, err = action(r, form)
	}
	if err == nil && q.protocol == wire.Query {
		err = form.AllRead() // EC2's actions ask for themselves, in its words
	}
	e.logError(service, name, err)
	switch {
	case err != nil:
		q.protocol.WriteError(w, id, err)
	case service == "sts" && sts.WantsJSON(r):
		wire.REST.WriteJSON(w, http.StatusOK, sts.JSON(name, id, result))
	default:
		q.protocol.WriteXML(w, name, q.namespace, id, result)
	}
}

// parameters are those of a query service, from the URL and the body, without what
// signs a URL.
func parameters(r *http.Request, body []byte) url.Values {
	values := r.URL.Query()
	if posted, err := url.ParseQuery(string(body)); err == nil {
		for key, list := range posted {
			values[key] = append(values[key], list...)
		}
	}
	maps.DeleteFunc(values, func(key string, _ []string) bool { return strings.HasPrefix(strings.ToLower(key), "x-amz-") })
	return values
}

// logError tells what the sandbox does not implement, and what broke.
func (e *endpoint) logError(service, op string, err error) {
	var known *region.Error
	switch {
	case err == nil:
	case !errors.As(err, &known):
		e.log.Error("request failed", "service", service, "operation", op, "err", err)
	case known.Code == "InvalidAction" || known.Code == "UnknownOperationException" ||
		known.Code == "TypeNotFoundException":
		e.log.Warn("not implemented", "service", service, "operation", op, "err", err)
	default:
		e.log.Info("request refused", "service", service, "operation", op, "err", err)
	}
}

func (s *Sandbox) newEndpoint() *endpoint {
	query := func(p wire.Protocol, namespace, version string, actions map[string]wire.Action) queryService {
		return queryService{p, namespace, version, actions}
	}
	return &endpoint{region: s.region, store: s.store, clock: s.clock, log: s.log, faults: s.faults,
		query: map[string]queryService{
			"ec2": query(wire.EC2, ec2.Namespace, "", ec2.New(s.store, s.now).Actions()),
			"autoscaling": query(wire.Query, autoscaling.Namespace, "",
				autoscaling.New(s.store, behind(s.dataPlane, s.targets), s.now).Actions()),
			"elasticloadbalancing": query(wire.Query, elb.Namespace, elb.Version,
				elb.New(s.store, s.dataPlane, s.here).Actions()),
			"elasticloadbalancing " + elbv2.Version: query(wire.Query, elbv2.Namespace, elbv2.Version,
				elbv2.New(s.store, s.targets, s.here).Actions()),
			"cloudformation": query(wire.Query, cloudformation.Namespace, cloudformation.Version,
				cloudformation.New(s.store, s.cloudControl, s.now).Actions()),
			"iam": query(wire.Query, iam.Namespace, "", iam.New(s.store, s.now).Actions()),
			"sts": query(wire.Query, sts.Namespace, "", sts.New(s.store, s.now).Actions()),
		},
		json: map[string]jsonService{
			"cloudcontrolapi": {wire.JSON10, "CloudApiService.", s.cloudControl.Serve},
			"ssm":             {wire.JSON11, "AmazonSSM.", s.ssm.Serve},
			"acm":             {wire.JSON11, "CertificateManager.", s.acm.Serve},
		},
		rest: map[string]restService{"eks": s.eks},
	}
}

// inventory lists what exists, by type: what a stack has left behind after its
// end is here.
func (s *Sandbox) inventory(w http.ResponseWriter, _ *http.Request) {
	found := map[string][]string{}
	s.store.View(func(st *region.State) { found = st.Inventory() })
	total := 0
	for _, ids := range found {
		total += len(ids)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"total": total, "resources": found})
}
