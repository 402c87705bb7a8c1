package aws

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/fault"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// callOf is a request as faults see it.
func (e *endpoint) callOf(service string, r *http.Request, body []byte) fault.Call {
	call := fault.Call{Service: service, Text: r.URL.Path + "?" + string(body)}
	switch {
	case e.query[service].actions != nil:
		values := parameters(r, body)
		call.Operation = values.Get("Action")
		call.Text, _ = url.QueryUnescape(values.Encode())
	case e.json[service].serve != nil:
		call.Operation = strings.TrimPrefix(r.Header.Get("X-Amz-Target"), e.json[service].prefix)
	case e.rest[service] != nil:
		call.Operation = e.rest[service].Operation(r)
	}
	return call
}

// refuse answers a call as a fault wants it.
func (e *endpoint) refuse(w http.ResponseWriter, id string, p wire.Protocol, call fault.Call, f fault.Fault) {
	var err error
	status := f.Status
	switch {
	case f.Kind == fault.Expire:
		err = refusal(p, region.ErrExpiredToken)
	case f.Kind == fault.Throttle:
		err, status = throttled[p].error("Rate exceeded"), throttled[p].status
	case f.Code != "":
		err = region.Errorf(region.Invalid, f.Code, "The sandbox was told to fail (fault %s)", f.ID)
	default:
		err, status = broken[p].error("An internal error has occurred"), cmp.Or(f.Status, broken[p].status)
	}
	e.logError(call.Service, call.Operation, fmt.Errorf("fault %s: %w", f.ID, err))
	p.WriteStatus(w, id, cmp.Or(status, p.Status(err)), err)
}

// word is how a protocol says something.
type word struct {
	code   string
	status int
}

func (w word) error(message string) error {
	return region.Errorf(region.Invalid, w.code, "%s", message)
}

var throttled = map[wire.Protocol]word{
	wire.EC2: {"RequestLimitExceeded", 503}, wire.Query: {"Throttling", 400}, wire.JSON10: {"ThrottlingException", 400},
	wire.JSON11: {"ThrottlingException", 400}, wire.REST: {"ThrottlingException", 429},
}

var broken = map[wire.Protocol]word{
	wire.EC2: {"InternalError", 500}, wire.Query: {"InternalFailure", 500}, wire.JSON10: {"InternalFailure", 500},
	wire.JSON11: {"InternalServerError", 500}, wire.REST: {"ServerException", 500},
}

// handleFaults takes the orders of `drover sandbox fault`.
func (s *Sandbox) handleFaults(mux *http.ServeMux) {
	mux.HandleFunc("GET /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		wire.REST.WriteJSON(w, http.StatusOK, s.faults.List())
	})
	mux.HandleFunc("POST /_sandbox/faults", func(w http.ResponseWriter, r *http.Request) {
		var f fault.Fault
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&f)
		if err == nil {
			f, err = s.faults.Add(f)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		wire.REST.WriteJSON(w, http.StatusOK, f)
	})
	mux.HandleFunc("DELETE /_sandbox/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !s.faults.Remove(r.PathValue("id")) {
			http.Error(w, "there is no such fault", http.StatusNotFound)
		}
	})
}

// handlePull answers a node that is about to pull an image: whether it may, in the
// words of a registry.
func (s *Sandbox) handlePull(mux *http.ServeMux) {
	mux.HandleFunc("GET /_sandbox/pull", func(w http.ResponseWriter, r *http.Request) {
		image := r.URL.Query().Get("image")
		call := fault.Call{Service: fault.Registry, Operation: fault.Pull, Text: image}
		s.faults.Serve(w, r, call, func(f fault.Fault) {
			s.log.Warn("pull image", "image", image, "fault", f.ID)
			switch f.Kind {
			case fault.Throttle:
				http.Error(w, "toomanyrequests: Rate exceeded", http.StatusTooManyRequests)
			case fault.Expire:
				http.Error(w, "authorization failed: the authorization token has expired", http.StatusUnauthorized)
			default:
				http.Error(w, cmp.Or(f.Code, "not found"), cmp.Or(f.Status, http.StatusNotFound))
			}
		}, func(http.ResponseWriter) {})
	})
}

// handleClock tells AWS's time, and moves it: `drover sandbox clock`.
func (s *Sandbox) handleClock(mux *http.ServeMux) {
	tell := func(w http.ResponseWriter) {
		wire.REST.WriteJSON(w, http.StatusOK, Time{Now: s.clock.Now().UTC(), Ahead: fault.Duration(s.clock.Ahead())})
	}
	mux.HandleFunc("GET /_sandbox/clock", func(w http.ResponseWriter, _ *http.Request) { tell(w) })
	mux.HandleFunc("POST /_sandbox/clock", func(w http.ResponseWriter, r *http.Request) {
		by, err := time.ParseDuration(r.URL.Query().Get("forward"))
		if err == nil {
			err = s.clock.Forward(by)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		tell(w)
	})
}

// Time is what AWS's clock shows.
type Time struct {
	Now   time.Time      `json:"now"`
	Ahead fault.Duration `json:"ahead,omitempty"` // of this machine's clock
}
