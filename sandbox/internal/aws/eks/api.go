// Package eks is the EKS API. routes.go lists the operations; clusters.go, entries.go
// and nodegroups.go answer requests. cluster.go brings a new cluster up and takes a
// deleted one down; keeper.go and drain.go do, in the cluster and with the Auto
// Scaling groups, what EKS does for managed node groups; token.go tells the API
// server who stands behind a token.
package eks

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Service answers EKS requests.
type Service struct {
	store *region.Store
	now   func() time.Time
}

// New makes the service.
func New(store *region.Store, now func() time.Time) *Service { return &Service{store: store, now: now} }

// object is a JSON object.
type object = map[string]any

// pages are those of every list of this API.
var pages = wire.Paging{Least: 1, Most: 100, Default: 100, BadSize: "InvalidParameterException", BadToken: "InvalidParameterException"}

func page[T any](r *http.Request, list []T) ([]T, string, error) {
	query := r.URL.Query()
	return wire.Page(pages, list, query.Get("nextToken"), query.Get("maxResults"))
}

func listing(key string, list any, next string) object {
	o := object{key: list}
	if next != "" {
		o["nextToken"] = next
	}
	return o
}

// Minor versions and the ends of their standard and extended support. EKS lists 1.32, too,
// and clients check it (eksctl has it for its default); no cluster of it can be made here.
var supported = []struct{ version, standard, extended, status string }{
	{"1.36", "2027-08-02", "2028-08-02", "STANDARD_SUPPORT"},
	{"1.35", "2027-03-27", "2028-03-27", "STANDARD_SUPPORT"},
	{"1.34", "2026-12-02", "2027-12-02", "STANDARD_SUPPORT"},
	{"1.33", "2026-07-29", "2027-07-29", "EXTENDED_SUPPORT"},
	{"1.32", "2026-03-23", "2027-03-23", "EXTENDED_SUPPORT"},
}

// versions lists what EKS supports.
func (s *Service) versions(r *http.Request) (any, error) {
	list := []object{}
	for _, v := range supported {
		standard, _ := time.Parse(time.DateOnly, v.standard)
		extended, _ := time.Parse(time.DateOnly, v.extended)
		list = append(list, object{"clusterVersion": v.version, "clusterType": "eks",
			"defaultVersion": v.version == region.KubernetesVersion,
			"status":         v.status, "versionStatus": v.status, "endOfStandardSupportDate": standard.Unix(),
			"endOfExtendedSupportDate": extended.Unix(),
			"defaultPlatformVersion":   "eks.1"})
	}
	wanted := r.URL.Query()["clusterVersions"]
	if len(wanted) > 0 {
		kept := []object{}
		for _, v := range list {
			for _, w := range wanted {
				if v["clusterVersion"] == w {
					kept = append(kept, v)
				}
			}
		}
		list = kept
	}
	list, next, err := page(r, list)
	return listing("clusterVersions", list, next), err
}

// read looks at the model; f may fail.
func (s *Service) read(f func(*region.State) (any, error)) (out any, err error) {
	err = s.store.Read(func(st *region.State) (err error) {
		out, err = f(st)
		return err
	})
	return out, err
}

// update changes the model.
func (s *Service) update(f func(*region.State) (any, error)) (out any, err error) {
	err = s.store.Update(func(st *region.State) error {
		out, err = f(st)
		return err
	})
	return out, err
}

// once changes something by a request that may have a client token: the same request
// once more changes nothing, and is answered about what the first one made, by its ID.
func (s *Service) once(c call, token string, in any, change func(*region.State) (string, error), show func(*region.State, string) (any, error)) (any, error) {
	said, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	operation := s.Operation(c.Request)
	claim := region.Claim{Operation: "eks " + operation, Token: token, Fingerprint: c.URL.Path + " " + string(said)}
	return s.update(func(st *region.State) (any, error) {
		id, err := st.Once(claim, s.now(), "InvalidRequestException", func() (string, error) { return change(st) })
		if err != nil {
			return nil, err
		}
		return show(st, id)
	})
}

// body reads the JSON of a request into v. A field that v does not have is
// refused: it would be silently without effect.
func body(r *http.Request, v any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	switch {
	case err == nil || errors.Is(err, io.EOF): // nothing was sent
		return nil
	case strings.Contains(err.Error(), "unknown field"):
		return invalid("%s: the sandbox does not implement it", strings.TrimPrefix(err.Error(), "json: "))
	}
	return region.Errorf(region.Invalid, "SerializationException", "%s", err)
}

func invalid(format string, args ...any) error {
	return region.Errorf(region.Invalid, "InvalidParameterException", format, args...)
}

func tagMap(tags region.Tags) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// tagsOf are tags in the order of their keys.
func tagsOf(m map[string]string) region.Tags {
	var tags region.Tags
	for _, key := range slices.Sorted(maps.Keys(m)) {
		tags.Set(region.Tag{Key: key, Value: m[key]})
	}
	return tags
}
