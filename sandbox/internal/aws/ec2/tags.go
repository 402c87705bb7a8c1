package ec2

import (
	"net/http"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// specifiedTags are those that a Create call wants on what it makes.
func specifiedTags(f wire.Form, resource string) region.Tags {
	var tags region.Tags
	for _, spec := range f.Each("TagSpecification") {
		if spec.Get("ResourceType") != resource {
			continue
		}
		for _, t := range spec.Each("Tag") {
			tags.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
		}
	}
	return tags
}

func (s *Service) createTags(_ *http.Request, f wire.Form) (any, error) {
	return s.changeTags(f, func(tags *region.Tags, key string, t wire.Form) {
		tags.Set(region.Tag{Key: key, Value: t.Get("Value")})
	})
}

func (s *Service) deleteTags(_ *http.Request, f wire.Form) (any, error) {
	return s.changeTags(f, func(tags *region.Tags, key string, t wire.Form) {
		var value *string
		if t.Has("Value") {
			v := t.Get("Value")
			value = &v
		}
		tags.Remove(key, value)
	})
}

func (s *Service) changeTags(f wire.Form, change func(*region.Tags, string, wire.Form)) (any, error) {
	return s.update(func(st *region.State) error {
		for _, id := range f.List("ResourceId") {
			tags := st.TagsOf(id)
			if tags == nil {
				return region.Errorf(region.NotFound, "InvalidID", "The ID '%s' is not valid", id)
			}
			for _, t := range f.Each("Tag") {
				key := t.Get("Key")
				if strings.HasPrefix(key, "aws:") {
					return region.Errorf(region.Invalid, "InvalidParameterValue",
						"Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", key)
				}
				change(tags, key, t)
			}
		}
		return nil
	})
}

func (s *Service) describeTags(_ *http.Request, f wire.Form) (any, error) {
	type item struct {
		ID    string `xml:"resourceId"`
		Type  string `xml:"resourceType"`
		Key   string `xml:"key"`
		Value string `xml:"value"`
	}
	var out struct {
		Tags []item `xml:"tagSet>item"`
		Next string `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		for id, kind := range taggable(st) {
			for _, t := range *st.TagsOf(id) {
				at := attributes{"resource-id": {id}, "resource-type": {kind}, "key": {t.Key}, "value": {t.Value}}
				if match(at, region.Tags{t}) {
					out.Tags = append(out.Tags, item{id, kind, t.Key, t.Value})
				}
			}
		}
		return nil
	})
	slices.SortFunc(out.Tags, func(a, b item) int { return strings.Compare(a.ID+a.Key, b.ID+b.Key) })
	if err == nil {
		out.Tags, out.Next, err = page(f, out.Tags)
	}
	return out, err
}

// taggable lists what carries tags: ID -> resource type.
func taggable(st *region.State) map[string]string {
	found := map[string]string{}
	add(found, st.VPCs, "vpc")
	add(found, st.Subnets, "subnet")
	add(found, st.Gateways, "internet-gateway")
	add(found, st.NATs, "natgateway")
	add(found, st.RouteTables, "route-table")
	add(found, st.SecurityGroups, "security-group")
	add(found, st.Instances, "instance")
	add(found, st.LaunchTemplates, "launch-template")
	for _, a := range st.Addresses {
		found[a.AllocationID] = "elastic-ip"
	}
	return found
}

func add[T any](found map[string]string, m map[string]*T, kind string) {
	for id := range m {
		found[id] = kind
	}
}
