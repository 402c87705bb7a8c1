// Package iam is the IAM API: roles with their policies, instance profiles,
// customer-managed policies and OIDC providers. Nothing of it is enforced: the
// sandbox has one caller, who may do everything.
package iam

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// Service answers IAM requests.
type Service struct {
	store *region.Store
	now   func() time.Time
}

// New makes the service.
func New(store *region.Store, now func() time.Time) *Service { return &Service{store: store, now: now} }

// Actions lists what is implemented.
func (s *Service) Actions() map[string]wire.Action {
	return wire.Join(map[string]wire.Action{"GetUser": s.getUser}, s.roleActions(), s.profileActions(), s.policyActions(), s.providerActions())
}

// pages are those of every list of this API.
var pages = wire.Paging{Least: 1, Most: 1000, Default: 100, BadSize: "ValidationError", BadToken: "ValidationError"}

// cut is the end of every list: whether there is more, and where it goes on.
type cut struct {
	Truncated bool   `xml:"IsTruncated"`
	Marker    string `xml:",omitempty"`
}

// page cuts a list as MaxItems and Marker ask.
func page[T any](f wire.Form, list []T) ([]T, cut, error) {
	list, next, err := wire.Page(pages, list, f.Get("Marker"), f.Get("MaxItems"))
	return list, cut{next != "", next}, err
}

// update changes the model.
func (s *Service) update(f wire.Form, change func(*region.State) error) (any, error) {
	return nil, s.store.Update(f.Whole(change))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func invalid(format string, args ...any) error {
	return region.Errorf(region.Invalid, "ValidationError", format, args...)
}

func none(format string, args ...any) error {
	return region.Errorf(region.NotFound, "NoSuchEntity", format, args...)
}

type tag struct{ Key, Value string }

func showTags(tags region.Tags) []tag {
	var out []tag
	for _, t := range tags {
		out = append(out, tag{t.Key, t.Value})
	}
	return out
}

func tagsIn(f wire.Form) region.Tags {
	var tags region.Tags
	for _, t := range f.Each("Tags") {
		tags.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
	}
	return tags
}

// tagged finds the tags of the object that a request names.
type tagged func(*region.State, wire.Form) (*region.Tags, error)

// tag, untag and listTags are the three actions that every kind of objects with tags has.
func (s *Service) tag(find tagged) wire.Action {
	return s.retag(find, func(tags *region.Tags, f wire.Form) {
		for _, t := range tagsIn(f) {
			tags.Set(t)
		}
	})
}

func (s *Service) untag(find tagged) wire.Action {
	return s.retag(find, func(tags *region.Tags, f wire.Form) {
		for _, key := range f.List("TagKeys") {
			tags.Remove(key, nil)
		}
	})
}

func (s *Service) retag(find tagged, change func(*region.Tags, wire.Form)) wire.Action {
	return func(_ *http.Request, f wire.Form) (any, error) {
		return s.update(f, func(st *region.State) error {
			tags, err := find(st, f)
			if err == nil {
				change(tags, f)
			}
			return err
		})
	}
}

func (s *Service) listTags(find tagged) wire.Action {
	return func(_ *http.Request, f wire.Form) (any, error) {
		var out struct {
			Tags []tag `xml:"Tags>member"`
			cut
		}
		err := s.store.Read(func(st *region.State) error {
			tags, err := find(st, f)
			if err == nil {
				out.Tags = showTags(*tags)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		out.Tags, out.cut, err = page(f, out.Tags)
		return out, err
	}
}

// under tells whether an object's path is below what a list asks for.
func under(f wire.Form, path string) bool { return strings.HasPrefix(path, f.Get("PathPrefix")) }

func (s *Service) getUser(r *http.Request, f wire.Form) (any, error) {
	type user struct {
		Path    string
		Name    string `xml:"UserName"`
		ID      string `xml:"UserId"`
		ARN     string `xml:"Arn"`
		Created string `xml:"CreateDate"`
	}
	_, name, _ := strings.Cut(region.UserARN, "/")
	who := wire.CallerOf(r.Context())
	switch asked := f.Get("UserName"); {
	case asked == "" && who != region.Owner:
		return nil, invalid("Must specify userName when calling with non-User credentials")
	case asked != "" && asked != name:
		return nil, none("The user with name %s cannot be found.", asked)
	}
	return struct{ User user }{user{"/", name, region.UserID, region.UserARN, "2026-11-01T00:00:00Z"}}, nil
}

// without removes a value from a list, and tells whether it was there.
func without(list []string, value string) ([]string, bool) {
	k := slices.Index(list, value)
	if k < 0 {
		return list, false
	}
	return slices.Delete(slices.Clone(list), k, k+1), true
}
